"""Eigenvalues and singular values that differ; of the vectors, what does not depend on their signs."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import torch

import nexnet
from nexnet.ops.matrices import spectral

from .._case import Case, Sample
from .._draw import Draw
from .._matrices import LAYOUTS, batch, maybe_complex, order, symmetric, tall
from .factoring import halved, halved_jax


def hermitian(d: Draw) -> Sample:
    n = order(d)
    return Sample(symmetric(d, *batch(d), n, n), d.choice("L", "U"))


def eigen(eigh: Any) -> Any:
    """The values, and the vectors' projections: of each its elements' squares."""

    def call(a: Any, uplo: str) -> Any:
        w, v = eigh(halved(a), uplo)
        return w, v * v

    return call


def eigen_jax(a: Any, _: str) -> Any:
    w, v = jnp.linalg.eigh(halved_jax(a))
    return w, v * v


def square(d: Draw) -> Sample:
    """Matrices with real eigenvalues that differ, or with pairs of complex ones."""
    n = order(d, 3, 2)
    a = symmetric(d, *batch(d), n, n).data
    if d.flag() and n > 1:  # a turn of the first two coordinates
        a[..., :2, :2] = torch.tensor([[1.0, -2.0], [3.0, 1.5]], dtype=a.dtype) + a[..., :2, :2] / 10
    return Sample(nexnet.LiteTensor(a))


def parts(w: Any) -> Any:
    """The real and the imaginary parts, for nexnet and for torch."""
    return torch.real(w), torch.imag(w)


def eigen_parts(eig: Any) -> Any:
    """The values' parts, and the vectors' squared sizes, element by element."""

    def call(a: Any) -> Any:
        w, v = eig(a)
        return (*parts(w), v.abs() ** 2)

    return call


def eigen_parts_jax(a: Any) -> Any:
    w, v = jax.lax.linalg.eig(a, compute_left_eigenvectors=False, enable_eigvec_derivs=True)
    return w.real, w.imag, jnp.abs(v) ** 2


def any_form(d: Draw) -> Sample:
    m, n = d.choice((3, 3), (3, 2), (2, 3), (1, 2), (2, 1))
    front = (0,) if d.layout == "empty" else d.choice((), (2,))
    return Sample(tall(d, *front, m, n), d.flag())


def singular(svd: Any, second_is_v: bool = False) -> Any:
    """The values, the vectors' squares, and what both sets make together (the orthogonal factor of A)."""

    def call(a: Any, full: bool) -> Any:
        u, s, v = svd(a, not full) if second_is_v else svd(a, full_matrices=full)
        vh = v.mT if second_is_v else v
        k = s.shape[-1]
        rest = (u[..., k:] @ u[..., k:].mT, vh[..., k:, :].mT @ vh[..., k:, :])
        u, vh = u[..., :k], vh[..., :k, :]
        shown = (u * u, s, vh * vh, u @ vh)
        return (*shown, *rest) if full else shown

    return call


def singular_jax(a: Any, full: bool) -> Any:
    u, s, vh = jnp.linalg.svd(a, full_matrices=False)
    shown = (u * u, s, vh * vh, u @ vh)
    if not full:
        return shown
    left = jnp.eye(a.shape[-2]) - u @ jnp.swapaxes(u, -1, -2)
    return (*shown, left, jnp.eye(a.shape[-1]) - jnp.swapaxes(vh, -1, -2) @ vh)


def values_of(d: Draw) -> Sample:
    return Sample(maybe_complex(d, any_form(d).args[0]))


CASES = [
    Case(
        name="linalg_eigh",
        call=eigen(spectral.linalg_eigh),
        inputs=hermitian,
        torch=eigen(torch.linalg.eigh),
        jax=eigen_jax,
        layouts=LAYOUTS,
    ),
    Case(
        name="linalg_eigvalsh",
        call=lambda a, uplo: spectral.linalg_eigvalsh(halved(a), uplo),
        inputs=hermitian,
        torch=lambda a, uplo: torch.linalg.eigvalsh(halved(a), uplo),
        jax=lambda a, _: jnp.linalg.eigvalsh(halved_jax(a)),
        layouts=LAYOUTS,
    ),
    Case(
        name="linalg_eig",
        call=eigen_parts(spectral.linalg_eig),
        inputs=square,
        torch=eigen_parts(torch.linalg.eig),
        jax=eigen_parts_jax,
        layouts=("plain", "strided"),
    ),
    Case(
        name="linalg_eigvals",
        call=lambda a: parts(spectral.linalg_eigvals(a)),
        inputs=square,
        torch=lambda a: parts(torch.linalg.eigvals(a)),
        jax=lambda a: eigen_parts_jax(a)[:2],
        layouts=("plain", "strided"),
    ),
    Case(
        name="linalg_svd",
        call=singular(spectral.linalg_svd),
        inputs=any_form,
        jax=singular_jax,
        without_torch="torch gives no gradient by the columns that full_matrices adds: see svd",
        layouts=LAYOUTS,
    ),
    Case(
        name="svd",
        call=lambda a, _: singular(spectral.svd, True)(a, False),
        inputs=any_form,
        torch=lambda a, _: singular(torch.svd, True)(a, False),
        jax=lambda a, _: singular_jax(a, False),
        layouts=LAYOUTS,
    ),
    Case(
        name="linalg_svdvals",
        inputs=values_of,
        jax=lambda a: jnp.linalg.svd(a, compute_uv=False),
        layouts=LAYOUTS,
    ),
]
