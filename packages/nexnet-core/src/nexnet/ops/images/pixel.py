"""Channels and pixels rearranged; patches taken out of a tensor, and added together again."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from ...policy import Linear, function, implements

__all__ = ["channel_shuffle", "fold", "native_channel_shuffle", "pixel_shuffle", "pixel_unshuffle", "unfold"]

Sizes = Any  # a number, or one for each of the two dimensions


@implements(torch.pixel_shuffle)
@function
class pixel_shuffle(Linear):
    """(..., c r^2, h, w) as (..., c, h r, w r):  dx = g the other way round."""

    def forward(self, input: Any, upscale_factor: int) -> Any:
        self.ctx.save(input.shape, upscale_factor)
        return torch.pixel_shuffle(input, upscale_factor)

    def backward(self, grad: Any) -> Any:
        shape, factor = self.ctx.release
        return torch.pixel_unshuffle(grad, factor).reshape(shape)  # torch leaves a tensor of no elements as it is


@implements(torch.pixel_unshuffle)
@function
class pixel_unshuffle(Linear):
    """(..., c, h r, w r) as (..., c r^2, h, w):  dx = g the other way round."""

    def forward(self, input: Any, downscale_factor: int) -> Any:
        self.ctx.save(downscale_factor)
        return torch.pixel_unshuffle(input, downscale_factor)

    def backward(self, grad: Any) -> Any:
        return torch.pixel_shuffle(grad, *self.ctx.release)


@implements(torch.channel_shuffle, torch.native_channel_shuffle)
@function
class channel_shuffle(Linear):
    """x with its channels, dimension 1, dealt out to n groups in turn:  dx = g dealt out to channels / n groups."""

    def forward(self, input: Any, groups: int) -> Any:
        self.ctx.save(groups)
        return torch.channel_shuffle(input, groups)

    def backward(self, grad: Any) -> Any:
        (groups,) = self.ctx.release
        return torch.channel_shuffle(grad, grad.shape[1] // groups)


native_channel_shuffle = channel_shuffle


@implements(functional.unfold)
@function
class unfold(Linear):
    """The patches of x, of shape (batch, channels, h, w), as columns (batch, channels size, patches):  dx = g folded.

    x may lack the batch dimension. ``Tensor.unfold``, of one dimension, is ``unfold_copy`` (``shapes.windows``).
    """

    def forward(
        self, input: Any, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1
    ) -> Any:
        self.ctx.save(tuple(input.shape[-2:]), kernel_size, dilation, padding, stride)
        return functional.unfold(input, kernel_size, dilation, padding, stride)

    def backward(self, grad: Any) -> Any:
        return functional.fold(grad, *self.ctx.release)


@implements(functional.fold)
@function
class fold(Linear):
    """Patches, as columns, added together to an image of a size:  dx = the patches of g."""

    def forward(
        self,
        input: Any,
        output_size: Sizes,
        kernel_size: Sizes,
        dilation: Sizes = 1,
        padding: Sizes = 0,
        stride: Sizes = 1,
    ) -> Any:
        self.ctx.save(kernel_size, dilation, padding, stride)
        return functional.fold(input, output_size, kernel_size, dilation, padding, stride)

    def backward(self, grad: Any) -> Any:
        return functional.unfold(grad, *self.ctx.release)
