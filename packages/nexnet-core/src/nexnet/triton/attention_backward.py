"""Flash attention's gradient: the weights P are computed anew from Q, K and ln sum e^score, tile by tile.

With g the gradient of the output O:  dV = P^T g,  dQ = s Z K,  dK = s Z^T Q,  Z = P (g V^T - delta),  and delta, the
sum over S of P (g V^T), is <g, O> of each query, which needs no weights. One kernel has a tile of keys and goes along
the queries (dK, dV), another a tile of queries and goes along the keys (dQ): each program writes what is its own,
nothing is added atomically, and the result is the same every time. Source: Dao, "FlashAttention-2", 2023.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton import Config

from ._launch import autotuned, dot, launch, working_type
from .attention_forward import TUNED_FOR, layout_of, mask_of, scores_of, sizes_of, tiles_of

__all__ = ["attention_backward_kernel"]

_FOR_KEYS = [
    Config({"BM": 64, "BN": 128}, num_warps=8, num_stages=3),
    Config({"BM": 64, "BN": 128}, num_warps=8, num_stages=2),
    Config({"BM": 64, "BN": 64}, num_warps=4, num_stages=2),
    Config({"BM": 32, "BN": 32}, num_warps=4, num_stages=1),
]
_FOR_QUERIES = [
    Config({"BM": 128, "BN": 64}, num_warps=8, num_stages=3),
    Config({"BM": 128, "BN": 64}, num_warps=8, num_stages=2),
    Config({"BM": 64, "BN": 64}, num_warps=4, num_stages=2),
    Config({"BM": 32, "BN": 32}, num_warps=4, num_stages=1),
]


@triton.jit
def _inner(g_ptr, out_ptr, delta_ptr, count, d, BM: tl.constexpr, D: tl.constexpr, DTYPE: tl.constexpr):
    rows = tl.program_id(0).to(tl.int64) * BM + tl.arange(0, BM)
    along = tl.arange(0, D)
    inside = (rows < count)[:, None] & (along < d)[None, :]
    at = rows[:, None] * d + along[None, :]
    g = tl.load(g_ptr + at, mask=inside, other=0.0).to(DTYPE)
    out = tl.load(out_ptr + at, mask=inside, other=0.0).to(DTYPE)
    tl.store(delta_ptr + rows, tl.sum(g * out, 1), mask=rows < count)


@triton.jit
def _along_queries(
    dk, dv, k, v, q_ptr, g_ptr, lse_ptr, delta_ptr, q_row, low, high, j, length, sources,
    mask_ptr, mask_row, mask_col, e, d,
    SCALE: tl.constexpr, CAUSAL: tl.constexpr, ADDED: tl.constexpr, CHECKED: tl.constexpr, PRECISION: tl.constexpr,
    BM: tl.constexpr, E: tl.constexpr, D: tl.constexpr, EVEN: tl.constexpr,
):  # fmt: skip
    along_e, along_d, step = tl.arange(0, E), tl.arange(0, D), tl.arange(0, BM)
    q_tile = step[None, :] * q_row + along_e[:, None]  # Q^T, (E, BM)
    g_tile = step[:, None] * d + along_d[None, :]
    for start in range(low, high, BM):
        i = start + step
        q_at = q_ptr + tl.cast(start, tl.int64) * q_row + q_tile
        g_at = g_ptr + tl.cast(start, tl.int64) * d + g_tile
        if EVEN and not CHECKED:
            q = tl.load(q_at)
            g = tl.load(g_at)
            lse = tl.load(lse_ptr + i)
            delta = tl.load(delta_ptr + i)
        else:  # a query beyond the end has lse = inf, and so the weight 0
            q = tl.load(q_at, mask=(i < length)[None, :] & (along_e < e)[:, None], other=0.0)
            g = tl.load(g_at, mask=(i < length)[:, None] & (along_d < d)[None, :], other=0.0)
            lse = tl.load(lse_ptr + i, mask=i < length, other=float("inf"))
            delta = tl.load(delta_ptr + i, mask=i < length, other=0.0)
        nothing = tl.zeros((k.shape[0], BM), dk.dtype)
        scores = scores_of(
            dot(k, q, nothing, PRECISION), i[None, :], j[:, None], length, sources, mask_ptr, mask_row, mask_col,
            SCALE, CAUSAL, ADDED, CHECKED,
        )  # fmt: skip
        weights = tl.exp2(scores - lse[None, :])  # P^T, (BN, BM)
        dv = dot(weights.to(g.dtype), g, dv, PRECISION)
        z = weights * (dot(v, tl.trans(g), nothing, PRECISION) - delta[None, :])
        dk = dot(z.to(q.dtype), tl.trans(q), dk, PRECISION)
    return dk, dv


@autotuned(_FOR_KEYS, key=TUNED_FOR)
@triton.jit
def _by_keys(
    q_ptr, k_ptr, v_ptr, mask_ptr, g_ptr, lse_ptr, delta_ptr, dk_ptr, dv_ptr,
    q_batch, q_head, q_row, k_batch, k_head, k_row, v_batch, v_head, v_row,
    mask_batch, mask_head, mask_row, mask_col, heads, length, sources, e, d, length_class, sources_class,
    SCALE: tl.constexpr, CAUSAL: tl.constexpr, ADDED: tl.constexpr, PRECISION: tl.constexpr, DTYPE: tl.constexpr,
    E: tl.constexpr, D: tl.constexpr, EVEN: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
):  # fmt: skip
    first = tl.program_id(0) * BN
    which = tl.program_id(1)
    batch, head = (which // heads).to(tl.int64), (which % heads).to(tl.int64)
    q_ptr += batch * q_batch + head * q_head
    k_ptr += batch * k_batch + head * k_head
    v_ptr += batch * v_batch + head * v_head
    if mask_ptr is not None:
        mask_ptr += batch * mask_batch + head * mask_head
    g_ptr += which.to(tl.int64) * length * d
    lse_ptr += which.to(tl.int64) * length
    delta_ptr += which.to(tl.int64) * length

    j = first + tl.arange(0, BN)
    along_e, along_d = tl.arange(0, E), tl.arange(0, D)
    inside_e = (j < sources)[:, None] & (along_e < e)[None, :]
    inside_d = (j < sources)[:, None] & (along_d < d)[None, :]
    k = tl.load(k_ptr + j.to(tl.int64)[:, None] * k_row + along_e[None, :], mask=inside_e, other=0.0)
    v = tl.load(v_ptr + j.to(tl.int64)[:, None] * v_row + along_d[None, :], mask=inside_d, other=0.0)
    dk = tl.zeros((BN, E), DTYPE)
    dv = tl.zeros((BN, D), DTYPE)

    low = 0  # the first queries that see any of these keys, and the first that see all
    free = 0
    if CAUSAL:
        low = first // BM * BM
        free = tl.minimum(tl.cdiv(first + BN - 1, BM) * BM, tl.cdiv(length, BM) * BM)
    tail = tl.maximum(free, length // BM * BM)
    if CAUSAL:
        dk, dv = _along_queries(
            dk, dv, k, v, q_ptr, g_ptr, lse_ptr, delta_ptr, q_row, low, free, j, length, sources,
            mask_ptr, mask_row, mask_col, e, d, SCALE, CAUSAL, ADDED, True, PRECISION, BM, E, D, EVEN,
        )  # fmt: skip
    dk, dv = _along_queries(
        dk, dv, k, v, q_ptr, g_ptr, lse_ptr, delta_ptr, q_row, free, tail, j, length, sources,
        mask_ptr, mask_row, mask_col, e, d, SCALE, CAUSAL, ADDED, False, PRECISION, BM, E, D, EVEN,
    )  # fmt: skip
    dk, dv = _along_queries(
        dk, dv, k, v, q_ptr, g_ptr, lse_ptr, delta_ptr, q_row, tail, length, j, length, sources,
        mask_ptr, mask_row, mask_col, e, d, SCALE, CAUSAL, ADDED, True, PRECISION, BM, E, D, EVEN,
    )  # fmt: skip
    at = which.to(tl.int64) * sources + j
    tl.store(dk_ptr + at[:, None] * e + along_e[None, :], dk * SCALE, mask=inside_e)
    tl.store(dv_ptr + at[:, None] * d + along_d[None, :], dv, mask=inside_d)


@triton.jit
def _along_keys(
    dq, q, g, lse, delta, k_ptr, v_ptr, k_row, v_row, low, high, i, length, sources,
    mask_ptr, mask_row, mask_col, e, d,
    SCALE: tl.constexpr, CAUSAL: tl.constexpr, ADDED: tl.constexpr, CHECKED: tl.constexpr, PRECISION: tl.constexpr,
    BN: tl.constexpr, E: tl.constexpr, D: tl.constexpr, EVEN: tl.constexpr,
):  # fmt: skip
    along_e, along_d, step = tl.arange(0, E), tl.arange(0, D), tl.arange(0, BN)
    k_tile = step[None, :] * k_row + along_e[:, None]  # K^T, (E, BN), and V^T
    v_tile = step[None, :] * v_row + along_d[:, None]
    for start in range(low, high, BN):
        j = start + step
        k_at = k_ptr + tl.cast(start, tl.int64) * k_row + k_tile
        v_at = v_ptr + tl.cast(start, tl.int64) * v_row + v_tile
        if EVEN and not CHECKED:
            k = tl.load(k_at)
            v = tl.load(v_at)
        else:
            k = tl.load(k_at, mask=(j < sources)[None, :] & (along_e < e)[:, None], other=0.0)
            v = tl.load(v_at, mask=(j < sources)[None, :] & (along_d < d)[:, None], other=0.0)
        nothing = tl.zeros((q.shape[0], BN), dq.dtype)
        scores = scores_of(
            dot(q, k, nothing, PRECISION), i[:, None], j[None, :], length, sources, mask_ptr, mask_row, mask_col,
            SCALE, CAUSAL, ADDED, CHECKED,
        )  # fmt: skip
        weights = tl.exp2(scores - lse[:, None])
        z = weights * (dot(g, v, nothing, PRECISION) - delta[:, None])
        dq = dot(z.to(k.dtype), tl.trans(k), dq, PRECISION)
    return dq


@autotuned(_FOR_QUERIES, key=TUNED_FOR)
@triton.jit
def _by_queries(
    q_ptr, k_ptr, v_ptr, mask_ptr, g_ptr, lse_ptr, delta_ptr, dq_ptr,
    q_batch, q_head, q_row, k_batch, k_head, k_row, v_batch, v_head, v_row,
    mask_batch, mask_head, mask_row, mask_col, heads, length, sources, e, d, length_class, sources_class,
    SCALE: tl.constexpr, CAUSAL: tl.constexpr, ADDED: tl.constexpr, PRECISION: tl.constexpr, DTYPE: tl.constexpr,
    E: tl.constexpr, D: tl.constexpr, EVEN: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
):  # fmt: skip
    first = (tl.num_programs(0) - 1 - tl.program_id(0)) * BM
    which = tl.program_id(1)
    batch, head = (which // heads).to(tl.int64), (which % heads).to(tl.int64)
    q_ptr += batch * q_batch + head * q_head
    k_ptr += batch * k_batch + head * k_head
    v_ptr += batch * v_batch + head * v_head
    if mask_ptr is not None:
        mask_ptr += batch * mask_batch + head * mask_head

    i = first + tl.arange(0, BM)
    at = which.to(tl.int64) * length + i
    along_e, along_d = tl.arange(0, E), tl.arange(0, D)
    inside_e = (i < length)[:, None] & (along_e < e)[None, :]
    inside_d = (i < length)[:, None] & (along_d < d)[None, :]
    q = tl.load(q_ptr + i.to(tl.int64)[:, None] * q_row + along_e[None, :], mask=inside_e, other=0.0)
    g = tl.load(g_ptr + at[:, None] * d + along_d[None, :], mask=inside_d, other=0.0)
    lse = tl.load(lse_ptr + at, mask=i < length, other=float("inf"))
    delta = tl.load(delta_ptr + at, mask=i < length, other=0.0)
    dq = tl.zeros((BM, E), DTYPE)

    free = sources
    end = sources
    if CAUSAL:
        free = tl.minimum(sources, first + 1)
        end = tl.minimum(sources, first + BM)
    free = free // BN * BN
    dq = _along_keys(
        dq, q, g, lse, delta, k_ptr, v_ptr, k_row, v_row, 0, free, i, length, sources,
        mask_ptr, mask_row, mask_col, e, d, SCALE, CAUSAL, ADDED, False, PRECISION, BN, E, D, EVEN,
    )  # fmt: skip
    dq = _along_keys(
        dq, q, g, lse, delta, k_ptr, v_ptr, k_row, v_row, free, end, i, length, sources,
        mask_ptr, mask_row, mask_col, e, d, SCALE, CAUSAL, ADDED, True, PRECISION, BN, E, D, EVEN,
    )  # fmt: skip
    tl.store(dq_ptr + at[:, None] * e + along_e[None, :], dq * SCALE, mask=inside_e)


def attention_backward_kernel(
    grad: Tensor, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, out: Tensor, lse: Tensor,
    is_causal: bool, scale: float, precision: str,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Run the gradient's kernels: (dQ, dK, dV), of (batch, heads, length, size) tensors."""
    query, key, value = map(layout_of, (query, key, value))
    grad = grad.contiguous()
    batch, heads, length, _ = query.shape
    sources, d = value.shape[-2:]
    tiles = tiles_of(query, value)
    dq, dk, dv = (torch.empty(each.shape, dtype=each.dtype, device=each.device) for each in (query, key, value))
    delta = torch.empty_like(lse)
    rows = batch * heads * length
    launch(_inner, (triton.cdiv(rows, 64),), grad, out, delta, rows, d, BM=64, D=tiles["D"], DTYPE=working_type(query))
    mask, steps = mask_of(mask, (batch, heads, length, sources))
    given = (query, key, value, mask, grad, lse, delta)
    numbers = (
        *query.stride()[:3], *key.stride()[:3], *value.stride()[:3], *steps, *sizes_of(query, value)
    )  # fmt: skip
    static = {
        "SCALE": scale, "CAUSAL": is_causal, "ADDED": mask is not None and mask.dtype is not torch.uint8,
        "PRECISION": precision, "DTYPE": working_type(query), **tiles,
    }  # fmt: skip
    launch(_by_keys, lambda t: (triton.cdiv(sources, t["BN"]), batch * heads), *given, dk, dv, *numbers, **static)
    launch(_by_queries, lambda t: (triton.cdiv(length, t["BM"]), batch * heads), *given, dq, *numbers, **static)
    return dq, dk, dv
