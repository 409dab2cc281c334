"""Layers that only move elements, or resize images: modules without parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import nexnet

from .operation import Operation

__all__ = [
    "ChannelShuffle",
    "Flatten",
    "Fold",
    "Identity",
    "PixelShuffle",
    "PixelUnshuffle",
    "Unflatten",
    "Unfold",
    "Upsample",
]

Sizes = int | tuple[int, ...]


class Identity(Operation):
    """The input itself, of any shape. Arguments are taken, and have no effect.

    Example::

        >>> nn.Identity()(nexnet.tensor([1.0, 2.0]))
        LiteTensor([1., 2.])
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __call__(self, x: Any) -> Any:
        """Give ``x``."""
        return x


class Flatten(Operation):
    """The dimensions from one to another made one; by default all but that of the batch.

    Attributes:
        start_dim: the first.
        end_dim: the last.

    Raises:
        IndexError: torch's, when it is called: the input has no such dimension.
        RuntimeError: torch's, when it is called: the first comes behind the last.

    Example::

        >>> nn.Flatten()(nexnet.zeros(2, 3, 4)).shape
        torch.Size([2, 12])
    """

    start_dim: int = 1
    end_dim: int = -1

    operator = nexnet.flatten


class Unflatten(Operation):
    """One dimension made several.

    Attributes:
        dim: which.
        unflattened_size: the sizes of those that it becomes; one may be -1.

    Raises:
        RuntimeError: torch's, when it is called: sizes whose product is not the dimension's.
        IndexError: torch's, when it is called: the input has no such dimension.

    Example::

        >>> nn.Unflatten(1, (3, 4))(nexnet.zeros(2, 12)).shape
        torch.Size([2, 3, 4])
    """

    dim: int
    unflattened_size: Sequence[int]

    def __call__(self, x: Any) -> Any:
        """Unflatten ``x``."""
        return nexnet.unflatten(x, self.dim, self.unflattened_size)


class PixelShuffle(Operation):
    """``(..., c r^2, h, w)`` as ``(..., c, h r, w r)``, r the ``upscale_factor``.

    Raises:
        RuntimeError: torch's, when it is called: r^2 does not divide the channels, or there are none.

    Example::

        >>> nn.PixelShuffle(2)(nexnet.zeros(1, 8, 3, 3)).shape
        torch.Size([1, 2, 6, 6])
    """

    upscale_factor: int

    operator = nexnet.pixel_shuffle


class PixelUnshuffle(Operation):
    """``(..., c, h r, w r)`` as ``(..., c r^2, h, w)``, r the ``downscale_factor``.

    Raises:
        RuntimeError: torch's, when it is called: r does not divide the height and the width.

    Example::

        >>> nn.PixelUnshuffle(2)(nexnet.zeros(1, 2, 6, 6)).shape
        torch.Size([1, 8, 3, 3])
    """

    downscale_factor: int

    operator = nexnet.pixel_unshuffle


class ChannelShuffle(Operation):
    """``(batch, channels, ...)`` with the channels dealt out to a number of groups in turn.

    Raises:
        RuntimeError: torch's, when it is called: the groups do not divide the channels, or there are no dimensions
            behind these.

    Example::

        >>> nn.ChannelShuffle(2)(nexnet.arange(4.0).reshape(1, 4, 1)).flatten()
        LiteTensor([0., 2., 1., 3.])
    """

    groups: int

    operator = nexnet.channel_shuffle


class Unfold(Operation):
    """The patches of ``(batch, channels, h, w)`` as columns ``(batch, channels * size of a patch, patches)``.

    Attributes:
        kernel_size: of a patch.
        dilation: how far apart its elements are.
        padding: how many zeros are added on both sides.
        stride: from patch to patch.

    Raises:
        RuntimeError: torch's, when it is called: an input of other dimensions, or smaller than a patch.
        IndexError: torch's, when it is called: an input of fewer than three dimensions.

    Example::

        >>> nn.Unfold(kernel_size=2, stride=2)(nexnet.zeros(1, 3, 4, 4)).shape
        torch.Size([1, 12, 4])
    """

    kernel_size: Sizes
    dilation: Sizes = 1
    padding: Sizes = 0
    stride: Sizes = 1

    operator = nexnet.unfold


class Fold(Operation):
    """Patches, columns ``(batch, channels * size of a patch, patches)``, added together to ``(batch, channels, h, w)``.

    Attributes:
        output_size: (h, w).
        kernel_size: of a patch.
        dilation: how far apart its elements are.
        padding: how many rows and columns on both sides are left out.
        stride: from patch to patch.

    Raises:
        RuntimeError: torch's, when it is called: columns that are not of patches of this size, or not as many as such
            patches are in the output.

    Example::

        >>> nn.Fold((4, 4), kernel_size=2, stride=2)(nexnet.zeros(1, 12, 4)).shape
        torch.Size([1, 3, 4, 4])
    """

    output_size: Sizes
    kernel_size: Sizes
    dilation: Sizes = 1
    padding: Sizes = 0
    stride: Sizes = 1

    operator = nexnet.fold


class Upsample(Operation):
    """``(batch, channels, ...)`` in another size: of 1 to 3 dimensions, as many as the mode is for.

    Attributes:
        size: the new one, or
        scale_factor: how many times the old one it is.
        mode: "nearest", "nearest-exact", "linear", "bilinear", "bicubic", "trilinear" or "area".
        align_corners: whether the corners' elements stay what they are (of the modes with "linear" or "cubic").
        recompute_scale_factor: whether the factor is that of the rounded sizes.

    Raises:
        ValueError: torch's, when it is called: neither ``size`` nor ``scale_factor``, both, or one of other dimensions;
            ``align_corners`` where the mode has none.
        NotImplementedError: torch's, when it is called: a mode that there isn't, or that is for other dimensions.

    Example::

        >>> nn.Upsample(scale_factor=2, mode="bilinear")(nexnet.zeros(1, 3, 4, 4)).shape
        torch.Size([1, 3, 8, 8])
    """

    size: int | Sequence[int] | None = None
    scale_factor: float | Sequence[float] | None = None
    mode: str = "nearest"
    align_corners: bool | None = None
    recompute_scale_factor: bool | None = None

    operator = nexnet.interpolate
