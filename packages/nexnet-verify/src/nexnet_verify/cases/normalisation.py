"""Normalisations: with and without weight and bias; the running statistics, old and new."""

# ruff: noqa: ARG001, D103  a formula's pieces are described by their names

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import torch
from torch.nn import functional as F  # noqa: N812  torch's own name for it

from ._case import Case, Sample
from ._draw import DISTINCT, POSITIVE, REAL, Draw

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


def channels(d: Draw) -> Sample:
    x = d.tensor(d.choice((4, 3), (2, 3, 4), (2, 3, 2, 2)), DISTINCT)
    weight, bias = parameters(d, 3)
    if d.flag():
        return Sample(x, None, None, weight, bias, True, 0.1, EPS)
    return Sample(x, d.tensor((3,), REAL), d.tensor((3,), POSITIVE), weight, bias, False, 0.1, EPS)


def channels_with_statistics(d: Draw) -> Sample:
    x = d.tensor(d.choice((4, 3), (2, 3, 4), (2, 3, 2, 2)), DISTINCT)
    return Sample(x, d.tensor((3,), REAL), d.tensor((3,), POSITIVE), *parameters(d, 3), d.choice(0.1, 0.5), EPS)


def instances(d: Draw) -> Sample:
    x = d.tensor(d.choice((2, 3, 4), (2, 3, 2, 2)), DISTINCT)
    weight, bias = parameters(d, 3)
    if d.flag():
        return Sample(x, None, None, weight, bias, True, 0.1, EPS)
    return Sample(x, d.tensor((3,), REAL), d.tensor((3,), POSITIVE), weight, bias, False, 0.1, EPS)


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


def over(dims: Any) -> Any:
    def norm(x: Any, mean: Any, var: Any, weight: Any, bias: Any, training: bool, momentum: float, eps: float) -> Any:
        if training:
            z = normal(x, dims(x), eps)
        else:
            mean, var = by_channel(x, mean, var)
            z = (x - mean) / jnp.sqrt(var + eps)
        return scaled(z, *by_channel(x, weight, bias))

    return norm


def in_torch(norm: Any) -> Any:
    """Torch's own in training; else written out, for torch has no gradient by the running statistics."""

    def call(x: Any, mean: Any, var: Any, weight: Any, bias: Any, training: bool, momentum: float, eps: float) -> Any:
        if training:
            return norm(x, mean, var, weight, bias, training, momentum, eps)
        mean, var, weight, bias = by_channel(x, mean, var, weight, bias)
        return scaled((x - mean) / torch.sqrt(var + eps), weight, bias)

    return call


def batch_norm_and_update(x: Any, mean: Any, var: Any, weight: Any, bias: Any, momentum: float, eps: float) -> Any:
    """Torch's own, and its new statistics written out."""
    out = F.batch_norm(x, None, None, weight, bias, True, momentum, eps)
    new_mean, new_var = x.mean(whole_batch(x)), x.var(whole_batch(x))
    return out, torch.lerp(mean, new_mean, momentum), torch.lerp(var, new_var, momentum)


def whole_batch(x: Any) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


def batch_norm_with_statistics(x: Any, mean: Any, var: Any, weight: Any, bias: Any, momentum: float, eps: float) -> Any:
    out = over(whole_batch)(x, None, None, weight, bias, True, momentum, eps)
    batch_mean, batch_var = jnp.mean(x, whole_batch(x)), jnp.var(x, whole_batch(x), ddof=1)
    return out, mean + momentum * (batch_mean - mean), var + momentum * (batch_var - var)


CASES = [
    Case(name="layer_norm", inputs=features, jax=layer_norm, layouts=SOLID),
    Case(name="rms_norm", inputs=root_features, jax=rms_norm, layouts=SOLID),
    Case(name="group_norm", inputs=groups, jax=group_norm, layouts=SOLID),
    Case(name="batch_norm", inputs=channels, jax=over(whole_batch), torch=in_torch(F.batch_norm), layouts=SOLID),
    Case(
        name="batch_norm_with_statistics",
        inputs=channels_with_statistics,
        jax=batch_norm_with_statistics,
        torch=batch_norm_and_update,
        layouts=SOLID,
    ),
    Case(
        name="instance_norm",
        inputs=instances,
        jax=over(lambda x: tuple(range(2, x.ndim))),
        torch=in_torch(F.instance_norm),
        layouts=SOLID,
    ),
]
