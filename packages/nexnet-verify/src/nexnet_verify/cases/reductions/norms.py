"""Norms, away from zero and from ties of the largest element."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp

from .._case import Case, Sample
from .._draw import Domain, Draw

# Sizes that all differ, of one sign or the other: no two elements tie, and none is at the kink.
SIZES = Domain(0.4, 2.0, distinct=True)
LAYOUTS = ("plain", "scalar", "strided")


def normed(d: Draw) -> Sample:
    import torch

    import nexnet

    x = d.tensor(domain=SIZES)
    signs = torch.from_numpy(d.generator.choice([-1.0, 1.0], tuple(x.shape)))
    x = nexnet.LiteTensor(x.data * signs.reshape(x.shape))
    p = d.choice(2, 1, 3, math.inf, -math.inf, 0.5, 2.5)
    return Sample(x, p, d.choice(None, *range(x.ndim)), d.flag())


def vector_norm(x: Any, p: float, dim: int | None = None, keepdim: bool = False) -> Any:
    size = jnp.abs(x)
    if abs(p) == math.inf:
        return (jnp.max if p > 0 else jnp.min)(size, axis=dim, keepdims=keepdim)
    return jnp.sum(size**p, axis=dim, keepdims=keepdim) ** (1 / p)


CASES = [
    Case(name="vector_norm", inputs=normed, jax=vector_norm, layouts=LAYOUTS),
]
