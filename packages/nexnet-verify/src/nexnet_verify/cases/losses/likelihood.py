"""Likelihoods of counts and numbers."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp

from .._case import Case, Sample
from .._draw import POSITIVE, REAL, Domain, Draw
from ._reduced import REDUCTIONS, SOLID, reduced

COUNTS = Domain(0.2, 3.0, avoid=(1.0,), margin=0.1)  # Stirling's term starts at 1


def counts(d: Draw) -> Sample:
    shape = d.shape()
    log_input = d.flag()
    x = d.tensor(shape, REAL if log_input else POSITIVE)
    return Sample(x, d.tensor(shape, COUNTS), log_input, d.flag(), reduction=d.choice(*REDUCTIONS))


def poisson(x: Any, t: Any, log_input: bool, full: bool, reduction: str) -> Any:
    losses = jnp.exp(x) - t * x if log_input else x - t * jnp.log(x + 1e-8)
    if full:
        stirling = t * jnp.log(t) - t + 0.5 * jnp.log(2 * math.pi * t)
        losses = losses + jnp.where(t > 1, stirling, 0.0)
    return reduced(losses, reduction)


def measured(d: Draw) -> Sample:
    shape = d.choice((4, 3), (2, 3, 2), (3,))
    own = d.choice(shape, (*shape[:-1], 1), shape[:-1])
    pair = d.tensor(shape), d.tensor(shape)
    return Sample(*pair, d.tensor(own, POSITIVE), d.flag(), reduction=d.choice(*REDUCTIONS))


def gaussian(x: Any, t: Any, var: Any, full: bool, reduction: str) -> Any:
    var = var[..., None] if var.ndim < x.ndim else var
    losses = 0.5 * (jnp.log(var) + (x - t) ** 2 / var) + (0.5 * math.log(2 * math.pi) if full else 0.0)
    return reduced(losses, reduction)


CASES = [
    Case(name="poisson_nll_loss", inputs=counts, jax=poisson, layouts=SOLID),
    Case(name="gaussian_nll_loss", inputs=measured, jax=gaussian, layouts=("plain", "strided", "expanded", "plain")),
]
