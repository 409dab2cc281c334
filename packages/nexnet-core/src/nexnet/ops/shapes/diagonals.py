"""Diagonals and triangles of matrices: taken, put in place, and summed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...errors import InputError, message
from ...policy import Linear, function, implements
from .._kernels import kernel_or_rule
from .._names import composite

__all__ = ["diag", "diag_embed", "diagonal", "linalg_diagonal", "trace", "tril", "triu"]


@implements(torch.diagonal)
@function
class diagonal(Linear):
    """x_ii over two dimensions:  dx = zeros with g on that diagonal."""

    def forward(self, input: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
        self.ctx.save(input.shape, offset, dim1, dim2)
        return input.diagonal(offset, dim1, dim2)

    def backward(self, grad: Any) -> Any:
        return _put_on_diagonal(grad, *self.ctx.release)


@implements(torch.linalg.diagonal)
def linalg_diagonal(A: Any, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:  # noqa: N803  torch's name
    """The diagonal of each matrix of a batch: ``diagonal`` over the last two dimensions unless others are named."""
    return diagonal(A, offset, dim1, dim2)


@implements(torch.ops.aten.diagonal_backward.default)
@function
class _diagonal_backward(Linear):
    """Zeros of a shape with x on a diagonal:  dx = that diagonal of g."""

    def forward(self, input: Any, shape: Sequence[int], offset: int, dim1: int, dim2: int) -> Any:
        self.ctx.save(offset, dim1, dim2)
        return _into_zeros(input, shape, offset, dim1, dim2)

    def backward(self, grad: Any) -> Any:
        return grad.diagonal(*self.ctx.release)


def _into_zeros(x: Tensor, shape: Sequence[int], offset: int, dim1: int, dim2: int) -> Tensor:
    out = x.new_zeros(*shape)
    out.diagonal(offset, dim1, dim2).copy_(x)
    return out


_put_on_diagonal = kernel_or_rule(_into_zeros, _diagonal_backward)


@implements(torch.diag_embed)
@function
class diag_embed(Linear):
    """Matrices with x on a diagonal and zeros elsewhere:  dx = that diagonal of g."""

    def forward(self, input: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
        self.ctx.save(offset, dim1, dim2)
        return torch.diag_embed(input, offset, dim1, dim2)

    def backward(self, grad: Any) -> Any:
        return grad.diagonal(*self.ctx.release)


@implements(torch.diag)
@composite
def diag(input: Any, diagonal: int = 0) -> Any:
    """The diagonal of a matrix, or a matrix with the vector on its diagonal."""
    return diag_embed(input, diagonal) if input.ndim == 1 else _diagonal(input, diagonal)


_diagonal = diagonal


class _Trace(Linear):
    """The sum of a matrix's diagonal:  dx_ii = g, and 0 beside it."""

    def forward(self, input: Any) -> Any:
        if input.ndim != 2:
            raise InputError(message("trace takes a matrix.", rule="trace", got=f"shape {tuple(input.shape)}"))
        self.ctx.save(input.shape)
        return torch.trace(input)

    def backward(self, grad: Any) -> Any:
        (shape,) = self.ctx.release
        return _put_on_diagonal(grad.expand(min(shape)), shape, 0, 0, 1)


_sum_of_diagonal = function(_Trace)
_sum_of_diagonal.leaf = True


@implements(torch.trace)
def trace(input: Any) -> Any:
    """The sum of a matrix's diagonal: ``x.trace()`` or ``torch.trace(x)``, for ``nexnet.trace`` is the transform."""
    return _sum_of_diagonal(input)


@implements(torch.tril)
@function
class tril(Linear):
    """x below the diagonal and on it, 0 above:  dx = the same triangle of g."""

    def forward(self, input: Any, diagonal: int = 0) -> Any:
        self.ctx.save(diagonal)
        return input.tril(diagonal)

    def backward(self, grad: Any) -> Any:
        return grad.tril(*self.ctx.release)


@implements(torch.triu)
@function
class triu(Linear):
    """x above the diagonal and on it, 0 below:  dx = the same triangle of g."""

    def forward(self, input: Any, diagonal: int = 0) -> Any:
        self.ctx.save(diagonal)
        return input.triu(diagonal)

    def backward(self, grad: Any) -> Any:
        return grad.triu(*self.ctx.release)
