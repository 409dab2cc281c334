"""Norms of matrices without ties, condition numbers, and the exponential."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import jax.scipy.linalg as jsl

from .._case import Case, Sample
from .._draw import Domain, Draw
from .._matrices import LAYOUTS, batch, maybe_complex, order, regular, tall
from ..reductions.norms import LAYOUTS as VECTOR_LAYOUTS
from ..reductions.norms import normed, vector_norm

ORDERS = ("fro", "nuc", 2, -2, 1, -1, math.inf, -math.inf)


def matrices(d: Draw) -> Any:
    m, n = d.choice((3, 2), (2, 3), (2, 2))
    return tall(d, *d.choice((), (2,)), m, n)


def normed_matrices(d: Draw) -> Sample:
    ord = d.choice(*ORDERS)
    return Sample(matrices(d), ord, (-1, -2) if d.flag() else (-2, -1), d.flag())


def matrix_norm(a: Any, ord: Any, dim: Any, keepdim: bool) -> Any:
    if ord in ("nuc", 2, -2):
        a, dim = (jnp.swapaxes(a, -1, -2), (-2, -1)) if dim == (-1, -2) else (a, dim)
    return jnp.linalg.norm(a, ord, axis=dim, keepdims=keepdim)


def vectors_or_matrices(d: Draw) -> Sample:
    if d.flag():
        return Sample(matrices(d), d.choice(*ORDERS), d.choice((-2, -1), (-1, -2)), d.flag())
    kind = d.choice("all", "rows", "vector")
    if kind == "vector":
        return Sample(d.tensor((3,), Domain(0.4, 2.0, distinct=True)), d.choice(2, 1, math.inf), None, False)
    return Sample(matrices(d), None if kind == "all" else 3, None if kind == "all" else -1, d.flag())


def any_norm(a: Any, ord: Any, dim: Any, keepdim: bool) -> Any:
    if ord is None:
        return jnp.sqrt((a * a).sum(keepdims=keepdim))
    if isinstance(dim, tuple):
        return matrix_norm(a, ord, dim, keepdim)
    return jnp.linalg.norm(a, ord, axis=dim, keepdims=keepdim)


def nuclear_too(d: Draw) -> Sample:
    if d.choice(False, False, True):
        return Sample(matrices(d), "nuc", (-2, -1), d.flag())
    return normed(d)


def norm_jax(a: Any, p: Any, dim: Any, keepdim: bool) -> Any:
    return matrix_norm(a, p, dim, keepdim) if p == "nuc" else vector_norm(a, p, dim, keepdim)


def except_dim(a: Any, p: int, dim: int) -> Any:
    others: Any = None if dim == -1 else tuple(i for i in range(a.ndim) if i != dim)
    return vector_norm(a, p, others, dim != -1)


def conditions(d: Draw) -> Sample:
    p = d.choice(None, 2, -2)
    if d.flag():
        return Sample(matrices(d), p)
    n = d.choice(3, 2)
    return Sample(regular(d, *d.choice((), (2,)), n, n), d.choice("fro", "nuc", 1, -1, math.inf, -math.inf))


def cond(a: Any, p: Any) -> Any:
    if p is None or p in (2, -2):
        s = jnp.linalg.svd(a, compute_uv=False)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    return matrix_norm(a, p, (-2, -1), False) * matrix_norm(jnp.linalg.inv(a), p, (-2, -1), False)


def small(d: Draw) -> Sample:
    n = order(d)
    return Sample(maybe_complex(d, d.tensor((*batch(d), n, n))))


def expm(a: Any) -> Any:
    if a.size == 0:
        return a
    return jnp.stack([jsl.expm(each) for each in a.reshape(-1, *a.shape[-2:])]).reshape(a.shape)


CASES = [
    Case(name="linalg_matrix_norm", inputs=normed_matrices, jax=matrix_norm, layouts=("plain", "strided")),
    Case(name="linalg_norm", inputs=vectors_or_matrices, jax=any_norm, layouts=("plain", "strided")),
    Case(
        name="frobenius_norm",
        inputs=lambda d: Sample(matrices(d), d.choice((-2, -1), (-1,)), d.flag()),
        jax=lambda a, dim, keepdim: jnp.sqrt((a * a).sum(dim, keepdims=keepdim)),
        layouts=("plain", "strided"),
    ),
    Case(
        name="nuclear_norm",
        inputs=lambda d: Sample(matrices(d), d.choice((-2, -1), (-1, -2)), d.flag()),
        jax=lambda a, dim, keepdim: matrix_norm(a, "nuc", dim, keepdim),
        layouts=("plain", "strided"),
    ),
    Case(
        name="norm_except_dim",
        inputs=lambda d: Sample(matrices(d), d.choice(2, 1), d.choice(0, 1, -1)),
        jax=except_dim,
        layouts=("plain", "strided"),
    ),
    Case(name="norm", inputs=nuclear_too, jax=norm_jax, layouts=VECTOR_LAYOUTS),
    Case(
        name="linalg_cond",
        inputs=conditions,
        jax=cond,
        layouts=("plain", "strided"),
        without_torch="torch.linalg.cond writes into what its own backward needs",
    ),
    Case(name="matrix_exp", inputs=small, jax=expm, layouts=(*LAYOUTS, "expanded")),
]
