"""New elements at the indices of a dimension: put, added, or combined with those that were there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ...engine import TensorBase, unwrap
from ...errors import HigherOrderError, InputError, message
from ...policy import Linear, Policy, function, implements
from .. import _vmap_kernels
from .._names import composite
from .._plain import is_plain

__all__ = ["index_copy", "index_fill", "index_reduce", "scatter", "scatter_add", "scatter_reduce"]


# ---------------------------------------------------------------------------------------------------------------------
# Put and added


class _scatter_tensor(Linear):
    """x with s_i put at k_i of a dimension:  dx = g, with 0 at every k_i;  ds_i = g_{k_i}.

    Where indices repeat, each s_i gets the whole gradient of the element, as in PyTorch.
    """

    def forward(self, input: Any, dim: int, index: Any, src: Any) -> Any:
        self.ctx.save(dim, index)
        return torch.scatter(input, dim, index, src)

    def backward(self, grad: Any) -> Any:
        dim, index = self.ctx.release
        need_input, _, _, need_src = self.ctx.needs_input_grad
        return (
            grad.scatter(dim, index, 0) if need_input else None,
            None,
            None,
            grad.gather(dim, index) if need_src else None,
        )


_scatter = implements()(function(_scatter_tensor))


@implements(torch.scatter)
@composite
def scatter(input: Any, dim: int, index: Any, src: Any = 0, *, value: Any = None, reduce: str | None = None) -> Any:
    """X with ``src`` (a tensor, or a number) put at the indices of a dimension; added or multiplied by ``reduce``."""
    src = src if value is None else value
    if reduce is None:
        return _scatter(input, dim, index, covered(src, index))
    if reduce not in ("add", "multiply"):
        raise InputError(
            message(
                "there is no such reduction.",
                rule="scatter",
                argument="reduce",
                expected="'add' or 'multiply'",
                got=repr(reduce),
            )
        )
    src = src if hasattr(src, "shape") else torch.full(index.shape, src, dtype=input.dtype, device=input.device)
    return scatter_reduce(input, dim, index, src, "sum" if reduce == "add" else "prod")


@implements(torch.scatter_add)
@composite
def scatter_add(input: Any, dim: int, index: Any, src: Any) -> Any:
    """X with ``src`` added at the indices of a dimension."""
    return _scatter_add(input, dim, index, covered(src, index))


def covered(src: Any, index: Any) -> Any:
    """Give the part of src that the index reaches."""
    shape = getattr(src, "shape", None)
    return src if shape is None or shape == index.shape else src[tuple(slice(size) for size in index.shape)]


class _scatter_add_tensor(Linear):
    """x with s_i added at k_i of a dimension:  dx = g,  ds_i = g_{k_i}."""

    def forward(self, input: Any, dim: int, index: Any, src: Any) -> Any:
        self.ctx.save(dim, index)
        return torch.scatter_add(input, dim, index, src)

    def backward(self, grad: Any) -> Any:
        dim, index = self.ctx.release
        return grad, None, None, grad.gather(dim, index) if self.ctx.needs_input_grad[3] else None


_scatter_add = implements()(function(_scatter_add_tensor))


# ---------------------------------------------------------------------------------------------------------------------
# scatter_reduce: each element y of the result combines an x (unless it is left out) with the s whose index leads there


class _Combination(Policy):
    """y = the combination of x, unless ``include_self`` is False, and of the s_i with k_i at its place."""

    way: str
    by_input: Callable[..., Any]
    by_source: Callable[..., Any]

    def forward(self, input: Any, dim: int, index: Any, src: Any, include_self: bool) -> Any:
        out = torch.scatter_reduce(input, dim, index, src, type(self).way, include_self=include_self)
        self.ctx.save(input, dim, index, src, include_self, out)
        return out

    def backward(self, grad: Any) -> Any:
        input, dim, index, src, include_self, out = self.ctx.release
        need_input, _, _, need_src, _ = self.ctx.needs_input_grad
        dx = ds = None
        if need_input:
            dx = self.by_input(grad, input, dim, index, src, include_self, out)
            dx = dx if include_self else dx.scatter(dim, index, 0)
        if need_src:
            ds = self.by_source(grad, input, dim, index, src, include_self, out)
        return dx, None, None, ds, None


@implements()
@function
class _scatter_mean(_Combination):
    """The mean of n elements:  dx = g / n,  ds = g / n there."""

    def forward(self, input: Any, dim: int, index: Any, src: Any, include_self: bool) -> Any:
        self.ctx.save(dim, index, include_self)
        return torch.scatter_reduce(input, dim, index, src, "mean", include_self=include_self)

    def backward(self, grad: Any) -> Any:
        dim, index, include_self = self.ctx.release
        need_input, _, _, need_src, _ = self.ctx.needs_input_grad
        share = grad / _count(unwrap(grad), dim, unwrap(index), include_self)
        dx = ds = None
        if need_input:
            dx = share if include_self else share.scatter(dim, index, 0)
        if need_src:
            ds = share.gather(dim, index)
        return dx, None, None, ds, None


def _count(like: Any, dim: int, index: Any, include_self: bool) -> Any:
    """Give how many elements there are a mean of, at least 1."""
    ones = torch.ones_like(index, dtype=like.dtype)
    start = torch.ones_like(like) if include_self else torch.zeros_like(like)
    count = start.scatter_add_(dim, index, ones) if is_plain(like, index) else start.scatter_add(dim, index, ones)
    return count if include_self else count.clamp(min=1)


class _Extreme(_Combination):
    """The greatest or the least:  dx = g / m where x = y,  ds = g / m where s = y, m of them."""

    def backward(self, grad: Any) -> Any:
        need_input, _, _, need_src, _ = self.ctx.needs_input_grad
        input, dim, index, src, include_self, out = self.ctx.release
        own, others, count = _reached(unwrap(input), dim, unwrap(index), unwrap(src), include_self, unwrap(out))
        share = grad / count
        return (
            share * own if need_input else None,
            None,
            None,
            share.gather(dim, index) * others if need_src else None,
        )


def _reached(input: Any, dim: int, index: Any, src: Any, include_self: bool, out: Any) -> tuple[Any, Any, Any]:
    """Say which x and which s are the result, and how many of them there are at each place, at least 1."""
    own = (input == out).to(out.dtype)
    if not include_self:
        own = own.scatter(dim, index, 0)
    others = (src == out.gather(dim, index)).to(out.dtype)
    return own, others, own.scatter_add(dim, index, others).clamp(min=1)


@implements()
@function
class _scatter_amax(_Extreme):
    way = "amax"


@implements()
@function
class _scatter_amin(_Extreme):
    way = "amin"


@implements()
@function
class _scatter_prod(_Combination):
    """The product:  dx = g y / x,  ds = g y / s there; for a factor 0, the product of the others in place of y / 0."""

    way = "prod"

    def by_input(self, grad: Any, input: Any, dim: int, index: Any, src: Any, include_self: bool, out: Any) -> Any:
        if not include_self:
            return grad  # an x counts where no index leads, and there alone
        factor = torch.where(input == 0, 1, input)
        return grad * torch.scatter_reduce(factor, dim, index, src, "prod") / factor

    def by_source(self, grad: Any, input: Any, dim: int, index: Any, src: Any, include_self: bool, out: Any) -> Any:
        zero = unwrap(src) == 0
        seen = not (zero.is_meta or torch._C._functorch.is_batchedtensor(zero))
        if zero.is_meta or (seen and not zero.any()):
            return (grad * out).gather(dim, index) / src
        count = torch.zeros(out.shape, dtype=torch.int64, device=zero.device)
        count = count.scatter_add(dim, unwrap(index), zero.to(torch.int64)).gather(dim, unwrap(index))
        alone = zero & (count == 1)
        if isinstance(grad, TensorBase) and seen and (zero & ~alone).any():
            raise HigherOrderError(
                message(
                    "the second derivative of a scattered product with two zeros at one place has no rule.",
                    rule="scatter_reduce",
                    argument="src",
                )
            )
        factor = torch.where(alone, 1, src)
        others = torch.scatter_reduce(input, dim, index, factor, "prod", include_self=include_self)
        return torch.where(
            alone, (grad * others).gather(dim, index), (grad * out).gather(dim, index) / torch.where(zero, 1, src)
        )


_COMBINATIONS = {"prod": _scatter_prod, "mean": _scatter_mean, "amax": _scatter_amax, "amin": _scatter_amin}


@implements(torch.scatter_reduce)
@composite
def scatter_reduce(input: Any, dim: int, index: Any, src: Any, reduce: str, *, include_self: bool = True) -> Any:
    """X combined with ``src`` at the indices of a dimension, by "sum", "prod", "mean", "amax" or "amin".

    Without ``include_self`` the x that an index leads to are left out.  Corner: of equal extremes each has its share of
    the gradient; a product is right with one zero at a place, and with more of them to first order (as in PyTorch).
    """
    if reduce == "sum":
        return scatter_add(input if include_self else scatter(input, dim, index, 0), dim, index, src)
    if reduce not in _COMBINATIONS:
        raise InputError(
            message(
                "there is no such reduction.",
                rule="scatter_reduce",
                argument="reduce",
                expected="sum, prod, mean, amax or amin",
                got=repr(reduce),
            )
        )
    return _COMBINATIONS[reduce](input, dim, index, covered(src, index), include_self)


@implements(torch.index_reduce)
@composite
def index_reduce(input: Any, dim: int, index: Any, source: Any, reduce: str, *, include_self: bool = True) -> Any:
    """X with the slices of ``source`` combined at indices of a dimension: see ``scatter_reduce``."""
    shape = [1] * source.ndim
    if source.ndim:
        shape[dim] = -1
    index = torch.broadcast_to(unwrap(index).reshape(shape), source.shape)
    if reduce in _COMBINATIONS:
        return _COMBINATIONS[reduce](input, dim, index, source, include_self)
    return scatter_reduce(input, dim, index, source, reduce, include_self=include_self)


# ---------------------------------------------------------------------------------------------------------------------
# Whole slices


@implements(torch.index_copy)
@function
class index_copy(Linear):
    """x with the slices of s put at indices of a dimension:  dx = g, 0 there,  ds = g's slices there."""

    def forward(self, input: Any, dim: int, index: Any, source: Any) -> Any:
        self.ctx.save(dim, index, source.shape)
        return torch.index_copy(input, dim, index, source)

    def backward(self, grad: Any) -> Any:
        dim, index, shape = self.ctx.release
        need_input, _, _, need_source = self.ctx.needs_input_grad
        return (
            grad.index_fill(dim, index, 0) if need_input else None,
            None,
            None,
            grad.index_select(dim, index).reshape(shape) if need_source else None,
        )


@implements(torch.index_fill)
@function
class index_fill(Linear):
    """x with v at indices of a dimension:  dx = g, 0 there,  dv = the sum of g there. An index may repeat."""

    def forward(self, input: Any, dim: int, index: Any, value: Any) -> Any:
        self.ctx.save(dim, index)
        return _vmap_kernels.index_fill(input, dim, index, value)

    def backward(self, grad: Any) -> Any:
        dim, index = self.ctx.release
        kept = grad.index_fill(dim, index, 0)
        return kept, None, None, grad - kept if self.ctx.needs_input_grad[3] else None
