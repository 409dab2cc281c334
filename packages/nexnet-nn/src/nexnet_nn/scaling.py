"""Loss scaling: small gradients of float16 survive when the loss is large."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, NamedTuple, TypeVar

import torch

import nexnet
from nexnet import LiteTensor, LowRank
from nexnet.errors import check_count, message

from .errors import OptimizerError

__all__ = ["LossScale", "LossScaleState"]

Gradients = TypeVar("Gradients")


class LossScaleState(NamedTuple):
    """The scale, and how many steps in a row had finite gradients: tensors of shape ()."""

    scale: LiteTensor
    growth_tracker: LiteTensor


@dataclasses.dataclass(frozen=True)
class LossScale:
    """The scale of a loss, that adapts: what ``torch.amp.GradScaler`` does, without its own state.

    A step whose gradients are not all finite is left out, and the scale becomes smaller; after ``growth_interval``
    steps in a row that were made it becomes larger.

    Example::

        scaler = nn.LossScale()
        scale, state = scaler.init(), adam.init(model)
        for x, y in batches:
            _, grads = nexnet.value_and_grad(lambda model: scaler.scale(loss(model, x, y), scale))(model)
            grads, is_finite = scaler.unscale(grads, scale)
            if is_finite:
                model, state = adam.update_(model, grads, state)
            scale = scaler.update(scale, is_finite)

    Args:
        init_scale: the scale of the first step.
        growth_factor: what it is multiplied by to grow.
        backoff_factor: what it is multiplied by where a gradient is not finite.
        growth_interval: how many steps must have been made for it to grow.

    Raises:
        OptimizerError: a scale or factors that do not grow and shrink it, or no number of steps.
    """

    init_scale: float = 2.0**16
    growth_factor: float = 2.0
    backoff_factor: float = 0.5
    growth_interval: int = 2000

    def __post_init__(self) -> None:
        if not (1 < self.growth_factor < math.inf and 0 < self.backoff_factor < 1 and 0 < self.init_scale < math.inf):
            raise OptimizerError(
                message(
                    "a scale grows by a factor above 1, and shrinks by one between 0 and 1.",
                    rule="LossScale",
                    got=self,
                )
            )
        said = "a scale grows after a number of steps."
        check_count(self.growth_interval, OptimizerError, said, rule="LossScale", argument="growth_interval")

    def init(self, device: Any = None) -> LossScaleState:
        """Make the state for the first step, on the device of the gradients."""
        scale = torch.full((), self.init_scale, dtype=torch.float32, device=device)
        return LossScaleState(LiteTensor(scale), LiteTensor(torch.zeros((), dtype=torch.int32, device=device)))

    def scale(self, loss: LiteTensor, state: LossScaleState) -> LiteTensor:
        """Give the loss times the scale: what is differentiated."""
        return loss * state.scale

    def unscale(self, grads: Gradients, state: LossScaleState) -> tuple[Gradients, LiteTensor]:
        """Give the gradients over the scale, and whether all of their elements are finite: a tensor of shape ().

        Raises:
            OptimizerError: gradients of float16, in which small ones would be lost again: keep the parameters in
                float32, and compute by ``torch.autocast`` or of ``model.to(torch.float16)``.
        """
        leaves, treespec = nexnet.tree.flatten(grads)
        dense = [each.to_dense() if isinstance(each, LowRank) else each for each in leaves]
        if any(each.dtype is torch.float16 for each in dense):
            raise OptimizerError(
                message(
                    "gradients of float16 can't be unscaled: small ones would be lost.",
                    rule="LossScale",
                    expected="gradients by parameters of float32",
                    remedy="keep these, and compute by torch.autocast, or of model.to(torch.float16)",
                )
            )
        inverse = 1 / state.scale.data.double()
        unscaled = [each * inverse.to(each.dtype) for each in dense]
        is_finite = torch.stack([each.data.isfinite().all() for each in dense]).all()
        return nexnet.tree.unflatten(treespec, unscaled), LiteTensor(is_finite)

    def update(self, state: LossScaleState, is_finite: LiteTensor) -> LossScaleState:
        """Give the state for the next step."""
        scale, tracker = state.scale.data.clone(), state.growth_tracker.data.clone()
        found = (~is_finite.data).to(torch.float32)
        torch._amp_update_scale_(scale, tracker, found, self.growth_factor, self.backoff_factor, self.growth_interval)
        return LossScaleState(LiteTensor(scale), LiteTensor(tracker))
