"""Pooling as layers, which remember their sizes: modules without parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import nexnet
from nexnet import LiteTensor

from .module import Module, describe_as_its_base
from .operation import Operation

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
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
]

Sizes = int | tuple[int, ...]


class _MaxPool(Module):
    """Of ``(batch, channels, ...)``, or ``(channels, ...)``, the first dimensions stay as they are.

    Of n elements of another become (n + 2 padding - dilation (kernel_size - 1) - 1) / stride + 1, rounded down, or up
    with ``ceil_mode``.

    Attributes:
        kernel_size: of the window.
        stride: how far it moves; by default its own size.
        padding: how much is added on both sides, of which nothing is ever chosen.
        dilation: how far apart the elements of a window are.
        ceil_mode: whether a window may reach beyond the end.
        return_indices: whether to give ``(out, indices)``, with the place of each element, which MaxUnpool takes.

    Raises:
        RuntimeError: torch's, when it is called: an input of other dimensions, sizes of other dimensions, an input
            smaller than the window, a padding of more than half a window.
    """

    kernel_size: Sizes
    stride: Sizes | None = None
    padding: Sizes = 0
    dilation: Sizes = 1
    ceil_mode: bool = False
    return_indices: bool = False

    pool: ClassVar[Callable[..., Any]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        describe_as_its_base(cls)

    def __call__(self, x: Any) -> Any:
        """Pool ``x`` of shape ``(batch, channels, ...)`` or ``(channels, ...)``."""
        options = (self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices)
        return type(self).pool(x, *options)


class _AvgPool(Module):
    """Of ``(batch, channels, ...)``, or ``(channels, ...)``, the first dimensions stay as they are.

    Of n elements of another become (n + 2 padding - kernel_size) / stride + 1, rounded down, or up with ``ceil_mode``.

    Attributes:
        kernel_size: of the window.
        stride: how far it moves; by default its own size.
        padding: how many zeros are added on both sides.
        ceil_mode: whether a window may reach beyond the end.
        count_include_pad: whether the average is also over those zeros.

    Raises:
        RuntimeError: torch's, when it is called: an input of other dimensions, sizes of other dimensions, an input
            smaller than the window, a padding of more than half a window.
        IndexError: torch's, when it is called: an input of one dimension where there are two to go over.
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
    """Windows of such sizes that ``(batch, channels, ...)`` comes out as ``(batch, channels, *output_size)``.

    There may be no batch dimension.

    Attributes:
        output_size: a number for all of the last dimensions, or one for each; None for one that stays as it is.

    Raises:
        RuntimeError: torch's, when it is called: an input of other dimensions, a size of other dimensions or below 0.
    """

    output_size: int | tuple[int | None, ...]

    pool: ClassVar[Callable[..., Any]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        describe_as_its_base(cls)

    def __call__(self, x: Any) -> LiteTensor:
        """Pool ``x`` of shape ``(batch, channels, ...)`` or ``(channels, ...)``."""
        return type(self).pool(x, self.output_size)  # type: ignore[no-any-return]


class MaxPool1d(_MaxPool):
    """The greatest element of each window of the last dimension.

    Example::

        >>> nn.MaxPool1d(2)(nexnet.zeros(2, 3, 8)).shape
        torch.Size([2, 3, 4])
    """

    pool = nexnet.max_pool1d


class MaxPool2d(_MaxPool):
    """The greatest element of each window of the last two dimensions.

    Example::

        >>> nn.MaxPool2d(2)(nexnet.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 3, 4, 4])
    """

    pool = nexnet.max_pool2d


class MaxPool3d(_MaxPool):
    """The greatest element of each window of the last three dimensions.

    Example::

        >>> nn.MaxPool3d(2)(nexnet.zeros(2, 3, 8, 8, 8)).shape
        torch.Size([2, 3, 4, 4, 4])
    """

    pool = nexnet.max_pool3d


class AvgPool1d(_AvgPool):
    """The average over each window of the last dimension.

    Example::

        >>> nn.AvgPool1d(2)(nexnet.zeros(2, 3, 8)).shape
        torch.Size([2, 3, 4])
    """

    pool = nexnet.avg_pool1d


class AvgPool2d(_AvgPool):
    """The average over each window of the last two dimensions.

    Example::

        >>> nn.AvgPool2d(2)(nexnet.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 3, 4, 4])
    """

    pool = nexnet.avg_pool2d


class AvgPool3d(_AvgPool):
    """The average over each window of the last three dimensions.

    Example::

        >>> nn.AvgPool3d(2)(nexnet.zeros(2, 3, 8, 8, 8)).shape
        torch.Size([2, 3, 4, 4, 4])
    """

    pool = nexnet.avg_pool3d


class AdaptiveAvgPool1d(_AdaptivePool):
    """Averages over as many windows as are to come out, over the last dimension.

    Example::

        >>> nn.AdaptiveAvgPool1d(4)(nexnet.zeros(2, 3, 8)).shape
        torch.Size([2, 3, 4])
    """

    pool = nexnet.adaptive_avg_pool1d


class AdaptiveAvgPool2d(_AdaptivePool):
    """Averages over as many windows as are to come out, over the last two dimensions.

    Example::

        >>> nn.AdaptiveAvgPool2d(4)(nexnet.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 3, 4, 4])
    """

    pool = nexnet.adaptive_avg_pool2d


class AdaptiveAvgPool3d(_AdaptivePool):
    """Averages over as many windows as are to come out, over the last three dimensions.

    Example::

        >>> nn.AdaptiveAvgPool3d(4)(nexnet.zeros(2, 3, 8, 8, 8)).shape
        torch.Size([2, 3, 4, 4, 4])
    """

    pool = nexnet.adaptive_avg_pool3d


class AdaptiveMaxPool1d(_AdaptivePool):
    """The greatest elements of as many windows as are to come out, over the last dimension.

    Example::

        >>> nn.AdaptiveMaxPool1d(4)(nexnet.zeros(2, 3, 8)).shape
        torch.Size([2, 3, 4])
    """

    pool = nexnet.adaptive_max_pool1d


class AdaptiveMaxPool2d(_AdaptivePool):
    """The greatest elements of as many windows as are to come out, over the last two dimensions.

    Example::

        >>> nn.AdaptiveMaxPool2d(4)(nexnet.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 3, 4, 4])
    """

    pool = nexnet.adaptive_max_pool2d


class AdaptiveMaxPool3d(_AdaptivePool):
    """The greatest elements of as many windows as are to come out, over the last three dimensions.

    Example::

        >>> nn.AdaptiveMaxPool3d(4)(nexnet.zeros(2, 3, 8, 8, 8)).shape
        torch.Size([2, 3, 4, 4, 4])
    """

    pool = nexnet.adaptive_max_pool3d


class _LPPool(Operation):
    """Of ``(batch, channels, ...)``, or ``(channels, ...)``, the first dimensions stay as they are.

    Of n elements of another become (n - kernel_size) / stride + 1, rounded down, or up with ``ceil_mode``.

    Attributes:
        norm_type: p.
        kernel_size: of the window.
        stride: how far it moves; by default its own size.
        ceil_mode: whether a window may reach beyond the end.

    Raises:
        RuntimeError: torch's, when it is called: an input of other dimensions, sizes of other dimensions, an input
            smaller than the window.
        IndexError: torch's, when it is called: an input of one dimension where there are two to go over.
    """

    norm_type: float
    kernel_size: Sizes
    stride: Sizes | None = None
    ceil_mode: bool = False


class LPPool1d(_LPPool):
    """(sum x^p)^(1/p) over each window of the last dimension.

    Example::

        >>> nn.LPPool1d(2.0, kernel_size=2)(nexnet.ones(2, 3, 8)).shape
        torch.Size([2, 3, 4])
    """

    operator = nexnet.lp_pool1d


class LPPool2d(_LPPool):
    """(sum x^p)^(1/p) over each window of the last two dimensions.

    Example::

        >>> nn.LPPool2d(2.0, kernel_size=2)(nexnet.ones(2, 3, 8, 8)).shape
        torch.Size([2, 3, 4, 4])
    """

    operator = nexnet.lp_pool2d


class LPPool3d(_LPPool):
    """(sum x^p)^(1/p) over each window of the last three dimensions.

    Example::

        >>> nn.LPPool3d(2.0, kernel_size=2)(nexnet.ones(2, 3, 8, 8, 8)).shape
        torch.Size([2, 3, 4, 4, 4])
    """

    operator = nexnet.lp_pool3d


class _MaxUnpool(Operation):
    """``layer(x, indices, output_size=None)``: zeros, with x where the indices of a MaxPool say.

    x and its indices are ``(batch, channels, ...)`` or ``(channels, ...)``; of n elements of one of the last dimensions
    become (n - 1) stride - 2 padding + kernel_size, or as many as ``output_size`` says.

    Attributes:
        kernel_size: of the MaxPool's window.
        stride: how far it moved; by default its own size.
        padding: how much was added on both sides.

    Raises:
        RuntimeError: torch's, when it is called: indices that are no int64, of another shape than x, or beyond the end.
        ValueError: torch's, when it is called: an ``output_size`` that no such MaxPool makes x of.
    """

    kernel_size: Sizes
    stride: Sizes | None = None
    padding: Sizes = 0

    unpool: ClassVar[Callable[..., Any]]

    def __call__(self, x: Any, indices: Any, output_size: Sequence[int] | None = None) -> LiteTensor:
        """Undo a MaxPool; ``output_size`` says which of the sizes that it makes the same was its input's."""
        return type(self).unpool(x, indices, self.kernel_size, self.stride, self.padding, output_size)  # type: ignore[no-any-return]


class MaxUnpool1d(_MaxUnpool):
    """The inverse of MaxPool1d, with zeros for what it left out.

    Example::

        >>> out, indices = nn.MaxPool1d(2, return_indices=True)(nexnet.zeros(2, 3, 8))
        >>> nn.MaxUnpool1d(2)(out, indices).shape
        torch.Size([2, 3, 8])
    """

    unpool = nexnet.max_unpool1d


class MaxUnpool2d(_MaxUnpool):
    """The inverse of MaxPool2d, with zeros for what it left out.

    Example::

        >>> out, indices = nn.MaxPool2d(2, return_indices=True)(nexnet.zeros(2, 3, 8, 8))
        >>> nn.MaxUnpool2d(2)(out, indices).shape
        torch.Size([2, 3, 8, 8])
    """

    unpool = nexnet.max_unpool2d


class MaxUnpool3d(_MaxUnpool):
    """The inverse of MaxPool3d, with zeros for what it left out.

    Example::

        >>> out, indices = nn.MaxPool3d(2, return_indices=True)(nexnet.zeros(2, 3, 8, 8, 8))
        >>> nn.MaxUnpool3d(2)(out, indices).shape
        torch.Size([2, 3, 8, 8, 8])
    """

    unpool = nexnet.max_unpool3d
