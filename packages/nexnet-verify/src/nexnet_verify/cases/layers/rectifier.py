"""Piecewise linear activations, away from their kinks; the kinks are corners."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import torch

import nexnet
from nexnet.ops.layers import rectifier

from .._case import Case, Sample, unary
from .._draw import NONZERO, POSITIVE, Domain, Draw, generator_beside
from .activation import AROUND_THREE, with_parameter

# Either side of the bounds of the piecewise functions.
AROUND_ONE = Domain(-2.0, 2.0, avoid=(-1.0, 1.0), margin=0.2)
AROUND_SIX = Domain(-2.0, 8.0, avoid=(0.0, 6.0), margin=0.3)

DRAWN = 12  # the seed of random slopes
BELOW = Domain(-2.0, -0.3)  # one sign only: a slope is drawn for each element that is not positive, one after another
AROUND_HALF = Domain(-2.0, 2.0, avoid=(-0.5, 0.5), margin=0.2)


def channel_slopes(d: Draw) -> Sample:
    """x, and a slope for all or one for each channel."""
    x = d.tensor(domain=NONZERO)
    channels = x.shape[1] if x.ndim > 1 else 1
    return Sample(x, d.tensor(d.choice((channels,), (1,), ())))


def prelu_jax(x: Any, weight: Any) -> Any:
    shape = (-1, *[1] * (x.ndim - 2)) if weight.size > 1 else ()
    return jnp.where(x > 0, x, x * (weight.reshape(shape) if weight.size != 0 else 1.0))


def rrelu(x: Any, training: bool) -> Any:
    return rectifier.rrelu(x, 0.1, 0.4, training, generator=generator_beside(x, DRAWN))


def slopes_drawn(d: Draw) -> Sample:
    return Sample(d.tensor(domain=d.choice(BELOW, BELOW, POSITIVE)), True)


def slopes_drawn_or_not(d: Draw) -> Sample:
    return Sample(d.tensor(domain=d.choice(BELOW, BELOW, POSITIVE)), d.flag())


def random_slopes(shape: Any, training: bool, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """The slopes that nexnet draws: those of an input below 0."""
    below = torch.full(tuple(shape), -1.0, dtype=dtype)
    return -rrelu(nexnet.LiteTensor(below), training).data if below.numel() else below


def rrelu_jax(x: Any, training: bool) -> Any:
    return jnp.where(x > 0, x, x * random_slopes(x.shape, training).numpy())


def rrelu_torch(x: torch.Tensor, training: bool) -> torch.Tensor:
    return torch.where(x > 0, x, x * random_slopes(x.shape, training, x.dtype))


CASES = [
    unary("relu", jax.nn.relu, NONZERO),
    unary("relu6", jax.nn.relu6, AROUND_SIX),
    Case(
        name="threshold",
        inputs=with_parameter(NONZERO, (0.0, 0.0), (0.1, -3.0)),
        jax=lambda x, threshold, value: jnp.where(x > threshold, x, value),
    ),
    Case(name="leaky_relu", inputs=with_parameter(NONZERO, (), (0.2,)), jax=jax.nn.leaky_relu),
    Case(
        name="hardtanh",
        inputs=with_parameter(AROUND_ONE, (), (-1.0, 1.0)),
        jax=lambda x, low=-1.0, high=1.0: jnp.clip(x, low, high),
    ),
    unary(
        "hardsigmoid",
        jax.nn.hard_sigmoid,
        AROUND_THREE,
        torch_rtol=1e-7,
        reason="torch's kernel multiplies by 1/6 rounded to float32",
    ),
    Case(
        name="hardshrink",
        inputs=with_parameter(AROUND_HALF, (), (0.5,)),
        jax=lambda x, lambd=0.5: jnp.where(jnp.abs(x) > lambd, x, 0.0),
    ),
    Case(
        name="softshrink",
        inputs=with_parameter(AROUND_HALF, (), (0.5,)),
        jax=lambda x, lambd=0.5: jnp.where(jnp.abs(x) > lambd, x - lambd * jnp.sign(x), 0.0),
    ),
    Case(name="prelu", inputs=channel_slopes, jax=prelu_jax),
    *(
        Case(
            name=name,
            call=rrelu,
            inputs=inputs,
            jax=rrelu_jax,
            torch=rrelu_torch,
            layouts=("plain", "scalar", "empty", "plain"),
            strided=False,
            reason="torch draws the slopes in the order of memory: other strides are other slopes",
        )
        for name, inputs in (("rrelu", slopes_drawn_or_not), ("rrelu.training", slopes_drawn))
    ),
]
