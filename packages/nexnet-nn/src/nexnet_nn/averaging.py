"""The running average of a model's parameters, which often judges better than the last of them."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

import torch

import nexnet
from nexnet import LiteTensor
from nexnet.errors import message

from ._succession import succeed
from .errors import OptimizerError
from .optim._shared import check_hyperparameter, flatten_like, refuse_tracking

__all__ = ["EMA"]

Model = TypeVar("Model")


@dataclasses.dataclass(frozen=True)
class EMA:
    """The exponential moving average: ``average = decay average + (1 - decay) model``, as torch's ``swa_utils`` has it.

    The average has the model's structure and shapes. Buffers, and tensors that are no floating ones (counters, masks),
    are the model's own.

    Example::

        ema = nn.EMA(0.999)
        average = ema.init(model)
        for batch in batches:
            ...
            average = ema.update_(average, model)

    Args:
        decay: the share that each step keeps.

    Raises:
        OptimizerError: a decay that is not between 0 and 1.
    """

    decay: float = 0.999

    def __post_init__(self) -> None:
        check_hyperparameter("EMA", "decay", self.decay, below=1 + 1e-12)

    def init(self, model: Model) -> Model:
        """Give a copy of the model, in storage of its own."""
        copy: Model = nexnet.tree.map(lambda leaf: LiteTensor(leaf.data.clone()), model)
        return copy

    def update(self, average: Model, model: Model) -> Model:
        """Give the new average; pure and differentiable.

        Raises:
            OptimizerError: an average of another structure, or of other shapes, than the model.
        """
        pairs, treespec = _pairs(average, model)
        new: Model = nexnet.tree.unflatten(
            treespec,
            [nexnet.lerp(a, p, 1 - self.decay) if a.dtype.is_floating_point else p for a, p in pairs],
        )
        return new

    def update_(self, average: Model, model: Model) -> Model:
        """Bring the average up to date in its storage; the given one is spent, and what is returned takes its place.

        Raises:
            TrackedTensorError: something is being differentiated.
            OptimizerError: as ``update``.
        """
        refuse_tracking("EMA")
        pairs, treespec = _pairs(average, model)
        if floats := [(a.data, p.data) for a, p in pairs if a.dtype.is_floating_point]:
            averages, params = (list(each) for each in zip(*floats, strict=True))
            torch._foreach_lerp_(averages, params, 1 - self.decay)
        for a, p in pairs:
            if not a.dtype.is_floating_point:
                a.data.copy_(p.data)
        succeed(average)
        same: Model = nexnet.tree.unflatten(treespec, [a for a, _ in pairs])  # with the model's buffers
        return same


def _pairs(average: Any, model: Any) -> tuple[list[tuple[Any, Any]], Any]:
    params, treespec = nexnet.tree.flatten(model)
    averages = flatten_like("EMA", "average", average, treespec)
    for i, (one, other) in enumerate(zip(averages, params, strict=True)):
        if one.shape != other.shape:  # which a kernel would broadcast
            raise OptimizerError(
                message(
                    "a tensor of the average has another shape than its counterpart in the model.",
                    rule="EMA",
                    argument=nexnet.tree.paths(treespec)[i],
                    expected=tuple(other.shape),
                    got=tuple(one.shape),
                    remedy="begin with the average that init gives of this very model",
                )
            )
    return list(zip(averages, params, strict=True)), treespec
