"""Convolutions that torch is slow at on the CPU, in the form of others that it is fast at.

Where oneDNN has no kernel of its own for a float32 convolution, what stands in takes up to 30 times as long. With C for
the convolution, X for the transpose of its map of x and W for the transpose of its map of w, as in the rules, these are

- C depthwise (a channel by itself), padded by more than oneDNN's kernel looks at once: padded beforehand;
- W depthwise, of a kernel wider than 3 or dilated: C depthwise of each image, the gradient as its kernel;
- X depthwise, dilated: C of the gradient, the kernel turned round;
- X to few channels, as to an image: a product of matrices, whose columns are folded into an image;
- W of many weights on few positions: a product of the gradient with the image's patches.

See ``forms`` for which is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..engine import direct
from .forms import Form
from .measuring import suits

__all__ = ["Geometry", "convolve", "depthwise", "gradients"]

FEW_CHANNELS = 4  # up to which X is a product: oneDNN would compute 8 or 16 channels
MANY_WEIGHTS = 2**19  # from which W can be a product,
PER_POSITION = 2**14  # if there are as many weights as this for each position of the gradient
STRIP = 6 if torch.backends.cpu.get_cpu_capability() == "AVX512" else 4  # positions that oneDNN computes at once

_convolution: Callable[..., Tensor] = torch.convolution
_overload = torch.ops.aten.convolution_backward.default
_kernel: Callable[..., Any] = direct(getattr(_overload, "_op", _overload))  # without the Python call around it


class Geometry(NamedTuple):
    """How the kernel moves, in each dimension, and the shape of what comes out."""

    stride: Sequence[int]
    padding: Sequence[int]
    dilation: Sequence[int]
    groups: int
    shape: Sequence[int] = ()

    def is_of(self, weight: Tensor) -> bool:
        """Say whether there is a number for each dimension, as torch does not ask."""
        return len(self.stride) == len(self.padding) == len(self.dilation) == weight.ndim - 2

    @property
    def options(self) -> tuple[Any, ...]:
        """As torch takes them, of no transposed convolution."""
        return self.stride, self.padding, self.dilation, False, [0] * len(self.stride), self.groups


def convolve(input: Tensor, weight: Tensor, bias: Tensor | None, *options: Any) -> Tensor:
    """Give torch.convolution of the arguments, in whichever form is fast."""
    stride, padding, dilation, transposed, beyond, groups = options
    geometry = Geometry(stride, padding, dilation, groups)
    if transposed:
        out = upwards(input, weight, bias, geometry, beyond)
    else:
        out = depthwise(input, weight, bias, geometry)
    return _convolution(input, weight, bias, *options) if out is None else out


def depthwise(input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor | None:
    """Give C + b of channels that are each by itself; None where torch's kernel is fast, or it is something else."""
    if (
        _is_depthwise(input, weight, geometry)
        and any(_beyond(input, weight, geometry))
        and suits(input, weight)
        and (bias is None or (suits(bias) and bias.shape == weight.shape[:1]))
        and _PADDED.is_taken()
    ):
        out: Tensor = _PADDED(input, weight, geometry)
        return out if bias is None else out.add_(bias.reshape(-1, *[1] * (weight.ndim - 2)))
    return None


def upwards(
    input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry, output_padding: Sequence[int]
) -> Tensor | None:
    """Give X + b, a transposed convolution, to few channels; None where torch's kernel is fast, or it is another."""
    if (
        geometry.groups == 1
        and input.ndim == weight.ndim == 4
        and weight.shape[1] <= FEW_CHANNELS < weight.shape[0] == input.shape[1]
        and geometry.is_of(weight)
        and len(output_padding) == 2
        and suits(input, weight)
        and input.is_contiguous()
        and (bias is None or (suits(bias) and bias.shape == weight.shape[1:2]))
        and min(geometry.padding) >= 0
        and all(0 <= each < step for each, step in zip(output_padding, geometry.stride, strict=True))
        and _FOLDED.is_taken()
    ):
        sizes = zip(input.shape[2:], weight.shape[2:], *geometry[:3], output_padding, strict=True)
        places = [
            (size - 1) * stride - 2 * padding + dilation * (width - 1) + beyond + 1
            for size, width, stride, padding, dilation, beyond in sizes
        ]
        out: Tensor = _FOLDED(input, weight, geometry._replace(shape=(len(input), weight.shape[1], *places)))
        return out if bias is None else out.add_(bias.reshape(-1, 1, 1))
    return None


def gradients(
    grad: Tensor, input: Tensor, weight: Tensor, channels: Any, *rest: Any
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Give what aten's convolution_backward gives, in whichever form is fast."""
    *options, (need_input, need_weight, need_bias) = rest
    stride, padding, dilation, transposed, _, groups = options
    geometry = Geometry(stride, padding, dilation, groups)
    d_input = d_weight = None
    if not transposed and geometry.is_of(weight):
        to_input = _form_of_input(grad, input, weight, geometry) if need_input else None
        to_weight = _form_of_weight(grad, input, weight, geometry) if need_weight else None
        if to_input and to_input.is_taken():
            d_input, need_input = to_input(grad, weight, geometry._replace(shape=input.shape)), False
        if to_weight and to_weight.is_taken():
            d_weight, need_weight = to_weight(grad, input, geometry._replace(shape=weight.shape)), False
    if d_input is None and d_weight is None:
        return _kernel(grad, input, weight, channels, *rest)  # type: ignore[no-any-return]
    if need_input or need_weight:
        others = _kernel(grad, input, weight, None, *options, (need_input, need_weight, False))
        d_input, d_weight = (others[0] if need_input else d_input), (others[1] if need_weight else d_weight)
    return d_input, d_weight, grad.sum((0, *range(2, grad.ndim))) if need_bias else None


def _form_of_input(grad: Tensor, input: Tensor, weight: Tensor, geometry: Geometry) -> Form | None:
    """Give the form that X suits, if any."""
    if geometry.groups == 1:
        few = weight.ndim == 4 and weight.shape[1] <= FEW_CHANNELS < weight.shape[0]
        return _FOLDED if few and suits(grad, input, weight) and input.is_contiguous() else None
    if max(geometry.dilation) == 1 or max(geometry.stride) > 1 or not _is_depthwise(input, weight, geometry):
        return None
    return _TURNED_ROUND if min(_around(weight, geometry)) >= 0 and suits(grad, input, weight) else None


def _form_of_weight(grad: Tensor, input: Tensor, weight: Tensor, geometry: Geometry) -> Form | None:
    """Give the form that W suits, if any."""
    if geometry.groups == 1:
        count, positions = weight.numel(), grad.numel() // max(weight.shape[0], 1)
        many = weight.ndim == 4 and count >= max(MANY_WEIGHTS, PER_POSITION * positions) and weight[0, 0].numel() > 1
        return _BY_PATCHES if many and suits(grad, input, weight) and input.is_contiguous() else None
    if weight.shape[-1] <= 3 and max(geometry.dilation) == 1:
        return None
    many = _is_depthwise(input, weight, geometry) and grad.shape[2:].numel() > 1
    return _BY_IMAGE if many and suits(grad, input, weight) else None


def _is_depthwise(input: Tensor, weight: Tensor, geometry: Geometry) -> bool:
    """Say whether a channel is by itself, and there are many; in up to two dimensions, for which oneDNN has kernels."""
    groups = geometry.groups
    return (
        groups > 1
        and input.ndim == weight.ndim in (3, 4)
        and weight.shape[:2] == (groups, 1)
        and input.shape[1] == groups
        and geometry.is_of(weight)
    )


def _beyond(input: Tensor, weight: Tensor, geometry: Geometry) -> list[int]:
    """Give the padding that oneDNN's kernel does not take: as wide as the weight, or as a strip of the last one."""
    stride, padding, dilation = geometry.stride, geometry.padding, geometry.dilation
    reach = [step * (size - 1) + 1 for size, step in zip(weight.shape[2:], dilation, strict=True)]
    beyond = [each if each >= size else 0 for each, size in zip(padding, reach, strict=True)]
    width = (input.shape[-1] + 2 * padding[-1] - reach[-1]) // stride[-1] + 1
    if padding[-1] > min(STRIP, width):
        beyond[-1] = padding[-1]
    return beyond


def _around(weight: Tensor, geometry: Geometry) -> list[int]:
    """Give the padding of the gradient with which C is X, of a stride of 1."""
    sizes = zip(weight.shape[2:], geometry.dilation, geometry.padding, strict=True)
    return [dilation * (size - 1) - padding for size, dilation, padding in sizes]


# The forms. ``geometry.shape`` is the shape of what they give.


def _padded_beforehand(input: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    beyond = _beyond(input, weight, geometry)
    padded = torch.constant_pad_nd(input, [each for size in reversed(beyond) for each in (size, size)])
    rest = [size - each for size, each in zip(geometry.padding, beyond, strict=True)]
    return _convolution(padded, weight, None, *geometry._replace(padding=rest).options)


def _turned_round(grad: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    turned = weight.flip(tuple(range(2, weight.ndim)))
    return convolve(grad, turned, None, *geometry._replace(padding=_around(weight, geometry)).options)


def _by_image(grad: Tensor, input: Tensor, geometry: Geometry) -> Tensor:
    count = grad.shape[0] * grad.shape[1]
    images = input.reshape(1, count, *input.shape[2:])
    kernels = grad.reshape(count, 1, *grad.shape[2:])
    along = Geometry(geometry.dilation, geometry.padding, geometry.stride, count)  # they change places
    out = convolve(images, kernels, None, *along.options)
    for dim, size in enumerate(geometry.shape[2:], 2):
        out = out.narrow(dim, 0, size)  # beyond lies what no step of the kernel reached
    return out.reshape(grad.shape[0], *geometry.shape).sum(0)


def _folded(grad: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    columns = weight.reshape(len(weight), -1).t() @ grad.reshape(*grad.shape[:2], -1)
    stride, padding, dilation = geometry.stride, geometry.padding, geometry.dilation
    return torch.nn.functional.fold(columns, geometry.shape[2:], weight.shape[2:], dilation, padding, stride)  # type: ignore[arg-type]


def _by_patches(grad: Tensor, input: Tensor, geometry: Geometry) -> Tensor:
    stride, padding, dilation = geometry.stride, geometry.padding, geometry.dilation
    patches = torch.nn.functional.unfold(input, geometry.shape[2:], dilation, padding, stride)  # type: ignore[arg-type]
    columns = patches.transpose(0, 1).reshape(patches.shape[1], -1)
    rows = grad.transpose(0, 1).reshape(grad.shape[1], -1)
    return torch.mm(rows, columns.t()).reshape(geometry.shape)


# What torch gives.


def _torchs(input: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    return _convolution(input, weight, None, *geometry.options)


def _torchs_input(grad: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    like = weight.new_empty(geometry.shape)
    return _kernel(grad, like, weight, None, *geometry.options, (True, False, False))[0]  # type: ignore[no-any-return]


def _torchs_weight(grad: Tensor, input: Tensor, geometry: Geometry) -> Tensor:
    like = input.new_empty(geometry.shape)
    return _kernel(grad, input, like, None, *geometry.options, (False, True, False))[1]  # type: ignore[no-any-return]


_PADDED = Form(
    "C depthwise, amply padded",
    _padded_beforehand,
    _torchs,
    ((8, 64, 4, 4), (64, 1, 13, 13)),
    (Geometry((1, 1), (6, 6), (1, 1), 64),),
)
_BY_IMAGE = Form(
    "W depthwise, wide or dilated",
    _by_image,
    _torchs_weight,
    ((8, 64, 14, 14),) * 2,
    (Geometry((1, 1), (2, 2), (1, 1), 64, (64, 1, 5, 5)),),
)
_TURNED_ROUND = Form(
    "X depthwise, dilated",
    _turned_round,
    _torchs_input,
    ((8, 64, 14, 14), (64, 1, 3, 3)),
    (Geometry((1, 1), (2, 2), (2, 2), 64, (8, 64, 14, 14)),),
)
_FOLDED = Form(
    "X to few channels",
    _folded,
    _torchs_input,
    ((8, 64, 32, 32), (64, 3, 3, 3)),
    (Geometry((1, 1), (1, 1), (1, 1), 1, (8, 3, 32, 32)),),
)
_BY_PATCHES = Form(
    "W of many weights, few positions", _by_patches, _torchs_weight, ((8, 512, 2, 2), (8, 256, 4, 4)),
    (Geometry((2, 2), (1, 1), (1, 1), 1, (512, 256, 3, 3)),),
)  # fmt: skip
