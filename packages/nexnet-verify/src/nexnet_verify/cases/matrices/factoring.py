"""Factorisations into triangular and orthogonal matrices."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.linalg as jsl
import torch

import nexnet
from nexnet.ops.matrices import factoring

from .._case import Case, Sample
from .._draw import Draw
from .._matrices import LAYOUTS, batch, order, symmetric, tall
from .solving_by_factors import rows_of


def halved(a: Any) -> Any:
    """The symmetric part, for nexnet and for torch."""
    return (a + a.mT) / 2


def halved_jax(a: Any) -> Any:
    return (a + jnp.swapaxes(a, -1, -2)) / 2


def definite(d: Draw) -> Sample:
    n = order(d)
    return Sample(symmetric(d, *batch(d), n, n), d.flag())


def cholesky_jax(a: Any, upper: bool) -> Any:
    low = jnp.linalg.cholesky(halved_jax(a))
    return jnp.swapaxes(low, -1, -2) if upper else low


def any_form(d: Draw) -> Sample:
    m, n = d.choice((3, 3), (3, 2), (2, 3), (1, 2), (2, 1))
    if d.layout == "empty":
        return Sample(tall(d, 0, m, n))
    return Sample(tall(d, *d.choice((), (2,)), m, n))


def lu_jax(a: Any) -> Any:
    m, n = a.shape[-2:]
    if a.size == 0:
        return jnp.zeros((*a.shape[:-1], min(m, n))), jnp.zeros((*a.shape[:-2], min(m, n), n))
    return jsl.lu(a)[1:] if a.ndim == 2 else jax.vmap(lambda each: jsl.lu(each)[1:])(a)


def packed(lower: Any, upper: Any) -> Any:
    """L and U in one matrix."""
    m, n = lower.shape[-2], upper.shape[-1]
    k = min(m, n)
    low = jnp.concatenate([jnp.tril(lower, -1), jnp.zeros((*lower.shape[:-1], n - k))], -1)
    return low + jnp.concatenate([upper, jnp.zeros((*upper.shape[:-2], m - k, n))], -2)


def factors(d: Draw) -> Sample:
    lu = factoring.linalg_lu_factor(any_form(d).args[0])
    return Sample(nexnet.LiteTensor(lu[0].data), lu[1])


def unpacked_jax(lu: Any, pivots: Any) -> Any:
    m, n = lu.shape[-2:]
    k = min(m, n)
    lower = jnp.tril(lu[..., :k], -1) + jnp.eye(m, k)
    places = rows_of(pivots, m)
    return jnp.swapaxes(jnp.eye(m)[places], -1, -2), lower, jnp.triu(lu[..., :k, :])


def form_and_mode(d: Draw) -> Sample:
    mode = d.choice("reduced", "complete", "r")
    m, n = d.choice((3, 3), (2, 3), (1, 2)) if mode == "complete" else d.choice((3, 2), (2, 3), (2, 2), (1, 3))
    return Sample(tall(d, *d.choice((), (2,)), m, n), mode)


def qr_jax(a: Any, mode: str) -> Any:
    """By Gram and Schmidt, with LAPACK's signs: JAX has no rule for wide matrices."""
    columns: list[Any] = []
    for i in range(min(a.shape[-2:])):
        v = a[..., i]
        for q in columns:
            v = v - (q * v).sum(-1, keepdims=True) * q
        columns.append(v / jnp.linalg.norm(v, axis=-1, keepdims=True))
    q = jnp.stack(columns, -1)
    lapack = jnp.linalg.qr(a)[0]
    q = q * jnp.sign((q * lapack).sum(-2, keepdims=True))
    r = jnp.swapaxes(q, -1, -2) @ a
    return r if mode == "r" else (q, r)


def qr_call(qr: Any) -> Any:
    """R alone in mode "r", for which torch gives no gradient: that of the other modes is the same."""

    def call(a: Any, mode: str) -> Any:
        if mode != "r":
            return tuple(qr(a, mode))
        return qr(a, mode if isinstance(a, nexnet.LiteTensor) else "reduced")[1]

    return call


def old_qr(d: Draw) -> Sample:
    a, mode = form_and_mode(d).args
    return Sample(a, mode != "complete")


def reflections(d: Draw) -> Sample:
    m, n, k = d.choice((4, 3, 2), (3, 3, 3), (4, 2, 2), (2, 1, 1), (3, 2, 0))
    front = (0,) if d.layout == "empty" else d.choice((), (2,))
    return Sample(d.tensor((*front, m, n)), d.tensor((*front, k)))


def reflected(a: Any, tau: Any) -> Any:
    """H_1 ... H_k, one after the other."""
    m = a.shape[-2]
    out: Any = jnp.broadcast_to(jnp.eye(m), (*a.shape[:-2], m, m))
    for i in range(tau.shape[-1]):
        v = jnp.where(jnp.arange(m) < i, 0, jnp.where(jnp.arange(m) == i, 1, a[..., i]))[..., None]
        out = out @ (jnp.eye(m) - tau[..., i, None, None] * (v @ jnp.swapaxes(v, -1, -2)))
    return out


def acted_on(d: Draw) -> Sample:
    m, k = d.choice((4, 2), (3, 3), (2, 1))
    front = d.choice((), (2,))
    left = d.flag()
    other = d.tensor((*front, m, 2) if left else (*front, 2, m))
    return Sample(d.tensor((*front, m, k)), d.tensor((*front, k)), other, left, d.flag())


def acted_on_jax(a: Any, tau: Any, c: Any, left: bool, transpose: bool) -> Any:
    q = reflected(a, tau)
    q = jnp.swapaxes(q, -1, -2) if transpose else q
    return q @ c if left else c @ q


CASES = [
    Case(
        name="cholesky",
        call=lambda a, upper: factoring.cholesky(halved(a), upper=upper),
        inputs=definite,
        torch=lambda a, upper: torch.linalg.cholesky(halved(a), upper=upper),
        jax=cholesky_jax,
        layouts=LAYOUTS,
    ),
    Case(
        name="linalg_cholesky_ex",
        call=lambda a, upper: factoring.linalg_cholesky_ex(halved(a), upper=upper)[0],
        inputs=definite,
        torch=lambda a, upper: torch.linalg.cholesky_ex(halved(a), upper=upper)[0],
        jax=cholesky_jax,
        layouts=LAYOUTS,
    ),
    Case(
        name="linalg_lu",
        call=lambda a: tuple(factoring.linalg_lu(a)[1:]),
        inputs=any_form,
        torch=lambda a: tuple(torch.linalg.lu(a)[1:]),
        jax=lu_jax,
        layouts=LAYOUTS,
    ),
    Case(
        name="linalg_lu_factor_ex",
        call=lambda a: factoring.linalg_lu_factor_ex(a)[0],
        inputs=any_form,
        torch=lambda a: torch.linalg.lu_factor_ex(a)[0],
        jax=lambda a: packed(*lu_jax(a)),
        layouts=LAYOUTS,
        covers=("linalg_lu_factor", "lu"),
    ),
    Case(name="lu_unpack", inputs=factors, jax=unpacked_jax, layouts=("plain", "strided")),
    Case(
        name="linalg_qr",
        call=qr_call(factoring.linalg_qr),
        inputs=form_and_mode,
        torch=qr_call(torch.linalg.qr),
        jax=qr_jax,
        layouts=("plain", "strided"),
    ),
    Case(
        name="qr",
        inputs=old_qr,
        jax=lambda a, _: qr_jax(a, "reduced"),
        layouts=("plain", "strided"),
    ),
    Case(
        name="linalg_householder_product",
        inputs=reflections,
        jax=lambda a, tau: reflected(a, tau)[..., : a.shape[-1]],
        layouts=LAYOUTS,
        torch_rtol=1e-6,
        reason="PyTorch's rule undoes each reflection: it divides by 1 - tau v'v, which may be nearly 0",
        covers=("orgqr",),
    ),
    Case(name="ormqr", inputs=acted_on, jax=acted_on_jax, layouts=("plain", "strided")),
]
