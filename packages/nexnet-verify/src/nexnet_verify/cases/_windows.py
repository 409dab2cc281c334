"""Windows of an array, as the pooling operators see them: their inputs, and their elements in JAX."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

import nexnet

from ._case import Sample
from ._draw import REAL, Domain, Draw

LAYOUTS = ("plain", "plain", "strided", "expanded", "empty")
DISTINCT_LAYOUTS = ("plain", "plain", "strided", "empty")
SPATIAL = {1: ((6,), (5,)), 2: ((5, 4), (4, 6)), 3: ((3, 4, 3), (4, 3, 2))}


def batch(d: Draw, dims: int, domain: Domain = REAL) -> nexnet.LiteTensor:
    """x, with a batch dimension or not."""
    front: tuple[int, ...] = (0, 2) if d.layout == "empty" else d.choice((2, 1), (2,))
    return d.tensor((*front, *d.choice(*SPATIAL[dims])), domain)


def per_dim(d: Draw, dims: int, *options: int) -> Any:
    """A number for all dimensions, or one for each."""
    number = d.choice(*options)
    return d.choice(number, (number,) * (dims - 1) + (options[0],))


def size_within(d: Draw, dims: int, x: nexnet.LiteTensor) -> Any:
    """A window's size, no more than x's own: torch's avg_pool3d does not count the padding."""
    size = per_dim(d, dims, 2, 3)
    return (3,) * (dims - 1) + (2,) if size == 3 and x.shape[-1] == 2 else size


def sizes(value: Any, dims: int) -> tuple[int, ...]:
    return (value,) * dims if isinstance(value, int) else tuple(value)


# Windows of a size


def windows(
    x: Any, dims: int, size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, inside: Any, beyond: Any
) -> Any:
    """Each window's elements in a new first dimension: ``inside`` where it reaches padding, ``beyond`` further out."""
    size, padding, dilation = sizes(size, dims), sizes(padding, dims), sizes(dilation, dims)
    stride = size if stride is None else sizes(stride, dims)
    x = jnp.pad(x, [(0, 0)] * (x.ndim - dims) + [(p, p) for p in padding], constant_values=inside)
    counts, missing = [], []
    for n, p, k, s, e in zip(x.shape[-dims:], padding, size, stride, dilation, strict=True):
        reach = e * (k - 1) + 1
        count = (n - reach + (s - 1 if ceil_mode else 0)) // s + 1
        if ceil_mode and (count - 1) * s >= n - p:
            count -= 1
        counts.append(count)
        missing.append((0, max((count - 1) * s + reach - n, 0)))
    x = jnp.pad(x, [(0, 0)] * (x.ndim - dims) + missing, constant_values=beyond)
    parts = []
    for place in itertools.product(*map(range, size)):
        start = [o * e for o, e in zip(place, dilation, strict=True)]
        seen = [slice(o, o + (n - 1) * s + 1, s) for o, n, s in zip(start, counts, stride, strict=True)]
        parts.append(x[(..., *seen)])
    return jnp.stack(parts)


# As many windows as the output has elements


def adaptive_inputs(dims: int, domain: Domain) -> Callable[[Draw], Sample]:
    def inputs(d: Draw) -> Sample:
        x = batch(d, dims, domain)
        size = d.choice(2, 1, 3) if dims == 1 else d.choice(2, 1, (2, 3, 1)[:dims], (None, 2, 2)[:dims])
        return Sample(x, size)

    return inputs


def adaptive(dims: int, reduce: Callable[..., Any]) -> Callable[..., Any]:
    def jax(x: Any, size: Any) -> Any:
        for dim, wanted in zip(range(-dims, 0), sizes(size, dims), strict=True):
            n = x.shape[dim]
            count = n if wanted is None else wanted
            parts = [
                reduce(jnp.moveaxis(x, dim, 0)[i * n // count : -(-(i + 1) * n // count)], axis=0) for i in range(count)
            ]
            x = jnp.stack(parts, axis=dim)
        return x

    return jax
