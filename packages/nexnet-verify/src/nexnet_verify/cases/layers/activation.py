"""Activations, away from their kinks; the kinks are corners."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from .._case import Case, Sample, unary
from .._draw import NONZERO, Domain, Draw

# Either side of the bounds of the functions that are made of pieces.
AROUND_THREE = Domain(-4.5, 4.5, avoid=(-3.0, 3.0), margin=0.3)


def with_parameter(domain: Domain, *options: tuple[Any, ...]) -> Callable[[Draw], Sample]:
    """x, and one of these lists of further arguments."""
    return lambda d: Sample(d.tensor(domain=domain), *d.choice(*options))


def softplus_jax(x: Any, beta: float = 1, threshold: float = 20) -> Any:
    return jnp.where(x * beta > threshold, x, jax.nn.softplus(beta * x) / beta)


def gelu_inputs(d: Draw) -> Sample:
    return Sample(d.tensor(), approximate=d.choice("none", "tanh"))


def halves(d: Draw) -> Sample:
    shape, dim = d.choice(((2, 4), 1), ((4, 3), 0), ((2, 3, 2), -1), ((2,), 0))
    if d.layout == "empty":
        shape, dim = (0, 2), -1
    return Sample(d.tensor(shape), dim)


CASES = [
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
    Case(
        name="celu",
        inputs=with_parameter(NONZERO, (), (0.7,)),
        jax=jax.nn.celu,
        torch_rtol=1e-7,
        reason="torch's gradient has 1/alpha rounded to float32",
    ),
    unary("selu", jax.nn.selu, NONZERO),
    unary("tanhshrink", lambda x: x - jnp.tanh(x)),
    Case(name="glu", inputs=halves, jax=lambda x, dim: jax.nn.glu(x, dim)),
]
