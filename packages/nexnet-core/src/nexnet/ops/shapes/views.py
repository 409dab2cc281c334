"""Views: the same values in another arrangement, with no copy where torch makes none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ...engine import passes_on
from ...policy import Linear, function, implements
from .._names import composite
from ..elementwise.complex_numbers import conj
from .reshaping import reshape, transpose, unsqueeze, view

__all__ = [
    "adjoint",
    "alias",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_tensors",
    "broadcast_to",
    "expand",
    "expand_as",
    "mH",
    "mT",
    "moveaxis",
    "movedim",
    "permute",
    "reshape_as",
    "swapaxes",
    "swapdims",
    "t",
    "view_as",
]


@implements(torch.ops.aten.alias.default)
@function
class alias(Linear):
    """x under a new identity:  dx = g."""

    def forward(self, input: Any) -> Any:
        return input

    backward = passes_on


# ---------------------------------------------------------------------------------------------------------------------
# In another shape: see reshaping


@implements(torch.Tensor.reshape_as)
@composite
def reshape_as(input: Any, other: Any) -> Any:
    """X in the shape of another tensor."""
    return reshape(input, other.shape)


@implements(torch.Tensor.view_as)
@composite
def view_as(input: Any, other: Any) -> Any:
    """X in the shape of another tensor, without a copy."""
    return view(input, other.shape)


@implements(torch.atleast_1d, torch._C._VariableFunctions.atleast_1d)  # type: ignore[attr-defined]
@composite
def atleast_1d(*tensors: Any) -> Any:
    """Each tensor with one dimension or more."""
    return _each(tensors, lambda x: reshape(x, 1) if x.ndim == 0 else x)


@implements(torch.atleast_2d, torch._C._VariableFunctions.atleast_2d)  # type: ignore[attr-defined]
@composite
def atleast_2d(*tensors: Any) -> Any:
    """Each tensor with two dimensions or more; a vector becomes a row."""
    return _each(tensors, lambda x: reshape(x, 1, -1) if x.ndim < 2 else x)


@implements(torch.atleast_3d, torch._C._VariableFunctions.atleast_3d)  # type: ignore[attr-defined]
@composite
def atleast_3d(*tensors: Any) -> Any:
    """Each tensor with three dimensions or more: (n) becomes (1, n, 1), and (m, n) becomes (m, n, 1)."""
    return _each(tensors, lambda x: reshape(x, 1, -1, 1) if x.ndim < 2 else unsqueeze(x, -1) if x.ndim == 2 else x)


def _each(tensors: Any, fn: Any) -> Any:
    if len(tensors) == 1 and not isinstance(tensors[0], (tuple, list)):
        return fn(tensors[0])
    return tuple(fn(each) for each in (tensors[0] if len(tensors) == 1 else tensors))


# ---------------------------------------------------------------------------------------------------------------------
# Repetition without a copy


@implements(torch.Tensor.expand)
@function
class expand(Linear):
    """x repeated along dimensions of size 1:  dx = the sum of g over them, which the engine takes."""

    def forward(self, input: Any, *size: Any, implicit: bool = False) -> Any:
        if len(size) == 1 and type(size[0]) is not int:
            return torch.broadcast_to(input, size[0])
        return input.expand(*size)

    def backward(self, grad: Any) -> Any:
        return grad


@implements(torch.Tensor.expand_as)
@composite
def expand_as(input: Any, other: Any) -> Any:
    """X repeated to the shape of another tensor."""
    return expand(input, other.shape)


@implements(torch.broadcast_to)
def broadcast_to(input: Any, size: Sequence[int]) -> Any:
    """X repeated to a shape."""
    return expand(input, size)


class _broadcast(Linear):
    """Each x repeated to one shape:  dx = the sum of its g over what was repeated, which the engine takes."""

    materialize_grads = False

    def forward(self, *tensors: Any) -> Any:
        return torch.broadcast_tensors(*tensors)

    def backward(self, *grads: Any) -> Any:
        return grads


_broadcast_together = function(_broadcast)
_broadcast_together.leaf = True


@implements(torch.broadcast_tensors)
def broadcast_tensors(*tensors: Any) -> tuple[Any, ...]:
    """Each tensor repeated to the shape that all have together."""
    tensors = tuple(tensors[0]) if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else tensors
    return tuple(_broadcast_together(*tensors)) if tensors else ()


# ---------------------------------------------------------------------------------------------------------------------
# Dimensions in another order


@implements(torch.swapaxes, torch.swapdims)
def swapaxes(input: Any, axis0: int, axis1: int) -> Any:
    """X with two dimensions exchanged."""
    return transpose(input, axis0, axis1)


swapdims = swapaxes


@implements(torch.permute)
@function
class permute(Linear):
    """x with its dimensions in the order ``dims``:  dx = g in the inverse order."""

    def forward(self, input: Any, *dims: Any) -> Any:
        self.ctx.save(dims[0] if len(dims) == 1 and not isinstance(dims[0], int) else dims)
        return input.permute(*dims)

    def backward(self, grad: Any) -> Any:
        (dims,) = self.ctx.release
        inverse = [0] * len(dims)
        for place, dim in enumerate(dims):
            inverse[dim] = place
        return grad.permute(inverse)


@implements(torch.movedim, torch.moveaxis)
@function
class movedim(Linear):
    """x with some dimensions moved:  dx = g with them moved back."""

    def forward(self, input: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Any:
        self.ctx.save(source, destination)
        return input.movedim(source, destination)

    def backward(self, grad: Any) -> Any:
        source, destination = self.ctx.release
        return grad.movedim(destination, source)


moveaxis = movedim


@implements(torch.t)
@function
class t(Linear):
    """The transpose of a matrix; a vector or a scalar as it is."""

    def forward(self, input: Any) -> Any:
        return input.t()

    def backward(self, grad: Any) -> Any:
        return grad.t()


@implements()
@function
class mT(Linear):
    """The transpose of each matrix of a batch."""

    def forward(self, input: Any) -> Any:
        return input.mT

    def backward(self, grad: Any) -> Any:
        return grad.mT


@implements(torch.adjoint)
def mH(input: Any) -> Any:  # noqa: N802  torch's name
    """The conjugate transpose of each matrix of a batch."""
    return conj(mT(input))


adjoint = mH
