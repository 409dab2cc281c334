"""Reductions over some or all dimensions."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ._case import Case, Sample
from ._draw import REAL, Domain, Draw

SEVERAL = ((4,), (2, 3), (3, 2, 2))
NOT_EMPTY = ("plain", "scalar", "strided", "expanded")  # the mean of nothing is not a number: a corner


def reduced(domain: Domain = REAL) -> Callable[[Draw], Sample]:
    """x, dim (None, one or several) and keepdim."""

    def inputs(d: Draw) -> Sample:
        x = d.tensor(domain=domain)
        return Sample(x, dim=d.dims(x.ndim), keepdim=d.flag())

    return inputs


def spread(d: Draw) -> Sample:
    """x, of which more than one element is left, and every way to say the correction."""
    x = d.tensor(d.choice(*SEVERAL[1:], SEVERAL[0]))
    dim = d.choice(None, *[i for i, size in enumerate(x.shape) if size > 1])
    return Sample(x, dim=dim, keepdim=d.flag(), correction=d.choice(1, 0))


def logsumexp_inputs(d: Draw) -> Sample:
    x = d.tensor()
    dim = d.dims(x.ndim)
    return Sample(x, tuple(range(x.ndim)) if dim is None else dim, keepdim=d.flag())


def axes(reduce: Callable[..., Any]) -> Callable[..., Any]:
    """Call a reduction of JAX with torch's names. An empty tuple of dimensions, as None, is all of them."""

    def call(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
        dim = None if x.ndim == 0 or dim == () else dim
        return reduce(x, axis=dim, keepdims=keepdim)

    return call


def both(first: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, dim, keepdim, correction: (
        first(x, axis=dim, keepdims=keepdim, ddof=correction),
        jnp.mean(x, axis=dim, keepdims=keepdim),
    )


def moment(reduce: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, dim, keepdim, correction: reduce(x, axis=dim, keepdims=keepdim, ddof=correction)


def smaller(d: Draw) -> Sample:
    return Sample(d.tensor((2, 3, 4)), *d.choice(((3, 1),), (1, 3, 4), ((),), ((2, 3, 4),)))


def smaller_jax(x: Any, *size: Any) -> Any:
    shape = size[0] if isinstance(size[0], tuple) else size
    extra = x.ndim - len(shape)
    ones = tuple(i for i in range(x.ndim) if i < extra or shape[i - extra] != x.shape[i])
    return jnp.sum(x, axis=ones).reshape(shape)


CASES = [
    Case(name="sum_to_size", inputs=smaller, jax=smaller_jax, layouts=("plain", "strided", "expanded")),
    Case(name="sum", inputs=reduced(), jax=axes(jnp.sum)),
    Case(name="nansum", inputs=reduced(), jax=axes(jnp.nansum)),
    Case(name="nanmean", inputs=reduced(), jax=axes(jnp.nanmean), layouts=NOT_EMPTY),
    Case(name="mean", inputs=reduced(), jax=axes(jnp.mean), layouts=NOT_EMPTY),
    Case(name="var", inputs=spread, jax=moment(jnp.var), layouts=("plain", "strided")),
    Case(name="std", inputs=spread, jax=moment(jnp.std), layouts=("plain", "strided")),
    Case(name="var_mean", inputs=spread, jax=both(jnp.var), layouts=("plain", "strided")),
    Case(name="std_mean", inputs=spread, jax=both(jnp.std), layouts=("plain", "strided")),
    Case(name="logsumexp", inputs=logsumexp_inputs, jax=axes(jax.scipy.special.logsumexp), layouts=NOT_EMPTY),
]
