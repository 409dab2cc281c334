"""Elements in order: sorting, the k largest, quantiles. Gradients go where the values came from.

Of equal elements the gradient goes to those whose indices torch returns; a stable sort keeps their order.
"""

from __future__ import annotations

from typing import Any

import torch

from .._engine import unwrap
from ..policy import Policy, function, implements
from ._names import numpy_names
from .arithmetic import lerp
from .extrema import selection_backward
from .gathering import gather
from .shape import movedim, reshape

__all__ = ["kthvalue", "mode", "msort", "nanquantile", "quantile", "sort", "topk"]


class _Ordered(Policy):
    """(x_k, k) along one dimension:  dx = zeros with g at k."""

    materialize_grads = False

    def keep(self, input: Any, out: Any, dim: int, keepdim: bool) -> Any:
        """Keep what the gradient needs, and give the result."""
        self.ctx.save(out[1], dim, input.shape, keepdim)
        return out

    def backward(self, grad: Any, _: Any) -> Any:
        index, dim, shape, keepdim = self.ctx.release
        return selection_backward(grad, dim, index, shape, keepdim)


@implements(torch.sort)
@function
class sort(_Ordered):
    """The elements in order along a dimension, and the indices that they had.

    Corner: a stable sort keeps the order of a tie.
    """

    def forward(self, input: Any, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Any:
        return self.keep(input, torch.sort(input, dim=dim, descending=descending, stable=stable), dim, True)


@implements(torch.msort)
def msort(input: Any) -> Any:
    """The elements in order along the first dimension."""
    return sort(input, 0)[0]


@implements(torch.topk)
@function
class topk(_Ordered):
    """The k largest (or smallest) elements along a dimension, and their indices.  Corner: ties as torch breaks them."""

    def forward(self, input: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
        return self.keep(input, torch.topk(input, k, dim, largest, sorted), dim, True)


@implements(torch.kthvalue)
@function
class kthvalue(_Ordered):
    """The k-th smallest element along a dimension, and its index; k counts from 1."""

    def forward(self, input: Any, k: int, dim: int = -1, keepdim: bool = False) -> Any:
        return self.keep(input, torch.kthvalue(input, k, dim, keepdim), dim, keepdim)


@implements(torch.mode)
@function
class mode(_Ordered):
    """The most frequent element along a dimension (the least of several), and the index of one of them."""

    def forward(self, input: Any, dim: int = -1, keepdim: bool = False) -> Any:
        return self.keep(input, torch.mode(input, dim, keepdim), dim, keepdim)


# ---------------------------------------------------------------------------------------------------------------------
# Quantiles: between two elements of the sorted x, at the rank q (n - 1)

_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


@implements(torch.quantile)
@numpy_names
def quantile(
    input: Any, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Any:
    """The q-quantiles over one dimension or all elements; several q make a new first dimension.

    Differentiable in x and, where the interpolation is linear, in q.  Corner: NaN where an element is NaN.
    """
    return _quantile(torch.quantile, input, q, dim, keepdim, interpolation)


@implements(torch.nanquantile)
@numpy_names
def nanquantile(
    input: Any, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Any:
    """The q-quantiles of what is not NaN: see ``quantile``."""
    return _quantile(torch.nanquantile, input, q, dim, keepdim, interpolation)


def _quantile(torch_function: Any, input: Any, q: Any, dim: int | None, keepdim: bool, interpolation: str) -> Any:
    x = unwrap(input)
    if isinstance(q, (int, float)):
        q = torch.tensor(q, dtype=x.dtype, device=x.device)
    if not _is_valid(x, unwrap(q), interpolation):
        torch_function(x, unwrap(q), dim, keepdim, interpolation=interpolation)  # raises torch's own error
    values, _ = sort(reshape(input, -1) if dim is None or x.ndim == 0 else movedim(input, dim, -1))
    rank = _ranks(unwrap(values), q, torch_function is torch.nanquantile)
    if interpolation in ("lower", "higher", "nearest"):
        rounded = {"lower": torch.floor, "higher": torch.ceil, "nearest": torch.round}[interpolation](unwrap(rank))
        out = gather(values, -1, rounded.long())
    else:
        below, above = torch.floor(unwrap(rank)), torch.ceil(unwrap(rank))
        weight = torch.full_like(below, 0.5) if interpolation == "midpoint" else rank - below
        out = lerp(gather(values, -1, below.long()), gather(values, -1, above.long()), weight)
    if dim is None or x.ndim == 0:
        return reshape(out, (*q.shape, *[1] * (x.ndim if keepdim else 0)))
    if q.ndim == 0:
        return movedim(out, -1, dim) if keepdim else out.squeeze(-1)
    out = movedim(out, -1, 0)
    return out.unsqueeze(dim % x.ndim + 1) if keepdim else out


def _ranks(values: Any, q: Any, ignore_nan: bool) -> Any:
    """Give the places in sorted values, one for each q: those of NaN, which comes last, if there are any."""
    last = values.shape[-1] - 1
    if ignore_nan:
        return torch.clamp(q * ((~torch.isnan(values)).sum(-1, keepdim=True) - 1), min=0)
    return torch.where(torch.isnan(values[..., -1:]), last, q * last)


def _is_valid(x: torch.Tensor, q: torch.Tensor, interpolation: str) -> bool:
    if x.numel() == 0 or q.ndim > 1 or q.dtype != x.dtype or interpolation not in _INTERPOLATIONS:
        return False
    if x.dtype not in (torch.float32, torch.float64):
        return False
    return q.is_meta or torch._C._functorch.is_batchedtensor(q) or bool(((q >= 0) & (q <= 1)).all())
