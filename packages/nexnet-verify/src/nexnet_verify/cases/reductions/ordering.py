"""Elements in order: sorting, the k largest, quantiles, of elements that all differ."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy
import torch

import nexnet

from .._case import Case, Sample
from .._draw import DISTINCT, Draw
from .extrema import LAYOUTS

NO_COUNTERPART = "JAX has none that is differentiable by x"


def sorted_along(d: Draw) -> Sample:
    x = d.tensor(domain=DISTINCT)
    return Sample(x, d.dim(x.ndim), d.flag())


def sort_jax(x: Any, dim: int, descending: bool) -> Any:
    return jnp.sort(x, axis=dim, descending=descending) if x.ndim else x


def greatest(d: Draw) -> Sample:
    x = d.tensor((3, 4), DISTINCT)
    return Sample(x, d.choice(2, 1, 3), d.dim(2), d.choice(True, False))


def greatest_jax(x: Any, k: int, dim: int, largest: bool) -> Any:
    order = jnp.sort(x, axis=dim, descending=largest)
    return jnp.take(order, numpy.arange(k), axis=dim)


def kth(d: Draw) -> Sample:
    x = d.tensor((3, 4), DISTINCT)
    return Sample(x, d.choice(2, 1, 3), d.dim(2), d.flag())


def kth_jax(x: Any, k: int, dim: int, keepdim: bool) -> Any:
    return jnp.take(jnp.sort(x, axis=dim), numpy.array([k - 1]) if keepdim else k - 1, axis=dim)


def quantiles(d: Draw) -> Sample:
    """One q or several, at ranks between the elements; by number, or as a tensor to differentiate by."""
    x = d.tensor(domain=DISTINCT)
    q = d.choice(0.37, nexnet.LiteTensor(torch.tensor([0.12, 0.81], dtype=torch.float64)), 0.77)
    way = d.choice("linear", "lower", "higher", "midpoint", "nearest")
    return Sample(x, q, d.choice(None, d.dim(x.ndim)), d.flag(), interpolation=way)


CASES = [
    Case(name="sort", inputs=sorted_along, jax=sort_jax, layouts=(*LAYOUTS, "empty")),
    Case(
        name="msort",
        inputs=lambda d: Sample(d.tensor(low=1, domain=DISTINCT)),
        jax=lambda x: jnp.sort(x, axis=0),
        layouts=LAYOUTS,
    ),
    Case(name="topk", inputs=greatest, jax=greatest_jax, layouts=LAYOUTS),
    Case(name="kthvalue", inputs=kth, jax=kth_jax, layouts=LAYOUTS),
    Case(name="mode", inputs=lambda d: Sample(*sorted_along(d).args), without_jax=NO_COUNTERPART, layouts=LAYOUTS),
    *[
        Case(
            name=name,
            inputs=quantiles,
            jax=lambda x, q, dim, keepdim, interpolation: jnp.quantile(
                x, q, axis=dim if x.ndim else None, keepdims=keepdim and x.ndim > 0, method=interpolation
            ),
            layouts=LAYOUTS,
        )
        for name in ("quantile", "nanquantile")
    ],
]
