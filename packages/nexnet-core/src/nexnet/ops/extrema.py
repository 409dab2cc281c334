"""The largest, the smallest, the middle: reductions that select elements.

At ties, as in PyTorch: over all elements (``max(x)``, ``amax``) the gradient is split evenly; along one dimension
(``max(x, dim)``) it goes to the one element whose index is returned.
"""

from __future__ import annotations

from typing import Any

import torch

from ..policy import Policy, function, implements
from ._names import numpy_names
from .reduction import Dims, restore_dims

__all__ = ["amax", "amin", "max", "median", "min"]


class _Shared(Policy):
    """y = x_i where x_i is extreme:  dx_i = g / (number of such i), 0 elsewhere."""

    kernel: Any

    def forward(self, input: Any, dim: Dims = (), keepdim: bool = False) -> Any:
        out = type(self).kernel(input, dim, keepdim)
        self.ctx.save(input, out, dim, keepdim)
        return out

    def backward(self, grad: Any) -> Any:
        input, out, dim, keepdim = self.ctx.release
        reached = input == restore_dims(out, input.shape, dim, keepdim)
        return restore_dims(grad, input.shape, dim, keepdim) / reached.sum(dim, keepdim=True) * reached


class _Selected(Policy):
    """(x_k, k) along one dimension:  dx_i = g for i = k, 0 elsewhere."""

    kernel: Any
    materialize_grads = False

    def forward(self, input: Any, dim: int, keepdim: bool = False) -> Any:
        out = type(self).kernel(input, dim, keepdim)
        self.ctx.save(input.shape, out[1], dim, keepdim)
        return out

    def backward(self, grad: Any, _: Any) -> Any:
        shape, index, dim, keepdim = self.ctx.release
        if not keepdim and shape:
            grad, index = grad.unsqueeze(dim), index.unsqueeze(dim)
        return grad.new_zeros(shape).scatter(dim, index, grad)


@implements(torch.amax)
@function
class amax(_Shared):
    """The largest element over the dimensions; ties share its gradient evenly."""

    kernel = torch.amax


@implements(torch.amin)
@function
class amin(_Shared):
    """The smallest element over the dimensions; ties share its gradient evenly."""

    kernel = torch.amin


class _max_along(_Selected):
    kernel = torch.max


class _min_along(_Selected):
    kernel = torch.min


class _median_along(_Selected):
    kernel = torch.median


max_along, min_along, median_along = function(_max_along), function(_min_along), function(_median_along)
max_along.leaf = min_along.leaf = median_along.leaf = True


@implements(torch.max)
@numpy_names
def max(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """``max(x)``: the largest element; ``max(x, dim)``: named (values, indices); ``max(x, y)``: ``maximum``."""
    if other is not None or not (dim is None or isinstance(dim, int)):
        return torch.maximum(input, dim if other is None else other)
    return amax(input) if dim is None else max_along(input, dim, keepdim)


@implements(torch.min)
@numpy_names
def min(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """``min(x)``: the smallest element; ``min(x, dim)``: named (values, indices); ``min(x, y)``: ``minimum``."""
    if other is not None or not (dim is None or isinstance(dim, int)):
        return torch.minimum(input, dim if other is None else other)
    return amin(input) if dim is None else min_along(input, dim, keepdim)


@implements(torch.median)
@numpy_names
def median(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The middle element, the lower one of two; ``median(x, dim)``: named (values, indices)."""
    return median_along(input.reshape(-1), 0)[0] if dim is None else median_along(input, dim, keepdim)
