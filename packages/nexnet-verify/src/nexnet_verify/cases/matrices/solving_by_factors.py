"""Linear equations of matrices that are factorised already."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import torch

import nexnet
from nexnet.ops.matrices import factoring

from .._case import Case, Sample
from .._draw import Draw
from .._matrices import LAYOUTS, batch, order, regular
from .solving import TO_BATCHES, of_triangle, solved


def factor(d: Draw) -> Sample:
    n = order(d)
    return Sample(regular(d, *batch(d), n, n, turned=False), d.flag())


def with_factor(d: Draw) -> Sample:
    n, k = order(d), d.choice(2, 1)
    left, right = d.choice(*TO_BATCHES)
    return Sample(d.tensor((*right, n, k)), regular(d, *left, n, n, turned=False), d.flag())


def gram(t: Any, upper: bool) -> Any:
    t = of_triangle(t, upper)
    return jnp.swapaxes(t, -1, -2) @ t if upper else t @ jnp.swapaxes(t, -1, -2)


def on_triangle(function: Any, place: int) -> Any:
    """A function of torch's, of the triangle that it reads: its gradient by the other one is not 0, as it should be."""

    def call(*args: Any) -> Any:
        given, upper = list(args), args[-1]
        given[place] = given[place].triu() if upper else given[place].tril()
        return function(*given)

    return call


def factored(d: Draw) -> Sample:
    n, k = order(d, 3, 2), d.choice(2, 1)
    front = d.choice((), (2,))
    side, adjoint = d.flag(), d.flag()
    b = d.tensor((*front, k, n) if side else (*front, n, k))
    lu = factoring.linalg_lu_factor(regular(d, *front, n, n))
    return Sample(nexnet.LiteTensor(lu[0].data), lu[1], b, left=not side, adjoint=adjoint)


def old_factored(d: Draw) -> Sample:
    lu, pivots, b = factored(d).args
    b = b if b.shape[-2] == lu.shape[-1] else nexnet.LiteTensor(b.data.mT.contiguous())
    return Sample(b, lu, pivots)


def rows_of(pivots: Any, n: int) -> Any:
    """The permutation that LAPACK's exchanges of rows make, as indices."""
    import numpy

    pivots = numpy.asarray(pivots)
    out = numpy.broadcast_to(numpy.arange(n), (*pivots.shape[:-1], n)).copy()
    for place in numpy.ndindex(pivots.shape[:-1]):
        for i, j in enumerate(pivots[place] - 1):
            out[place][[i, j]] = out[place][[j, i]]
    return jnp.asarray(out)


def lu_solved(lu: Any, pivots: Any, b: Any, left: bool = True, adjoint: bool = False) -> Any:
    n = lu.shape[-1]
    lower = jnp.tril(lu, -1) + jnp.eye(n)
    permutation = jnp.swapaxes(jnp.eye(n)[rows_of(pivots, n)], -1, -2)
    a = permutation @ lower @ jnp.triu(lu)
    return solved(jnp.swapaxes(a, -1, -2) if adjoint else a, b, left, vectors=False)


CASES = [
    Case(
        name="cholesky_solve",
        inputs=with_factor,
        jax=lambda b, t, upper: solved(gram(t, upper), b, vectors=False),
        torch=on_triangle(torch.cholesky_solve, 1),
        layouts=LAYOUTS,
    ),
    Case(
        name="cholesky_inverse",
        inputs=factor,
        jax=lambda t, upper: jnp.linalg.inv(gram(t, upper)),
        torch=on_triangle(torch.cholesky_inverse, 0),
        layouts=LAYOUTS,
    ),
    Case(name="linalg_lu_solve", inputs=factored, jax=lu_solved, layouts=("plain", "strided")),
    Case(
        name="lu_solve",
        inputs=old_factored,
        jax=lambda b, lu, pivots: lu_solved(lu, pivots, b),
        layouts=("plain", "strided"),
    ),
]
