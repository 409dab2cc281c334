"""Exponentials and logarithms, and the logistic function."""

# ruff: noqa: ARG005, D103  a formula's pieces are described by their names

from __future__ import annotations

import jax
import jax.numpy as jnp

from .._case import Case, Sample, binary, unary
from .._draw import POSITIVE, PROBABILITY, REAL, Domain, Draw


def logit_inputs(d: Draw) -> Sample:
    return Sample(d.tensor(domain=PROBABILITY), d.choice(None, 1e-3))


CASES = [
    unary("exp", jnp.exp),
    unary("exp2", jnp.exp2),
    unary("expm1", jnp.expm1),
    unary("log", jnp.log, POSITIVE),
    unary("log2", jnp.log2, POSITIVE),
    unary("log10", jnp.log10, POSITIVE),
    unary("log1p", jnp.log1p, Domain(-0.7, 3.0)),
    unary("sigmoid", jax.nn.sigmoid),
    Case(name="logit", inputs=logit_inputs, jax=lambda x, eps: jax.scipy.special.logit(x)),
    binary("xlogy", jax.scipy.special.xlogy, REAL, POSITIVE),
    binary("logaddexp", jnp.logaddexp),
    binary("logaddexp2", jnp.logaddexp2),
]
