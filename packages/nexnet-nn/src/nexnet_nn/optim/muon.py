"""Muon: steps along the orthogonal matrix that is nearest to the momentum."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple

import torch

import nexnet
from nexnet import LiteTensor
from nexnet.errors import message

from ..errors import OptimizerError
from ._forms import Form
from ._optimizer import Optimizer
from ._shared import Hyperparameter

__all__ = ["Muon", "MuonState"]


class MuonState(NamedTuple):
    """What Muon keeps between steps: the number of steps, and a tree like the model."""

    step: LiteTensor
    momentum_buffer: Any


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Muon(Optimizer[MuonState]):
    """Muon (K. Jordan et al., 2024), step for step that of ``torch.optim.Muon``. Its parameters are matrices.

    With gradient g of parameter p, of shape (n, m)::

        g = -g                                            if maximize
        p = p (1 - lr weight_decay)
        b = momentum b + (1 - momentum) g
        u = momentum b + (1 - momentum) g    if nesterov, else b
        x = u / max(|u|, eps);  ns_steps times:  x = a x + (b y + c y y) x,   y = x x^T
        p = p - lr sqrt(max(1, n / m)) x

    A model has other parameters too: ``nn.ByPath({"layers.*.weight": nn.Muon(0.02), "*": nn.AdamW(3e-4)})``.

    Args:
        lr: the learning rate.
        weight_decay: the factor of AdamW's decay.
        momentum: the share of the buffer that each step keeps.
        nesterov: whether to use Nesterov's momentum.
        ns_coefficients: a, b and c of the Newton-Schulz iteration.
        eps: what keeps its first denominator from 0.
        ns_steps: how many iterations.
        adjust_lr_fn: what lr is multiplied by: ``"original"``, the factor above; ``"match_rms_adamw"``,
            ``0.2 sqrt(max(n, m))`` (J. Liu et al., 2025).
        ns_dtype: what the iteration computes in; ``None`` is the parameter's own dtype.
        maximize, groups, capturable: see ``Optimizer``.

    Raises:
        OptimizerError: a hyper-parameter out of its range; a parameter that is no matrix.

    Example::

        optimizer = nn.ByPath({"*.weight": nn.Muon(lr=0.02), "*": nn.AdamW(lr=1e-3)})
        state = optimizer.init(model)
        gradients = nexnet.grad(loss)(model, x, y)
        model, state = optimizer.update(model, gradients, state)
    """

    lr: Hyperparameter = 1e-3
    weight_decay: Hyperparameter = 0.1
    momentum: Hyperparameter = 0.95
    nesterov: bool = True
    ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315)
    eps: float = 1e-7
    ns_steps: int = 5
    adjust_lr_fn: Literal["original", "match_rms_adamw"] | None = None
    ns_dtype: torch.dtype | None = dataclasses.field(default=torch.bfloat16, kw_only=True)

    bounds: ClassVar = dict.fromkeys(("lr", "weight_decay", "momentum", "eps"), (False, None))
    state_class: ClassVar[type[MuonState]] = MuonState

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise OptimizerError(
                message(
                    "invalid adjust_lr_fn.",
                    rule="Muon",
                    argument="adjust_lr_fn",
                    expected="'original' or 'match_rms_adamw'",
                    got=self.adjust_lr_fn,
                )
            )

    @property
    def decoupled(self) -> bool:
        """Whether the weight decay shrinks the parameters themselves."""
        return True

    def slots(self) -> Mapping[str, float]:
        """Name the state's tree."""
        return {"momentum_buffer": 0}

    def check_parameters(self, params: list[LiteTensor]) -> None:
        """Refuse parameters that are no matrices."""
        super().check_parameters(params)
        if others := [tuple(each.shape) for each in params if each.ndim != 2]:
            raise OptimizerError(
                message(
                    "Muon's parameters are matrices.",
                    rule="Muon",
                    got=f"a parameter of shape {others[0]}",
                    remedy='nn.ByPath({"*.weight": nn.Muon(), "*": nn.AdamW()}), with patterns of the matrices',
                )
            )

    def rule(
        self: Any, form: Form, p: list[Any], g: list[Any], state: MuonState, t: Any
    ) -> tuple[list[Any], MuonState]:
        """Make a step."""
        b = form.lerp_(state.momentum_buffer, g, 1 - self.momentum)
        moves = [self._orthogonal(each) for each in (form.lerp(g, b, self.momentum) if self.nesterov else b)]
        new = []
        for each, move in zip(p, moves, strict=True):
            new += form.sub_([each], [move], self.lr * self._factor(*each.shape))
        return new, state._replace(momentum_buffer=b)

    def _factor(self, n: int, m: int) -> float:
        return 0.2 * math.sqrt(max(n, m)) if self.adjust_lr_fn == "match_rms_adamw" else math.sqrt(max(1, n / m))

    def _orthogonal(self: Any, u: Any) -> Any:
        """Give almost the orthogonal factor of a matrix's polar decomposition, by Newton and Schulz."""
        a, b, c = self.ns_coefficients
        x = u.to(self.ns_dtype or u.dtype)
        is_tall = x.shape[0] > x.shape[1]
        x = x.T if is_tall else x
        x = x / x.norm().clamp(min=self.eps)
        addmm: Any = nexnet.addmm if isinstance(x, LiteTensor) else torch.addmm
        for _ in range(self.ns_steps):
            y = x @ x.T
            x = addmm(x, addmm(y, y, y, beta=b, alpha=c), x, beta=a)
        return (x.T if is_tall else x).to(u.dtype)
