"""The same values in another shape."""

# ruff: noqa: ARG001, D103  a formula's pieces are described by their names

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

import nexnet

from .._case import Case, Sample
from .._draw import Draw

VIEWED = ("plain", "scalar", "expanded", "empty")  # a view needs strides that allow it


def with_dims(choose: Callable[[Draw, tuple[int, ...]], tuple[Any, ...]], low: int = 0) -> Callable[[Draw], Sample]:
    """x, and arguments that depend on its shape."""

    def inputs(d: Draw) -> Sample:
        x = d.tensor(low=low)
        return Sample(x, *choose(d, tuple(x.shape)))

    return inputs


def other_shape(d: Draw, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Another shape of as many elements, as a tuple or as arguments."""
    count = math.prod(shape)
    flat: tuple[int, ...] = (count,) if count == 0 else d.choice((-1,), (count,), (1, -1), (*shape, 1))
    return d.choice((flat,), flat)


def contiguous_view(d: Draw) -> Sample:
    x = nexnet.LiteTensor(d.tensor().data.contiguous())
    return Sample(x, *other_shape(d, tuple(x.shape)))


def two_dims(d: Draw, shape: tuple[int, ...]) -> tuple[Any, ...]:
    return d.choice(-1, 0), d.choice(0, -1)


def squeezed(d: Draw) -> Sample:
    x = d.tensor(d.choice((2, 1), (1, 3, 1), (3,), ()) if d.layout != "empty" else (1, 0))
    return d.choice(Sample(x), Sample(x, -1), Sample(x, tuple(range(x.ndim))) if x.ndim else Sample(x))


def squeeze_jax(x: Any, dim: Any = None) -> Any:
    if dim is None or x.ndim == 0:
        return jnp.squeeze(x)
    return jnp.squeeze(x, tuple(i for i in ([dim] if isinstance(dim, int) else dim) if x.shape[i] == 1))


def flattened(d: Draw, shape: tuple[int, ...]) -> tuple[Any, ...]:
    return d.choice((), (0, -1), (-2, -1), (0, 1)) if len(shape) > 1 else ()


def flatten_jax(x: Any, start: int = 0, end: int = -1) -> Any:
    if x.ndim == 0:
        return x.reshape(1)
    start, end = start % x.ndim, end % x.ndim
    return x.reshape(*x.shape[:start], math.prod(x.shape[start : end + 1]), *x.shape[end + 1 :])


def unflattened(d: Draw) -> Sample:
    x = d.tensor(d.choice((6,), (2, 6), (6, 3)))
    dim = tuple(x.shape).index(6)
    return Sample(x, d.choice(dim, dim - x.ndim), d.choice((2, 3), (-1, 2), (1, 6)))


def unflatten_jax(x: Any, dim: int, sizes: tuple[int, ...]) -> Any:
    dim %= x.ndim
    return x.reshape(*x.shape[:dim], *sizes, *x.shape[dim + 1 :])


def to_shape(x: Any, *shape: Any) -> Any:
    return x.reshape(*shape)


CASES = [
    Case(name="reshape", inputs=with_dims(other_shape), jax=to_shape),
    Case(name="view", inputs=contiguous_view, jax=to_shape, layouts=VIEWED),
    Case(name="flatten", inputs=with_dims(flattened), jax=flatten_jax),
    Case(name="unflatten", inputs=unflattened, jax=unflatten_jax, layouts=("plain", "strided", "expanded")),
    Case(
        name="squeeze",
        inputs=squeezed,
        jax=squeeze_jax,
        without_vmap="torch.vmap knows no squeeze of dimension -1 of a tensor without dimensions",
    ),
    Case(name="unsqueeze", inputs=with_dims(lambda d, s: (d.integer(-len(s) - 1, len(s)),)), jax=jnp.expand_dims),
    Case(name="ravel", inputs=lambda d: Sample(d.tensor()), jax=jnp.ravel),
    Case(name="transpose", inputs=with_dims(two_dims, low=1), jax=jnp.swapaxes),
]
