"""The greatest elements of windows, and the way back."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import torch

import nexnet
from nexnet.ops.images import max_pooling

from .._case import Case, Sample
from .._draw import DISTINCT, Draw
from .._windows import DISTINCT_LAYOUTS, SPATIAL, adaptive, adaptive_inputs, batch, per_dim, size_within, windows


def greatest(dims: int) -> Callable[..., Any]:
    def jax(
        x: Any, size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False, *_: Any
    ) -> Any:
        beyond = -jnp.inf
        return jnp.max(windows(x, dims, size, stride, padding, dilation, ceil_mode, beyond, beyond), axis=0)

    return jax


def greatest_inputs(dims: int) -> Callable[[Draw], Sample]:
    def inputs(d: Draw) -> Sample:
        x = batch(d, dims, DISTINCT)
        options = [size_within(d, dims, x), d.choice(None, 1, 2), per_dim(d, dims, 0, 1), 1, d.flag()]
        if options[0] == 2 and dims < 3:
            options[3] = d.choice(1, 2)
        return Sample(x, *options, d.flag())

    return inputs


# Windows at random places, and the way back


def fractional_inputs(dims: int) -> Callable[[Draw], Sample]:
    def inputs(d: Draw) -> Sample:
        front = d.choice((2, 1), (2,))
        x = d.tensor((*front, *(4, 5, 4)[:dims]), DISTINCT)
        where = torch.from_numpy(d.generator.random((2 if len(front) == 2 else 1, front[-1], dims)))
        sizing = d.choice((2, None), (None, (0.5,) * dims), ((2, 3, 2)[:dims], None))
        return Sample(x, d.choice(2, (1, 2, 2)[:dims]), *sizing, d.flag(), where)

    return inputs


def fractional(pool: Callable[..., Any]) -> Callable[..., Any]:
    """The places are random numbers of x's dtype."""
    return lambda x, *options: pool(x, *options[:-1], options[-1].to(x.dtype))


def unpool_inputs(dims: int) -> Callable[[Draw], Sample]:
    def inputs(d: Draw) -> Sample:
        shape = (*d.choice((2, 1), (2,)), *SPATIAL[dims][0])
        pool = getattr(torch.nn.functional, f"max_pool{dims}d")
        values, indices = pool(torch.from_numpy(d.generator.random(shape)), 2, return_indices=True)
        options: dict[str, Any] = d.choice({}, {"stride": 2, "padding": 0}, {"output_size": list(shape[-dims:])})
        if "output_size" not in options:
            indices = indices % math.prod(2 * n for n in values.shape[-dims:])
        return Sample(d.tensor(tuple(values.shape)), nexnet.LiteTensor(unrepeated(indices, dims)), 2, **options)

    return inputs


def unrepeated(indices: torch.Tensor, dims: int) -> torch.Tensor:
    """Other indices if any repeat: which element is stored would be open."""
    flat = indices.flatten(-dims)
    same = any(len(set(row)) < len(row) for row in flat.reshape(-1, flat.shape[-1]).tolist())
    return torch.arange(flat.shape[-1]).expand(flat.shape).reshape(indices.shape) if same else indices


def unpool(dims: int) -> Callable[..., Any]:
    def jax(x: Any, indices: Any, size: int, output_size: Any = None, **_: Any) -> Any:
        shape = tuple(size * n for n in x.shape[-dims:]) if output_size is None else tuple(output_size)
        rows = x.reshape(-1, math.prod(x.shape[-dims:]))
        where = indices.reshape(rows.shape)
        out = jnp.zeros((rows.shape[0], math.prod(shape)), x.dtype)
        out = out.at[jnp.arange(rows.shape[0])[:, None], where].set(rows)
        return out.reshape(*x.shape[:-dims], *shape)

    return jax


EACH = (1, 2, 3)
UNPOOLED = ("plain", "strided", "expanded")
CASES = [
    *(
        Case(
            name=f"max_pool{n}d",
            inputs=greatest_inputs(n),
            jax=greatest(n),
            layouts=DISTINCT_LAYOUTS,
            covers=(f"max_pool{n}d_with_indices",),
        )
        for n in EACH
    ),
    *(
        Case(
            name=f"adaptive_max_pool{n}d",
            inputs=adaptive_inputs(n, DISTINCT),
            jax=adaptive(n, jnp.max),
            layouts=DISTINCT_LAYOUTS,
            covers=(f"adaptive_max_pool{n}d_with_indices",),
        )
        for n in EACH
    ),
    *(
        Case(
            name=f"fractional_max_pool{n}d",
            inputs=fractional_inputs(n),
            call=fractional(getattr(max_pooling, f"fractional_max_pool{n}d")),
            torch=fractional(getattr(torch.nn.functional, f"fractional_max_pool{n}d")),
            without_jax="JAX has no fractional pooling",
            layouts=("plain", "plain", "strided"),
            covers=(f"fractional_max_pool{n}d_with_indices",),
        )
        for n in (2, 3)
    ),
    *(Case(name=f"max_unpool{n}d", inputs=unpool_inputs(n), jax=unpool(n), layouts=UNPOOLED) for n in EACH),
]
