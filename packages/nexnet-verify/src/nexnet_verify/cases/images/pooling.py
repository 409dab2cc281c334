"""Averages and power means over windows."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from .._case import Case, Sample
from .._draw import POSITIVE, REAL, Draw
from .._windows import LAYOUTS, adaptive, adaptive_inputs, batch, per_dim, size_within, sizes, windows


def average(dims: int) -> Callable[..., Any]:
    def jax(
        x: Any,
        size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Any:
        where = (size, stride, padding, 1, ceil_mode)
        total = jnp.sum(windows(x, dims, *where, 0.0, 0.0), axis=0)
        if divisor_override is not None:
            return total / divisor_override
        ones = jnp.ones_like(x)
        return total / jnp.sum(windows(ones, dims, *where, 1.0 if count_include_pad else 0.0, 0.0), axis=0)

    return jax


def average_inputs(dims: int) -> Callable[[Draw], Sample]:
    def inputs(d: Draw) -> Sample:
        x = batch(d, dims)
        options = [size_within(d, dims, x), d.choice(None, 1, 2), per_dim(d, dims, 0, 1), d.flag(), d.flag()]
        return Sample(x, *options, *([d.choice(None, 5)] if dims > 1 else []))

    return inputs


def power_inputs(dims: int) -> Callable[[Draw], Sample]:
    def inputs(d: Draw) -> Sample:
        size = d.choice(2, 3) if dims == 1 else per_dim(d, dims, 2, 3) if dims == 2 else per_dim(d, dims, 1, 2)
        x = batch(d, dims, POSITIVE)
        return Sample(x, d.choice(2, 3.0, 1), size, d.choice(None, 1, 2), d.flag())

    return inputs


def power(dims: int) -> Callable[..., Any]:
    def jax(x: Any, p: float, size: Any, stride: Any, ceil_mode: bool) -> Any:
        where = (size, stride, 0, 1, ceil_mode)
        parts = windows(x**p, dims, *where, 0.0, 0.0)
        seen = jnp.sum(windows(jnp.ones_like(x), dims, *where, 0.0, 0.0), axis=0)
        full = math.prod(sizes(size, dims))  # a window that is cut short counts as if it were not
        return (jnp.sum(parts, axis=0) * full / seen) ** (1 / p)

    return jax


EACH = (1, 2, 3)
CASES = [
    *(Case(name=f"avg_pool{n}d", inputs=average_inputs(n), jax=average(n), layouts=LAYOUTS) for n in EACH),
    *(
        Case(name=f"adaptive_avg_pool{n}d", inputs=adaptive_inputs(n, REAL), jax=adaptive(n, jnp.mean), layouts=LAYOUTS)
        for n in EACH
    ),
    *(Case(name=f"lp_pool{n}d", inputs=power_inputs(n), jax=power(n), layouts=LAYOUTS) for n in EACH),
]
