"""Arithmetic of two and three operands."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import torch

from .._case import Case, Sample, unary
from .._draw import NONZERO, POSITIVE, REAL, Domain, Draw

# Quotients between two integers: away from the jumps of the rounded quotient.
DIVIDEND = Domain(6.2, 6.8)
DIVISOR = Domain(3.3, 3.7)


def scaled(d: Draw) -> Sample:
    """x, y and alpha."""
    return Sample(*d.tensors(REAL, REAL), alpha=d.choice(2.5, 1, -1))


def with_number(left: Domain, right: Domain, number: float) -> Any:
    """X and y, one of which may be a number."""

    def inputs(d: Draw) -> Sample:
        x, y = d.tensors(left, right)
        return d.choice(Sample(x, y), Sample(x, number), Sample(number, y))

    return inputs


def quotient(d: Draw) -> Sample:
    x, y = d.tensors(DIVIDEND, DIVISOR)
    mode = d.choice(None, "floor", "trunc")
    return d.choice(Sample(x, y, rounding_mode=mode), Sample(x, 3.5, rounding_mode=mode))


def remainder_torch(x: Any, y: Any) -> Any:
    """PyTorch has no derivative of the form with a number in front."""
    return torch.remainder(torch.tensor(x, dtype=y.dtype) if isinstance(x, float) else x, y)


def truncated(d: Draw) -> Sample:
    """torch.fmod has no form with a number in front."""
    x, y = d.tensors(DIVIDEND, DIVISOR)
    return d.choice(Sample(x, y), Sample(x, 3.5))


def div_jax(x: Any, y: Any, rounding_mode: str | None) -> Any:
    out = jnp.true_divide(x, y)
    return out if rounding_mode is None else jnp.floor(out) if rounding_mode == "floor" else jnp.trunc(out)


def powers(d: Draw) -> Sample:
    x, n = d.tensors(POSITIVE, REAL)
    (any_sign,) = d.tensors(NONZERO)
    return d.choice(
        Sample(x, n), Sample(any_sign, 3), Sample(x, 2.5), Sample(1.7, n), Sample(any_sign, 1.0), Sample(x, -2)
    )


def weighted(d: Draw) -> Sample:
    x, y, z = d.tensors(REAL, REAL, NONZERO)
    return Sample(x, y, z, value=d.choice(0.5, 1))


def blended(d: Draw) -> Sample:
    x, y, w = d.tensors(REAL, REAL, REAL)
    return d.choice(Sample(x, y, w), Sample(x, y, 0.3), Sample(x, y, 0.8))


CASES = [
    Case(name="add", inputs=scaled, jax=lambda x, y, alpha: x + alpha * y),
    Case(name="sub", inputs=scaled, jax=lambda x, y, alpha: x - alpha * y),
    Case(name="rsub", inputs=scaled, jax=lambda x, y, alpha: y - alpha * x),
    Case(name="mul", inputs=with_number(REAL, REAL, 1.5), jax=jnp.multiply),
    Case(name="div", inputs=quotient, jax=div_jax),
    Case(
        name="remainder",
        inputs=with_number(DIVIDEND, DIVISOR, 6.5),
        jax=lambda x, y: x - y * jnp.floor(x / y),
        torch=remainder_torch,
    ),
    Case(name="fmod", inputs=truncated, jax=lambda x, y: x - y * jnp.trunc(x / y)),
    unary("neg", jnp.negative),
    unary("positive", jnp.positive),
    Case(name="pow", inputs=powers, jax=jnp.power),
    Case(name="addcmul", inputs=weighted, jax=lambda x, y, z, value: x + value * y * z),
    Case(name="addcdiv", inputs=weighted, jax=lambda x, y, z, value: x + value * y / z),
    Case(name="lerp", inputs=blended, jax=lambda x, y, w: x + w * (y - x)),
    unary("square", jnp.square),
    unary("sqrt", jnp.sqrt, POSITIVE),
    unary("rsqrt", jax.lax.rsqrt, POSITIVE),
    unary("reciprocal", jnp.reciprocal, NONZERO),
]
