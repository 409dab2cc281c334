"""Elements along a dimension, by an index tensor."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy

from .._case import Case, Sample
from .._draw import Draw

SOLID = ("plain", "strided", "expanded")


def gathered(d: Draw) -> Sample:
    """Indices that repeat, fewer or more than there are elements."""
    x = d.tensor((3, 4))
    dim = d.choice(1, 0, -1)
    shape = d.choice((3, 4), (2, 4), (3, 2), (1, 1)) if dim == 0 else d.choice((3, 5), (3, 4), (2, 1))
    return Sample(x, dim, d.index(shape, x.shape[dim]))


def gather_jax(x: Any, dim: int, index: Any) -> Any:
    other = 1 - dim % 2
    part = jnp.take(x, numpy.arange(index.shape[other]), axis=other)
    return jnp.take_along_axis(part, index, axis=dim)


def along(d: Draw) -> Sample:
    x = d.tensor((3, 4))
    return d.choice(Sample(x, d.index((3, 2), 4), 1), Sample(x, d.index((1, 4), 3), 0), Sample(x, d.index((5,), 12)))


def slices(d: Draw) -> Sample:
    x = d.tensor((3, 4))
    dim = d.choice(1, 0, -1)
    return Sample(x, dim, d.index(d.choice((2,), (5,), (0,)), x.shape[dim]))


def added(d: Draw) -> Sample:
    x = d.tensor((3, 4))
    dim = d.choice(1, 0)
    count = d.choice(2, 5)
    source = d.tensor((count, 4) if dim == 0 else (3, count))
    return Sample(x, dim, d.index((count,), x.shape[dim]), source, alpha=d.choice(1, -2.0))


def index_add_jax(x: Any, dim: int, index: Any, source: Any, alpha: float) -> Any:
    return x.at[index].add(alpha * source) if dim == 0 else x.at[:, index].add(alpha * source)


CASES = [
    Case(name="gather", inputs=gathered, jax=gather_jax, layouts=SOLID),
    Case(
        name="take_along_dim",
        inputs=along,
        jax=lambda x, i, dim=None: jnp.take_along_axis(x, i, axis=dim),
        layouts=SOLID,
    ),
    Case(name="index_select", inputs=slices, jax=lambda x, dim, i: jnp.take(x, i, axis=dim), layouts=SOLID),
    Case(name="index_add", inputs=added, jax=index_add_jax, layouts=SOLID),
]
