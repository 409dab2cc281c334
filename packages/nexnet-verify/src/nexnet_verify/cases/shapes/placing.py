"""A tensor with another in the place of a part of it."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy

from .._case import Case, Sample
from .._draw import Draw

SOLID = ("plain", "strided", "expanded")


def one_slice(d: Draw) -> Sample:
    dim = d.choice(0, 1, -1)
    return Sample(d.tensor((3, 4)), d.tensor((4,) if dim == 0 else (3,)), dim, d.choice(1, -1))


def one_slice_jax(x: Any, src: Any, dim: int, index: int) -> Any:
    return x.at[index].set(src) if dim == 0 else x.at[:, index].set(src)


def slices(d: Draw) -> Sample:
    x = d.tensor((3, 4))
    return d.choice(
        Sample(x, d.tensor((3, 2)), 1, 1, 4, 2), Sample(x, d.tensor((2, 4)), 0, -2), Sample(x, d.tensor((3, 4)))
    )


def slices_jax(x: Any, src: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    part = slice(start, end, step)
    return x.at[part].set(src) if dim == 0 else x.at[:, part].set(src)


def diagonals(d: Draw) -> Sample:
    x = d.tensor((3, 4))
    return d.choice(Sample(x, d.tensor((3,))), Sample(x, d.tensor((2,)), -1), Sample(x, d.tensor((3,)), 1, 0, 1))


def diagonals_jax(x: Any, src: Any, offset: int = 0, *_: int) -> Any:
    rows = numpy.arange(src.shape[0]) + max(-offset, 0)
    return x.at[rows, rows + offset].set(src)


def filled(d: Draw) -> Sample:
    x = d.tensor((3, 4))
    mask = d.mask(d.choice((3, 4), (4,), (3, 1)))
    return d.choice(Sample(x, mask, 0.5), Sample(x, mask, d.tensor(())))


def masked(d: Draw) -> Sample:
    """A source with elements to spare, and a mask that broadcasts to x or x to it."""
    return d.choice(
        Sample(d.tensor((3, 4)), d.mask((3, 4)), d.tensor((2, 7))),
        Sample(d.tensor((3, 4)), d.mask((4,)), d.tensor((12,))),
        Sample(d.tensor((4,)), d.mask((3, 4)), d.tensor((13,))),
    )


def masked_jax(x: Any, mask: Any, source: Any) -> Any:
    mask = numpy.asarray(mask)
    shape = numpy.broadcast_shapes(x.shape, mask.shape)
    mask = numpy.broadcast_to(mask, shape)
    return jnp.broadcast_to(x, shape).at[mask].set(source.reshape(-1)[: mask.sum()])


def places(d: Draw) -> Sample:
    again = d.flag()
    index = d.index((2, 3), 12) if again else d.distinct_index(6, 12)
    return Sample(d.tensor((3, 4)), index, d.tensor(tuple(index.shape)), again)


def places_jax(x: Any, index: Any, source: Any, accumulate: bool) -> Any:
    place = x.reshape(-1).at[numpy.asarray(index).reshape(-1)]
    values = source.reshape(-1)
    return (place.add(values) if accumulate else place.set(values)).reshape(x.shape)


def strided(d: Draw) -> Sample:
    return Sample(d.tensor((3, 4)), d.tensor((2, 2)), (2, 2), *d.choice(((4, 1), 1), ((1, 5), 0)))


def strided_jax(x: Any, src: Any, size: Any, stride: Any, offset: int) -> Any:
    rows, columns = numpy.indices(size)
    return x.reshape(-1).at[rows * stride[0] + columns * stride[1] + offset].set(src).reshape(x.shape)


CASES = [
    Case(
        name="as_strided_scatter",
        inputs=strided,
        jax=strided_jax,
        without_torch="the gradient by the input is wrong in PyTorch 2.13: g where the source lies, and zero elsewhere",
        layouts=("plain",),
        mapped=False,
        strided=False,
        reason="it is a function of the storage: torch refuses gaps, and an example's is its own, not the stack's",
    ),
    Case(name="select_scatter", inputs=one_slice, jax=one_slice_jax, layouts=SOLID),
    Case(name="slice_scatter", inputs=slices, jax=slices_jax, layouts=SOLID),
    Case(name="diagonal_scatter", inputs=diagonals, jax=diagonals_jax, layouts=SOLID),
    Case(name="masked_fill", inputs=filled, jax=lambda x, mask, v: jnp.where(mask, v, x), layouts=SOLID),
    Case(name="masked_scatter", inputs=masked, jax=masked_jax, layouts=SOLID),
    Case(name="put", inputs=places, jax=places_jax, layouts=SOLID),
    Case(
        name="fill", inputs=lambda d: Sample(d.tensor((2, 3)), d.tensor(())), jax=lambda x, v: 0 * x + v, layouts=SOLID
    ),
]
