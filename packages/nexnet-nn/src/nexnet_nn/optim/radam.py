"""RAdam: Adam that trusts its running mean of squares only when there is enough in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from ._forms import Form
from ._optimizer import Optimizer
from ._shared import Hyperparameter
from .adam import AdamState

__all__ = ["RAdam"]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class RAdam(Optimizer[AdamState]):
    """RAdam (L. Liu et al., 2020), step for step that of ``torch.optim.RAdam``.

    With gradient g of parameter p, at step t, the decay as Adam's (or AdamW's)::

        m = beta1 m + (1 - beta1) g
        v = beta2 v + (1 - beta2) g^2
        R = 2 / (1 - beta2) - 1,    r = R - 2 t beta2^t / (1 - beta2^t)
        u = sqrt((r - 4) (r - 2) R / ((R - 4) (R - 2) r)) sqrt(1 - beta2^t) / (sqrt(v) + eps)    if r > 5, else 1
        p = p - lr / (1 - beta1^t)  m u

    Args:
        lr: the learning rate.
        betas: the shares of the running means that each step keeps.
        eps: what keeps the denominator from 0.
        weight_decay: the factor of an L2 penalty, or of AdamW's decay.
        decoupled_weight_decay: whether the decay is AdamW's.
        maximize, groups, capturable: see ``Optimizer``.

    Raises:
        OptimizerError: a hyper-parameter out of its range.

    Example::

        optimizer = nn.RAdam(lr=1e-3)
        state = optimizer.init(model)
        gradients = nexnet.grad(loss)(model, x, y)
        model, state = optimizer.update(model, gradients, state)
    """

    lr: Hyperparameter = 1e-3
    betas: tuple[Hyperparameter, Hyperparameter] = (0.9, 0.999)
    eps: Hyperparameter = 1e-8
    weight_decay: Hyperparameter = 0
    decoupled_weight_decay: bool = False

    bounds: ClassVar = {"lr": (False, None), "betas": (False, 1), "eps": (False, None), "weight_decay": (False, None)}
    state_class: ClassVar[type[AdamState]] = AdamState
    takes_each_alone: ClassVar = True

    @property
    def decoupled(self) -> bool:
        """Whether the weight decay shrinks the parameters themselves."""
        return self.decoupled_weight_decay

    def slots(self) -> Mapping[str, float]:
        """Name the state's trees."""
        return {"exp_avg": 0, "exp_avg_sq": 0}

    def rule(
        self: Any, form: Form, p: list[Any], g: list[Any], state: AdamState, t: Any
    ) -> tuple[list[Any], AdamState]:
        """Make step number t. What is not taken is computed of numbers that do no harm: a step is of either kind."""
        beta1, beta2 = self.betas
        m = form.lerp_(state.exp_avg, g, 1 - beta1)
        v = form.addcmul_(form.mul_(state.exp_avg_sq, beta2), g, g, 1 - beta2)
        limit, rest = 2 / (1 - beta2) - 1, 1 - beta2**t
        length = limit - 2 * t * beta2**t / rest
        enough = length > 5
        length, limit = form.where(enough, length, 5.0), form.where(enough, limit, 6.0)
        adapted = ((length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length) * rest) ** 0.5
        lr = self.lr / (1 - beta1**t)
        if enough is not False:  # a number is the one or the other, of a tensor it is not known
            p = form.addcdiv_(p, m, form.plus_(form.sqrt(v), self.eps), form.where(enough, -lr * adapted, 0.0))
        if enough is not True:
            p = form.sub_(p, m, form.where(enough, 0.0, lr))
        return p, state._replace(exp_avg=m, exp_avg_sq=v)
