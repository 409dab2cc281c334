"""Complex numbers: parts, conjugates, and the rules of other kinds on complex tensors."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy
import torch

import nexnet

from .._case import Case, Sample, unary
from .._draw import COMPLEX, POSITIVE, REAL, ComplexDomain, Domain, Draw

#: Away from the real and the imaginary axis, on which inverse functions have their cuts.
QUADRANT = ComplexDomain(0.3, 2.0, angles=(0.3, 1.3))


def maybe_complex(*domains: Domain) -> Callable[[Draw], Sample]:
    """Complex tensors that broadcast; or some of them real, which only a mixed rule can tell apart."""

    def inputs(d: Draw) -> Sample:
        return Sample(*d.tensors(*[d.choice(COMPLEX, domain) for domain in domains]))

    return inputs


def complex_of(dtype: torch.dtype) -> torch.dtype:
    return torch.complex128 if dtype is torch.float64 else torch.complex64


def pairs(d: Draw) -> Sample:
    shape = d.shape(high=2)
    return Sample(nexnet.LiteTensor(REAL.sample(d.generator, (*shape, 2))))


def matrices(d: Draw) -> Sample:
    return Sample(d.tensor(domain=COMPLEX, low=2))


def products(d: Draw) -> Sample:
    rows, inner, columns = d.choice((2, 3, 2), (1, 2, 3), (2, 0, 2))
    return Sample(
        nexnet.LiteTensor(COMPLEX.sample(d.generator, (rows, inner))),
        nexnet.LiteTensor(COMPLEX.sample(d.generator, (inner, columns))),
    )


def powers(d: Draw) -> Sample:
    z, n, x = d.tensors(COMPLEX, COMPLEX, POSITIVE)  # of shapes that broadcast together
    return d.choice(Sample(z, n), Sample(z, 3), Sample(x, n), Sample(z, 1.5 - 0.5j), Sample(2.5, n), Sample(1 + 2j, n))


def orders(d: Draw) -> Sample:
    return Sample(d.tensor(domain=COMPLEX, low=1), d.choice(2, 1, 3, 2.5))


def sums(d: Draw) -> Sample:
    z = d.tensor(domain=QUADRANT)
    return Sample(z, d.dim(z.ndim))


def normalised(d: Draw) -> Sample:
    z = d.tensor((2, 3), QUADRANT)
    return Sample(z, (3,), d.choice(None, d.tensor((3,), COMPLEX), d.tensor((3,))), d.choice(None, 0.1))


def rms(z: Any, _: Any, weight: Any, eps: float | None) -> Any:
    added = numpy.finfo(z.dtype).eps if eps is None else eps
    z = z / jnp.sqrt(jnp.mean(z * z, -1, keepdims=True) + added)
    return z if weight is None else z * weight


def _on_complex(name: str, counterpart: Callable[..., Any], inputs: Any = None, **options: Any) -> Case:
    """Make the case of an operator of another kind on complex tensors."""
    domain = options.pop("domain", COMPLEX)
    draw = inputs or (lambda d: Sample(d.tensor(domain=domain)))
    place = torch.linalg if name == "vector_norm" else torch if hasattr(torch, name) else torch.nn.functional
    options.setdefault("torch", getattr(place, name))
    return Case(name=f"complex.{name}", call=getattr(nexnet, name), inputs=draw, jax=counterpart, **options)


CASES = [
    unary("angle", jnp.angle, COMPLEX),
    Case(name="complex", inputs=lambda d: Sample(*d.tensors(REAL, REAL)), jax=lambda x, y: x + 1j * y),
    unary("conj", jnp.conj, COMPLEX),
    unary("conj_physical", jnp.conj, COMPLEX),
    unary("imag", jnp.imag, COMPLEX),
    Case(
        name="polar",
        inputs=lambda d: Sample(*d.tensors(POSITIVE, REAL)),
        jax=lambda r, t: r * jnp.exp(1j * t),
    ),
    unary("real", jnp.real, COMPLEX),
    unary(
        "resolve_conj",
        jnp.conj,
        COMPLEX,
        call=lambda z: nexnet.resolve_conj(nexnet.conj(z)),
        torch=lambda z: z.conj().resolve_conj(),
    ),
    unary(
        "resolve_neg",
        lambda z: -jnp.imag(z),
        COMPLEX,
        call=lambda z: nexnet.resolve_neg(nexnet.conj(z).imag),
        torch=lambda z: z.conj().imag.resolve_neg(),
    ),
    unary("sgn", lambda z: z / jnp.abs(z), COMPLEX),
    Case(name="view_as_complex", inputs=pairs, jax=lambda x: x[..., 0] + 1j * x[..., 1]),
    unary("view_as_real", lambda z: jnp.stack([z.real, z.imag], -1), COMPLEX),
    _on_complex("abs", jnp.abs),
    _on_complex("add", jnp.add, maybe_complex(REAL, REAL)),
    _on_complex("mul", jnp.multiply, maybe_complex(REAL, REAL)),
    _on_complex("div", jnp.divide, maybe_complex(REAL, POSITIVE)),
    _on_complex("pow", jnp.power, powers),
    _on_complex("exp", jnp.exp),
    _on_complex("log", jnp.log),
    _on_complex("sqrt", jnp.sqrt),
    _on_complex("tanh", jnp.tanh, domain=ComplexDomain(0.3, 1.2)),
    _on_complex("sigmoid", lambda z: 1 / (1 + jnp.exp(-z)), domain=ComplexDomain(0.3, 1.2)),
    _on_complex(
        "silu",
        lambda z: z / (1 + jnp.exp(-z)),
        domain=ComplexDomain(0.3, 1.2),
        torch=None,
        without_torch="torch has no gradient of it for complex tensors",
    ),
    _on_complex("softsign", lambda z: z / (1 + jnp.abs(z))),
    _on_complex("sinc", jnp.sinc),
    _on_complex("logcumsumexp", lambda z, dim: jnp.log(jnp.cumsum(jnp.exp(z), dim)) if z.ndim else z, sums),
    _on_complex("rms_norm", rms, normalised),
    _on_complex("acosh", jnp.arccosh, domain=QUADRANT),
    _on_complex("matmul", jnp.matmul, products),
    _on_complex("sum", jnp.sum),
    _on_complex("prod", jnp.prod),
    _on_complex("var", lambda z: jnp.var(z, ddof=1), lambda d: Sample(d.tensor((3, 2), COMPLEX))),
    _on_complex(
        "vector_norm",
        lambda z, p: jnp.sum(jnp.abs(z) ** p) ** (1 / p),
        orders,
        layouts=("plain", "scalar", "strided", "expanded"),
    ),
    Case(
        name="complex.to",
        call=lambda x: nexnet.to(x, complex_of(x.dtype)) * (1 + 2j),
        inputs=lambda d: Sample(d.tensor()),
        jax=lambda x: x * (1 + 2j),
        torch=lambda x: x.to(complex_of(x.dtype)) * (1 + 2j),
    ),
]
