"""Dropout: of elements or of whole channels (``feature``), to 0 or to what keeps mean and variance (``alpha``).

All of them are y = n x + b with n and b drawn once, also when higher orders are taken, from ``generator`` (torch's
default one without it: then they are the numbers that torch draws).
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import torch
from torch import Generator
from torch.nn import functional as F  # noqa: N812  torch's own name for it

from ...engine import number
from ...errors import InputError, message
from ...policy import Policy, function, implements
from .._names import composite
from ..shapes.reshaping import squeeze, unsqueeze
from ..shapes.views import alias

__all__ = [
    "alpha_dropout",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "feature_alpha_dropout",
    "feature_dropout",
]

# What selu gives to -infinity: Klambauer et al., "Self-Normalizing Neural Networks", 2017.
_LOWEST = -1.7580993408473766


@implements()
@function
class _scaled_by_noise(Policy):
    """n x + b:  dx = n g.  n is 0 with probability p, else 1 / (1 - p), and b is 0; n is a further output, a constant.

    With ``alpha``, n is 0 or a, and b is a (l + p |l|) or a p |l|, where l < 0 is what is put for x, and
    a = ((1 + l^2 p) (1 - p))^(-1/2) leaves the variance 1.
    """

    materialize_grads = False

    def forward(self, input: Any, p: float, feature: bool, alpha: bool, generator: Generator | None) -> Any:
        if feature:
            noise = input.new_empty((*input.shape[:2], *[1] * (input.ndim - 2)))
        else:
            noise = torch.empty_like(input)
        if p == 1:
            noise.zero_()
            out = input * noise
        else:
            noise.bernoulli_(1 - p, generator=generator)
            if alpha:
                a = 1 / math.sqrt((_LOWEST * _LOWEST * p + 1) * (1 - p))
                shift = (noise - 1).mul_(-_LOWEST * a).add_(-_LOWEST * a * p)
                out = torch.addcmul(shift, input, noise.mul_(a))
            else:
                out = input * noise.div_(1 - p)
        self.ctx.save(noise)
        return out, noise

    def backward(self, grad: Any, _: Any) -> Any:
        (noise,) = self.ctx.release
        return None if grad is None else grad * noise


def _dropped(
    input: Any,
    p: float,
    training: bool,
    inplace: bool,
    generator: Generator | None,
    rule: str,
    *,
    feature: bool = False,
    alpha: bool = False,
) -> Any:
    if inplace:
        raise InputError(
            message("inplace=True writes into a tensor, and nexnet is functional.", rule=rule, remedy="leave it out")
        )
    p = number(p, rule, "p")
    if not 0 <= p <= 1:
        raise InputError(message("p is no probability.", rule=rule, expected="0 <= p <= 1", got=p))
    if not training or p == 0:
        return alias(input)
    if feature and input.ndim < 2:
        raise InputError(
            message(
                "dropout of channels wants an input with channels.",
                rule=rule,
                expected="at least 2 dimensions",
                got=tuple(input.shape),
            )
        )
    return _scaled_by_noise(input, p, feature, alpha, generator)[0]


@implements(torch.dropout, F.dropout)
def dropout(
    input: Any, p: float = 0.5, training: bool = True, inplace: bool = False, *, generator: Generator | None = None
) -> Any:
    """M x / (1 - p), where each m is 0 with probability p, else 1. x itself if not ``training``.

    Source: Hinton et al., "Improving neural networks by preventing co-adaptation of feature detectors", 2012.

    Raises:
        InputError: ``p`` is no probability, or ``inplace`` is asked for. So too in the rest of this family.
    """
    return _dropped(input, p, training, inplace, generator, "dropout")


@implements(torch.alpha_dropout, F.alpha_dropout)
def alpha_dropout(
    input: Any, p: float = 0.5, training: bool = False, inplace: bool = False, *, generator: Generator | None = None
) -> Any:
    """Elements set to selu's lowest value with probability p, then scaled and shifted to the mean and variance before.

    Source: Klambauer et al., "Self-Normalizing Neural Networks", 2017.
    """
    return _dropped(input, p, training, inplace, generator, "alpha_dropout", alpha=True)


@implements(torch.feature_dropout)
def feature_dropout(input: Any, p: float, train: bool, *, generator: Generator | None = None) -> Any:
    """Dropout of whole channels (dimension 1) of the examples (dimension 0)."""
    return _dropped(input, p, train, False, generator, "feature_dropout", feature=True)


@implements(torch.feature_alpha_dropout, F.feature_alpha_dropout)
def feature_alpha_dropout(
    input: Any, p: float = 0.5, training: bool = False, inplace: bool = False, *, generator: Generator | None = None
) -> Any:
    """alpha_dropout of whole channels (dimension 1) of the examples (dimension 0)."""
    return _dropped(input, p, training, inplace, generator, "feature_alpha_dropout", feature=True, alpha=True)


@implements(F.dropout1d)
@composite
def dropout1d(
    input: Any, p: float = 0.5, training: bool = True, inplace: bool = False, *, generator: Generator | None = None
) -> Any:
    """Dropout of whole channels of (N, C, L) or (C, L).

    Raises:
        InputError: another number of dimensions.
    """
    if input.ndim not in (2, 3):
        raise InputError(
            message("the input has not the dimensions of this dropout.", rule="dropout1d",
                    expected="(N, C, L) or (C, L)", got=tuple(input.shape))
        )  # fmt: skip
    return _of_channels(input, 3, p, training, inplace, generator, "dropout1d")


@implements(F.dropout2d)
@composite
def dropout2d(
    input: Any, p: float = 0.5, training: bool = True, inplace: bool = False, *, generator: Generator | None = None
) -> Any:
    """Dropout of whole channels of (N, C, H, W). Three dimensions are (N, C, L), as in torch, with its warning."""
    if input.ndim != 4:
        _warn("dropout2d", "(N, C, H, W)", input)
    return _dropped(input, p, training, inplace, generator, "dropout2d", feature=True)


@implements(F.dropout3d)
@composite
def dropout3d(
    input: Any, p: float = 0.5, training: bool = True, inplace: bool = False, *, generator: Generator | None = None
) -> Any:
    """Dropout of whole channels of (N, C, D, H, W) or (C, D, H, W)."""
    if input.ndim not in (4, 5):
        _warn("dropout3d", "(N, C, D, H, W) or (C, D, H, W)", input)
    return _of_channels(input, 5, p, training, inplace, generator, "dropout3d")


def _of_channels(
    input: Any, ndim: int, p: float, training: bool, inplace: bool, generator: Generator | None, rule: str
) -> Any:
    if input.ndim == ndim:
        return _dropped(input, p, training, inplace, generator, rule, feature=True)
    return squeeze(_dropped(unsqueeze(input, 0), p, training, inplace, generator, rule, feature=True), 0)


def _warn(rule: str, wanted: str, input: Any) -> None:
    warnings.warn(
        f"{rule} is for {wanted}, and was given {tuple(input.shape)}: dimension 1 is taken for the channels.",
        stacklevel=4,  # beside this one and the layer, that of what makes it a composite
    )
