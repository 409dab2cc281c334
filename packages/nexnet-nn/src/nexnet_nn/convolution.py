"""Convolutions and transposed convolutions as layers. They start as torch's do."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import torch

import nexnet
from nexnet import LiteTensor
from nexnet.errors import message

from . import init as initializers
from .errors import ModuleError
from .init import Initializer
from .module import Module, describe_as_its_base

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]

Sizes = int | Sequence[int]
_MODES = ("zeros", "reflect", "replicate", "circular")


class _Convolution(Module):
    """What the convolutions share."""

    weight: LiteTensor
    bias: LiteTensor | None
    stride: tuple[int, ...]
    padding: tuple[int, ...] | str
    dilation: tuple[int, ...]
    groups: int

    dims: ClassVar[int]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        describe_as_its_base(cls)

    def _fill(
        self,
        shape: tuple[int, ...],
        channels: int,
        bias: bool,
        init: Initializer,
        generator: torch.Generator | None,
        dtype: torch.dtype | None,
        device: Any,
    ) -> None:
        """Draw the weight, and after it the bias, U(-b, b) with b = 1 / sqrt(fan_in), as torch does."""
        self.weight = init(shape, generator=generator, dtype=dtype, device=device)
        bound = 1 / math.sqrt(math.prod(shape[1:])) if math.prod(shape[1:]) else 0.0
        self.bias = (
            initializers.uniform((channels,), -bound, bound, generator=generator, dtype=dtype, device=device)
            if bias
            else None
        )


class _Direct(_Convolution):
    """C(x, w) + b: a sum over a window that moves over the last dimensions.

    ``(batch, in_channels, ...)`` becomes ``(batch, out_channels, ...)``; there may be no batch dimension. Each number
    of a size may be given once for all dimensions.

    Args:
        in_channels: size of the input's dimension of channels.
        out_channels: size of the output's.
        kernel_size: of the window.
        stride: how far the window moves.
        padding: how much is added on both sides of the input; or "valid": nothing; or "same": so much that its size is
            kept.
        dilation: how far apart the elements of a window are.
        groups: into how many the channels are divided, each with a convolution of its own.
        bias: whether there is a b.
        padding_mode: "zeros", "reflect", "replicate" or "circular".
        init: what fills the weight; by default as in torch, U(-k, k) with k = 1 / sqrt(fan_in).
        generator: where random numbers come from; torch's global generator by default.
        dtype: of the parameters; torch's default by default.
        device: of the parameters; torch's default by default.

    Attributes:
        weight: w, of shape ``(out_channels, in_channels / groups, *kernel_size)``.
        bias: b, of shape ``(out_channels,)``, or None. It starts as in torch, like the weight.

    Raises:
        ModuleError: ``groups`` does not divide the channels; no such ``padding_mode`` or ``padding``; "same", of zeros,
            with a stride; a size that is no integer, or too small.
    """

    padding_mode: str

    convolve: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes | str = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        init: Initializer = initializers.torchs_own,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: Any = None,
    ) -> None:
        _check_groups(self, in_channels, out_channels, groups)
        if padding_mode not in _MODES:
            raise ModuleError(
                message("there is no such padding.", argument="padding_mode", expected=_MODES, got=padding_mode)
            )
        if isinstance(padding, str) and padding not in ("valid", "same"):
            raise ModuleError(
                message(
                    "there is no such padding.",
                    argument="padding",
                    expected="a size, 'valid' or 'same'",
                    got=repr(padding),
                )
            )
        zeros = padding_mode == "zeros"
        size = _per_dim(kernel_size, self.dims, "kernel_size", 1)
        self._fill((out_channels, in_channels // groups, *size), out_channels, bias, init, generator, dtype, device)
        self.stride = _per_dim(stride, self.dims, "stride", 1)
        self.padding = (
            padding if isinstance(padding, str) else _per_dim(padding, self.dims, "padding", 0 if zeros else None)
        )
        self.dilation = _per_dim(dilation, self.dims, "dilation", 1)
        if zeros and padding == "same" and set(self.stride) != {1}:
            raise ModuleError(
                message(
                    "a convolution with a stride does not keep the size.",
                    argument="padding",
                    expected="a size, or 'valid'",
                    got=f"'same' with stride {self.stride}",
                )
            )
        self.groups = groups
        self.padding_mode = padding_mode

    def __call__(self, x: Any) -> LiteTensor:
        """Convolve ``x`` of shape ``(batch, in_channels, ...)`` or ``(in_channels, ...)``."""
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            x, padding = nexnet.pad(x, self._around(), self.padding_mode), 0
        convolve = type(self).convolve
        return convolve(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)  # type: ignore[no-any-return]

    def _around(self) -> list[int]:
        """Give how much to add before and after each dimension, the last one first."""
        if self.padding == "valid":
            return [0] * (2 * self.dims)
        if isinstance(self.padding, str):
            total = [d * (size - 1) for d, size in zip(self.dilation, self.weight.shape[2:], strict=True)]
            return [side for each in reversed(total) for side in (each // 2, each - each // 2)]
        return [each for each in reversed(self.padding) for _ in range(2)]


class _Transposed(_Convolution):
    """The transpose of a convolution's linear map, and b: what a convolution does to sizes is undone.

    ``(batch, in_channels, ...)`` becomes ``(batch, out_channels, ...)``; there may be no batch dimension. Each number
    of a size may be given once for all dimensions.

    Args:
        in_channels: size of the input's dimension of channels.
        out_channels: size of the output's.
        kernel_size: of the window.
        stride: how far the window moves over the output.
        padding: how much is taken away on both sides of the output.
        output_padding: how much is added at the output's end, of sizes that a convolution makes the same.
        groups: into how many the channels are divided, each with a convolution of its own.
        bias: whether there is a b.
        dilation: how far apart the elements of a window are.
        init: what fills the weight; by default as in torch, U(-k, k) with k = 1 / sqrt(fan_in).
        generator: where random numbers come from; torch's global generator by default.
        dtype: of the parameters; torch's default by default.
        device: of the parameters; torch's default by default.

    Attributes:
        weight: w, of shape ``(in_channels, out_channels / groups, *kernel_size)``.
        bias: b, of shape ``(out_channels,)``, or None. It starts as in torch, like the weight.

    Raises:
        ModuleError: ``groups`` does not divide the channels; a size that is no integer, or too small.
    """

    output_padding: tuple[int, ...]

    convolve: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
        *,
        init: Initializer = initializers.torchs_own,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: Any = None,
    ) -> None:
        _check_groups(self, in_channels, out_channels, groups)
        size = _per_dim(kernel_size, self.dims, "kernel_size", 1)
        self._fill((in_channels, out_channels // groups, *size), out_channels, bias, init, generator, dtype, device)
        self.stride = _per_dim(stride, self.dims, "stride", 1)
        self.padding = _per_dim(padding, self.dims, "padding", 0)
        self.output_padding = _per_dim(output_padding, self.dims, "output_padding", 0)
        self.dilation = _per_dim(dilation, self.dims, "dilation", 1)
        self.groups = groups

    def __call__(self, x: Any) -> LiteTensor:
        """Map ``x`` of shape ``(batch, in_channels, ...)`` or ``(in_channels, ...)``."""
        options = (self.stride, self.padding, self.output_padding, self.groups, self.dilation)
        return type(self).convolve(x, self.weight, self.bias, *options)  # type: ignore[no-any-return]


def _per_dim(value: Sizes, dims: int, name: str, least: int | None) -> tuple[int, ...]:
    """Give one number for each dimension, each at least so large."""
    numbers = tuple(value) if isinstance(value, Iterable) and not isinstance(value, str) else (value,) * dims
    if len(numbers) != dims:
        raise ModuleError(
            message("a size has a number for each dimension.", argument=name, expected=f"1 or {dims}", got=numbers)
        )
    if not all(hasattr(each, "__index__") and (least is None or each >= least) for each in numbers):
        bound = "" if least is None else f", each >= {least}"
        raise ModuleError(
            message("a convolution has no such size.", argument=name, expected=f"integers{bound}", got=repr(value))
        )
    return numbers


def _check_groups(layer: Module, in_channels: int, out_channels: int, groups: int) -> None:
    if groups < 1 or in_channels % groups or out_channels % groups:
        raise ModuleError(
            message(
                "the channels can't be divided into that many groups.",
                rule=type(layer).__name__,
                argument="groups",
                got=f"groups {groups}, in_channels {in_channels}, out_channels {out_channels}",
            )
        )


class Conv1d(_Direct, init=False):
    """A convolution over one dimension.

    Example::

        >>> nn.Conv1d(3, 5, kernel_size=3, padding=1)(nexnet.zeros(2, 3, 8)).shape
        torch.Size([2, 5, 8])
    """

    dims = 1
    convolve = nexnet.conv1d


class Conv2d(_Direct, init=False):
    """A convolution over two dimensions.

    Example::

        >>> nn.Conv2d(3, 5, kernel_size=3, padding=1)(nexnet.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 5, 8, 8])
    """

    dims = 2
    convolve = nexnet.conv2d


class Conv3d(_Direct, init=False):
    """A convolution over three dimensions.

    Example::

        >>> nn.Conv3d(3, 5, kernel_size=3, padding=1)(nexnet.zeros(2, 3, 8, 8, 8)).shape
        torch.Size([2, 5, 8, 8, 8])
    """

    dims = 3
    convolve = nexnet.conv3d


class ConvTranspose1d(_Transposed, init=False):
    """A transposed convolution over one dimension.

    Example::

        >>> nn.ConvTranspose1d(3, 5, kernel_size=2, stride=2)(nexnet.zeros(2, 3, 8)).shape
        torch.Size([2, 5, 16])
    """

    dims = 1
    convolve = nexnet.conv_transpose1d


class ConvTranspose2d(_Transposed, init=False):
    """A transposed convolution over two dimensions.

    Example::

        >>> nn.ConvTranspose2d(3, 5, kernel_size=2, stride=2)(nexnet.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 5, 16, 16])
    """

    dims = 2
    convolve = nexnet.conv_transpose2d


class ConvTranspose3d(_Transposed, init=False):
    """A transposed convolution over three dimensions.

    Example::

        >>> nn.ConvTranspose3d(3, 5, kernel_size=2, stride=2)(nexnet.zeros(2, 3, 8, 8, 8)).shape
        torch.Size([2, 5, 16, 16, 16])
    """

    dims = 3
    convolve = nexnet.conv_transpose3d
