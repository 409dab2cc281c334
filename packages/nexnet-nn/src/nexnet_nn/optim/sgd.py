"""Stochastic gradient descent."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import torch

from nexnet import LiteTensor, LowRank
from nexnet.errors import message
from nexnet.low_rank import storages

from ..errors import OptimizerError
from ._forms import Form
from ._optimizer import Optimizer
from ._shared import Hyperparameter, are_alike, flatten_like, is_used

__all__ = ["SGD", "SGDState"]


class SGDState(NamedTuple):
    """What SGD keeps between steps: a tree like the model where there is momentum, and the step where it matters."""

    momentum_buffer: Any = None
    step: LiteTensor | None = None


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class SGD(Optimizer[SGDState]):
    """Stochastic gradient descent, step for step that of ``torch.optim.SGD``.

    With gradient g of parameter p, and b the buffer of the step before (on the first step, b is g)::

        g = -g                                     if maximize
        g = g + weight_decay p
        b = momentum b + (1 - dampening) g         if momentum
        g = g + momentum b    if nesterov, else b  if momentum
        p = p - lr g

    Without momentum and groups, ``update_`` adds a gradient of low rank (``value_and_grad(..., low_rank=True)``) to its
    parameter without making it.

    Args:
        lr: the learning rate.
        momentum: the share of the buffer that each step keeps.
        dampening: the share of the gradient that does not enter the buffer.
        weight_decay: the factor of an L2 penalty.
        nesterov: whether to use Nesterov's momentum.
        maximize, groups, capturable: see ``Optimizer``.

    The first four may be LiteTensors of one element, and be differentiated by, or schedules.

    Raises:
        OptimizerError: a hyper-parameter out of its range.

    Example::

        optimizer = nn.SGD(lr=1e-3)
        state = optimizer.init(model)
        gradients = nexnet.grad(loss)(model, x, y)
        model, state = optimizer.update(model, gradients, state)
    """

    lr: Hyperparameter = 1e-3
    momentum: Hyperparameter = 0
    dampening: Hyperparameter = 0
    weight_decay: Hyperparameter = 0
    nesterov: bool = dataclasses.field(default=False, kw_only=True)

    bounds: ClassVar = {
        "lr": (False, None),
        "momentum": (False, None),
        "dampening": (True, None),
        "weight_decay": (False, None),
    }
    state_class: ClassVar[type[SGDState]] = SGDState
    takes_complex = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nesterov and not (is_used(self.momentum) and not is_used(self.dampening)):
            raise OptimizerError(
                message(
                    "Nesterov momentum requires a momentum and zero dampening.",
                    rule="SGD",
                    got=f"momentum={self.momentum!r}, dampening={self.dampening!r}",
                )
            )

    @property
    def counts(self) -> bool:
        """Whether the number of the step matters."""
        return is_used(self.dampening) or any(callable(getattr(self, name)) for name in self.bounds)

    def slots(self) -> Mapping[str, float]:
        """Name the state's tree."""
        return {"momentum_buffer": 0} if is_used(self.momentum) else {}

    def rule(self: Any, form: Form, p: list[Any], g: list[Any], state: SGDState, t: Any) -> tuple[list[Any], SGDState]:
        """Make a step."""
        if is_used(self.momentum):
            keep = form.where(t == 1, 1.0, 1 - self.dampening) if is_used(self.dampening) else 1
            b = form.add_(form.mul_(state.momentum_buffer, self.momentum), g, keep)
            g = form.add(g, b, self.momentum) if self.nesterov else b
            state = state._replace(momentum_buffer=b)
        return form.sub_(p, g, self.lr), state

    def fused(self: Any, p: list[Any], g: list[Any], state: SGDState, t: Any) -> bool:
        """Make the step by torch's kernel, where there is one for such tensors."""
        buffers = state.momentum_buffer if is_used(self.momentum) else []
        if self.capturable or isinstance(t, torch.Tensor) or not are_alike(p, g, buffers):
            return False
        torch._fused_sgd_(
            p, g, buffers,
            lr=self.lr, momentum=self.momentum, dampening=self.dampening, weight_decay=self.weight_decay,
            nesterov=self.nesterov, maximize=self.maximize, is_first_step=is_used(self.dampening) and t == 1,
        )  # type: ignore[call-overload]  # fmt: skip
        return True

    # Gradients of low rank

    def slopes(self, grads: Any, treespec: Any) -> list[Any]:
        """Flatten the gradients for a step in place; those of low rank stay, where they can be added as they are."""
        if is_used(self.momentum) or self.groups or self.capturable:
            return super().slopes(grads, treespec)
        leaves = flatten_like("SGD", "gradients", grads, treespec)
        return [each if type(each) is LowRank else each.data for each in leaves]

    def step(self: Any, form: Form, p: list[Any], g: list[Any], state: SGDState, t: Any) -> tuple[list[Any], SGDState]:
        """Make a step of parameters that have the same hyper-parameters."""
        if LowRank not in set(map(type, g)):
            return super().step(form, p, g, state, t)
        lr, kept = self.lr, 1 - self.lr * self.weight_decay  # of a parameter
        dense, slopes, products = _without_products(p, g, kept != 0)
        if dense:
            super().step(form, dense, slopes, state, t)
        for each, left, right in products:
            each.addmm_(left, right, alpha=lr if self.maximize else -lr, beta=kept)
        return p, state


def _without_products(params: list[Any], grads: list[Any], keep: bool) -> tuple[list[Any], list[Any], list[Any]]:
    """Give the parameters and gradients without those that are added as products: these as (parameter, left, right).

    One that the step itself would spoil is multiplied, and so added with the others: a factor in a parameter's memory
    is written into, and parameters in one memory would both keep their share of it.
    """
    written = storages(params)
    apart = keep and len(written) == len(params)
    left, dense, products = [], [], []
    for p, g in zip(params, grads, strict=True):
        if not isinstance(g, LowRank):
            left.append(p)
            dense.append(g)
        elif apart and g.suits(p) and not g.shares_memory(written):
            products.append((p, *g.factors()))
        else:
            left.append(p)
            dense.append(g.to_dense().data)
    return left, dense, products
