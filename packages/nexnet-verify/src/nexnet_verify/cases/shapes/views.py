"""The same values in another arrangement."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

import nexnet

from .._case import Case, Sample
from .._draw import COMPLEX, REAL, Draw
from .reshaping import VIEWED, two_dims, with_dims


def expanded(as_arguments: bool) -> Callable[[Draw], Sample]:
    def inputs(d: Draw) -> Sample:
        x = d.tensor(d.choice((2, 1), (3,), (1, 3, 1), ()) if d.layout != "empty" else (1, 0))
        front = d.choice((), (2,))
        size = (*front, *[4 if s == 1 else s for s in x.shape])
        return Sample(x, *size) if as_arguments and size and d.flag() else Sample(x, size)

    return inputs


def like_another(shape: Callable[[tuple[int, ...]], tuple[int, ...]]) -> Callable[[Draw], Sample]:
    """x, and another tensor that gives its shape and nothing else."""

    def inputs(d: Draw) -> Sample:
        x = nexnet.LiteTensor(d.tensor().data.contiguous())
        return Sample(x, nexnet.LiteTensor(d.tensor().data.new_zeros(shape(tuple(x.shape))).long()))

    return inputs


def order(d: Draw, shape: tuple[int, ...]) -> tuple[Any, ...]:
    dims = tuple(int(i) for i in d.generator.permutation(len(shape)))
    return d.choice((dims,), dims) if dims else ((),)


def moved(d: Draw, shape: tuple[int, ...]) -> tuple[Any, ...]:
    return d.choice((0, -1), (-1, 0), ((0, 1), (1, 0))) if len(shape) > 1 else (0, -1)


def several(d: Draw) -> Sample:
    return Sample(*[d.tensor() for _ in range(d.choice(2, 1, 3))])


def together(d: Draw) -> Sample:
    return Sample(*d.tensors(*[REAL] * d.choice(2, 3)))


def identity(x: Any, *_: Any) -> Any:
    return x


def atleast_3d_jax(x: Any) -> Any:
    return x.reshape(1, -1, 1) if x.ndim < 2 else x[..., None] if x.ndim == 2 else x


def each(fn: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda *xs: [fn(x) for x in xs]


CASES = [
    Case(name="alias", inputs=lambda d: Sample(d.tensor()), jax=identity),
    Case(name="reshape_as", inputs=like_another(lambda s: (math.prod(s), 1)), jax=lambda x, y: x.reshape(y.shape)),
    Case(
        name="view_as",
        inputs=like_another(lambda s: (1, math.prod(s))),
        jax=lambda x, y: x.reshape(y.shape),
        layouts=VIEWED,
    ),
    Case(name="atleast_1d", inputs=several, jax=each(jnp.atleast_1d)),
    Case(name="atleast_2d", inputs=several, jax=each(jnp.atleast_2d)),
    Case(name="atleast_3d", inputs=several, jax=each(atleast_3d_jax)),
    Case(
        name="expand",
        inputs=expanded(True),
        jax=lambda x, *s: jnp.broadcast_to(x, s[0] if s and isinstance(s[0], tuple) else s),
    ),
    Case(name="broadcast_to", inputs=expanded(False), jax=jnp.broadcast_to),
    Case(name="expand_as", inputs=like_another(lambda s: (2, *s)), jax=lambda x, y: jnp.broadcast_to(x, y.shape)),
    Case(name="broadcast_tensors", inputs=together, jax=lambda *xs: jnp.broadcast_arrays(*xs)),
    Case(name="swapaxes", inputs=with_dims(two_dims, low=1), jax=jnp.swapaxes),
    Case(
        name="permute",
        inputs=with_dims(order),
        jax=lambda x, *dims: jnp.transpose(x, dims[0] if dims and isinstance(dims[0], tuple) else dims),
        torch=lambda x, *dims: x.permute(*dims),
    ),
    Case(name="movedim", inputs=with_dims(moved, low=1), jax=jnp.moveaxis),
    Case(name="t", inputs=lambda d: Sample(d.tensor(high=2)), jax=jnp.transpose),
    Case(
        name="mT", inputs=lambda d: Sample(d.tensor(low=2)), jax=lambda x: jnp.swapaxes(x, -1, -2), torch=lambda x: x.mT
    ),
    Case(
        name="mH",
        inputs=lambda d: Sample(d.tensor(domain=COMPLEX, low=2)),
        jax=lambda z: jnp.conj(jnp.matrix_transpose(z)),
    ),
]
