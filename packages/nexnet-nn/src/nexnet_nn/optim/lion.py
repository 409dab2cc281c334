"""Lion: steps of one length, in the direction of a momentum's sign."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from nexnet import LiteTensor

from ._forms import Form
from ._optimizer import Optimizer
from ._shared import Hyperparameter

__all__ = ["Lion", "LionState"]


class LionState(NamedTuple):
    """What Lion keeps between steps: the number of steps, and a tree like the model."""

    step: LiteTensor
    exp_avg: Any


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Lion(Optimizer[LionState]):
    """Lion (X. Chen et al., "Symbolic discovery of optimization algorithms", 2023).

    With gradient g of parameter p::

        g = -g                                   if maximize
        p = p (1 - lr weight_decay)
        p = p - lr sign(beta1 m + (1 - beta1) g)
        m = beta2 m + (1 - beta2) g

    A sign has no slope: the step is differentiable by the parameter, the learning rate and the decay alone.

    Args:
        lr: the learning rate; a third to a tenth of AdamW's.
        betas: the share of the momentum in the step, and what each step keeps of it.
        weight_decay: the factor of AdamW's decay; three to ten times AdamW's.
        maximize, groups, capturable: see ``Optimizer``.

    Raises:
        OptimizerError: a hyper-parameter out of its range.

    Example::

        optimizer = nn.Lion(lr=1e-3)
        state = optimizer.init(model)
        gradients = nexnet.grad(loss)(model, x, y)
        model, state = optimizer.update(model, gradients, state)
    """

    lr: Hyperparameter = 1e-4
    betas: tuple[Hyperparameter, Hyperparameter] = (0.9, 0.99)
    weight_decay: Hyperparameter = 0

    bounds: ClassVar = {"lr": (False, None), "betas": (False, 1), "weight_decay": (False, None)}
    state_class: ClassVar[type[LionState]] = LionState
    takes_each_alone: ClassVar = True

    @property
    def decoupled(self) -> bool:
        """Whether the weight decay shrinks the parameters themselves."""
        return True

    def slots(self) -> Mapping[str, float]:
        """Name the state's tree."""
        return {"exp_avg": 0}

    def rule(
        self: Any, form: Form, p: list[Any], g: list[Any], state: LionState, t: Any
    ) -> tuple[list[Any], LionState]:
        """Make a step."""
        beta1, beta2 = self.betas
        p = form.sub_(p, form.sign_(form.lerp(state.exp_avg, g, 1 - beta1)), self.lr)
        return p, state._replace(exp_avg=form.lerp_(state.exp_avg, g, 1 - beta2))
