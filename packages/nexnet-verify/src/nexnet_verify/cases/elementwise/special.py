"""Special functions of one tensor."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from .._case import binary, unary
from .._draw import INSIDE_ONE, NONZERO, POSITIVE, PROBABILITY, REAL, Domain

CONSTANT = "to torch these are constants: it gives no gradient, and no error"
NO_COUNTERPART = "jax.scipy.special has no such function, or one without a derivative"

CASES = [
    unary("erf", jax.scipy.special.erf),
    unary("erfc", jax.scipy.special.erfc),
    unary("erfinv", jax.scipy.special.erfinv, INSIDE_ONE),
    unary("special_ndtr", jax.scipy.special.ndtr),
    unary("special_ndtri", jax.scipy.special.ndtri, PROBABILITY),
    unary("special_erfcx", lambda x: jnp.exp(x * x) * jax.scipy.special.erfc(x)),
    unary("special_log_ndtr", jax.scipy.special.log_ndtr, Domain(-3.0, 3.0)),
    unary("special_entr", jax.scipy.special.entr, POSITIVE),
    binary("special_xlog1py", jax.scipy.special.xlog1py, REAL, Domain(-0.7, 3.0)),
    unary("sinc", jnp.sinc, Domain(-2.0, 2.0)),
    unary("i0", jax.scipy.special.i0),
    unary("special_i0e", jax.scipy.special.i0e, NONZERO),
    unary("special_i1", jax.scipy.special.i1, NONZERO),
    unary("special_i1e", jax.scipy.special.i1e, NONZERO),
    *[
        unary(f"special_{name}", None, Domain(0.2, 3.0), without_jax=NO_COUNTERPART, without_torch=CONSTANT)
        for name in (
            "bessel_j0",
            "bessel_j1",
            "bessel_y0",
            "bessel_y1",
            "modified_bessel_i0",
            "modified_bessel_i1",
            "modified_bessel_k0",
            "modified_bessel_k1",
            "scaled_modified_bessel_k0",
            "scaled_modified_bessel_k1",
            "spherical_bessel_j0",
        )
    ],
]
