"""Dropout of elements and of channels. A generator says what is dropped; without one nothing is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch

import nexnet

from ._checks import check_probability
from .operation import Operation

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]


class _Dropout(Operation):
    """The generator comes with the call. Without one nothing is dropped: that is the layer when it does not train.

    The output has the input's shape; where whole channels are dropped, theirs is its second dimension.

    Args:
        p: the probability.

    Raises:
        ModuleError: p is no probability.
        InputError: when it is called with a generator: an input without such channels.
    """

    p: float

    drop: ClassVar[Callable[..., Any]]

    def __init__(self, p: float = 0.5) -> None:
        check_probability("p", p)
        self.p = p

    def __call__(self, x: Any, generator: torch.Generator | None = None) -> Any:
        """Drop of ``x`` as the generator says."""
        return x if generator is None else type(self).drop(x, self.p, True, generator=generator)


class Dropout(_Dropout, init=False):
    """Elements set to 0 with probability p, the others divided by 1 - p.

    Example::

        >>> drop = nn.Dropout(0.5)
        >>> drop(nexnet.ones(4), torch.Generator().manual_seed(0))
        LiteTensor([0., 0., 2., 0.])
        >>> drop(nexnet.ones(4))
        LiteTensor([1., 1., 1., 1.])
    """

    drop = nexnet.dropout


class Dropout1d(_Dropout, init=False):
    """Whole channels of ``(batch, channels, length)``, or no batch, set to 0, the others divided by 1 - p.

    Example::

        >>> nn.Dropout1d(0.5)(nexnet.ones(2, 3, 4), torch.Generator().manual_seed(0)).shape
        torch.Size([2, 3, 4])
    """

    drop = nexnet.dropout1d


class Dropout2d(_Dropout, init=False):
    """Whole channels of ``(batch, channels, height, width)`` set to 0, the others divided by 1 - p.

    Example::

        >>> nn.Dropout2d(0.5)(nexnet.ones(2, 3, 4, 4), torch.Generator().manual_seed(0)).shape
        torch.Size([2, 3, 4, 4])
    """

    drop = nexnet.dropout2d


class Dropout3d(_Dropout, init=False):
    """Whole channels of ``(batch, channels, ...)``, three dimensions behind, set to 0, the others divided by 1 - p.

    Example::

        >>> nn.Dropout3d(0.5)(nexnet.ones(2, 3, 4, 4, 4), torch.Generator().manual_seed(0)).shape
        torch.Size([2, 3, 4, 4, 4])
    """

    drop = nexnet.dropout3d


class AlphaDropout(_Dropout, init=False):
    """Elements set to SELU's least value, then scaled and shifted to the mean and variance before.

    Example::

        >>> nn.AlphaDropout(0.5)(nexnet.ones(4), torch.Generator().manual_seed(0)).shape
        torch.Size([4])
    """

    drop = nexnet.alpha_dropout


class FeatureAlphaDropout(_Dropout, init=False):
    """AlphaDropout of whole channels of ``(batch, channels, ...)``.

    Example::

        >>> nn.FeatureAlphaDropout(0.5)(nexnet.ones(2, 3, 4), torch.Generator().manual_seed(0)).shape
        torch.Size([2, 3, 4])
    """

    drop = nexnet.feature_alpha_dropout
