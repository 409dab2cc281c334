"""The largest, the smallest, the middle, of elements that all differ; ties are corners."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from .._case import Case, Sample
from .._draw import DISTINCT, Draw
from .sums import axes

# Nothing is the largest of no elements, and an expanded tensor is all ties.
LAYOUTS = ("plain", "scalar", "strided")


def shared(d: Draw) -> Sample:
    x = d.tensor(domain=DISTINCT)
    dim = d.dims(x.ndim)
    return Sample(x, () if dim is None else dim, d.flag())


def selected(d: Draw) -> Sample:
    x = d.tensor(domain=DISTINCT)
    return d.choice(Sample(x, d.dim(x.ndim), d.flag()), Sample(x))


def lower_median(x: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """Torch's median: the lower element of two."""
    if x.ndim == 0:
        return x
    axis = dim if dim is not None else 0
    x = x if dim is not None else x.reshape(-1)
    middle = jnp.take(jnp.sort(x, axis=axis), (x.shape[axis] - 1) // 2, axis=axis)
    return jnp.expand_dims(middle, axis) if keepdim else middle


def reduced(reduce: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, dim=None, keepdim=False: axes(reduce)(x, dim, keepdim)


def both(d: Draw) -> Sample:
    x = d.tensor(domain=DISTINCT)
    return d.choice(Sample(x), Sample(x, dim=d.dim(x.ndim), keepdim=d.flag()))


def both_jax(x: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    return axes(jnp.min)(x, dim, keepdim), axes(jnp.max)(x, dim, keepdim)


CASES = [
    Case(name="amax", inputs=shared, jax=reduced(jnp.max), layouts=LAYOUTS),
    Case(name="amin", inputs=shared, jax=reduced(jnp.min), layouts=LAYOUTS),
    Case(name="max", inputs=selected, jax=reduced(jnp.max), layouts=LAYOUTS),
    Case(name="min", inputs=selected, jax=reduced(jnp.min), layouts=LAYOUTS),
    Case(name="median", inputs=selected, jax=lower_median, layouts=LAYOUTS),
    Case(name="nanmedian", inputs=selected, jax=lower_median, layouts=LAYOUTS),
    Case(name="aminmax", inputs=both, jax=both_jax, layouts=LAYOUTS),
]
