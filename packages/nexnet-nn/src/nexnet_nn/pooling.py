"""Pooling as layers, which remember their sizes, and Flatten: modules without parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import nexnet
from nexnet import LiteTensor

from .module import Module, describe_as_its_base

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "Flatten",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
]

Sizes = int | tuple[int, ...]


class _MaxPool(Module):
    """The greatest element of each window of the last dimensions.

    Attributes:
        kernel_size: of the window.
        stride: how far it moves; by default its own size.
        padding: how much is added on both sides, of which nothing is ever chosen.
        dilation: how far apart the elements of a window are.
        ceil_mode: whether a window may reach beyond the end.
    """

    kernel_size: Sizes
    stride: Sizes | None = None
    padding: Sizes = 0
    dilation: Sizes = 1
    ceil_mode: bool = False

    pool: ClassVar[Callable[..., Any]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        describe_as_its_base(cls)

    def __call__(self, x: Any) -> LiteTensor:
        """Pool ``x`` of shape ``(batch, channels, ...)`` or ``(channels, ...)``."""
        options = (self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)
        return type(self).pool(x, *options)  # type: ignore[no-any-return]


class _AvgPool(Module):
    """The average over each window of the last dimensions.

    Attributes:
        kernel_size: of the window.
        stride: how far it moves; by default its own size.
        padding: how many zeros are added on both sides.
        ceil_mode: whether a window may reach beyond the end.
        count_include_pad: whether the average is also over those zeros.
    """

    kernel_size: Sizes
    stride: Sizes | None = None
    padding: Sizes = 0
    ceil_mode: bool = False
    count_include_pad: bool = True

    pool: ClassVar[Callable[..., Any]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        describe_as_its_base(cls)

    def __call__(self, x: Any) -> LiteTensor:
        """Pool ``x`` of shape ``(batch, channels, ...)`` or ``(channels, ...)``."""
        options = (self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)
        return type(self).pool(x, *options)  # type: ignore[no-any-return]


class _AdaptivePool(Module):
    """Windows of such sizes that the last dimensions come out in a given size.

    Attributes:
        output_size: that size; None for one that stays as it is.
    """

    output_size: int | tuple[int | None, ...]

    pool: ClassVar[Callable[..., Any]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        describe_as_its_base(cls)

    def __call__(self, x: Any) -> LiteTensor:
        """Pool ``x`` of shape ``(batch, channels, ...)`` or ``(channels, ...)``."""
        return type(self).pool(x, self.output_size)  # type: ignore[no-any-return]


class Flatten(Module):
    """The dimensions from one to another made one; by default all but that of the batch.

    Attributes:
        start_dim: the first.
        end_dim: the last.
    """

    start_dim: int = 1
    end_dim: int = -1

    def __call__(self, x: Any) -> LiteTensor:
        """Flatten ``x``."""
        return nexnet.flatten(x, self.start_dim, self.end_dim)  # type: ignore[no-any-return]


class MaxPool1d(_MaxPool):
    """The greatest element of each window of the last dimension."""

    pool = nexnet.max_pool1d


class MaxPool2d(_MaxPool):
    """The greatest element of each window of the last two dimensions."""

    pool = nexnet.max_pool2d


class MaxPool3d(_MaxPool):
    """The greatest element of each window of the last three dimensions."""

    pool = nexnet.max_pool3d


class AvgPool1d(_AvgPool):
    """The average over each window of the last dimension."""

    pool = nexnet.avg_pool1d


class AvgPool2d(_AvgPool):
    """The average over each window of the last two dimensions."""

    pool = nexnet.avg_pool2d


class AvgPool3d(_AvgPool):
    """The average over each window of the last three dimensions."""

    pool = nexnet.avg_pool3d


class AdaptiveAvgPool1d(_AdaptivePool):
    """Averages over as many windows as are to come out, over the last dimension."""

    pool = nexnet.adaptive_avg_pool1d


class AdaptiveAvgPool2d(_AdaptivePool):
    """Averages over as many windows as are to come out, over the last two dimensions."""

    pool = nexnet.adaptive_avg_pool2d


class AdaptiveAvgPool3d(_AdaptivePool):
    """Averages over as many windows as are to come out, over the last three dimensions."""

    pool = nexnet.adaptive_avg_pool3d


class AdaptiveMaxPool1d(_AdaptivePool):
    """The greatest elements of as many windows as are to come out, over the last dimension."""

    pool = nexnet.adaptive_max_pool1d


class AdaptiveMaxPool2d(_AdaptivePool):
    """The greatest elements of as many windows as are to come out, over the last two dimensions."""

    pool = nexnet.adaptive_max_pool2d


class AdaptiveMaxPool3d(_AdaptivePool):
    """The greatest elements of as many windows as are to come out, over the last three dimensions."""

    pool = nexnet.adaptive_max_pool3d
