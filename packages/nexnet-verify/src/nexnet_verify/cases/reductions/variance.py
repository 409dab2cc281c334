"""Variances and standard deviations, alone and with the mean."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from .._case import Case, Sample
from .._draw import Draw

SEVERAL = ((4,), (2, 3), (3, 2, 2))


def spread(d: Draw) -> Sample:
    """x, of which more than one element is left, and every way to say the correction."""
    x = d.tensor(d.choice(*SEVERAL[1:], SEVERAL[0]))
    dim = d.choice(None, *[i for i, size in enumerate(x.shape) if size > 1])
    return Sample(x, dim=dim, keepdim=d.flag(), correction=d.choice(1, 0))


def both(first: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, dim, keepdim, correction: (
        first(x, axis=dim, keepdims=keepdim, ddof=correction),
        jnp.mean(x, axis=dim, keepdims=keepdim),
    )


def moment(reduce: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, dim, keepdim, correction: reduce(x, axis=dim, keepdims=keepdim, ddof=correction)


CASES = [
    Case(name="var", inputs=spread, jax=moment(jnp.var), layouts=("plain", "strided")),
    Case(name="std", inputs=spread, jax=moment(jnp.std), layouts=("plain", "strided")),
    Case(name="var_mean", inputs=spread, jax=both(jnp.var), layouts=("plain", "strided")),
    Case(name="std_mean", inputs=spread, jax=both(jnp.std), layouts=("plain", "strided")),
]
