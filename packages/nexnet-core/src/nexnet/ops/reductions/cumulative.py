"""Running sums, extremes and logarithms of sums along a dimension."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from ..._engine import TensorBase
from ...policy import Analytic, Linear, Policy, function, implements
from .._plain import is_plain, may_look_at

__all__ = ["cummax", "cummin", "cumsum", "logcumsumexp"]


@implements(torch.cumsum)
@function
class cumsum(Linear):
    """y_i = sum_{j <= i} x_j:  dx_j = sum_{i >= j} g_i."""

    def forward(self, input: Any, dim: int, *, dtype: torch.dtype | None = None) -> Any:
        self.ctx.save(dim)
        return torch.cumsum(input, dim, dtype=dtype)

    def backward(self, grad: Any) -> Any:
        (dim,) = self.ctx.release
        return grad if grad.ndim == 0 or grad.shape[dim] < 2 else grad.flip(dim).cumsum(dim).flip(dim)


class _Extreme(Policy):
    """(x_k, k), k the place of the extreme so far:  dx_j = the sum of g_i over k_i = j."""

    kernel: Any
    materialize_grads = False

    def forward(self, input: Any, dim: int) -> Any:
        out = type(self).kernel(input, dim)
        self.ctx.save(input.shape, out[1], dim)
        return out

    def backward(self, grad: Any, _: Any) -> Any:
        shape, index, dim = self.ctx.release
        zeros = grad.new_zeros(shape)
        return zeros.scatter_add_(dim, index, grad) if is_plain(grad, index) else zeros.scatter_add(dim, index, grad)


@implements(torch.cummax)
@function
class cummax(_Extreme):
    """The largest element so far, and its place.  Corner: of equal elements the last has the gradient."""

    kernel = torch.cummax


@implements(torch.cummin)
@function
class cummin(_Extreme):
    """The smallest element so far, and its place.  Corner: of equal elements the last has the gradient."""

    kernel = torch.cummin


# ---------------------------------------------------------------------------------------------------------------------
# y_i = ln sum_{j <= i} e^{x_j}. With p_ij = e^{x_j - y_i} for j <= i, the gradient is the sum over i of g_i p_ij, and
# its own derivatives hold the sum over j of h_j p_ij. Each of the two is linear, and the other's transpose.


@implements(torch.logcumsumexp)
@function
class logcumsumexp(Analytic):
    """y_i = ln sum_{j <= i} e^{x_j}:  dx_j = sum_{i >= j} g_i e^{x_j - y_i}.

    Corner: where x starts with one -inf, dx_0 = g_0 (NaN in PyTorch); with more, NaN, as that of logsumexp of them.
    """

    def forward(self, input: Any, dim: int) -> Any:
        out = torch.logcumsumexp(input, dim)
        self.ctx.save(input, out, dim)
        return out

    def backward(self, grad: Any) -> Any:
        input, out, dim = self.ctx.release
        if input.ndim == 0:
            return grad
        return _sum_over_later(grad, input, out, dim)


def _sum_over_later(g: Any, x: Any, y: Any, dim: int) -> Any:
    """Give sum_{i >= j} g_i e^{x_j - y_i}."""
    if isinstance(g, TensorBase):
        return _later(g, x, y, dim)

    def part(positive: Any, dead: Any) -> Any:
        terms = positive.log() - y
        terms = terms if dead is None else terms.masked_fill(dead, -math.inf)
        return (terms.flip(dim).logcumsumexp(dim).flip(dim) + x).exp()

    return _by_parts(part, g, y, dim)


def _mean_so_far(h: Any, x: Any, y: Any, dim: int) -> Any:
    """Give sum_{j <= i} h_j e^{x_j - y_i}."""
    if isinstance(h, TensorBase):
        return _so_far(h, x, y, dim)

    def part(positive: Any, _: Any) -> Any:
        return ((positive.log() + x).logcumsumexp(dim) - y).exp()

    return _by_parts(part, h, y, dim)


def _by_parts(part: Callable[[Any, Any], Any], g: Any, y: Any, dim: int) -> Any:
    """Give the sum of g from its logarithms: that of its positive part less that of its negative part.

    On the CPU a look at the values spares a part that is 0, and the places where all x so far are -inf if there are
    none: y never falls, so that its first elements tell.
    """
    low, high, dead = -math.inf, math.inf, None
    looks, is_complex = may_look_at(g, y), g.dtype.is_complex
    if looks and not is_complex:
        low, high = (each.item() for each in torch.aminmax(g))
    if not (looks and _lowest(y.select(dim, 0)) > -math.inf):
        dead = torch.real(y) == -math.inf
    if low >= 0 or is_complex:  # a complex number has one logarithm, whatever its sign
        out = part(g, dead)
    elif high <= 0:
        out = -part(-g, dead)
    else:
        out = part(g.clamp(min=0), dead) - part((-g).clamp(min=0), dead)
    return out if dead is None else _revived(out, dead, g, dim)


def _lowest(x: Any) -> float:
    """Give the least element, or real part."""
    return float(x.item().real if x.numel() == 1 else torch.real(x).amin().item())


def _revived(out: Any, dead: Any, alone: Any, dim: int) -> Any:
    """Give what has no logarithm, where all x so far are -inf: at the first of them itself, or NaN if there are two."""
    if out.shape[dim] == 0:
        return out
    first = dead.narrow(dim, 0, 1)
    if out.shape[dim] > 1:
        out = out.masked_fill(dead & dead.narrow(dim, 1, 1), math.nan)
        first = first & ~dead.narrow(dim, 1, 1)
    rest = out.narrow(dim, 1, out.shape[dim] - 1)
    return torch.cat([torch.where(first, alone.narrow(dim, 0, 1), out.narrow(dim, 0, 1)), rest], dim)


class _Weighted(Analytic):
    """A sum of c_k e^{x_j - y_i}:  dc = the other sum of h;  by x and y, products of the two sums."""

    sum: Callable[..., Any]
    transpose: Callable[..., Any]
    by_x: bool

    def forward(self, c: Any, x: Any, y: Any, dim: int) -> Any:
        out = type(self).sum(c, x, y, dim)
        self.ctx.save(c, x, y, out, dim)
        return out

    def backward(self, h: Any) -> Any:
        c, x, y, out, dim = self.ctx.release
        transposed = type(self).transpose(h, x, y, dim)
        own, other = h * out, c * transposed
        return (transposed, own, -other) if type(self).by_x else (transposed, other, -own)


@implements()
@function
class _later(_Weighted):
    """s_j = sum_{i >= j} c_i e^{x_j - y_i}:  dx_j = h_j s_j,  dy_i = -c_i t_i,  dc_i = t_i, the other sum of h."""

    sum, transpose, by_x = staticmethod(_sum_over_later), staticmethod(_mean_so_far), True


@implements()
@function
class _so_far(_Weighted):
    """t_i = sum_{j <= i} c_j e^{x_j - y_i}:  dy_i = -h_i t_i,  dx_j = c_j s_j,  dc_j = s_j, the other sum of h."""

    sum, transpose, by_x = staticmethod(_mean_so_far), staticmethod(_sum_over_later), False
