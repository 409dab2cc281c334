"""Tensors turned, repeated element by element, combined with each other, and put on diagonals of blocks."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy
import torch

from .._case import Case, Sample
from .._draw import Draw

SOLID = ("plain", "strided", "expanded")


def turned(d: Draw) -> Sample:
    return Sample(d.tensor(low=2), d.choice(1, 2, 3, -1, 0), d.choice((0, 1), (1, 0), (-1, 0)))


def vectors(d: Draw) -> list[Any]:
    return [d.tensor(d.choice((3,), (2,), ())) for _ in range(d.choice(2, 3, 1))]


def grids(d: Draw) -> Sample:
    return Sample(*vectors(d), indexing=d.choice("ij", "xy"))


def blocks(d: Draw) -> Sample:
    return Sample(*[d.tensor(shape) for shape in [(2, 3), d.choice((2,), (1, 2), ()), (1, 1)]])


def blocks_jax(*tensors: Any) -> Any:
    return jax.scipy.linalg.block_diag(*tensors)


def products_jax(*tensors: Any) -> Any:
    flat = [jnp.ravel(each) for each in tensors]
    return flat[0] if len(flat) == 1 else jnp.stack([jnp.ravel(e) for e in jnp.meshgrid(*flat, indexing="ij")], -1)


def choices(d: Draw) -> Sample:
    return Sample(d.tensor((4,)), d.choice(2, 1, 3), d.flag())


def choices_jax(x: Any, r: int, again: bool) -> Any:
    choose = itertools.combinations_with_replacement if again else itertools.combinations
    places = numpy.array(list(choose(range(len(x)), r)))
    return x[places]


def repeated(d: Draw) -> Sample:
    x = d.tensor((2, 3))
    return d.choice(
        Sample(x, 2),
        Sample(x, 3, 0),
        Sample(x, 2, -1),
        Sample(x, torch.tensor([2, 0, 1]), 1),
        Sample(x, torch.tensor([1, 2]), dim=0),
    )


def repeated_jax(x: Any, repeats: Any, dim: int | None = None) -> Any:
    return jnp.repeat(x, repeats if isinstance(repeats, int) else numpy.asarray(repeats), axis=dim)


def windows(d: Draw) -> Sample:
    return Sample(d.tensor((3, 4)), *d.choice(((2, 2), (4, 2)), ((3,), (5,)), ((2, 3), (1, 1))))


def windows_jax(x: Any, size: Any, stride: Any) -> Any:
    places = sum(
        numpy.arange(n).reshape([-1 if i == k else 1 for i in range(len(size))]) * step
        for k, (n, step) in enumerate(zip(size, stride, strict=True))
    )
    return x.reshape(-1)[places]


CASES = [
    Case(name="rot90", inputs=turned, jax=lambda x, k, dims: jnp.rot90(x, k, dims)),
    Case(name="diagflat", inputs=lambda d: Sample(d.tensor(), d.choice(0, 1, -2)), jax=jnp.diagflat),
    Case(name="block_diag", inputs=blocks, jax=blocks_jax, layouts=SOLID),
    Case(
        name="meshgrid",
        inputs=grids,
        jax=lambda *xs, indexing: tuple(jnp.meshgrid(*map(jnp.ravel, xs), indexing=indexing)),
        layouts=SOLID,
    ),
    Case(
        name="cartesian_prod",
        inputs=lambda d: Sample(*[d.tensor(s) for s in ((3,), (2,))]),
        jax=products_jax,
        layouts=SOLID,
    ),
    Case(name="combinations", inputs=choices, jax=choices_jax, layouts=SOLID),
    Case(name="repeat_interleave", inputs=repeated, jax=repeated_jax, layouts=SOLID),
    Case(
        name="as_strided",
        inputs=windows,
        jax=windows_jax,
        layouts=("plain",),
        strided=False,
        reason="what it takes depends on the strides by definition",
    ),
]
