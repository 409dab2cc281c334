"""New elements at the indices of a dimension."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy
import torch

import nexnet

from .._case import Case, Sample
from .._draw import DISTINCT, NONZERO, REAL, Domain, Draw

o: Any = nexnet.ops

SOLID = ("plain", "strided", "expanded")


def scattered(add: bool) -> Any:
    """A source larger than the index; indices repeat where they add up."""

    def inputs(d: Draw) -> Sample:
        x = d.tensor((3, 4))
        dim = d.choice(1, 0)
        if add:
            index = d.index((2, 3), x.shape[dim])
        else:
            columns = [d.distinct_index(2, x.shape[dim]).data for _ in range(2)]
            index = nexnet.LiteTensor(torch.stack(columns, dim=1 - dim))
        src = d.tensor(d.choice(tuple(index.shape), (3, 4)))
        return Sample(x, dim, index, src) if add else d.choice(Sample(x, dim, index, src), Sample(x, dim, index, 1.5))

    return inputs


def scatter_jax(add: bool) -> Any:
    def call(x: Any, dim: int, index: Any, src: Any) -> Any:
        rows, columns = numpy.indices(index.shape)
        place = x.at[(index, columns) if dim == 0 else (rows, index)]
        part = src if isinstance(src, float) else src[: index.shape[0], : index.shape[1]]
        return place.add(part) if add else place.set(part)

    return call


def scatter_add_torch(x: Any, dim: int, index: Any, src: Any) -> Any:
    """The part of the source that is used: the backward of torch refuses a larger one."""
    return x.scatter_add(dim, index, src[tuple(slice(0, size) for size in index.shape)])


def combined(reduce: str) -> Any:
    """Indices that repeat, and a source whose elements, like those of x, are never zero and never equal."""
    domain: Domain = DISTINCT if reduce in ("amax", "amin") else NONZERO if reduce == "prod" else REAL

    def inputs(d: Draw) -> Sample:
        both = domain.sample(d.generator, (28,))
        x = nexnet.LiteTensor(both[:12].reshape(3, 4).contiguous())
        dim = d.choice(1, 0, -1)
        shape = d.choice((3, 4), (2, 3))
        src = nexnet.LiteTensor(both[12:24].reshape(3, 4).contiguous())
        return Sample(x, dim, d.index(shape, x.shape[dim]), src, reduce, include_self=d.choice(True, False))

    return inputs


def combined_jax(x: Any, dim: int, index: Any, src: Any, reduce: str, include_self: bool) -> Any:
    """The elements one by one."""
    rows, columns = numpy.indices(index.shape)
    index = numpy.asarray(index)
    place = (index, columns) if dim % 2 == 0 else (rows, index)
    part = src[: index.shape[0], : index.shape[1]]
    if not include_self:
        neutral = {"prod": 1.0, "amax": -jnp.inf, "amin": jnp.inf}.get(reduce, 0.0)
        x = x.at[place].set(neutral)
    if reduce in ("sum", "mean"):
        total = x.at[place].add(part)
        count = jnp.ones_like(x) if include_self else jnp.ones_like(x).at[place].set(0.0)
        return total / jnp.maximum(count.at[place].add(1.0), 1) if reduce == "mean" else total
    method = {"prod": "multiply", "amax": "max", "amin": "min"}[reduce]
    return getattr(x.at[place], method)(part)


def reduced_slices(reduce: str) -> Any:
    def inputs(d: Draw) -> Sample:
        sample = combined(reduce)(d)
        x, dim, _, src, *_ = sample.args
        return Sample(x, dim, d.index((src.shape[dim],), x.shape[dim]), src, reduce, **sample.kwargs)

    return inputs


def reduced_slices_jax(x: Any, dim: int, index: Any, src: Any, reduce: str, include_self: bool) -> Any:
    index = numpy.asarray(index).reshape((-1, 1) if dim % 2 == 0 else (1, -1))
    return combined_jax(x, dim, numpy.broadcast_to(index, src.shape), src, reduce, include_self)


def scatter_reduce_torch(x: Any, dim: int, index: Any, src: Any, *args: Any, **kwargs: Any) -> Any:
    """Torch's own gradient wants a source of the index's shape."""
    return torch.scatter_reduce(x, dim, index, src[: index.shape[0], : index.shape[1]], *args, **kwargs)


def case_of_reduction(name: str, reduce: str, inputs: Any) -> Case:
    return Case(
        name=f"{name}.{reduce}",
        call=getattr(o, name),
        torch=scatter_reduce_torch if name == "scatter_reduce" else torch.index_reduce,
        inputs=inputs(reduce),
        jax=None if reduce == "prod" else combined_jax if name == "scatter_reduce" else reduced_slices_jax,
        without_jax="JAX differentiates a scattered product only if no index repeats" if reduce == "prod" else "",
        layouts=("plain",),
    )


def copied(d: Draw) -> Sample:
    x = d.tensor((3, 4))
    dim = d.choice(1, 0)
    return Sample(x, dim, d.distinct_index(2, x.shape[dim]), d.tensor((2, 4) if dim == 0 else (3, 2)))


def copied_jax(x: Any, dim: int, index: Any, source: Any) -> Any:
    return x.at[index].set(source) if dim == 0 else x.at[:, index].set(source)


def filled(d: Draw) -> Sample:
    x = d.tensor((3, 4))
    dim = d.choice(1, 0)
    return Sample(x, dim, d.index((3,), x.shape[dim]), d.choice(0.5, d.tensor(())))


CASES = [
    Case(name="scatter", inputs=scattered(False), jax=scatter_jax(False), layouts=SOLID),
    Case(
        name="scatter_add",
        inputs=scattered(True),
        jax=scatter_jax(True),
        torch=scatter_add_torch,
        layouts=SOLID,
    ),
    *[case_of_reduction("scatter_reduce", way, combined) for way in ("sum", "prod", "mean", "amax", "amin")],
    *[case_of_reduction("index_reduce", way, reduced_slices) for way in ("prod", "mean", "amax", "amin")],
    Case(name="index_copy", inputs=copied, jax=copied_jax, layouts=SOLID),
    Case(name="index_fill", inputs=filled, jax=copied_jax, layouts=SOLID),
]
