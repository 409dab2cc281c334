"""Attention: with masks of every kind, by the mask too, and with several heads."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import torch
from torch.nn import functional as F  # noqa: N812  torch's own name for it
from torch.nn.attention import SDPBackend, sdpa_kernel

import nexnet

from .._case import Case, Sample
from .._draw import Draw

SIZE, HEADS = 4, 2


def queries(d: Draw) -> Sample:
    """Four dimensions, for the fused kernel, and fewer; a mask of booleans or numbers, or none."""
    batch = d.choice((2, 2), (2,), (1, 1), ())
    q, k, v = d.tensor((*batch, 3, 2)), d.tensor((*batch, 4, 2)), d.tensor((*batch, 4, 3 if len(batch) < 2 else 2))
    kind = d.choice("none", "numbers", "booleans", "causal")
    mask: Any = None
    if kind == "booleans":
        mask = d.mask((3, 4))
    elif kind == "numbers":
        mask = d.tensor((3, 4))
    return Sample(q, k, v, mask, is_causal=kind == "causal", scale=d.choice(None, 0.6))


def attention_jax(q: Any, k: Any, v: Any, mask: Any, is_causal: bool, scale: float | None) -> Any:
    scores = q @ jnp.swapaxes(k, -1, -2) * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    if is_causal:
        mask = jnp.tril(jnp.ones(scores.shape[-2:], bool))
    if mask is None:
        return jax.nn.softmax(scores) @ v
    if mask.dtype != bool:
        return jax.nn.softmax(scores + mask) @ v
    seen = jnp.exp(scores) * mask  # the scores are small
    total = jnp.sum(seen, -1, keepdims=True)
    return jnp.where(total > 0, seen / jnp.where(total > 0, total, 1.0), 0.0) @ v


def attention_torch(q: Any, k: Any, v: Any, mask: Any, **options: Any) -> Any:
    """By its formula: torch's fused kernel has no second derivative."""
    with sdpa_kernel(SDPBackend.MATH):
        return F.scaled_dot_product_attention(q, k, v, mask, **options)


def several(d: Draw) -> Sample:
    x, source = d.tensor((3, 2, SIZE)), d.tensor((2, 2, SIZE))
    mask = d.choice(None, torch.tensor([[False, True], [False, False], [True, False]]))
    return Sample(x, source, d.tensor((3 * SIZE, SIZE)), d.tensor((3 * SIZE,)), d.tensor((SIZE, SIZE)), mask, d.flag())


def heads(fn: Any) -> Any:
    def call(x: Any, source: Any, w_in: Any, b_in: Any, w_out: Any, mask: Any, need_weights: bool) -> Any:
        with sdpa_kernel(SDPBackend.MATH):
            out, weights = fn(
                x, source, source, SIZE, HEADS, w_in, b_in, None, None, False, 0.0, w_out, None,
                need_weights=need_weights, attn_mask=mask,
            )  # fmt: skip
        return (out, weights) if need_weights else out

    return call


def heads_jax(x: Any, source: Any, w_in: Any, b_in: Any, w_out: Any, mask: Any, need_weights: bool) -> Any:
    projections = zip((x, source, source), jnp.split(w_in, 3), jnp.split(b_in, 3), strict=True)
    q, k, v = (
        (each @ w.T + b).reshape(each.shape[0], 2, HEADS, -1).transpose(1, 2, 0, 3) for each, w, b in projections
    )
    scores = q @ jnp.swapaxes(k, -1, -2) / math.sqrt(SIZE // HEADS)
    p = jax.nn.softmax(scores if mask is None else jnp.where(mask, -jnp.inf, scores))
    out = (p @ v).transpose(2, 0, 1, 3).reshape(x.shape) @ w_out.T
    return (out, jnp.mean(p, 1)) if need_weights else out


CASES = [
    Case(
        name="scaled_dot_product_attention",
        inputs=queries,
        jax=attention_jax,
        torch=attention_torch,
        layouts=("plain", "strided", "plain", "expanded"),
    ),
    Case(
        name="multi_head_attention_forward",
        call=heads(nexnet.ops.multi_head_attention_forward),
        inputs=several,
        jax=heads_jax,
        torch=heads(F.multi_head_attention_forward),
        layouts=("plain", "strided"),
    ),
]
