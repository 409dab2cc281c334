"""Sums and means over some or all dimensions, and the logarithm of a sum of exponentials."""

from __future__ import annotations

import math
from typing import Any

import torch

from ...errors import InputError, message
from ...policy import Analytic, Linear, Policy, function, implements
from .._names import composite

__all__ = ["logsumexp", "mean", "nanmean", "nansum", "sum", "sum_to_size"]

Dims = int | tuple[int, ...] | list[int] | None


def reduced_dims(dim: Dims, ndim: int) -> list[int]:
    """Give the dimensions that a reduction removes, counted from the front: all of them for ``None`` and ``()``."""
    if dim is None:
        return list(range(ndim))
    if isinstance(dim, int):
        dim = [dim]
    return [d % ndim for d in dim] if ndim and dim else list(range(ndim))


def restore_dims(reduced: Any, shape: torch.Size, dim: Dims, keepdim: bool) -> Any:
    """Give what a reduction over ``dim`` has left with size 1 in the dimensions that it has removed."""
    if keepdim or dim is None or dim == () or not shape:
        return reduced
    if isinstance(dim, int):
        return reduced.unsqueeze(dim)
    dims = reduced_dims(dim, len(shape))
    return reduced.reshape([1 if i in dims else size for i, size in enumerate(shape)])


def count_reduced(shape: torch.Size, dim: Dims) -> int:
    """Give how many elements a reduction over ``dim`` makes one of."""
    if isinstance(dim, int):
        return shape[dim] if shape else 1
    return math.prod([shape[d] for d in reduced_dims(dim, len(shape))])


@implements(torch.sum)
@function
class sum(Linear):
    """sum_i x_i:  dx_i = g."""

    def forward(self, input: Any, dim: Dims = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Any:
        self.ctx.save(input.shape, dim, keepdim)
        if dim is None and not keepdim:
            return torch.sum(input, dtype=dtype)
        return torch.sum(input, dim, keepdim, dtype=dtype)

    def backward(self, grad: Any) -> Any:
        shape, dim, keepdim = self.ctx.release
        return restore_dims(grad, shape, dim, keepdim).expand(shape)


@implements(torch.Tensor.sum_to_size)
@composite
def sum_to_size(input: Any, *size: Any) -> Any:
    """The sum over what broadcasting added to a shape: the reverse of ``expand``.

    Raises:
        InputError: the shape does not broadcast to the tensor's.
    """
    shape = torch.Size(size[0] if len(size) == 1 and not isinstance(size[0], int) else size)
    extra = input.ndim - len(shape)
    if extra < 0 or any(n not in (1, m) for n, m in zip(shape, input.shape[max(extra, 0) :], strict=False)):
        raise InputError(
            message(
                "the sum over what broadcasting added wants a shape that broadcasts to the tensor's.",
                rule="sum_to_size",
                expected=f"a shape that broadcasts to {tuple(input.shape)}",
                got=f"shape {tuple(shape)}",
            )
        )
    return input if shape == input.shape else _sum_to(input, shape)


@implements()
@function
class _sum_to(Linear):
    """x summed over what broadcasting added to a shape:  dx = g, repeated."""

    def forward(self, input: Any, shape: Any) -> Any:
        self.ctx.save(input.shape)
        return input.sum_to_size(shape)

    def backward(self, grad: Any) -> Any:
        return grad.expand(*self.ctx.release)


@implements(torch.nansum)
@function
class nansum(Policy):
    """The sum of what is not NaN:  dx_i = g, and 0 where x_i is NaN."""

    def forward(self, input: Any, dim: Dims = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Any:
        self.ctx.save(~input.isnan(), dim, keepdim)
        return torch.nansum(input, dim, keepdim, dtype=dtype)

    def backward(self, grad: Any) -> Any:
        valid, dim, keepdim = self.ctx.release
        return restore_dims(grad, valid.shape, dim, keepdim) * valid


@implements(torch.nanmean)
@function
class nanmean(Policy):
    """The mean of the n elements that are not NaN:  dx_i = g / n, and 0 where x_i is NaN."""

    def forward(self, input: Any, dim: Dims = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Any:
        valid = ~input.isnan()
        count = valid.sum() if dim is None and not keepdim else valid.sum(dim, keepdim)
        self.ctx.save(valid, count, dim, keepdim)
        return torch.nansum(input, dim, keepdim, dtype=dtype) / count

    def backward(self, grad: Any) -> Any:
        valid, count, dim, keepdim = self.ctx.release
        return restore_dims(grad / count, valid.shape, dim, keepdim) * valid


@implements(torch.mean)
@function
class mean(Linear):
    """(1/n) sum_i x_i:  dx_i = g / n."""

    def forward(self, input: Any, dim: Dims = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Any:
        self.ctx.save(input.shape, dim, keepdim)
        if dim is None and not keepdim:
            return torch.mean(input, dtype=dtype)
        return torch.mean(input, dim, keepdim, dtype=dtype)

    def backward(self, grad: Any) -> Any:
        shape, dim, keepdim = self.ctx.release
        return (restore_dims(grad, shape, dim, keepdim) / count_reduced(shape, dim)).expand(shape)


@implements(torch.logsumexp, torch.special.logsumexp)
@function
class logsumexp(Analytic):
    """y = log sum_i exp(x_i):  dx_i = g exp(x_i - y).

    Corner: NaN where every element is -inf; one of them among numbers gets 0.
    """

    def forward(self, input: Any, dim: Any, keepdim: bool = False) -> Any:
        out = torch.logsumexp(input, dim, keepdim)
        self.ctx.save(input, out, dim, keepdim)
        return out

    def backward(self, grad: Any) -> Any:
        input, out, dim, keepdim = self.ctx.release
        shape = input.shape
        return restore_dims(grad, shape, dim, keepdim) * (input - restore_dims(out, shape, dim, keepdim)).exp()
