"""Normalisations: with and without weight and bias; the running statistics, old and new."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from .._case import Case, Sample
from .._draw import DISTINCT, POSITIVE, Draw

SOLID = ("plain", "strided", "plain", "strided")  # a group of equal elements has no scale but eps
EPS = 0.05  # comparable with the variances: an error in how it enters shows


def parameters(d: Draw, *shape: int) -> tuple[Any, Any]:
    weight, bias = d.tensor(shape, POSITIVE), d.tensor(shape)
    return d.choice((weight, bias), (weight, None), (None, None))


def features(d: Draw) -> Sample:
    shape, count = d.choice(((4, 3), 1), ((2, 3, 4), 1), ((2, 3, 4), 2), ((5,), 1))
    return Sample(d.tensor(shape, DISTINCT), shape[-count:], *parameters(d, *shape[-count:]), EPS)


def root_features(d: Draw) -> Sample:
    x, shape, weight, _, eps = features(d).args
    return Sample(x, shape, weight, eps)


def groups(d: Draw) -> Sample:
    shape, count = d.choice(((2, 4, 3), 2), ((3, 4), 2), ((2, 4, 2, 2), 4), ((2, 4, 2, 2), 1))
    return Sample(d.tensor(shape, DISTINCT), count, *parameters(d, shape[1]), EPS)


def normal(x: Any, dims: tuple[int, ...], eps: float) -> Any:
    x = x - jnp.mean(x, dims, keepdims=True)
    return x / jnp.sqrt(jnp.mean(x * x, dims, keepdims=True) + eps)


def scaled(z: Any, weight: Any, bias: Any) -> Any:
    z = z if weight is None else z * weight
    return z if bias is None else z + bias


def by_channel(x: Any, *each: Any) -> Any:
    return [None if one is None else one.reshape(-1, *[1] * (x.ndim - 2)) for one in each]


def layer_norm(x: Any, shape: tuple[int, ...], weight: Any, bias: Any, eps: float) -> Any:
    return scaled(normal(x, tuple(range(-len(shape), 0)), eps), weight, bias)


def rms_norm(x: Any, shape: tuple[int, ...], weight: Any, eps: float) -> Any:
    square = jnp.mean(x * x, tuple(range(-len(shape), 0)), keepdims=True)
    return scaled(x / jnp.sqrt(square + eps), weight, None)


def group_norm(x: Any, count: int, weight: Any, bias: Any, eps: float) -> Any:
    z = normal(x.reshape(x.shape[0], count, -1), (2,), eps).reshape(x.shape)
    return scaled(z, *by_channel(x, weight, bias))


CASES = [
    Case(name="layer_norm", inputs=features, jax=layer_norm, layouts=SOLID),
    Case(name="rms_norm", inputs=root_features, jax=rms_norm, layouts=SOLID),
    Case(name="group_norm", inputs=groups, jax=group_norm, layouts=SOLID),
]
