"""Parts of a tensor."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy
import torch

import nexnet

from .._case import Case, Sample
from .._draw import Draw

SOLID = ("plain", "strided", "expanded")


def indexed(d: Draw) -> Sample:
    """Every form of index: ints, slices, None, Ellipsis, index tensors that repeat, masks, and their mixtures."""
    x = d.tensor((3, 4, 2))
    rows, columns = d.index((2, 3), 3, negative=True), d.index((3,), 4)
    mask = d.mask((3,))
    forms: list[Any] = [
        1,
        (slice(None), -1),
        rows,
        (slice(None, None, 2), None, 2),
        (Ellipsis, 0),
        (rows, columns),
        (slice(None), columns),
        mask,
        (slice(1, None), columns, 0),
        (rows, slice(None), d.index((3,), 2)),
        [0, 2, 0],
        d.mask((3, 4)),
        (slice(0, 0), 1),
        d.index((0,), 3),
        numpy.array([2, 0]),
        (mask, 1),
    ]
    return Sample(x, d.choice(*forms))


def plain(index: Any) -> Any:
    """An index as numpy has it."""
    if isinstance(index, tuple):
        return tuple(plain(each) for each in index)
    if isinstance(index, (nexnet.LiteTensor, torch.Tensor)):
        return index.numpy()
    return numpy.array(index) if isinstance(index, list) else index


def selected(d: Draw) -> Sample:
    x = d.tensor((3, 4))
    return Sample(x, *d.choice((0, 1), (-1, -1), (1, 3)))


def narrowed(d: Draw) -> Sample:
    x = d.tensor((3, 4))
    return Sample(x, *d.choice((0, 1, 2), (-1, -3, 2), (1, 4, 0), (1, 0, 4)))


def narrow_jax(x: Any, dim: int, start: int, length: int) -> Any:
    start = start % (x.shape[dim] + 1) if start >= 0 else start + x.shape[dim]
    return jnp.take(x, numpy.arange(start, start + length), axis=dim)


def masked(d: Draw) -> Sample:
    return Sample(d.tensor((3, 4)), d.mask(d.choice((3, 4), (4,), (3, 1))))


def masked_select_jax(x: Any, mask: Any) -> Any:
    return x[numpy.broadcast_to(mask, x.shape)]


CASES = [
    Case(name="getitem", inputs=indexed, jax=lambda x, i: x[plain(i)], layouts=("plain", "plain", *SOLID, "plain")),
    Case(name="select", inputs=selected, jax=lambda x, dim, i: jnp.take(x, i, axis=dim), layouts=SOLID),
    Case(name="narrow", inputs=narrowed, jax=narrow_jax, layouts=SOLID),
    Case(
        name="take",
        inputs=lambda d: Sample(d.tensor((3, 4)), d.index(d.choice((2, 3), (4,), ()), 12)),
        jax=lambda x, i: jnp.take(x, i),
        layouts=SOLID,
    ),
    Case(name="masked_select", inputs=masked, jax=masked_select_jax, layouts=SOLID),
]
