"""Diagonals and triangles of matrices."""

# ruff: noqa: ARG001, ARG005, D103  a formula's pieces are described by their names

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from .._case import Case, Sample
from .._draw import Draw
from .reshaping import with_dims

MATRIX = ("plain", "strided", "expanded", "empty")


def diagonals(d: Draw, shape: tuple[int, ...]) -> tuple[Any, ...]:
    return (d.choice(0, 1, -1), *d.choice((), (1, 0), (-2, -1)))


def embedded(d: Draw, shape: tuple[int, ...]) -> tuple[Any, ...]:
    return (d.choice(0, 1, -1), *d.choice((), (0, 1)))


def diag_embed_jax(x: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    size = x.shape[-1] + abs(offset)
    rows = jnp.arange(x.shape[-1]) + max(-offset, 0)
    out = jnp.zeros((*x.shape[:-1], size, size), x.dtype).at[..., rows, rows + offset].set(x)
    return jnp.moveaxis(out, (-2, -1), (dim1, dim2))


CASES = [
    Case(name="diagonal", inputs=with_dims(diagonals, low=2), jax=jnp.diagonal, layouts=MATRIX),
    Case(
        name="linalg_diagonal",
        inputs=lambda d: Sample(d.tensor(low=2), offset=d.choice(0, 1, -1)),
        jax=lambda x, offset: jnp.diagonal(x, offset, -2, -1),
        layouts=MATRIX,
    ),
    Case(name="diag_embed", inputs=with_dims(embedded, low=1), jax=diag_embed_jax, layouts=MATRIX),
    Case(
        name="diag",
        inputs=lambda d: Sample(d.tensor(d.choice((3, 2), (3,), (2, 2))), d.choice(0, 1, -1)),
        jax=jnp.diag,
        layouts=("plain", "strided", "expanded"),
    ),
    Case(name="trace", inputs=lambda d: Sample(d.tensor(low=2, high=2)), jax=jnp.trace, layouts=MATRIX),
    Case(name="tril", inputs=with_dims(lambda d, s: (d.choice(0, 1, -1),), low=2), jax=jnp.tril, layouts=MATRIX),
    Case(name="triu", inputs=with_dims(lambda d, s: (d.choice(0, 1, -1),), low=2), jax=jnp.triu, layouts=MATRIX),
]
