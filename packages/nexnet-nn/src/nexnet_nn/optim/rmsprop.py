"""RMSprop: steps scaled by a running mean of the gradient's square."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from nexnet import LiteTensor

from ._forms import Form
from ._optimizer import Optimizer
from ._shared import Hyperparameter, is_used

__all__ = ["RMSprop", "RMSpropState"]


class RMSpropState(NamedTuple):
    """What RMSprop keeps between steps: the number of steps, and trees like the model."""

    step: LiteTensor
    square_avg: Any
    momentum_buffer: Any = None
    grad_avg: Any = None


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class RMSprop(Optimizer[RMSpropState]):
    """RMSprop (T. Tieleman and G. Hinton, 2012), step for step that of ``torch.optim.RMSprop``.

    With gradient g of parameter p, running means v and a, and the buffer b::

        g = -g                                   if maximize
        g = g + weight_decay p
        v = alpha v + (1 - alpha) g^2
        a = alpha a + (1 - alpha) g              if centered
        d = sqrt(v - a^2)    if centered, else sqrt(v)
        b = momentum b + g / (d + eps)
        p = p - lr b

    Args:
        lr: the learning rate.
        alpha: the share of the running means that each step keeps.
        eps: what keeps the denominator from 0.
        weight_decay: the factor of an L2 penalty.
        momentum: the share of the buffer that each step keeps.
        centered: whether to divide by the standard deviation (A. Graves, 2013).
        maximize, groups, capturable: see ``Optimizer``.

    Raises:
        OptimizerError: a hyper-parameter out of its range.

    Example::

        optimizer = nn.RMSprop(lr=1e-3)
        state = optimizer.init(model)
        gradients = nexnet.grad(loss)(model, x, y)
        model, state = optimizer.update(model, gradients, state)
    """

    lr: Hyperparameter = 1e-2
    alpha: Hyperparameter = 0.99
    eps: Hyperparameter = 1e-8
    weight_decay: Hyperparameter = 0
    momentum: Hyperparameter = 0
    centered: bool = False

    bounds: ClassVar = dict.fromkeys(("lr", "alpha", "eps", "weight_decay", "momentum"), (False, None))
    state_class: ClassVar[type[RMSpropState]] = RMSpropState
    takes_each_alone: ClassVar = True

    def slots(self) -> Mapping[str, float]:
        """Name the state's trees."""
        used = {"square_avg": True, "momentum_buffer": is_used(self.momentum), "grad_avg": self.centered}
        return {name: 0 for name, is_there in used.items() if is_there}

    def rule(self: Any, form: Form, p: list[Any], g: list[Any], state: Any, t: Any) -> tuple[list[Any], Any]:
        """Make a step."""
        v = form.addcmul_(form.mul_(state.square_avg, self.alpha), g, g, 1 - self.alpha)
        state = state._replace(square_avg=v)
        if self.centered:
            a = form.lerp_(state.grad_avg, g, 1 - self.alpha)
            state = state._replace(grad_avg=a)
            v = form.addcmul(v, a, a, -1)
        roots = form.plus_(form.sqrt(v), self.eps)
        if not is_used(self.momentum):
            return form.addcdiv_(p, g, roots, -self.lr), state
        b = form.addcdiv_(form.mul_(state.momentum_buffer, self.momentum), g, roots)
        return form.sub_(p, b, self.lr), state._replace(momentum_buffer=b)
