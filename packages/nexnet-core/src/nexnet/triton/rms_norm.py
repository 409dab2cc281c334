"""rms_norm: layer_norm without the mean. See there for how the rows are gone through."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..engine import unwrap
from ..ops import rms_norm as ordinary
from ..ops.layers._normalised import count_normalised
from ..policy import Policy, function, implements
from ._launch import gradient_rule, launch, takes, working_type
from ._rows import block_of, rows_of, warps_of
from .layer_norm import partial_rows

__all__ = ["rms_norm", "rms_norm_backward_kernel", "rms_norm_kernel"]


@triton.jit
def _forward(x_ptr, weight_ptr, y_ptr, rstd_ptr, step, n, EPS: tl.constexpr, BLOCK: tl.constexpr, DTYPE: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + row * step + at, mask=at < n, other=0.0).to(DTYPE)
    rstd = 1.0 / tl.sqrt(tl.sum(x * x, 0) / n.to(DTYPE) + EPS)
    y = x * rstd
    if weight_ptr is not None:
        y *= tl.load(weight_ptr + at, mask=at < n, other=0.0).to(DTYPE)
    tl.store(y_ptr + row * n + at, y, mask=at < n)
    tl.store(rstd_ptr + row, rstd)


@triton.jit
def _backward(
    g_ptr, x_ptr, weight_ptr, rstd_ptr, dx_ptr, dw_ptr, g_step, step, rows, n,
    BLOCK: tl.constexpr, DTYPE: tl.constexpr,
):  # fmt: skip
    first = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    size = n.to(DTYPE)
    if weight_ptr is not None:
        weight = tl.load(weight_ptr + at, mask=at < n, other=0.0).to(DTYPE)
    dw = tl.zeros((BLOCK,), DTYPE)
    for each in range(first, rows, tl.num_programs(0)):
        row = tl.cast(each, tl.int64)
        g = tl.load(g_ptr + row * g_step + at, mask=at < n, other=0.0).to(DTYPE)
        x = tl.load(x_ptr + row * step + at, mask=at < n, other=0.0).to(DTYPE)
        rstd = tl.load(rstd_ptr + row)
        z = x * rstd
        c = g
        if weight_ptr is not None:
            c = g * weight
        if dx_ptr is not None:
            tl.store(dx_ptr + row * n + at, rstd * (c - z * (tl.sum(c * z, 0) / size)), mask=at < n)
        dw += g * z
    if dw_ptr is not None:
        tl.store(dw_ptr + first.to(tl.int64) * n + at, dw, mask=at < n)


def rms_norm_kernel(
    input: Tensor, weight: Tensor | None, count: int, eps: float, **options: Any
) -> tuple[Tensor, Tensor]:
    """Run the forward kernel on torch tensors: (y, 1 / root mean squares), over the last ``count`` dimensions."""
    n = math.prod(input.shape[-count:])
    rows = rows_of(input, n)
    out = torch.empty(input.shape, dtype=input.dtype, device=input.device)
    dtype = torch.float64 if input.dtype is torch.float64 else torch.float32
    rstd = torch.empty(rows.shape[0], dtype=dtype, device=input.device)
    block = block_of(n)
    launch(
        _forward, (rows.shape[0],), rows, None if weight is None else weight.contiguous(), out, rstd, rows.stride(0), n,
        EPS=eps, BLOCK=block, DTYPE=working_type(input), **{"num_warps": warps_of(block), **options},
    )  # fmt: skip
    return out, rstd


def rms_norm_backward_kernel(
    grad: Tensor, input: Tensor, weight: Tensor | None, rstd: Tensor, mask: Sequence[bool], count: int, eps: float,
    **options: Any,
) -> tuple[Tensor | None, Tensor | None]:  # fmt: skip
    """Run the gradient's kernel on torch tensors: the gradients by input and weight, those that ``mask`` names."""
    shape = input.shape[-count:]
    n = math.prod(shape)
    x, g = rows_of(input, n), rows_of(grad, n)
    programs = partial_rows(x.shape[0], input)
    dx = torch.empty(input.shape, dtype=input.dtype, device=input.device) if mask[0] else None
    dw = torch.zeros(programs, n, dtype=rstd.dtype, device=input.device) if mask[1] else None
    block = block_of(n)
    launch(
        _backward, (programs,), g, x, None if weight is None else weight.contiguous(), rstd, dx, dw,
        g.stride(0), x.stride(0), x.shape[0], n,
        BLOCK=block, DTYPE=working_type(input), **{"num_warps": warps_of(block), **options},
    )  # fmt: skip
    return dx, None if dw is None or weight is None else dw.sum(0).reshape(shape).to(weight.dtype)


def _formula(grad: Any, input: Any, weight: Any, rstd: Any, mask: Sequence[bool], count: int, eps: float) -> Any:
    dims = tuple(range(-count, 0))
    r = torch.rsqrt((input * input).mean(dims, keepdim=True) + eps)
    z = input * r
    c = grad if weight is None else grad * weight
    dx = r * (c - z * (c * z).mean(dims, keepdim=True))
    over = tuple(range(grad.ndim - count))
    dw = (grad * z).sum(over) if over else grad * z
    return tuple(each if wanted else None for each, wanted in zip((dx, dw), mask, strict=True))


_gradient = gradient_rule("rms_norm", 3, rms_norm_backward_kernel, _formula)


@implements()
@function
class _normalised(Policy):
    """W z, z = r x, r = 1 / sqrt(<x^2> + eps):  dx = r (c - z <c z>), c = W g;  dW = sum g z.  r comes beside it."""

    materialize_grads = False

    def forward(self, input: Any, weight: Any, count: int, eps: float) -> Any:
        out, rstd = rms_norm_kernel(input, weight, count, eps)
        self.ctx.save(input, weight, rstd, count, eps)
        return out, rstd

    def backward(self, grad: Any, _: Any) -> Any:
        input, weight, rstd, count, eps = self.ctx.release
        if grad is None:
            return None
        return _gradient(grad, input, weight, rstd, tuple(self.ctx.needs_input_grad[:2]), count, eps)


def rms_norm(input: Any, normalized_shape: Sequence[int], weight: Any = None, eps: float | None = None) -> Any:
    """W z, z the last dimensions (``normalized_shape``) divided by the root of their mean square plus eps.

    ``eps`` is by default the smallest step, at 1, of what it is computed in: float32, of float64 float64. Source: Zhang
    and Sennrich, "Root Mean Square Layer Normalization", 2019.

    Raises:
        InputError: a shape that is not that of the last dimensions; a tensor that the kernels do not take.
    """
    count = count_normalised(input, normalized_shape, weight, None, "rms_norm")
    if not takes("rms_norm", *map(unwrap, (input, weight))):  # a batch of vmap
        return ordinary(input, normalized_shape, weight, eps)
    if eps is None:
        eps = torch.finfo(torch.float64 if input.dtype is torch.float64 else torch.float32).eps
    return _normalised(input, weight, count, eps)[0]
