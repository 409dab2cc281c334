"""Adagrad: steps scaled by the sum of the squares of all gradients."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import torch

from nexnet import LiteTensor

from ._forms import Form
from ._optimizer import Optimizer
from ._shared import Hyperparameter, are_alike, counters

__all__ = ["Adagrad", "AdagradState"]


class AdagradState(NamedTuple):
    """What Adagrad keeps between steps: the number of steps, and a tree like the model."""

    step: LiteTensor
    sum: Any


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Adagrad(Optimizer[AdagradState]):
    """Adagrad (J. Duchi, E. Hazan and Y. Singer, 2011), step for step that of ``torch.optim.Adagrad``.

    With gradient g of parameter p, at step t::

        g = -g                                   if maximize
        g = g + weight_decay p
        s = s + g^2
        p = p - lr / (1 + (t - 1) lr_decay)  g / (sqrt(s) + eps)

    Args:
        lr: the learning rate.
        lr_decay: how fast it becomes less.
        weight_decay: the factor of an L2 penalty.
        initial_accumulator_value: what s begins as.
        eps: what keeps the denominator from 0.
        maximize, groups, capturable: see ``Optimizer``.

    Raises:
        OptimizerError: a hyper-parameter out of its range.

    Example::

        optimizer = nn.Adagrad(lr=1e-3)
        state = optimizer.init(model)
        gradients = nexnet.grad(loss)(model, x, y)
        model, state = optimizer.update(model, gradients, state)
    """

    lr: Hyperparameter = 1e-2
    lr_decay: Hyperparameter = 0
    weight_decay: Hyperparameter = 0
    initial_accumulator_value: float = 0
    eps: Hyperparameter = 1e-10

    bounds: ClassVar = dict.fromkeys(
        ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps"), (False, None)
    )
    state_class: ClassVar[type[AdagradState]] = AdagradState

    def slots(self) -> Mapping[str, float]:
        """Name the state's tree."""
        return {"sum": self.initial_accumulator_value}

    def rule(self: Any, form: Form, p: list[Any], g: list[Any], state: Any, t: Any) -> tuple[list[Any], Any]:
        """Make step number t."""
        s = form.addcmul_(state.sum, g, g, 1)
        lr = self.lr / (1 + (t - 1) * self.lr_decay)
        return form.addcdiv_(p, g, form.plus_(form.sqrt(s), self.eps), -lr), AdagradState(state.step, s)

    def fused(self: Any, p: list[Any], g: list[Any], state: AdagradState, t: Any) -> bool:
        """Make the step by torch's kernel, which is one for CPUs."""
        if not (p[0].is_cpu and are_alike(p, g, state.sum)):
            return False
        torch._fused_adagrad_(
            p, g, state.sum, counters(p, t),
            lr=self.lr, lr_decay=self.lr_decay, weight_decay=self.weight_decay, eps=self.eps, maximize=self.maximize,
        )  # type: ignore[call-overload]  # fmt: skip
        return True
