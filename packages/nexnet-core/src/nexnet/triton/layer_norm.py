"""layer_norm: a program for each row forward; for the gradient, programs that each go through some of the rows.

The gradients by weight and bias are sums over all rows. A program adds up its own rows' in registers and writes one row
of partial sums; torch adds up these few. So nothing is added atomically, and the result is the same every time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..engine import unwrap
from ..ops import layer_norm as ordinary
from ..ops.layers._normalised import count_normalised
from ..policy import Policy, function, implements
from ._launch import gradient_rule, launch, takes, working_type
from ._rows import block_of, rows_of, warps_of

__all__ = ["layer_norm", "layer_norm_backward_kernel", "layer_norm_kernel"]


@triton.jit
def _forward(
    x_ptr, weight_ptr, bias_ptr, y_ptr, mean_ptr, rstd_ptr, step, n,
    EPS: tl.constexpr, BLOCK: tl.constexpr, DTYPE: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + row * step + at, mask=at < n, other=0.0).to(DTYPE)
    size = n.to(DTYPE)
    mean = tl.sum(x, 0) / size
    centred = tl.where(at < n, x - mean, 0.0)  # the variance of what is centred: E x^2 - m^2 would cancel
    rstd = 1.0 / tl.sqrt(tl.sum(centred * centred, 0) / size + EPS)
    y = centred * rstd
    if weight_ptr is not None:
        y *= tl.load(weight_ptr + at, mask=at < n, other=0.0).to(DTYPE)
    if bias_ptr is not None:
        y += tl.load(bias_ptr + at, mask=at < n, other=0.0).to(DTYPE)
    tl.store(y_ptr + row * n + at, y, mask=at < n)
    tl.store(mean_ptr + row, mean)
    tl.store(rstd_ptr + row, rstd)


@triton.jit
def _backward(
    g_ptr, x_ptr, weight_ptr, mean_ptr, rstd_ptr, dx_ptr, dw_ptr, db_ptr, g_step, step, rows, n,
    BLOCK: tl.constexpr, DTYPE: tl.constexpr,
):  # fmt: skip
    first = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    size = n.to(DTYPE)
    if weight_ptr is not None:
        weight = tl.load(weight_ptr + at, mask=at < n, other=0.0).to(DTYPE)
    dw = tl.zeros((BLOCK,), DTYPE)
    db = tl.zeros((BLOCK,), DTYPE)
    for each in range(first, rows, tl.num_programs(0)):
        row = tl.cast(each, tl.int64)
        g = tl.load(g_ptr + row * g_step + at, mask=at < n, other=0.0).to(DTYPE)
        x = tl.load(x_ptr + row * step + at, mask=at < n, other=0.0).to(DTYPE)
        rstd = tl.load(rstd_ptr + row)
        z = tl.where(at < n, (x - tl.load(mean_ptr + row)) * rstd, 0.0)
        c = g
        if weight_ptr is not None:
            c = g * weight
        if dx_ptr is not None:
            dx = rstd * (c - tl.sum(c, 0) / size - z * (tl.sum(c * z, 0) / size))
            tl.store(dx_ptr + row * n + at, dx, mask=at < n)
        dw += g * z
        db += g
    if dw_ptr is not None:
        tl.store(dw_ptr + first.to(tl.int64) * n + at, dw, mask=at < n)
    if db_ptr is not None:
        tl.store(db_ptr + first.to(tl.int64) * n + at, db, mask=at < n)


def partial_rows(rows: int, like: Tensor) -> int:
    """Give how many programs go through the rows: some for each multiprocessor, that memory is kept busy."""
    each = torch.cuda.get_device_properties(like.device).multi_processor_count if like.is_cuda else 1
    return min(rows, 4 * each)


def layer_norm_kernel(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, count: int, eps: float, **options: Any
) -> tuple[Tensor, Tensor, Tensor]:
    """Run the forward kernel on torch tensors: (y, means, 1 / standard deviations), the last ``count`` dimensions."""
    n = math.prod(input.shape[-count:])
    rows = rows_of(input, n)
    out = torch.empty(input.shape, dtype=input.dtype, device=input.device)
    dtype = torch.float64 if input.dtype is torch.float64 else torch.float32
    mean, rstd = (torch.empty(rows.shape[0], dtype=dtype, device=input.device) for _ in range(2))
    weight, bias = (None if each is None else each.contiguous() for each in (weight, bias))
    block = block_of(n)
    launch(
        _forward, (rows.shape[0],), rows, weight, bias, out, mean, rstd, rows.stride(0), n,
        EPS=eps, BLOCK=block, DTYPE=working_type(input), **{"num_warps": warps_of(block), **options},
    )  # fmt: skip
    return out, mean, rstd


def layer_norm_backward_kernel(
    grad: Tensor, input: Tensor, weight: Tensor | None, mean: Tensor, rstd: Tensor, mask: Sequence[bool], count: int,
    eps: float, **options: Any,
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:  # fmt: skip
    """Run the gradient's kernel on torch tensors: by input, weight and bias, those of them that ``mask`` names."""
    shape = input.shape[-count:]
    n = math.prod(shape)
    x, g = rows_of(input, n), rows_of(grad, n)
    programs = partial_rows(x.shape[0], input)
    dx = torch.empty(input.shape, dtype=input.dtype, device=input.device) if mask[0] else None
    dw, db = (torch.zeros(programs, n, dtype=rstd.dtype, device=input.device) if each else None for each in mask[1:])
    block = block_of(n)
    launch(
        _backward, (programs,), g, x, None if weight is None else weight.contiguous(), mean, rstd, dx, dw, db,
        g.stride(0), x.stride(0), x.shape[0], n,
        BLOCK=block, DTYPE=working_type(input), **{"num_warps": warps_of(block), **options},
    )  # fmt: skip
    like = input if weight is None else weight
    dw, db = (None if each is None else each.sum(0).reshape(shape).to(like.dtype) for each in (dw, db))
    return dx, dw, db


def _formula(
    grad: Any, input: Any, weight: Any, mean: Any, rstd: Any, mask: Sequence[bool], count: int, eps: float
) -> Any:
    dims = tuple(range(-count, 0))
    centred = input - input.mean(dims, keepdim=True)
    r = torch.rsqrt((centred * centred).mean(dims, keepdim=True) + eps)
    z = centred * r
    c = grad if weight is None else grad * weight
    dx = r * (c - c.mean(dims, keepdim=True) - z * (c * z).mean(dims, keepdim=True))
    over = tuple(range(grad.ndim - count))
    dw, db = ((each.sum(over) if over else each) for each in (grad * z, grad))
    return tuple(each if wanted else None for each, wanted in zip((dx, dw, db), mask, strict=True))


_gradient = gradient_rule("layer_norm", 3, layer_norm_backward_kernel, _formula)


@implements()
@function
class _normalised(Policy):
    """W z + b, z = r (x - m):  dx = r (c - <c> - z <c z>), c = W g;  dW = sum g z,  db = sum g.  m and r come too."""

    materialize_grads = False

    def forward(self, input: Any, weight: Any, bias: Any, count: int, eps: float) -> Any:
        out, mean, rstd = layer_norm_kernel(input, weight, bias, count, eps)
        self.ctx.save(input, weight, mean, rstd, count, eps)
        return out, mean, rstd

    def backward(self, grad: Any, _: Any, __: Any) -> Any:
        input, weight, mean, rstd, count, eps = self.ctx.release
        if grad is None:
            return None
        return _gradient(grad, input, weight, mean, rstd, tuple(self.ctx.needs_input_grad[:3]), count, eps)


def layer_norm(
    input: Any, normalized_shape: Sequence[int], weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    """W z + b, z the last dimensions (``normalized_shape``) with mean 0 and variance 1.

    Statistics are in float32, of float64 in float64. Source: Ba, Kiros and Hinton, "Layer Normalization", 2016.

    Raises:
        InputError: a shape that is not that of the last dimensions; a tensor that the kernels do not take.
    """
    count = count_normalised(input, normalized_shape, weight, bias, "layer_norm")
    if not takes("layer_norm", *map(unwrap, (input, weight, bias))):  # a batch of vmap
        return ordinary(input, normalized_shape, weight, bias, eps)
    return _normalised(input, weight, bias, count, eps)[0]
