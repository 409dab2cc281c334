"""Discrete Fourier transforms."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from .._case import Case, Sample
from .._draw import COMPLEX, REAL, Domain, Draw

# torch refuses a signal of no elements.
SIGNALS = ("plain", "strided", "expanded")
NORMS = ("backward", "ortho", "forward")
OTHER = {"backward": "forward", "forward": "backward", "ortho": "ortho"}


def one(*domains: Domain) -> Callable[[Draw], Sample]:
    """A signal, cut, padded or as it is, along any dimension."""

    def inputs(d: Draw) -> Sample:
        shape = d.choice((2, 3), (4,), (5, 2), (2, 3, 2), (6,))
        dim = d.dim(len(shape))
        return Sample(d.tensor(shape, d.choice(*domains)), n=d.choice(None, 4, 3, 7, 2), dim=dim, norm=d.choice(*NORMS))

    return inputs


def two(*domains: Domain) -> Callable[[Draw], Sample]:
    def inputs(d: Draw) -> Sample:
        x = d.tensor(d.choice((2, 3), (4, 3), (2, 3, 4)), d.choice(*domains))
        return Sample(x, s=d.choice(None, (3, 4), (2, 5)), dim=d.choice((-2, -1), (1, 0)), norm=d.choice(*NORMS))

    return inputs


def many(*domains: Domain) -> Callable[[Draw], Sample]:
    def inputs(d: Draw) -> Sample:
        x = d.tensor(d.choice((2, 3, 2), (3, 2, 4), (2, 3)), d.choice(*domains))
        s, dim = d.choice((None, None), (None, (0, -1)), ((3, 4), (1, 0)), ((2, 3), None), ((4,), (-1,)))
        return Sample(x, s=s, dim=dim, norm=d.choice(*NORMS))

    return inputs


def shifted(d: Draw) -> Sample:
    x = d.tensor(d.choice((4, 3), (5,), (2, 3, 2)), d.choice(COMPLEX, REAL))
    return Sample(x, dim=d.choice(None, 0, (-1,)))


def _renamed(fn: Callable[..., Any], sizes: str) -> Callable[..., Any]:
    """Give JAX's function torch's keywords."""

    def call(x: Any, dim: Any, norm: str, **size: Any) -> Any:
        dim = tuple(range(-len(size["s"]), 0)) if dim is None and size.get("s") is not None else dim
        return fn(x, size[sizes], dim, norm)

    return call


def _case(name: str, jax: Callable[..., Any], *domains: Domain) -> Case:
    inputs, sizes = (two, "s") if name.endswith("2") else (many, "s") if name.endswith("n") else (one, "n")
    return Case(name=f"fft_{name}", inputs=inputs(*domains), jax=_renamed(jax, sizes), layouts=SIGNALS)


def _hermitian(real: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, s, dim, norm: real(jnp.conj(x), s, dim, OTHER[norm])


def _inverse_hermitian(real: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, s, dim, norm: jnp.conj(real(x, s, dim, OTHER[norm]))


CASES = [
    _case("fft", jnp.fft.fft, COMPLEX, REAL),
    _case("fft2", jnp.fft.fft2, COMPLEX, REAL),
    _case("fftn", jnp.fft.fftn, COMPLEX, REAL),
    _case("ifft", jnp.fft.ifft, COMPLEX, REAL),
    _case("ifft2", jnp.fft.ifft2, COMPLEX, REAL),
    _case("ifftn", jnp.fft.ifftn, COMPLEX, REAL),
    _case("rfft", jnp.fft.rfft, REAL),
    _case("rfft2", jnp.fft.rfft2, REAL),
    _case("rfftn", jnp.fft.rfftn, REAL),
    _case("irfft", jnp.fft.irfft, COMPLEX, REAL),
    _case("irfft2", jnp.fft.irfft2, COMPLEX),
    _case("irfftn", jnp.fft.irfftn, COMPLEX),
    _case("hfft", jnp.fft.hfft, COMPLEX),
    _case("hfft2", _hermitian(jnp.fft.irfft2), COMPLEX),
    _case("hfftn", _hermitian(jnp.fft.irfftn), COMPLEX),
    _case("ihfft", jnp.fft.ihfft, REAL),
    _case("ihfft2", _inverse_hermitian(jnp.fft.rfft2), REAL),
    _case("ihfftn", _inverse_hermitian(jnp.fft.rfftn), REAL),
    Case(name="fft_fftshift", inputs=shifted, jax=lambda x, dim: jnp.fft.fftshift(x, dim), layouts=SIGNALS),
    Case(name="fft_ifftshift", inputs=shifted, jax=lambda x, dim: jnp.fft.ifftshift(x, dim), layouts=SIGNALS),
]
