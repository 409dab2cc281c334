"""The logarithm of softmax, as stable as its row is long: x - m - ln sum e^(x - m), m = max x."""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..policy import Policy, function, implements
from ._launch import gradient_rule, takes
from ._rows import by_row, top_and_sum

__all__ = ["log_softmax", "log_softmax_backward_kernel", "log_softmax_kernel"]


@triton.jit
def _forward(x_ptr, y_ptr, step, n, BLOCK: tl.constexpr, WHOLE: tl.constexpr, DTYPE: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    x_ptr += row * step
    y_ptr += row * n
    lane = tl.arange(0, BLOCK)
    if WHOLE:
        x = tl.load(x_ptr + lane, mask=lane < n, other=-float("inf")).to(DTYPE)
        z = x - tl.max(x, 0)
        tl.store(y_ptr + lane, z - tl.log(tl.sum(tl.exp(z), 0)), mask=lane < n)
    else:
        m, total = top_and_sum(x_ptr, n, BLOCK, DTYPE)
        log_total = tl.log(total)
        for start in range(0, n, BLOCK):
            at = start + lane
            x = tl.load(x_ptr + at, mask=at < n, other=-float("inf")).to(DTYPE)
            tl.store(y_ptr + at, x - m - log_total, mask=at < n)


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
        tl.store(dx_ptr + lane, g - tl.exp(y) * tl.sum(g, 0), mask=lane < n)
    else:
        sums = tl.zeros((BLOCK,), DTYPE)
        for start in range(0, n, BLOCK):
            at = start + lane
            sums += tl.load(g_ptr + at, mask=at < n, other=0.0).to(DTYPE)
        total = tl.sum(sums, 0)
        for start in range(0, n, BLOCK):
            at = start + lane
            g = tl.load(g_ptr + at, mask=at < n, other=0.0).to(DTYPE)
            y = tl.load(y_ptr + at, mask=at < n, other=0.0).to(DTYPE)
            tl.store(dx_ptr + at, g - tl.exp(y) * total, mask=at < n)


def log_softmax_kernel(input: Tensor, dim: int, **options: Any) -> Tensor:
    """Run the forward kernel on torch tensors; ``options`` are Triton's (num_warps)."""
    return by_row(_forward, (input,), dim, **options)


def log_softmax_backward_kernel(grad: Tensor, output: Tensor, dim: int, **options: Any) -> Tensor:
    """Run the gradient's kernel on torch tensors."""
    return by_row(_backward, (grad, output), dim, **options)


def _formula(grad: Any, output: Any, dim: int) -> Any:
    return grad - torch.exp(output) * grad.sum(dim, keepdim=True)


_gradient = gradient_rule("log_softmax", 2, log_softmax_backward_kernel, _formula)


@implements()
@function
class log_softmax(Policy):
    """y = x - ln sum e^x over dim:  dx = g - e^y <g>,  <> the sum over dim.

    ``dtype`` is what x is converted to first. Sums are in float32, of float64 in float64.

    Corner: NaN where every element is -inf.
    """

    def forward(self, input: Any, dim: int, dtype: torch.dtype | None = None) -> Any:
        input = input if dtype is None else input.to(dtype)
        out = log_softmax_kernel(input, dim) if takes("log_softmax", input) else torch.log_softmax(input, dim)
        self.ctx.save(out, dim)
        return out

    def backward(self, grad: Any) -> Any:
        return _gradient(grad, *self.ctx.release)
