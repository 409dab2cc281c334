"""Determinants: of any matrix, and their logarithms, of regular ones. Singular ones are in the table of corners."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

import nexnet

from .._case import Case, Sample
from .._draw import Draw
from .._matrices import LAYOUTS, batch, maybe_complex, order, regular, symmetric


def square(d: Draw) -> Sample:
    n = order(d, 3, 2, 1, 4)
    return Sample(maybe_complex(d, regular(d, *batch(d), n, n)))


def positive(d: Draw) -> Sample:
    n = order(d)
    a = symmetric(d, *batch(d), n, n)
    return Sample(nexnet.LiteTensor(a.data))


def det(a: Any) -> Any:
    return jnp.linalg.det(a) if a.shape[-1] else jnp.ones(a.shape[:-2])


def logdet(a: Any) -> Any:
    return jnp.linalg.slogdet(a)[1]


CASES = [
    Case(name="det", inputs=square, jax=det, layouts=LAYOUTS),
    Case(name="slogdet", inputs=square, jax=lambda a: tuple(jnp.linalg.slogdet(a)), layouts=LAYOUTS),
    Case(name="logdet", inputs=positive, jax=logdet, layouts=LAYOUTS),
]
