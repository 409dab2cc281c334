"""Running sums, extremes and logarithms of sums."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

import nexnet

from .._case import Case, Sample
from .._draw import DISTINCT, REAL, Domain, Draw


def along_one(domain: Domain = REAL) -> Callable[[Draw], Sample]:
    """X and one dimension, given."""

    def inputs(d: Draw) -> Sample:
        x = d.tensor(domain=domain)
        return Sample(x, d.dim(x.ndim))

    return inputs


def running(accumulate: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, dim: accumulate(x, axis=dim % x.ndim) if x.ndim else x


SOLID = ("plain", "scalar", "strided")  # a running extreme of no elements is none in JAX, and of equal ones a corner

CASES = [
    Case(name="cumsum", inputs=along_one(), jax=running(jnp.cumsum)),
    Case(name="cummax", inputs=along_one(DISTINCT), jax=running(jax.lax.cummax), layouts=SOLID),
    Case(name="cummin", inputs=along_one(DISTINCT), jax=running(jax.lax.cummin), layouts=SOLID),
    Case(name="logcumsumexp", inputs=along_one(), jax=running(jax.lax.cumlogsumexp)),
    Case(
        name="logcumsumexp.third",
        call=nexnet.ops.logcumsumexp,
        inputs=along_one(),
        jax=running(jax.lax.cumlogsumexp),
        order=3,
        without_torch="PyTorch's third derivative is NaN",
        layouts=SOLID,
    ),
]
