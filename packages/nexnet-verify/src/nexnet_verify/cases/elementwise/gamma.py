"""The gamma function's family."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from collections.abc import Callable

import jax

from .._case import Case, Sample, unary
from .._draw import POSITIVE, Domain, Draw


def poly(d: Draw) -> Sample:
    return Sample(d.choice(1, 0, 2), d.tensor(domain=POSITIVE))


def multivariate(d: Draw) -> Sample:
    return Sample(d.tensor(domain=Domain(1.6, 4.0)), d.choice(3, 1, 2))


def by_second(first: Domain) -> Callable[[Draw], Sample]:
    """A constant and a tensor that broadcast."""

    def inputs(d: Draw) -> Sample:
        a, x = d.tensors(first, POSITIVE)
        return Sample(a.data, x)

    return inputs


def log_multivariate(x: jax.Array, p: int) -> jax.Array:
    return jax.scipy.special.multigammaln(x, p)


CASES = [
    unary("lgamma", jax.scipy.special.gammaln, POSITIVE),
    unary("digamma", jax.scipy.special.digamma, POSITIVE),
    Case(name="polygamma", inputs=poly, jax=jax.scipy.special.polygamma),
    Case(name="mvlgamma", inputs=multivariate, jax=log_multivariate),
    Case(name="igamma", inputs=by_second(POSITIVE), jax=jax.scipy.special.gammainc),
    Case(name="igammac", inputs=by_second(POSITIVE), jax=jax.scipy.special.gammaincc),
    Case(name="special_zeta", inputs=by_second(Domain(2.0, 4.0)), jax=jax.scipy.special.zeta),
]
