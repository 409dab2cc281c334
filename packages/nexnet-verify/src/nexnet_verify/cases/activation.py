"""Activations, away from their kinks; the kinks are corners."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import torch

from nexnet.ops import activation

from ._case import Case, Sample, unary
from ._draw import NONZERO, Domain, Draw

# Either side of the bounds of the piecewise functions.
AROUND_ONE = Domain(-2.0, 2.0, avoid=(-1.0, 1.0), margin=0.2)
AROUND_SIX = Domain(-2.0, 8.0, avoid=(0.0, 6.0), margin=0.3)
AROUND_THREE = Domain(-4.5, 4.5, avoid=(-3.0, 3.0), margin=0.3)

DRAWN = 12  # the seed of dropout's mask


def with_parameter(domain: Domain, *options: tuple[Any, ...]) -> Callable[[Draw], Sample]:
    """x, and one of these lists of further arguments."""
    return lambda d: Sample(d.tensor(domain=domain), *d.choice(*options))


def along(d: Draw) -> Sample:
    x = d.tensor()
    return Sample(x, d.dim(x.ndim))


def over(normalise: Callable[..., Any]) -> Callable[..., Any]:
    """JAX's softmax has no dimension of a scalar."""
    return lambda x, dim: normalise(x, axis=dim) if x.ndim else normalise(x[None], axis=0)[0]


def softplus_jax(x: Any, beta: float = 1, threshold: float = 20) -> Any:
    return jnp.where(x * beta > threshold, x, jax.nn.softplus(beta * x) / beta)


def dropped(d: Draw) -> Sample:
    return Sample(d.tensor(), d.choice(0.5, 0.2, 0.0, 1.0), d.choice(True, True, False))


def dropout(x: Any, p: float, training: bool) -> Any:
    return activation.dropout(x, p, training, generator=torch.Generator().manual_seed(DRAWN))


def dropout_torch(x: Any, p: float, training: bool) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(DRAWN)
        return torch.nn.functional.dropout(x, p, training)


def dropout_jax(x: Any, p: float, training: bool) -> Any:
    """The same mask, as torch draws it."""
    if not training or p == 0:
        return x
    kept = torch.empty(x.shape, dtype=torch.bool).bernoulli_(1 - p, generator=torch.Generator().manual_seed(DRAWN))
    return x * kept.numpy() / (1 - p) if p < 1 else x * 0.0


def gelu_inputs(d: Draw) -> Sample:
    return Sample(d.tensor(), approximate=d.choice("none", "tanh"))


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
    unary("hardswish", jax.nn.hard_swish, AROUND_THREE),
    unary("silu", jax.nn.silu),
    unary("mish", jax.nn.mish),
    unary("logsigmoid", jax.nn.log_sigmoid),
    unary("softsign", jax.nn.soft_sign, NONZERO),
    Case(name="softplus", inputs=with_parameter(NONZERO, (), (2.0,), (1.0, 0.1)), jax=softplus_jax),
    Case(
        name="gelu",
        inputs=gelu_inputs,
        jax=lambda x, approximate: jax.nn.gelu(x, approximate=approximate == "tanh"),
    ),
    Case(name="elu", inputs=with_parameter(NONZERO, (), (0.7,)), jax=jax.nn.elu),
    Case(name="celu", inputs=with_parameter(NONZERO, (), (0.7,)), jax=jax.nn.celu),
    unary("selu", jax.nn.selu, NONZERO),
    Case(name="softmax", inputs=along, jax=over(jax.nn.softmax)),
    Case(name="log_softmax", inputs=along, jax=over(jax.nn.log_softmax)),
    Case(name="softmin", inputs=along, jax=over(lambda x, axis: jax.nn.softmax(-x, axis))),
    Case(
        name="dropout",
        call=dropout,
        inputs=dropped,
        jax=dropout_jax,
        torch=dropout_torch,
        layouts=("plain", "scalar", "empty", "plain"),
        strided=False,
        reason="torch draws a mask in the order of memory: other strides are another mask",
    ),
]
