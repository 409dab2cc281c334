"""Reductions over some or all dimensions."""

from __future__ import annotations

from typing import Any

import torch

from ..policy import Policy, function, implements

__all__ = ["sum"]


@implements(torch.sum)
@function
class sum(Policy):
    """sum_i x_i:  dx_i = g."""

    def forward(self, input: Any, dim: Any = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Any:
        self.ctx.save(input.shape, dim, keepdim)
        return torch.sum(input, dim, keepdim, dtype=dtype)

    def backward(self, grad: Any) -> Any:
        shape, dim, keepdim = self.ctx.release
        return expand_reduced(grad, shape, dim, keepdim)


def expand_reduced(grad: Any, shape: torch.Size, dim: Any, keepdim: bool) -> Any:
    """Give what a reduction over ``dim`` has left, in the shape that it had before."""
    if not keepdim and dim is not None and dim != () and len(shape) > 0:
        dims = [dim % len(shape)] if isinstance(dim, int) else [d % len(shape) for d in dim]
        grad = grad.reshape([1 if i in dims else size for i, size in enumerate(shape)])
    return grad.expand(shape)


@implements(torch.Tensor.expand)
@function
class expand(Policy):
    """x repeated along dimensions of size 1, without a copy: the gradient is summed by the engine."""

    def forward(self, input: Any, *sizes: Any) -> Any:
        return input.expand(*sizes)

    def backward(self, grad: Any) -> Any:
        return grad
