"""Functions of one tensor, element by element, and smooth functions of two."""

# ruff: noqa: ARG005, D103  a formula's pieces are described by their names

from __future__ import annotations

import jax
import jax.numpy as jnp

from ._case import Case, Sample, binary, unary
from ._draw import ABOVE_ONE, INSIDE_ONE, NONZERO, POSITIVE, PROBABILITY, REAL, Domain, Draw


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
    unary("square", jnp.square),
    unary("sqrt", jnp.sqrt, POSITIVE),
    unary("rsqrt", jax.lax.rsqrt, POSITIVE),
    unary("reciprocal", jnp.reciprocal, NONZERO),
    unary("sin", jnp.sin),
    unary("cos", jnp.cos),
    unary("tan", jnp.tan, Domain(-1.2, 1.2)),
    unary("asin", jnp.arcsin, INSIDE_ONE),
    unary("acos", jnp.arccos, INSIDE_ONE),
    unary("atan", jnp.arctan),
    unary("sinh", jnp.sinh),
    unary("cosh", jnp.cosh),
    unary("asinh", jnp.arcsinh),
    unary("acosh", jnp.arccosh, ABOVE_ONE),
    unary("atanh", jnp.arctanh, INSIDE_ONE),
    unary("tanh", jnp.tanh),
    unary("sigmoid", jax.nn.sigmoid),
    unary("erf", jax.scipy.special.erf),
    unary("erfc", jax.scipy.special.erfc),
    Case(name="logit", inputs=logit_inputs, jax=lambda x, eps: jax.scipy.special.logit(x)),
    unary("abs", jnp.abs, NONZERO),
    unary("frac", lambda x: x - jnp.trunc(x), Domain(2.2, 2.8)),
    binary("atan2", jnp.arctan2, NONZERO, NONZERO),
    binary("hypot", jnp.hypot, NONZERO, NONZERO),
    binary("xlogy", jax.scipy.special.xlogy, REAL, POSITIVE),
    binary("logaddexp", jnp.logaddexp),
    binary("logaddexp2", jnp.logaddexp2),
]
