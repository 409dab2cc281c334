"""Rules of the views that models take most: the same elements in another shape, and with two dimensions exchanged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...engine.attributes import shape_of
from ...engine.direct import direct
from ...errors import InputError, message
from ...policy import Linear, function, implements

__all__ = ["flatten", "ravel", "reshape", "squeeze", "transpose", "unflatten", "unsqueeze", "view"]

_reshape, _view, _transpose = direct(torch.reshape), direct(Tensor.view), direct(torch.transpose)


def _sizes(given: tuple[Any, ...]) -> tuple[Any, ...]:
    """Give the sizes that a method was given, each for itself or all in one."""
    return given if len(given) != 1 or type(given[0]) is int else tuple(given[0])


class _Reshape(Linear):
    """x in another shape:  dx = g in x's shape."""

    def backward(self, grad: Any) -> Any:
        (shape,) = self.ctx.release
        return _reshape(grad, shape) if type(grad) is Tensor else grad.reshape(shape)


@implements(torch.reshape)
@function
class reshape(_Reshape):
    """x in another shape, a view if its strides allow it. One size may be -1."""

    def forward(self, input: Any, *shape: Any) -> Any:
        self.ctx.save(shape_of(input))
        return _reshape(input, _sizes(shape)) if type(input) is Tensor else input.reshape(*shape)


@implements(torch.Tensor.view)
@function
class view(_Reshape):
    """x in another shape, without a copy, or an error if its strides do not allow it."""

    def forward(self, input: Any, *size: Any, dtype: torch.dtype | None = None) -> Any:
        if dtype is not None or (len(size) == 1 and isinstance(size[0], torch.dtype)):
            raise InputError(
                message(
                    "a view as another dtype reads the bits anew: it has no gradient.",
                    rule="view",
                    got=dtype or size[0],
                    remedy="x.to(dtype) converts the values; x.data.view(dtype) gives the bits, as a torch tensor",
                )
            )
        self.ctx.save(shape_of(input))
        return _view(input, _sizes(size)) if type(input) is Tensor else input.view(*size)


@implements(torch.flatten)
@function
class flatten(_Reshape):
    """x with the dimensions from start_dim to end_dim made one."""

    def forward(self, input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
        self.ctx.save(input.shape)
        return torch.flatten(input, start_dim, end_dim)


@implements(torch.unflatten)
@function
class unflatten(_Reshape):
    """x with one dimension made several."""

    def forward(self, input: Any, dim: int, sizes: Sequence[int]) -> Any:
        self.ctx.save(input.shape)
        return input.unflatten(dim, sizes)


@implements(torch.squeeze)
@function
class squeeze(_Reshape):
    """x without its dimensions of size 1: all of them, or those named."""

    def forward(self, input: Any, dim: int | tuple[int, ...] | None = None) -> Any:
        self.ctx.save(input.shape)
        return input.squeeze() if dim is None else input.squeeze(dim)


@implements(torch.unsqueeze)
@function
class unsqueeze(Linear):
    """x with a dimension of size 1 before ``dim``."""

    def forward(self, input: Any, dim: int) -> Any:
        self.ctx.save(dim)
        return input.unsqueeze(dim)

    def backward(self, grad: Any) -> Any:
        (dim,) = self.ctx.release
        return grad.squeeze(dim)


@implements(torch.ravel)
@function
class ravel(_Reshape):
    """x in one dimension, contiguous."""

    def forward(self, input: Any) -> Any:
        self.ctx.save(input.shape)
        return input.ravel()


@implements(torch.transpose, torch.swapaxes, torch.swapdims)
@function
class transpose(Linear):
    """x with two dimensions exchanged:  dx = g with them exchanged."""

    def forward(self, input: Any, dim0: int, dim1: int) -> Any:
        self.ctx.save(dim0, dim1)
        return _transpose(input, dim0, dim1) if type(input) is Tensor else input.transpose(dim0, dim1)

    def backward(self, grad: Any) -> Any:
        dim0, dim1 = self.ctx.release
        return _transpose(grad, dim0, dim1) if type(grad) is Tensor else grad.transpose(dim0, dim1)
