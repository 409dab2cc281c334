"""Tensors joined, split, repeated and rearranged; copies and conversions."""

# ruff: noqa: ARG005, D103  a formula's pieces are described by their names

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy
import torch

from .._case import Case, Sample
from .._draw import Draw


def joined(d: Draw) -> Sample:
    """Two or three tensors that differ in one dimension, and that dimension."""
    shape = d.shape(1, 3)
    dim = d.dim(len(shape))
    place = dim % len(shape)
    sizes = [shape[place], *d.choice((2,), (1, 3), (0, 1))]
    return Sample([d.tensor((*shape[:place], size, *shape[place + 1 :])) for size in sizes], dim)


def alike(count_dims: bool = True) -> Callable[[Draw], Sample]:
    """Two or three tensors of one shape; with ``stack``'s dimension."""

    def inputs(d: Draw) -> Sample:
        shape = d.shape()
        tensors = [d.tensor(shape) for _ in range(d.choice(2, 3))]
        return Sample(tensors, d.integer(-len(shape) - 1, len(shape))) if count_dims else Sample(tensors)

    return inputs


def pieces(d: Draw) -> Sample:
    x = d.tensor((5, 2) if d.layout != "empty" else (5, 0))
    return d.choice(Sample(x, 2), Sample(x, (1, 4)), Sample(x, 1, -1), Sample(x, [2, 0, 3], 0))


def split_jax(x: Any, size: Any, dim: int = 0) -> Any:
    if isinstance(size, int):
        return jnp.split(x, list(range(size, x.shape[dim], size)), axis=dim)
    ends = [sum(size[: i + 1]) for i in range(len(size) - 1)]
    return jnp.split(x, ends, axis=dim)


def chunks(d: Draw) -> Sample:
    x = d.tensor((5, 2) if d.layout != "empty" else (5, 0))
    return d.choice(Sample(x, 2), Sample(x, 3), Sample(x, 5), Sample(x, 1), Sample(x, 2, -1))


def chunk_jax(x: Any, count: int, dim: int = 0) -> Any:
    return split_jax(x, -(-x.shape[dim] // count), dim)


def unbound(d: Draw) -> Sample:
    """x, and a dimension along which it has slices."""
    x = d.tensor(low=1) if d.layout != "empty" else d.tensor((2, 0))
    return Sample(x, d.dim(x.ndim) if d.layout != "empty" else 0)


def some_dims(d: Draw) -> Sample:
    x = d.tensor(low=1)
    return Sample(x, d.choice((0,), (-1,), tuple(range(x.ndim))))


def repeats(d: Draw) -> Sample:
    x = d.tensor(high=2)
    counts = (*d.choice((), (2,)), *[d.choice(2, 1, 3) for _ in x.shape])
    return Sample(x, *counts) if counts and d.flag() else Sample(x, counts)


def tiles(d: Draw) -> Sample:
    return Sample(d.tensor(high=2), d.choice((2,), (2, 3), (1, 2, 2), ()))


def rolled(d: Draw) -> Sample:
    x = d.tensor(low=2, high=2)
    return d.choice(Sample(x, 1, 0), Sample(x, 2), Sample(x, (1, -1), (0, 1)), Sample(x, -4, -1))


def roll_jax(x: Any, shifts: Any, dims: Any = None) -> Any:
    return jnp.roll(x, shifts, axis=dims)


def converted(d: Draw) -> Sample:
    """To a dtype that loses nothing: what float32 loses is no derivative."""
    return Sample(d.tensor(), torch.float64)


def flat(dims: tuple[Any, ...]) -> tuple[int, ...]:
    return dims[0] if len(dims) == 1 and isinstance(dims[0], tuple) else dims


def of_kind(d: Draw) -> Sample:
    return Sample(d.tensor(), torch.zeros((), dtype=torch.float64))


SOLID = ("plain", "strided", "expanded")


def sizes(d: Draw) -> Sample:
    dim = d.choice(0, 1, -1)
    return Sample(d.tensor((3, 4)), [1, 2] if dim == 0 else [1, 3], dim)


def cuts(d: Draw) -> Sample:
    return Sample(d.tensor((5, 4)), d.choice(2, 3, (1, 3), (3, 1), (-1,), (2, 9)), d.choice(0, 1, -1))


def cuts_jax(x: Any, where: Any, dim: int) -> Any:
    if isinstance(where, int):
        return tuple(jnp.array_split(x, where, dim))
    parts = [numpy.arange(x.shape[dim])[a:b] for a, b in zip((None, *where), (*where, None), strict=True)]
    return tuple(jnp.take(x, part, dim) for part in parts)


CASES = [
    Case(name="cat", inputs=joined, jax=jnp.concatenate, layouts=("plain", "strided", "expanded", "empty")),
    Case(name="stack", inputs=alike(), jax=jnp.stack),
    Case(name="hstack", inputs=alike(False), jax=jnp.hstack),
    Case(name="column_stack", inputs=alike(False), jax=jnp.column_stack, torch=torch.column_stack),
    Case(name="split_with_sizes", inputs=sizes, jax=lambda x, sizes, dim: tuple(jnp.split(x, [1], dim)), layouts=SOLID),
    Case(name="tensor_split", inputs=cuts, jax=cuts_jax, layouts=SOLID),
    Case(name="hsplit", inputs=lambda d: Sample(d.tensor((3, 4)), d.choice(2, (1, 3))), jax=jnp.hsplit, layouts=SOLID),
    Case(name="vsplit", inputs=lambda d: Sample(d.tensor((4, 3)), d.choice(2, (1, 3))), jax=jnp.vsplit, layouts=SOLID),
    Case(
        name="dsplit", inputs=lambda d: Sample(d.tensor((2, 1, 4)), d.choice(2, (1, 3))), jax=jnp.dsplit, layouts=SOLID
    ),
    Case(name="vstack", inputs=alike(False), jax=jnp.vstack),
    Case(name="dstack", inputs=alike(False), jax=jnp.dstack),
    Case(name="split", inputs=pieces, jax=split_jax),
    Case(name="chunk", inputs=chunks, jax=chunk_jax),
    Case(name="unbind", inputs=unbound, jax=lambda x, dim: [jnp.take(x, i, axis=dim) for i in range(x.shape[dim])]),
    Case(name="repeat", inputs=repeats, jax=lambda x, *counts: jnp.tile(x, flat(counts))),
    Case(name="tile", inputs=tiles, jax=jnp.tile),
    Case(name="flip", inputs=some_dims, jax=jnp.flip),
    Case(name="fliplr", inputs=lambda d: Sample(d.tensor(low=2)), jax=jnp.fliplr),
    Case(name="flipud", inputs=lambda d: Sample(d.tensor(low=1)), jax=jnp.flipud),
    Case(name="roll", inputs=rolled, jax=roll_jax),
    Case(name="clone", inputs=lambda d: Sample(d.tensor()), jax=lambda x: x),
    Case(name="contiguous", inputs=lambda d: Sample(d.tensor()), jax=lambda x: x),
    Case(name="to", inputs=converted, jax=lambda x, dtype: x),
    Case(name="type_as", inputs=of_kind, jax=lambda x, other: x),
]
