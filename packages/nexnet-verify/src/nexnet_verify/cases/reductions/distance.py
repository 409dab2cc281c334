"""Distances of points that differ in every coordinate, and no two differences tie."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy
import torch

import nexnet

from .._case import Case, Sample
from .._draw import Domain, Draw

# Distinct numbers, and at the two places disjoint ranges of different steps: no difference is 0, and no two tie.
LOW, HIGH = Domain(-2.0, -0.2, distinct=True), Domain(0.3, 2.9, distinct=True)
ORDERS = (2.0, 1.0, 3.0, math.inf, 1.5)
LAYOUTS = ("plain", "strided", "empty")


def size(x: Any, p: float, dim: Any = -1, keepdims: bool = False) -> Any:
    x = jnp.abs(x)
    if p == math.inf:
        return x.max(dim, keepdims=keepdims) if x.size else x.sum(dim, keepdims=keepdims)
    return jnp.sum(x**p, dim, keepdims=keepdims) ** (1 / p)


def two(d: Draw) -> Sample:
    left, right = d.choice(((2, 3), (2, 3)), ((2, 3), (3,)), ((3,), (2, 3)), ((), ()), ((3, 1), (1, 2)))
    return Sample(d.tensor(left, LOW), d.tensor(right, HIGH), d.choice(*ORDERS))


def pairs(d: Draw) -> Sample:
    left, right = d.choice(((2, 3), (2, 3)), ((2, 3), (1, 3)), ((3,), (3,)), ((2, 1, 3), (2, 3)))
    if d.layout == "empty":
        left = right = (0, 3)
    return Sample(d.tensor(left, LOW), d.tensor(right, HIGH), d.choice(*ORDERS), 1e-6, d.flag())


def sets(d: Draw) -> Sample:
    front, other = d.choice(((), ()), ((2,), (2,)), ((2,), ()), ((), (2,)), ((2, 1), (3,)))
    m, n = (0, 2) if d.layout == "empty" else d.choice((2, 3), (1, 2), (3, 1))
    k = d.choice(2, 3, 1)
    return Sample(d.tensor((*front, m, k), LOW), d.tensor((*other, n, k), HIGH), d.choice(*ORDERS))


def set_of_one(d: Draw) -> Sample:
    n = d.choice(0, 1) if d.layout == "empty" else d.choice(3, 2, 4)
    k = d.choice(2, 3, 1)
    # Powers of two and three: no two differences are equal, of the rows or of the coordinates.
    spread = torch.from_numpy(numpy.array([[2.0**i, 3.0**i, 1.7**i][:k] for i in range(n)]).reshape(n, k))
    return Sample(nexnet.LiteTensor(d.tensor((n, k), Domain(-0.1, 0.1)).data + spread), d.choice(*ORDERS))


def pdist(x: Any, p: float) -> Any:
    i, j = jnp.triu_indices(x.shape[0], 1)
    return size(x[i] - x[j], p)


def pdist_torch(x: Any, p: float) -> Any:
    """Torch's, which crashes in backward where there is no pair."""
    return torch.nn.functional.pdist(x, p) if len(x) > 1 else x.sum() * torch.zeros(0, dtype=x.dtype)


def directions(d: Draw) -> Sample:
    left, right = d.choice(((2, 3), (2, 3)), ((2, 3), (1, 3)), ((2, 1, 3), (2, 3)))
    if d.layout == "empty":
        left = right = (0, 3)
    return Sample(d.tensor(left, LOW), d.tensor(right, HIGH), d.choice(-1, len(left) - 1), d.choice(1e-8, 1e-3))


def cosine(x: Any, y: Any, dim: int, eps: float) -> Any:
    x, y = jnp.broadcast_arrays(x, y)
    return (x * y).sum(dim) / (jnp.maximum(size(x, 2, dim), eps) * jnp.maximum(size(y, 2, dim), eps))


def normalized(d: Draw) -> Sample:
    x = d.tensor(low=2, domain=LOW)
    dim: Any = d.choice(1, -1, 0)
    if 0 in x.shape:
        return Sample(x, 2.0, dim)
    return Sample(x, d.choice(2.0, 1.0, 3.0, math.inf), dim, d.choice(1e-12, 1e-2, 50.0))


def normalize(x: Any, p: float, dim: int, eps: float = 1e-12) -> Any:
    return x / jnp.maximum(size(x, p, dim, True), eps)


def limited(d: Draw) -> Sample:
    """Some slices are longer than the limit, and some are not; none is just as long."""
    shape = d.choice((3, 2), (2, 3), (2, 3, 2))
    x = d.tensor(shape, LOW)
    scale = torch.tensor([0.01, 5.0, 3.0], dtype=torch.float64)[: shape[0]].reshape(-1, *[1] * (len(shape) - 1))
    return Sample(nexnet.LiteTensor(x.data * scale), d.choice(2, 1, 3, math.inf), d.choice(0, -len(shape)), 0.8)


def renorm(x: Any, p: float, dim: int, maxnorm: float) -> Any:
    others = tuple(i for i in range(x.ndim) if i != dim % x.ndim)
    norm = size(x, p, others, True)
    return x * jnp.where(norm > maxnorm, maxnorm / (norm + 1e-7), 1)


CASES = [
    Case(name="dist", inputs=two, jax=lambda x, y, p: size(x - y, p, None), layouts=("plain", "strided")),
    Case(
        name="pairwise_distance",
        inputs=pairs,
        jax=lambda x, y, p, eps, keepdim: size(x - y + eps, p, -1, keepdim),
        layouts=LAYOUTS,
    ),
    Case(
        name="cdist",
        inputs=sets,
        jax=lambda x, y, p: size(x[..., :, None, :] - y[..., None, :, :], p),
        layouts=LAYOUTS,
    ),
    Case(name="pdist", inputs=set_of_one, jax=pdist, torch=pdist_torch, layouts=LAYOUTS),
    Case(name="cosine_similarity", inputs=directions, jax=cosine, layouts=LAYOUTS),
    Case(name="normalize", inputs=normalized, jax=normalize, layouts=LAYOUTS),
    Case(name="renorm", inputs=limited, jax=renorm, layouts=("plain", "strided")),
]
