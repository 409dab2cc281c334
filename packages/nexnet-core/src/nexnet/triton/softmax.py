"""softmax: a program of the kernel for every row."""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..policy import Policy, function, implements
from ._launch import gradient_rule, takes
from ._rows import by_row, top_and_sum

__all__ = ["softmax", "softmax_backward_kernel", "softmax_kernel"]


@triton.jit
def _forward(x_ptr, y_ptr, step, n, BLOCK: tl.constexpr, WHOLE: tl.constexpr, DTYPE: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)  # rows times columns may be more than 2^31
    x_ptr += row * step
    y_ptr += row * n
    lane = tl.arange(0, BLOCK)
    if WHOLE:
        x = tl.load(x_ptr + lane, mask=lane < n, other=-float("inf")).to(DTYPE)  # e^-inf = 0 adds nothing
        e = tl.exp(x - tl.max(x, 0))
        tl.store(y_ptr + lane, e / tl.sum(e, 0), mask=lane < n)
    else:
        m, total = top_and_sum(x_ptr, n, BLOCK, DTYPE)
        for start in range(0, n, BLOCK):
            at = start + lane
            x = tl.load(x_ptr + at, mask=at < n, other=-float("inf")).to(DTYPE)
            tl.store(y_ptr + at, tl.exp(x - m) / total, mask=at < n)


@triton.jit
def _backward(g_ptr, y_ptr, dx_ptr, g_step, y_step, n, BLOCK: tl.constexpr, WHOLE: tl.constexpr, DTYPE: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    g_ptr += row * g_step
    y_ptr += row * y_step
    dx_ptr += row * n
    lane = tl.arange(0, BLOCK)
    if WHOLE:
        g = tl.load(g_ptr + lane, mask=lane < n, other=0.0).to(DTYPE)
        y = tl.load(y_ptr + lane, mask=lane < n, other=0.0).to(DTYPE)
        tl.store(dx_ptr + lane, y * (g - tl.sum(g * y, 0)), mask=lane < n)
    else:
        products = tl.zeros((BLOCK,), DTYPE)
        for start in range(0, n, BLOCK):
            at = start + lane
            g = tl.load(g_ptr + at, mask=at < n, other=0.0).to(DTYPE)
            y = tl.load(y_ptr + at, mask=at < n, other=0.0).to(DTYPE)
            products += g * y
        inner = tl.sum(products, 0)
        for start in range(0, n, BLOCK):
            at = start + lane
            g = tl.load(g_ptr + at, mask=at < n, other=0.0).to(DTYPE)
            y = tl.load(y_ptr + at, mask=at < n, other=0.0).to(DTYPE)
            tl.store(dx_ptr + at, y * (g - inner), mask=at < n)


def softmax_kernel(input: Tensor, dim: int, **options: Any) -> Tensor:
    """Run the forward kernel on torch tensors; ``options`` are Triton's (num_warps)."""
    return by_row(_forward, (input,), dim, **options)


def softmax_backward_kernel(grad: Tensor, output: Tensor, dim: int, **options: Any) -> Tensor:
    """Run the gradient's kernel on torch tensors."""
    return by_row(_backward, (grad, output), dim, **options)


def _formula(grad: Any, output: Any, dim: int) -> Any:
    return output * (grad - (grad * output).sum(dim, keepdim=True))


_gradient = gradient_rule("softmax", 2, softmax_backward_kernel, _formula)


@implements()
@function
class softmax(Policy):
    """y = e^x / sum e^x over dim:  dx = y (g - <g, y>),  <,> the sum over dim.

    ``dtype`` is what x is converted to first. Sums are in float32, of float64 in float64.

    Corner: NaN where every element is -inf; one of them among numbers gets 0.
    """

    def forward(self, input: Any, dim: int, dtype: torch.dtype | None = None) -> Any:
        input = input if dtype is None else input.to(dtype)
        out = softmax_kernel(input, dim) if takes("softmax", input) else torch.softmax(input, dim)
        self.ctx.save(out, dim)
        return out

    def backward(self, grad: Any) -> Any:
        return _gradient(grad, *self.ctx.release)
