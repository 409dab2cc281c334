"""Functions of angles, hyperbolic functions, and their inverses."""

from __future__ import annotations

import jax.numpy as jnp

from .._case import binary, unary
from .._draw import ABOVE_ONE, INSIDE_ONE, NONZERO, Domain

CASES = [
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
    binary("atan2", jnp.arctan2, NONZERO, NONZERO),
    binary("hypot", jnp.hypot, NONZERO, NONZERO),
]
