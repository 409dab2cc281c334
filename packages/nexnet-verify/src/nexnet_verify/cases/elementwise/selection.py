"""Choices between elements, away from their ties; the ties are corners."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

import nexnet

from .._case import Case, Sample
from .._draw import REAL, Domain, Draw

# Two operands that never meet: their differences are at least 0.2.
LOW, HIGH = Domain(-2.0, -0.2), Domain(0.0, 2.0)
MIXED = Domain(-2.0, 2.0, avoid=(-1.0, 1.0), margin=0.15)


def chosen(d: Draw) -> Sample:
    """A mask, x and y, either of which may be a number."""
    x, y, other = d.tensors(REAL, REAL, REAL)
    mask = nexnet.LiteTensor(other.data > 0)
    return d.choice(Sample(mask, x, y), Sample(mask, x, 1.5), Sample(mask, -0.5, y))


def clamped(d: Draw) -> Sample:
    """X and bounds: numbers, one of them, or tensors that are never reached exactly."""
    x, low, high = d.tensors(MIXED, Domain(-1.1, -0.9), Domain(0.9, 1.1))
    return d.choice(Sample(x, -1.0, 1.0), Sample(x, low, high), Sample(x, None, 1.0), Sample(x, -1.0), Sample(x, low))


def apart(d: Draw) -> Sample:
    """X and y, either of which is the larger one."""
    x, y = d.tensors(LOW, HIGH)
    return d.choice(Sample(x, y), Sample(y, x))


def bounded(low: bool) -> Any:
    def inputs(d: Draw) -> Sample:
        x, bound = d.tensors(MIXED, Domain(-1.05, -0.95) if low else Domain(0.95, 1.05))
        return d.choice(Sample(x, -1.0 if low else 1.0), Sample(x, bound))

    return inputs


def clamp_jax(x: Any, low: Any = None, high: Any = None) -> Any:
    return jnp.clip(x, low, high)


CASES = [
    Case(name="where", inputs=chosen, jax=jnp.where),
    Case(name="clamp", inputs=clamped, jax=clamp_jax),
    Case(name="clamp_min", inputs=bounded(True), jax=jnp.maximum),
    Case(name="clamp_max", inputs=bounded(False), jax=jnp.minimum),
    Case(name="maximum", inputs=apart, jax=jnp.maximum),
    Case(name="minimum", inputs=apart, jax=jnp.minimum),
    Case(name="fmax", inputs=apart, jax=jnp.fmax),
    Case(name="fmin", inputs=apart, jax=jnp.fmin),
]
