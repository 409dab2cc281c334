"""Batch and instance normalisation, in training and by running statistics; the running statistics, old and new."""

# ruff: noqa: ARG001, D103  a formula's pieces are described by their names

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import torch
from torch.nn import functional as F  # noqa: N812  torch's own name for it

from .._case import Case, Sample
from .._draw import DISTINCT, POSITIVE, REAL, Draw
from .normalisation import EPS, SOLID, by_channel, normal, parameters, scaled


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
