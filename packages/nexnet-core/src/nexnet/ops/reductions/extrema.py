"""The largest, the smallest, the middle: reductions that select elements.

At ties, as in PyTorch: over all elements (``max(x)``, ``amax``) the gradient is split evenly; along one dimension
(``max(x, dim)``) it goes to the one element whose index is returned.
"""

from __future__ import annotations

from typing import Any

import torch

from ...engine import unwrap
from ...policy import Analytic, Policy, function, implements
from .._kernels import kernel_or_rule
from .._names import composite
from .._plain import is_plain, zeros_for
from .sums import Dims, restore_dims

__all__ = ["amax", "amin", "aminmax", "max", "median", "min", "nanmedian"]


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


class _Evenly(Policy):
    """y = x_i over all elements:  dx_i = g / (number of such i), 0 elsewhere. NaN is an element like others."""

    kernel: Any

    def forward(self, input: Any) -> Any:
        out = type(self).kernel(input)
        self.ctx.save(input, out)
        return out

    def backward(self, grad: Any) -> Any:
        input, out = map(unwrap, self.ctx.release)
        reached = input == out
        if not (out.is_meta or torch._C._functorch.is_batchedtensor(out)) and out.isnan():
            reached = input.isnan()
        return torch.where(reached, grad / reached.sum(), 0)


@implements()
@function
class _selection_backward(Analytic):
    """Zeros of a shape with x at k of one dimension:  dx = g at k."""

    def forward(self, input: Any, dim: int, index: Any, shape: Any, keepdim: bool) -> Any:
        self.ctx.save(dim, index, keepdim or not shape)
        return _into_zeros(input, dim, index, shape, keepdim)

    def backward(self, grad: Any) -> Any:
        dim, index, keepdim = self.ctx.release
        return grad.gather(dim, index) if keepdim else grad.gather(dim, index.unsqueeze(dim)).squeeze(dim)


def _into_zeros(x: Any, dim: int, index: Any, shape: torch.Size, keepdim: bool) -> Any:
    if not keepdim and shape:
        x, index = x.unsqueeze(dim), index.unsqueeze(dim)
    zeros = zeros_for(x, shape)
    return zeros.scatter_(dim, index, x) if is_plain(x, index) else zeros.scatter(dim, index, x)


#: Gives zeros of a shape with the gradients of the selected elements in their places.
selection_backward = kernel_or_rule(_into_zeros, _selection_backward)


class _Selected(Policy):
    """(x_k, k) along one dimension:  dx_i = g for i = k, 0 elsewhere."""

    kernel: Any
    materialize_grads = False

    def forward(self, input: Any, dim: int, keepdim: bool = False) -> Any:
        out = type(self).kernel(input, dim, keepdim)
        self.ctx.save(dim, out[1], input.shape, keepdim)
        return out

    def backward(self, grad: Any, _: Any) -> Any:
        return selection_backward(grad, *self.ctx.release)


@implements(torch.amax)
@function
class amax(_Shared):
    """The largest element over the dimensions.  Corner: a tie is shared evenly."""

    kernel = torch.amax


@implements(torch.amin)
@function
class amin(_Shared):
    """The smallest element over the dimensions.  Corner: a tie is shared evenly."""

    kernel = torch.amin


class _max_along(_Selected):
    kernel = torch.max


class _min_along(_Selected):
    kernel = torch.min


class _median_along(_Selected):
    kernel = torch.median


class _nanmedian_along(_Selected):
    kernel = torch.nanmedian


class _max_of_all(_Evenly):
    kernel = torch.max


class _min_of_all(_Evenly):
    kernel = torch.min


class _median_of_all(_Evenly):
    kernel = torch.median


class _nanmedian_of_all(_Evenly):
    kernel = torch.nanmedian


_leaf = implements()
max_along, min_along = _leaf(function(_max_along)), _leaf(function(_min_along))
median_along, nanmedian_along = _leaf(function(_median_along)), _leaf(function(_nanmedian_along))
max_of_all, min_of_all = _leaf(function(_max_of_all)), _leaf(function(_min_of_all))
median_of_all, nanmedian_of_all = _leaf(function(_median_of_all)), _leaf(function(_nanmedian_of_all))


@implements(torch.max)
@composite
def max(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """``max(x)``: the largest element; ``max(x, dim)``: named (values, indices); ``max(x, y)``: ``maximum``.

    Corner: a tie over all elements is shared evenly; along a dimension the element whose index is returned takes it; of
    nothing there is none.
    """
    if other is not None or not (dim is None or isinstance(dim, int)):
        return torch.maximum(input, dim if other is None else other)
    return max_of_all(input) if dim is None else max_along(input, dim, keepdim)


@implements(torch.min)
@composite
def min(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """``min(x)``: the smallest element; ``min(x, dim)``: named (values, indices); ``min(x, y)``: ``minimum``.

    Corner: as max.
    """
    if other is not None or not (dim is None or isinstance(dim, int)):
        return torch.minimum(input, dim if other is None else other)
    return min_of_all(input) if dim is None else min_along(input, dim, keepdim)


@implements(torch.median)
@composite
def median(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The middle element, the lower one of two; ``median(x, dim)``: named (values, indices).

    Corner: over all elements, equal ones share the gradient; along a dimension it goes to the index that is returned.
    """
    return median_of_all(input) if dim is None else median_along(input, dim, keepdim)


@implements(torch.nanmedian)
@composite
def nanmedian(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The middle of the elements that are not NaN: see ``median``."""
    return nanmedian_of_all(input) if dim is None else nanmedian_along(input, dim, keepdim)


@implements(torch.aminmax)
@function
class aminmax(Policy):
    """The smallest and the largest element: each has the gradient of ``amin`` and of ``amax``."""

    materialize_grads = False

    def forward(self, input: Any, *, dim: int | None = None, keepdim: bool = False) -> Any:
        out = torch.aminmax(input, dim=dim, keepdim=keepdim)
        self.ctx.save(input, *out, dim, keepdim)
        return out

    def backward(self, *grads: Any) -> Any:
        input, *extremes, dim, keepdim = self.ctx.release
        total = None
        for grad, extreme in zip(grads, extremes, strict=True):
            if grad is not None:
                reached = input == restore_dims(extreme, input.shape, dim, keepdim)
                count = reached.sum() if dim is None else reached.sum(dim, keepdim=True)
                share = restore_dims(grad, input.shape, dim, keepdim) / count * reached
                total = share if total is None else total + share
        return total
