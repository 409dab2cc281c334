"""Adam and AdamW: steps scaled by running means of the gradient and of its square."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import torch

from nexnet import LiteTensor

from ._forms import Form
from ._optimizer import Optimizer
from ._shared import Hyperparameter, are_alike, counters

__all__ = ["Adam", "AdamState", "AdamW"]


class AdamState(NamedTuple):
    """What Adam keeps between steps: the number of steps (a tensor of shape ()), and trees like the model."""

    step: LiteTensor
    exp_avg: Any
    exp_avg_sq: Any
    max_exp_avg_sq: Any = None


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Adam(Optimizer[AdamState]):
    """Adam (D. Kingma and J. Ba, 2015), step for step that of ``torch.optim.Adam``.

    With gradient g of parameter p, and m, v the running means, at step t::

        g = -g                                   if maximize
        g = g + weight_decay p
        m = beta1 m + (1 - beta1) g
        v = beta2 v + (1 - beta2) g^2
        s = max(s, v)    if amsgrad, else v
        p = p - lr / (1 - beta1^t)  m / (sqrt(s / (1 - beta2^t)) + eps)

    Args:
        lr: the learning rate.
        betas: the shares of the running means that each step keeps.
        eps: what keeps the denominator from 0.
        weight_decay: the factor of an L2 penalty.
        amsgrad: whether the denominator may only grow (S. Reddi et al., 2018).
        maximize, groups, capturable: see ``Optimizer``.

    All numbers may be LiteTensors of one element, and be differentiated by, or schedules. Where v is 0 its root has no
    slope; there the gradient of the update is the one along m alone, not a nan.

    Raises:
        OptimizerError: a hyper-parameter out of its range.

    Example::

        optimizer = nn.Adam(lr=1e-3)
        state = optimizer.init(model)
        gradients = nexnet.grad(loss)(model, x, y)
        model, state = optimizer.update(model, gradients, state)
    """

    lr: Hyperparameter = 1e-3
    betas: tuple[Hyperparameter, Hyperparameter] = (0.9, 0.999)
    eps: Hyperparameter = 1e-8
    weight_decay: Hyperparameter = 0
    amsgrad: bool = False

    bounds: ClassVar = {"lr": (False, None), "betas": (False, 1), "eps": (False, None), "weight_decay": (False, None)}
    state_class: ClassVar[type[AdamState]] = AdamState

    def slots(self) -> Mapping[str, float]:
        """Name the state's trees."""
        return {"exp_avg": 0, "exp_avg_sq": 0} | ({"max_exp_avg_sq": 0} if self.amsgrad else {})

    def rule(
        self: Any, form: Form, p: list[Any], g: list[Any], state: AdamState, t: Any
    ) -> tuple[list[Any], AdamState]:
        """Make step number t."""
        beta1, beta2 = self.betas
        m = form.lerp_(state.exp_avg, g, 1 - beta1)
        v = form.addcmul_(form.mul_(state.exp_avg_sq, beta2), g, g, 1 - beta2)
        s, largest = v, state.max_exp_avg_sq
        if self.amsgrad:
            s = largest = form.maximum_(largest, v)
        roots = form.plus_(form.mul_(form.sqrt(s), (1 - beta2**t) ** -0.5), self.eps)
        return form.addcdiv_(p, m, roots, -self.lr / (1 - beta1**t)), AdamState(state.step, m, v, largest)

    def fused(self: Any, p: list[Any], g: list[Any], state: AdamState, t: Any) -> bool:
        """Make the step by torch's kernel, where there is one for such tensors."""
        largest: list[Any] = state.max_exp_avg_sq if self.amsgrad else []
        if not are_alike(p, g, state.exp_avg, state.exp_avg_sq, largest):
            return False
        kernel = torch._fused_adamw_ if self.decoupled else torch._fused_adam_
        kernel(
            p, g, state.exp_avg, state.exp_avg_sq, largest, counters(p, t),
            lr=self.lr, beta1=self.betas[0], beta2=self.betas[1], weight_decay=self.weight_decay, eps=self.eps,
            amsgrad=self.amsgrad, maximize=self.maximize,
        )  # type: ignore[call-overload]  # fmt: skip
        return True


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class AdamW(Adam):
    """Adam whose weight decay is no penalty (I. Loshchilov and F. Hutter, 2019), as ``torch.optim.AdamW``.

    See ``Adam``, but for the decay: the parameters shrink, ``p = p (1 - lr weight_decay)``, before the step, and the
    running means know nothing of it.

    Example::

        optimizer = nn.AdamW(lr=1e-3)
        state = optimizer.init(model)
        gradients = nexnet.grad(loss)(model, x, y)
        model, state = optimizer.update(model, gradients, state)
    """

    weight_decay: Hyperparameter = 1e-2

    @property
    def decoupled(self) -> bool:
        """Whether the weight decay shrinks the parameters themselves."""
        return True
