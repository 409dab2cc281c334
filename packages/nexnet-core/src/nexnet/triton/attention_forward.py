"""Flash attention, forward: softmax(s Q K^T + mask) V, without the (L, S) matrix of weights in memory.

A program has a tile of queries. It goes along the keys in steps and keeps, for each query, the largest score m, the sum
of the weights e^(score - m), and the weighted sum of values; all three are scaled down when a larger score comes. It
writes the output and ln sum e^score, from which the gradient (see attention_backward) computes the weights anew.

Sources: Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018; Dao et al., "FlashAttention", 2022;
Dao, "FlashAttention-2", 2023, whose order of the loops this is.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton import Config

from ._launch import autotuned, dot, launch, working_type
from ._rows import block_of

__all__ = ["TUNED_FOR", "WIDEST", "attention_kernel", "layout_of", "mask_of", "scores_of", "sizes_of", "tiles_of"]

WIDEST = 512  # bytes of a query or a value: what a tile of them takes of shared memory grows with it
FARTHEST = 2**23  # elements from row to row: a tile of 256 rows is addressed with 32 bits
LOG2E = tl.constexpr(1.4426950408889634)  # the card computes 2^x, not e^x: scores are scaled for it once
MINUS = tl.constexpr(-float("inf"))

_CONFIGURATIONS = [
    Config({"BM": 128, "BN": 128}, num_warps=8, num_stages=2),
    Config({"BM": 128, "BN": 64}, num_warps=8, num_stages=3),
    Config({"BM": 128, "BN": 64}, num_warps=4, num_stages=3),
    Config({"BM": 64, "BN": 32}, num_warps=4, num_stages=2),
]
TUNED_FOR = ("length_class", "sources_class", "CAUSAL", "E", "D", "PRECISION")


@triton.jit
def scores_of(
    products, i, j, length, sources, mask_ptr, mask_row, mask_col,
    SCALE: tl.constexpr, CAUSAL: tl.constexpr, ADDED: tl.constexpr, CHECKED: tl.constexpr,
):  # fmt: skip
    """Give the scores in units of ln 2 for queries i and keys j, in either orientation; -inf what may not be seen.

    CHECKED is said of the few tiles that reach over the diagonal or an end; all others need no comparison.
    """
    scores = products * (SCALE * LOG2E)
    if mask_ptr is not None:
        at = mask_ptr + i.to(tl.int64) * mask_row + j.to(tl.int64) * mask_col
        inside = (i < length) & (j < sources)
        if ADDED:
            scores += tl.load(at, mask=inside, other=0.0).to(products.dtype) * LOG2E
        else:
            scores = tl.where(tl.load(at, mask=inside, other=0) != 0, scores, MINUS)
    if CHECKED:
        scores = tl.where(j < sources, scores, MINUS)
        if CAUSAL:
            scores = tl.where(j <= i, scores, MINUS)
    return scores


@triton.jit
def _along_keys(
    total, norm, m, q, k_ptr, v_ptr, k_row, v_row, low, high, i, length, sources, mask_ptr, mask_row, mask_col, e, d,
    SCALE: tl.constexpr, CAUSAL: tl.constexpr, ADDED: tl.constexpr, CHECKED: tl.constexpr, PRECISION: tl.constexpr,
    BN: tl.constexpr, E: tl.constexpr, D: tl.constexpr, EVEN: tl.constexpr,
):  # fmt: skip
    along_e, along_d, step = tl.arange(0, E), tl.arange(0, D), tl.arange(0, BN)
    k_tile = step[None, :] * k_row + along_e[:, None]  # K^T, (E, BN)
    v_tile = step[:, None] * v_row + along_d[None, :]
    for start in range(low, high, BN):
        j = start + step
        k_at = k_ptr + tl.cast(start, tl.int64) * k_row + k_tile  # 64 bits for where a tile begins, 32 within it
        v_at = v_ptr + tl.cast(start, tl.int64) * v_row + v_tile
        if EVEN and not CHECKED:
            k = tl.load(k_at)
        else:
            k = tl.load(k_at, mask=(j < sources)[None, :] & (along_e < e)[:, None], other=0.0)
        scores = scores_of(
            dot(q, k, tl.zeros((q.shape[0], BN), total.dtype), PRECISION), i[:, None], j[None, :], length, sources,
            mask_ptr, mask_row, mask_col, SCALE, CAUSAL, ADDED, CHECKED,
        )  # fmt: skip
        new = tl.maximum(m, tl.max(scores, 1))
        shift = tl.where(new == MINUS, 0.0, new)  # a query that has seen nothing yet: -inf - -inf would be NaN
        weights = tl.exp2(scores - shift[:, None])
        scale = tl.exp2(m - shift)
        norm = norm * scale + tl.sum(weights, 1)
        m = new
        if EVEN and not CHECKED:
            v = tl.load(v_at)
        else:
            v = tl.load(v_at, mask=(j < sources)[:, None] & (along_d < d)[None, :], other=0.0)
        total = dot(weights.to(v.dtype), v, total * scale[:, None], PRECISION)
    return total, norm, m


@autotuned(_CONFIGURATIONS, key=TUNED_FOR)
@triton.jit
def _forward(
    q_ptr, k_ptr, v_ptr, mask_ptr, out_ptr, lse_ptr,
    q_batch, q_head, q_row, k_batch, k_head, k_row, v_batch, v_head, v_row,
    mask_batch, mask_head, mask_row, mask_col, heads, length, sources, e, d, length_class, sources_class,
    SCALE: tl.constexpr, CAUSAL: tl.constexpr, ADDED: tl.constexpr, PRECISION: tl.constexpr, DTYPE: tl.constexpr,
    E: tl.constexpr, D: tl.constexpr, EVEN: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
):  # fmt: skip
    # The last tiles of a causal matrix have most to do: they go first, that none is left over at the end.
    first = (tl.num_programs(0) - 1 - tl.program_id(0)) * BM
    which = tl.program_id(1)
    batch, head = (which // heads).to(tl.int64), (which % heads).to(tl.int64)
    q_ptr += batch * q_batch + head * q_head
    k_ptr += batch * k_batch + head * k_head
    v_ptr += batch * v_batch + head * v_head
    if mask_ptr is not None:
        mask_ptr += batch * mask_batch + head * mask_head

    i = first + tl.arange(0, BM)
    along_e, along_d = tl.arange(0, E), tl.arange(0, D)
    q_at = q_ptr + i.to(tl.int64)[:, None] * q_row + along_e[None, :]
    q = tl.load(q_at, mask=(i < length)[:, None] & (along_e < e)[None, :], other=0.0)
    m = tl.full((BM,), MINUS, DTYPE)
    norm = tl.zeros((BM,), DTYPE)
    total = tl.zeros((BM, D), DTYPE)

    free = sources  # keys that all queries of the tile see, the whole steps of them
    end = sources
    if CAUSAL:
        free = tl.minimum(sources, first + 1)
        end = tl.minimum(sources, first + BM)
    free = free // BN * BN
    total, norm, m = _along_keys(
        total, norm, m, q, k_ptr, v_ptr, k_row, v_row, 0, free, i, length, sources, mask_ptr, mask_row, mask_col,
        e, d, SCALE, CAUSAL, ADDED, False, PRECISION, BN, E, D, EVEN,
    )  # fmt: skip
    total, norm, m = _along_keys(
        total, norm, m, q, k_ptr, v_ptr, k_row, v_row, free, end, i, length, sources, mask_ptr, mask_row, mask_col,
        e, d, SCALE, CAUSAL, ADDED, True, PRECISION, BN, E, D, EVEN,
    )  # fmt: skip

    blind = (
        norm == 0.0
    )  # a query that may see nothing gets zeros; with lse = inf its weights are 0 for the gradient too
    out = total / tl.where(blind, 1.0, norm)[:, None]
    at = which.to(tl.int64) * length + i
    tl.store(out_ptr + at[:, None] * d + along_d[None, :], out, mask=(i < length)[:, None] & (along_d < d)[None, :])
    tl.store(lse_ptr + at, tl.where(blind, float("inf"), m + tl.log2(norm)), mask=i < length)


def layout_of(each: Tensor) -> Tensor:
    """Give a (batch, heads, length, size) tensor whose rows lie as the kernels read them; a copy if they do not."""
    contiguous = each.stride(-1) == 1 or each.shape[-1] <= 1
    return each if contiguous and each.stride(-2) < FARTHEST else each.contiguous()


def mask_of(mask: Tensor | None, shape: tuple[int, ...]) -> tuple[Tensor | None, list[int]]:
    """See a mask as (batch, heads, L, S), with steps of 0 where it is broadcast; truth values as bytes."""
    if mask is None:
        return None, [0] * 4
    mask = mask.view(torch.uint8) if mask.dtype is torch.bool else mask
    return mask, list(mask.expand(shape).stride())


def sizes_of(query: Tensor, value: Tensor) -> list[int]:
    """Give what the kernels are told of sizes: heads, L, S, E, D, and those for which the tuning is."""
    _, heads, length, e = query.shape
    sources, d = value.shape[-2:]
    return [heads, length, sources, e, d, block_of(length), block_of(sources)]


def tiles_of(query: Tensor, value: Tensor) -> dict[str, object]:
    """Give how large the tiles are along E and D: powers of two, and at least what tensor cores multiply."""
    e, d = query.shape[-1], value.shape[-1]
    padded_e, padded_d = block_of(e, least=16), block_of(d, least=16)
    return {"E": padded_e, "D": padded_d, "EVEN": (padded_e, padded_d) == (e, d)}


def attention_kernel(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, is_causal: bool, scale: float, precision: str
) -> tuple[Tensor, Tensor]:
    """Run the forward kernel: (output, log2 of the sums of e^score), of (batch, heads, length, size) tensors."""
    query, key, value = map(layout_of, (query, key, value))
    batch, heads, length, _ = query.shape
    sources, d = value.shape[-2:]
    out = torch.empty(batch, heads, length, d, dtype=query.dtype, device=query.device)
    dtype = torch.float64 if query.dtype is torch.float64 else torch.float32
    lse = torch.empty(batch, heads, length, dtype=dtype, device=query.device)
    mask, steps = mask_of(mask, (batch, heads, length, sources))
    launch(
        _forward, lambda tiles: (triton.cdiv(length, tiles["BM"]), batch * heads),
        query, key, value, mask, out, lse,
        *query.stride()[:3], *key.stride()[:3], *value.stride()[:3], *steps, *sizes_of(query, value),
        SCALE=scale, CAUSAL=is_causal, ADDED=mask is not None and mask.dtype is not torch.uint8, PRECISION=precision,
        DTYPE=working_type(query), **tiles_of(query, value),
    )  # fmt: skip
    return out, lse
