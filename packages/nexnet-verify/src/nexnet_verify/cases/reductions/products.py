"""Products of all elements or along a dimension, and running products, with and without zeros."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from .._case import Case, Sample
from .._draw import Draw
from .cumulative import running
from .sums import axes


def with_zeros(d: Draw, x: Any) -> Any:
    """Sometimes put one or two zeros into x."""
    if x.data.numel() > 2 and x.data.is_contiguous():
        x.data.view(-1)[: d.choice(0, 1, 2)] = 0
    return x


def product(d: Draw) -> Sample:
    """x, one dimension or none, and keepdim with a dimension."""
    x = with_zeros(d, d.tensor())
    return d.choice(Sample(x), Sample(x, d.dim(x.ndim), d.flag()))


def running_product(d: Draw) -> Sample:
    x = with_zeros(d, d.tensor())
    return Sample(x, d.dim(x.ndim))


CASES = [
    Case(name="prod", inputs=product, jax=axes(jnp.prod)),
    Case(name="cumprod", inputs=running_product, jax=running(jnp.cumprod)),
]
