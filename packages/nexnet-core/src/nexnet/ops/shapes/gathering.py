"""Elements and slices along a dimension, by an index tensor."""

from __future__ import annotations

from typing import Any

import torch

from ...policy import Linear, function, implements
from .._names import composite, place_of
from .._plain import is_plain, zeros_for
from .reshaping import reshape
from .views import expand

__all__ = [
    "gather",
    "index_add",
    "index_select",
    "take_along_dim",
]


@implements(torch.gather)
@function
class gather(Linear):
    """y_i = x_{k_i} along a dimension:  dx_j = the sum of g_i over k_i = j.

    Corner: an index that repeats gathers each gradient.
    """

    def forward(self, input: Any, dim: int, index: Any, *, sparse_grad: bool = False) -> Any:
        self.ctx.save(input.shape, dim, index)
        return torch.gather(input, dim, index)

    def backward(self, grad: Any) -> Any:
        shape, dim, index = self.ctx.release
        zeros = zeros_for(grad, shape)
        return zeros.scatter_add_(dim, index, grad) if is_plain(grad, index) else zeros.scatter_add(dim, index, grad)


@implements(torch.take_along_dim)
@composite
def take_along_dim(input: Any, indices: Any, dim: int | None = None) -> Any:
    """The elements of x at indices of a dimension (of all of it, without ``dim``); the other dimensions broadcast.

    An index below 0 counts from the end.
    """
    if dim is None:
        input, indices, dim = reshape(input, -1), indices.reshape(-1), 0
    dim = place_of(dim, input.ndim)
    indices = torch.where(indices < 0, indices + input.shape[dim], indices)
    shape, wanted = input.shape, indices.shape
    if len(shape) == len(wanted) and shape[:dim] == wanted[:dim] and shape[dim + 1 :] == wanted[dim + 1 :]:
        return gather(input, dim, indices)
    sizes = list(torch.broadcast_shapes(_with_one(shape, dim), _with_one(wanted, dim)))
    sizes[dim] = wanted[dim]
    indices = indices.expand(sizes)
    sizes[dim] = shape[dim]
    return gather(expand(input, sizes), dim, indices)


def _with_one(shape: torch.Size, dim: int) -> list[int]:
    return [1 if i == dim else size for i, size in enumerate(shape)]


@implements(torch.index_select)
@function
class index_select(Linear):
    """The slices of x at indices of a dimension:  dx = zeros with g's slices added there."""

    def forward(self, input: Any, dim: int, index: Any) -> Any:
        self.ctx.save(input.shape, dim, index)
        return torch.index_select(input, dim, index)

    def backward(self, grad: Any) -> Any:
        shape, dim, index = self.ctx.release
        zeros = zeros_for(grad, shape)
        return zeros.index_add_(dim, index, grad) if is_plain(grad, index) else zeros.index_add(dim, index, grad)


@implements(torch.index_add)
@function
class index_add(Linear):
    """x with the slices of s added at indices of a dimension:  dx = g,  ds = g's slices there."""

    def forward(self, input: Any, dim: int, index: Any, source: Any, *, alpha: float = 1) -> Any:
        self.ctx.save(dim, index, alpha)
        return torch.index_add(input, dim, index, source, alpha=alpha)

    def backward(self, grad: Any) -> Any:
        dim, index, alpha = self.ctx.release
        if not self.ctx.needs_input_grad[3]:
            return grad
        slices = grad.index_select(dim, index)
        return grad, None, None, slices if alpha == 1 else slices * alpha.conjugate()
