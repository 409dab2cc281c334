"""Parts of a tensor, and new values put in its place."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy
import torch

import nexnet
from nexnet.ops.shapes.indexing import Indexer

from ...torch_reference import as_torch
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


def put(method: str) -> Any:
    """x, values that broadcast to a part of it, and that part, by indices that do not repeat where one would win."""

    def inputs(d: Draw) -> Sample:
        x = d.tensor((3, 4, 2))
        rows = d.distinct_index(2, 3) if method == "set" else d.index((2,), 3)
        forms = [
            ((2, 4, 2), rows),
            ((3, 2), (slice(None), 1)),
            ((2,), (Ellipsis, 0, slice(None))),
            ((), (0, 1, 1)),
            ((2, 1, 2), (slice(0, 2),)),
            ((2, 2), (rows, d.index((2,), 4))),
            ((4, 1), d.mask((3,))),
            ((1, 4, 2), slice(1, 2)),
        ]
        shape, index = d.choice(*forms)
        return Sample(x, d.tensor(shape), index)

    return inputs


def put_call(method: str) -> Any:
    def call(x: Any, values: Any, index: Any) -> Any:
        return getattr(Indexer(x)[index], method)(values)

    def counterpart(x: Any, values: Any, index: Any) -> Any:
        return getattr(x.at[plain(index)], method)(values)

    def in_torch(x: Any, values: Any, index: Any) -> Any:
        index = as_torch(index)
        if method == "set":
            out = x.clone()
            out[index] = values
            return out
        places = torch.arange(x.numel()).reshape(x.shape)[index]  # they may repeat: then each value is added
        return x.reshape(-1).index_add(0, places.reshape(-1), values.expand(places.shape).reshape(-1)).view(x.shape)

    return {"call": call, "jax": counterpart, "torch": in_torch, "inputs": put(method)}


def index_put_inputs(d: Draw) -> Sample:
    x = d.tensor((3, 4))
    accumulate = d.flag()
    rows = d.index((2,), 3) if accumulate else d.distinct_index(2, 3)
    return d.choice(
        Sample(x, (rows, d.index((2,), 4)), d.tensor((2,)), accumulate), Sample(x, (rows,), d.tensor((4,)), accumulate)
    )


def index_put_jax(x: Any, indices: Any, values: Any, accumulate: bool) -> Any:
    place = x.at[tuple(plain(each) for each in indices)]
    return place.add(values) if accumulate else place.set(values)


def selected(d: Draw) -> Sample:
    x = d.tensor((3, 4))
    return Sample(x, *d.choice((0, 1), (-1, -1), (1, 3)))


def narrowed(d: Draw) -> Sample:
    x = d.tensor((3, 4))
    return Sample(x, *d.choice((0, 1, 2), (-1, -3, 2), (1, 4, 0), (1, 0, 4)))


def narrow_jax(x: Any, dim: int, start: int, length: int) -> Any:
    start = start % (x.shape[dim] + 1) if start >= 0 else start + x.shape[dim]
    return jnp.take(x, numpy.arange(start, start + length), axis=dim)


def masked(value: bool) -> Any:
    def inputs(d: Draw) -> Sample:
        x = d.tensor((3, 4))
        mask = d.mask(d.choice((3, 4), (4,), (3, 1)))
        if not value:
            return Sample(x, mask)
        return d.choice(Sample(x, mask, 0.5), Sample(x, mask, d.tensor(())))

    return inputs


def masked_select_jax(x: Any, mask: Any) -> Any:
    return x[numpy.broadcast_to(mask, x.shape)]


CASES = [
    Case(name="getitem", inputs=indexed, jax=lambda x, i: x[plain(i)], layouts=("plain", "plain", *SOLID, "plain")),
    Case(name="at.set", **put_call("set"), layouts=("plain", "plain", *SOLID)),
    Case(name="at.add", **put_call("add"), layouts=("plain", "plain", *SOLID)),
    Case(name="index_put", inputs=index_put_inputs, jax=index_put_jax, layouts=SOLID),
    Case(name="select", inputs=selected, jax=lambda x, dim, i: jnp.take(x, i, axis=dim), layouts=SOLID),
    Case(name="narrow", inputs=narrowed, jax=narrow_jax, layouts=SOLID),
    Case(
        name="take",
        inputs=lambda d: Sample(d.tensor((3, 4)), d.index(d.choice((2, 3), (4,), ()), 12)),
        jax=lambda x, i: jnp.take(x, i),
        layouts=SOLID,
    ),
    Case(name="masked_select", inputs=masked(False), jax=masked_select_jax, layouts=SOLID),
    Case(name="masked_fill", inputs=masked(True), jax=lambda x, mask, v: jnp.where(mask, v, x), layouts=SOLID),
]
