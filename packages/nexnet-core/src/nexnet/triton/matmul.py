"""A product of matrices with what follows it, a bias and an activation, in the same kernel: a linear layer.

A program computes a tile of the output. It goes along K in steps, and adds the product of a tile of A and a tile of B
to an accumulator in registers, in float32; before it writes the tile it adds the bias and applies the activation, which
so cost no journey through memory. See "Matrix Multiplication" in Triton's tutorials for the order of the tiles.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  torch's own name for it
from triton import Config

from ..engine import TensorBase, unwrap
from ..errors import InputError, message
from ..policy import Policy, function, implements
from ._launch import INTERPRETED, autotuned, dot, gradient_rule, launch, lite, precision_of, takes, working_type
from ._rows import block_of

__all__ = ["linear", "matmul", "product_kernel"]

ACTIVATIONS = ("none", "relu", "gelu", "gelu_tanh", "silu")

_CONFIGURATIONS = [
    Config({"BM": 128, "BN": 256, "BK": 64, "GROUP": 8}, num_warps=8, num_stages=3),
    Config({"BM": 128, "BN": 256, "BK": 64, "GROUP": 8}, num_warps=8, num_stages=4),
    Config({"BM": 128, "BN": 128, "BK": 64, "GROUP": 8}, num_warps=4, num_stages=4),
    Config({"BM": 128, "BN": 128, "BK": 32, "GROUP": 8}, num_warps=8, num_stages=3),
    Config({"BM": 64, "BN": 64, "BK": 32, "GROUP": 8}, num_warps=4, num_stages=3),
]
LONGEST = 64  # step along K: a multiple of it needs no mask


@triton.jit
def activated(z, ACTIVATION: tl.constexpr):
    """Apply the activation."""
    if ACTIVATION == "relu":
        z = tl.where(z < 0, 0.0, z)  # a NaN stays
    elif ACTIVATION == "gelu":
        z = 0.5 * z * (1 + tl.erf(z * 0.7071067811865476))
    elif ACTIVATION == "gelu_tanh":
        z = z * tl.sigmoid(1.5957691216057308 * (z + 0.044715 * z * z * z))  # (1 + tanh u) / 2 = sigmoid 2u
    elif ACTIVATION == "silu":
        z = z * tl.sigmoid(z)
    return z


@triton.jit
def slope(z, ACTIVATION: tl.constexpr):
    """Give the activation's derivative."""
    if ACTIVATION == "relu":
        d = tl.where(z <= 0, 0.0, 1.0)
    elif ACTIVATION == "gelu":
        d = 0.5 * (1 + tl.erf(z * 0.7071067811865476)) + z * 0.3989422804014327 * tl.exp(-0.5 * z * z)
    elif ACTIVATION == "gelu_tanh":
        s = tl.sigmoid(1.5957691216057308 * (z + 0.044715 * z * z * z))
        d = s + z * s * (1 - s) * 1.5957691216057308 * (1 + 0.134145 * z * z)
    elif ACTIVATION == "silu":
        s = tl.sigmoid(z)
        d = s + z * s * (1 - s)
    return d


@autotuned(_CONFIGURATIONS, key=["m_class", "n_class", "k_class", "PRECISION"])
@triton.jit
def _product(
    a_ptr, b_ptr, bias_ptr, out_ptr, z_ptr, m, n, k, a_row, a_col, b_row, b_col, m_class, n_class, k_class,
    ACTIVATION: tl.constexpr, PRECISION: tl.constexpr, DTYPE: tl.constexpr, EVEN: tl.constexpr,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    # Programs that run at the same time are to read the same tiles, out of the L2 cache: so they are numbered not along
    # whole rows of tiles, but down GROUP of them, then the next column of these.
    number = tl.program_id(0)
    down, across = tl.cdiv(m, BM), tl.cdiv(n, BN)
    group = number // (GROUP * across)
    height = tl.minimum(down - group * GROUP, GROUP)
    tile_m = group * GROUP + (number % (GROUP * across)) % height
    tile_n = (number % (GROUP * across)) // height

    rows = (tile_m * BM + tl.arange(0, BM)).to(tl.int64)
    cols = (tile_n * BN + tl.arange(0, BN)).to(tl.int64)
    steps = tl.arange(0, BK)
    # Beyond the last row or column others are read again, and nothing is written: no mask in the loop.
    a_ptrs = a_ptr + (rows % m)[:, None] * a_row + steps[None, :] * a_col
    b_ptrs = b_ptr + steps[:, None] * b_row + (cols % n)[None, :] * b_col
    total = tl.zeros((BM, BN), DTYPE)
    for start in range(0, k, BK):
        if EVEN:
            a = tl.load(a_ptrs)
            b = tl.load(b_ptrs)
        else:
            a = tl.load(a_ptrs, mask=steps[None, :] < k - start, other=0.0)
            b = tl.load(b_ptrs, mask=steps[:, None] < k - start, other=0.0)
        total = dot(a, b, total, PRECISION)
        a_ptrs += BK * a_col
        b_ptrs += BK * b_row
    if bias_ptr is not None:
        total += tl.load(bias_ptr + cols, mask=cols < n, other=0.0).to(DTYPE)[None, :]
    at = rows[:, None] * n + cols[None, :]
    inside = (rows < m)[:, None] & (cols < n)[None, :]
    if z_ptr is not None:  # before the activation, for its derivative
        tl.store(z_ptr + at, total, mask=inside)
    tl.store(out_ptr + at, activated(total, ACTIVATION), mask=inside)


@triton.jit
def _through_activation(g_ptr, z_ptr, dz_ptr, n, ACTIVATION: tl.constexpr, BLOCK: tl.constexpr, DTYPE: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    g = tl.load(g_ptr + at, mask=at < n, other=0.0).to(DTYPE)
    z = tl.load(z_ptr + at, mask=at < n, other=0.0).to(DTYPE)
    tl.store(dz_ptr + at, g * slope(z, ACTIVATION), mask=at < n)


def product_kernel(
    a: Tensor, b: Tensor, bias: Tensor | None, activation: str, precision: str, keep: bool = False
) -> tuple[Tensor, Tensor | None]:
    """Run the kernel on torch matrices, however they lie: (activation(a b + bias), and what was before it if kept)."""
    (m, k), n = a.shape, b.shape[1]
    out = torch.empty(m, n, dtype=a.dtype, device=a.device)
    z = torch.empty_like(out) if keep else None
    classes = [block_of(each) for each in (m, n, k)]  # what the tuning is for: it is not done anew for every length
    launch(
        _product, lambda tiles: (triton.cdiv(m, tiles["BM"]) * triton.cdiv(n, tiles["BN"]),) if m and n else (0,),
        a, b, None if bias is None else bias.contiguous(), out, z, m, n, k, *a.stride(), *b.stride(), *classes,
        ACTIVATION=activation, PRECISION=precision, DTYPE=working_type(a), EVEN=k % LONGEST == 0,
    )  # fmt: skip
    return out, z


def _activation_kernel(grad: Tensor, z: Tensor, activation: str) -> Tensor:
    grad, z = grad.contiguous(), z.contiguous()
    dz = torch.empty_like(z)
    launch(
        _through_activation, (triton.cdiv(z.numel(), 1024),), grad, z, dz, z.numel(),
        ACTIVATION=activation, BLOCK=1024, DTYPE=working_type(z),
    )  # fmt: skip
    return dz


def _activation_formula(grad: Any, z: Any, activation: str) -> Any:
    if activation == "relu":
        return torch.ops.aten.threshold_backward.default(grad, z, 0)
    if activation == "silu":
        return torch.ops.aten.silu_backward.default(grad, z)
    how = "tanh" if activation == "gelu_tanh" else "none"
    return torch.ops.aten.gelu_backward.default(grad, z, approximate=how)


_through = gradient_rule("matmul_activation", 2, _activation_kernel, _activation_formula)


@implements()
@function
class _matmul(Policy):
    """f(A B + b) and z = A B + b:  dz = g f'(z),  dA = dz B^T,  dB = A^T dz,  db = sum over rows of dz.

    Shapes: A (M, K), B (K, N), b (N). Of relu the output says as much as z, and of no activation nothing is needed:
    there the second output is None.
    """

    materialize_grads = False

    def forward(self, a: Any, b: Any, bias: Any, activation: str, precision: str) -> Any:
        out, z = product_kernel(a, b, bias, activation, precision, keep=activation not in ("none", "relu"))
        self.ctx.save(a, b, out if activation == "relu" else z, activation, precision)
        return out, z

    def backward(self, grad: Any, grad_z: Any) -> Any:
        a, b, z, activation, precision = self.ctx.release
        need_a, need_b, need_bias = self.ctx.needs_input_grad[:3]
        if grad is not None and activation != "none":
            grad = _through(grad, z, activation)
        dz = grad if grad_z is None else grad_z if grad is None else grad + grad_z
        if dz is None:
            return None
        return (
            _product_of(dz, b.mT, precision) if need_a else None,
            _product_of(a.mT, dz, precision) if need_b else None,
            dz.sum(0) if need_bias else None,
        )


def _product_of(a: Any, b: Any, precision: str) -> Any:
    """Multiply in ``backward``: by the rule where it is recorded, a batch of vmap by torch, else by the kernel."""
    if isinstance(a, TensorBase) or isinstance(b, TensorBase):
        return _matmul(a, b, None, "none", precision)[0]
    return (
        product_kernel(a, b, None, "none", precision)[0]
        if takes("matmul", a, b, float64=INTERPRETED)
        else torch.matmul(a, b)
    )


def matmul(
    input: Any, other: Any, bias: Any = None, activation: str = "none", *, allow_tf32: bool | None = None
) -> Any:
    """f(A B + b): of A (..., M, K) and B (K, N), with a bias (N), the output is (..., M, N).

    Args:
        input: A. It may be transposed: it is read as it lies.
        other: B, likewise.
        bias: b, added to every row.
        activation: f, "none", "relu", "gelu", "gelu_tanh" or "silu".
        allow_tf32: whether float32 is multiplied in TF32, with 10 bits of the fraction instead of 23, forward and
            backward. By default what torch's own products do (torch.backends.cuda.matmul.allow_tf32, at first False).

    Sums are in float32. What is in float64 on a GPU, and a batch of vmap, is multiplied by nexnet's own rule. The first
    product of a kind (sizes rounded up to powers of two) is tuned: some sizes of tiles are measured, which takes a
    second or so.

    Corner: relu's slope is 0 at 0.

    Raises:
        InputError: shapes or dtypes that do not go together; an unknown activation; tensors that are nowhere that the
            kernels run.
    """
    a, b, c = map(unwrap, (input, other, bias))
    if activation not in ACTIVATIONS:
        raise InputError(
            message("there is no such activation.", rule="matmul", argument="activation",
                    expected=", ".join(ACTIVATIONS), got=activation)
        )  # fmt: skip
    if a.ndim < 2 or b.ndim != 2 or a.shape[-1] != b.shape[0] or (c is not None and c.shape != b.shape[1:]):
        raise InputError(
            message(
                "these can't be multiplied.",
                rule="matmul",
                expected="(..., M, K) by (K, N), and a bias (N)",
                got=", ".join(str(tuple(each.shape)) for each in (a, b, c) if each is not None),
                remedy="nexnet.matmul takes all that torch's does",
            )
        )
    if any(each.dtype is not a.dtype for each in (b, c) if each is not None):
        raise InputError(
            message("these have more than one dtype.", rule="matmul", expected=a.dtype,
                    got=", ".join(str(each.dtype) for each in (b, c) if each is not None))
        )  # fmt: skip
    precision = precision_of(allow_tf32)
    if not takes("matmul", a, b, c, float64=INTERPRETED):
        return _ordinary(input, other, bias, activation)
    shape = a.shape[:-1]
    rows = input if a.ndim == 2 else lite(input).reshape(math.prod(shape), a.shape[-1])
    out = _matmul(rows, other, bias, activation, precision)[0]
    return out if a.ndim == 2 else out.reshape(*shape, b.shape[1])


def _ordinary(input: Any, other: Any, bias: Any, activation: str) -> Any:
    z = lite(input) @ lite(other)
    z = z if bias is None else z + bias
    if activation == "gelu_tanh":
        return F.gelu(z, approximate="tanh")
    if activation == "relu":
        return torch.relu(z)
    return z if activation == "none" else getattr(F, activation)(z)


def linear(
    input: Any, weight: Any, bias: Any = None, activation: str = "none", *, allow_tf32: bool | None = None
) -> Any:
    """f(x W^T + b): of x (..., in), W (out, in) and b (out). See ``matmul``."""
    if unwrap(input).ndim == 1:
        return linear(lite(input).unsqueeze(0), weight, bias, activation, allow_tf32=allow_tf32).squeeze(0)
    return matmul(input, lite(weight).mT, bias, activation, allow_tf32=allow_tf32)
