"""NAdam: Adam with Nesterov's momentum."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from nexnet import LiteTensor
from nexnet.errors import message

from ..errors import OptimizerError
from ._forms import Form
from ._optimizer import Optimizer
from ._shared import Hyperparameter

__all__ = ["NAdam", "NAdamState"]


class NAdamState(NamedTuple):
    """What NAdam keeps between steps: the number of steps, the product of the momenta, and trees like the model."""

    step: LiteTensor
    exp_avg: Any
    exp_avg_sq: Any
    mu_product: Any = None


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class NAdam(Optimizer[NAdamState]):
    """NAdam (T. Dozat, 2016), step for step that of ``torch.optim.NAdam``.

    With gradient g of parameter p, at step t, the decay as Adam's (or AdamW's)::

        mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2),    M_t = mu_1 mu_2 ... mu_t
        m = beta1 m + (1 - beta1) g
        v = beta2 v + (1 - beta2) g^2
        d = sqrt(v / (1 - beta2^t)) + eps
        p = p - lr ((1 - mu_t) / (1 - M_t)  g / d  +  mu_(t+1) / (1 - M_(t+1))  m / d)

    Args:
        lr: the learning rate.
        betas: the shares of the running means that each step keeps.
        eps: what keeps the denominator from 0.
        weight_decay: the factor of an L2 penalty, or of AdamW's decay.
        momentum_decay: how fast the momentum reaches beta1.
        decoupled_weight_decay: whether the decay is AdamW's.
        maximize, groups, capturable: see ``Optimizer``.

    Raises:
        OptimizerError: a hyper-parameter out of its range; a group with betas or a momentum_decay of its own.

    Example::

        optimizer = nn.NAdam(lr=1e-3)
        state = optimizer.init(model)
        gradients = nexnet.grad(loss)(model, x, y)
        model, state = optimizer.update(model, gradients, state)
    """

    lr: Hyperparameter = 2e-3
    betas: tuple[Hyperparameter, Hyperparameter] = (0.9, 0.999)
    eps: Hyperparameter = 1e-8
    weight_decay: Hyperparameter = 0
    momentum_decay: Hyperparameter = 4e-3
    decoupled_weight_decay: bool = False

    bounds: ClassVar = {"betas": (False, 1)} | dict.fromkeys(
        ("lr", "eps", "weight_decay", "momentum_decay"), (False, None)
    )
    state_class: ClassVar[type[NAdamState]] = NAdamState
    takes_each_alone: ClassVar = True

    @property
    def decoupled(self) -> bool:
        """Whether the weight decay shrinks the parameters themselves."""
        return self.decoupled_weight_decay

    def slots(self) -> Mapping[str, float]:
        """Name the state's trees."""
        return {"exp_avg": 0, "exp_avg_sq": 0}

    def init(self, model: Any) -> NAdamState:
        """Make the state for the first step: zeros, and an empty product."""
        state = super().init(model)
        return state._replace(mu_product=LiteTensor(state.step.data + 1))

    def advance(self, form: Form, state: NAdamState, t: Any) -> NAdamState:
        """Multiply the momentum of step t into the product."""
        mu = self._at(form, t)._momentum(t)
        if form.in_place:
            state.mu_product.data.mul_(mu)
            return state
        return state._replace(mu_product=state.mu_product * mu)

    def rule(
        self: Any, form: Form, p: list[Any], g: list[Any], state: NAdamState, t: Any
    ) -> tuple[list[Any], NAdamState]:
        """Make step number t."""
        beta1, beta2 = self.betas
        m = form.lerp_(state.exp_avg, g, 1 - beta1)
        v = form.addcmul_(form.mul_(state.exp_avg_sq, beta2), g, g, 1 - beta2)
        roots = form.plus_(form.mul_(form.sqrt(v), (1 - beta2**t) ** -0.5), self.eps)
        mu, mu_next, product = self._momentum(t), self._momentum(t + 1), form.number(state.mu_product)
        p = form.addcdiv_(p, g, roots, -self.lr * (1 - mu) / (1 - product))
        p = form.addcdiv_(p, m, roots, -self.lr * mu_next / (1 - product * mu_next))
        return p, state._replace(exp_avg=m, exp_avg_sq=v)

    def _momentum(self: Any, t: Any) -> Any:
        return self.betas[0] * (1 - 0.5 * 0.96 ** (t * self.momentum_decay))

    def _member(self, pattern: str, options: Mapping[str, Any]) -> tuple[str, Any]:
        if "betas" in options or "momentum_decay" in options:
            raise OptimizerError(
                message(
                    "the product of NAdam's momenta is one for all parameters: betas and momentum_decay are, too.",
                    rule="NAdam",
                    argument=f"groups[{pattern!r}]",
                    got=", ".join(options),
                    remedy="nn.ByPath, with an optimiser for each",
                )
            )
        return super()._member(pattern, options)
