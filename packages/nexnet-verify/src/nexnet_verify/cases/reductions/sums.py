"""Sums and means over some or all dimensions."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from .._case import Case, Sample
from .._draw import REAL, Domain, Draw

NOT_EMPTY = ("plain", "scalar", "strided", "expanded")  # the mean of nothing is not a number: a corner


def reduced(domain: Domain = REAL) -> Callable[[Draw], Sample]:
    """x, dim (None, one or several) and keepdim."""

    def inputs(d: Draw) -> Sample:
        x = d.tensor(domain=domain)
        return Sample(x, dim=d.dims(x.ndim), keepdim=d.flag())

    return inputs


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
    Case(name="logsumexp", inputs=logsumexp_inputs, jax=axes(jax.scipy.special.logsumexp), layouts=NOT_EMPTY),
]
