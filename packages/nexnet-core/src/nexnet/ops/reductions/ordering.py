"""Elements in order: sorting, the k largest, quantiles. Gradients go where the values came from.

Of equal elements the gradient goes to those whose indices torch returns; a stable sort keeps their order.
"""

from __future__ import annotations

import math
from typing import Any

import numpy
import torch

from ...engine import unwrap
from ...policy import Policy, function, implements
from .._names import composite, place_of
from .._plain import is_plain, zeros_for
from ..shapes.reshaping import reshape
from ..shapes.views import movedim
from .extrema import selection_backward

__all__ = ["kthvalue", "mode", "msort", "nanquantile", "quantile", "sort", "topk"]


class _Ordered(Policy):
    """(x_k, k) along one dimension:  dx = zeros with g at k."""

    materialize_grads = False

    def backward(self, grad: Any, _: Any) -> Any:
        return selection_backward(grad, *self.ctx.release)


@implements(torch.sort)
@function
class sort(_Ordered):
    """The elements in order along a dimension, and the indices that they had.

    Corner: a stable sort keeps the order of a tie.
    """

    def forward(self, input: Any, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Any:
        out = torch.sort(input, dim=dim, descending=descending, stable=stable)
        self.ctx.save(dim, out[1], input.shape, True)
        return out


@implements(torch.msort)
def msort(input: Any) -> Any:
    """The elements in order along the first dimension."""
    return sort(input, 0)[0]


@implements(torch.topk)
@function
class topk(_Ordered):
    """The k largest (or smallest) elements along a dimension, and their indices.  Corner: ties as torch breaks them."""

    def forward(self, input: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
        out = torch.topk(input, k, dim, largest, sorted)
        self.ctx.save(dim, out[1], input.shape, True)
        return out


@implements(torch.kthvalue)
@function
class kthvalue(_Ordered):
    """The k-th smallest element along a dimension, and its index; k counts from 1."""

    def forward(self, input: Any, k: int, dim: int = -1, keepdim: bool = False) -> Any:
        out = torch.kthvalue(input, k, dim, keepdim)
        self.ctx.save(dim, out[1], input.shape, keepdim)
        return out


@implements(torch.mode)
@function
class mode(_Ordered):
    """The most frequent element along a dimension (the least of several), and the index of one of them."""

    def forward(self, input: Any, dim: int = -1, keepdim: bool = False) -> Any:
        out = torch.mode(input, dim, keepdim)
        self.ctx.save(dim, out[1], input.shape, keepdim)
        return out


# ---------------------------------------------------------------------------------------------------------------------
# Quantiles: between two elements of the sorted x, at the rank q (n - 1)

_ROUNDED: dict[str, tuple[Any, Any]] = {
    "lower": (torch.floor, math.floor),
    "higher": (torch.ceil, math.ceil),
    "nearest": (torch.round, round),
}
_INTERPOLATIONS = ("linear", "midpoint", *_ROUNDED)


@implements(torch.quantile)
@composite
def quantile(
    input: Any, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Any:
    """The q-quantiles over one dimension or all elements; several q make a new first dimension.

    Differentiable in x and, where the interpolation is linear, in q.  Corner: NaN where an element is NaN.
    """
    return _quantile(torch.quantile, input, q, dim, keepdim, interpolation)


@implements(torch.nanquantile)
@composite
def nanquantile(
    input: Any, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Any:
    """The q-quantiles of what is not NaN: see ``quantile``."""
    return _quantile(torch.nanquantile, input, q, dim, keepdim, interpolation)


@implements()
@function
class _between(Policy):
    """x_k + w (x_l - x_k) along a dimension:  dx = zeros with g (1 - w) added at k and g w at l,  dw = g (x_l - x_k).

    Without a weight it is x_k. Without a dimension x is taken flat; ``keepdim`` keeps the one of k.
    """

    def forward(self, input: Any, weight: Any, below: Any, above: Any, dim: int | None, keepdim: bool) -> Any:
        needs = self.ctx.needs_input_grad
        self.ctx.save(input if needs[1] else None, weight, below, above, input.shape, dim, keepdim)
        input, dim = (input.reshape(-1), 0) if dim is None else (input, dim)
        out = torch.gather(input, dim, below)
        if weight is not None:
            out = torch.lerp(out, torch.gather(input, dim, above), weight)
        return out if keepdim else out.squeeze(dim)

    def backward(self, grad: Any) -> Any:
        input, weight, below, above, shape, dim, keepdim = self.ctx.release
        need_input, need_weight, *_ = self.ctx.needs_input_grad
        flat, dim = dim is None, dim or 0
        grad = grad if keepdim else grad.unsqueeze(dim)
        dx = dw = None
        if need_input:
            dx = zeros_for(grad, (shape.numel(),) if flat else shape)
            parts = [(below, grad)] if weight is None else [(below, grad * (1 - weight)), (above, grad * weight)]
            for index, part in parts:
                add = dx.scatter_add_ if is_plain(dx, index, part) else dx.scatter_add
                dx = add(dim, index, part)
            dx = torch.reshape(dx, shape) if flat else dx
        if need_weight:
            input = input.reshape(-1) if flat else input
            dw = grad * (torch.gather(input, dim, above) - torch.gather(input, dim, below))
        return dx, dw


def _quantile(torch_function: Any, input: Any, q: Any, dim: int | None, keepdim: bool, interpolation: str) -> Any:
    """Sort x as torch does; what is differentiated is the element, or the two elements of x, at the rank of each q."""
    x, of_all = unwrap(input), dim is None or input.ndim == 0
    _check(torch_function, x, *map(unwrap, (q, dim, keepdim, interpolation)))
    place = 0 if dim is None or of_all else place_of(dim, x.ndim)
    values, order = torch.sort(x.reshape(-1) if of_all else x, place)
    several = not isinstance(q, (int, float)) and q.ndim == 1
    if several:
        q = q.reshape([-1 if i == place else 1 for i in range(values.ndim)])
    below, above, weight = _ranked(values, order, place, q, torch_function is torch.nanquantile, interpolation)
    out = _between(input, weight, below, above, None if of_all else place, several)
    if of_all:
        return reshape(out, (*out.shape, *[1] * x.ndim)) if keepdim and x.ndim else out
    if not several:
        return out.unsqueeze(place) if keepdim else out
    out = movedim(out, place, 0)
    return out.unsqueeze(place + 1) if keepdim else out


def _ranked(values: Any, order: Any, dim: int, q: Any, ignore_nan: bool, interpolation: str) -> tuple[Any, Any, Any]:
    """Give the indices of the elements below and above each q's rank, and the weight of the one above.

    The last two are None if one element decides. The rank is q (n - 1), in which n leaves out NaN, or that of the last
    element if it is NaN: it comes last.
    """
    last = values.shape[dim] - 1
    if ignore_nan:
        count = (~torch.isnan(values)).sum(dim, keepdim=True)
        rank = torch.clamp((count - 1).to(values.dtype) * q, min=0)
    else:
        is_nan = torch.isnan(values.narrow(dim, last, 1))
        if isinstance(q, (int, float)):
            return _at_one_rank(is_nan, order, dim, _product(q, last, values.dtype), interpolation)
        rank = torch.where(is_nan, last, q * last)
    if interpolation in _ROUNDED:
        return torch.gather(order, dim, _ROUNDED[interpolation][0](unwrap(rank)).long()), None, None
    low = torch.floor(unwrap(rank))
    below, above = (torch.gather(order, dim, each.long()) for each in (low, torch.ceil(unwrap(rank))))
    return below, above, 0.5 if interpolation == "midpoint" else rank - low


def _at_one_rank(is_nan: Any, order: Any, dim: int, rank: float, interpolation: str) -> tuple[Any, Any, Any]:
    last = order.narrow(dim, order.shape[dim] - 1, 1)
    if interpolation in _ROUNDED:
        return torch.where(is_nan, last, order.narrow(dim, int(_ROUNDED[interpolation][1](rank)), 1)), None, None
    low, high = math.floor(rank), math.ceil(rank)
    below = torch.where(is_nan, last, order.narrow(dim, low, 1))
    above = below if low == high else torch.where(is_nan, last, order.narrow(dim, high, 1))
    return below, above, 0.5 if interpolation == "midpoint" else rank - low


def _product(q: float, n: int, dtype: torch.dtype) -> float:
    """Give q n, rounded as in torch's arithmetic."""
    kind = numpy.float32 if dtype is torch.float32 else numpy.float64
    return float(kind(q) * kind(n))


def _check(torch_function: Any, x: torch.Tensor, q: Any, dim: int | None, keepdim: bool, interpolation: str) -> None:
    """Let torch raise its own error for what it does not take."""
    is_number = isinstance(q, (int, float))
    valid = x.numel() > 0 and x.dtype in (torch.float32, torch.float64) and interpolation in _INTERPOLATIONS
    if valid and is_number:
        valid = 0 <= q <= 1
    elif valid:
        valid = q.ndim <= 1 and q.dtype == x.dtype
        if valid and not (q.is_meta or torch._C._functorch.is_batchedtensor(q)):
            valid = bool(((q >= 0) & (q <= 1)).all())
    if not valid:
        q = torch.tensor(q, dtype=x.dtype, device=x.device) if is_number else q
        torch_function(x, q, dim, keepdim, interpolation=interpolation)
