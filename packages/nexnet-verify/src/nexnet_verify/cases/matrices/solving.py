"""Linear equations with as many unknowns, for matrices far from singular."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import torch

import nexnet
from nexnet.ops.matrices import solving

from .._case import Case, Sample
from .._draw import Draw
from .._matrices import LAYOUTS, batch, maybe_complex, order, regular

TO_BATCHES = (((), ()), ((2,), (2,)), ((2,), ()), ((), (2,)), ((2, 1), (3,)))


def square(d: Draw) -> Sample:
    n = order(d)
    return Sample(maybe_complex(d, regular(d, *batch(d), n, n)))


def equations(d: Draw) -> Sample:
    """A and B, of batches that broadcast, from either side; B a vector or not."""
    n, k = order(d), d.choice(2, 1)
    left, right = d.choice(*TO_BATCHES)
    if d.choice(False, False, True):
        return Sample(regular(d, *left, n, n), d.tensor(d.choice((n,), (*left, n))))
    if d.flag():
        k = 3 - k if (*right, k) == left else k  # else torch takes B for a batch of vectors, which have no right side
        return Sample(regular(d, *left, n, n), d.tensor((*right, k, n)), left=False)
    return Sample(regular(d, *left, n, n), d.tensor((*right, n, k)))


def solved(a: Any, b: Any, left: bool = True, vectors: bool = True) -> Any:
    if b.ndim == 1 or (b.ndim == a.ndim - 1 and b.shape == a.shape[:-1] and vectors):
        return jnp.linalg.solve(a, b[..., None])[..., 0]
    return jnp.linalg.inv(a) @ b if left else b @ jnp.linalg.inv(a)


def triangular(d: Draw) -> Sample:
    n, k = order(d), d.choice(2, 1)
    left, right = d.choice(*TO_BATCHES)
    side = d.choice(True, False)
    b = d.tensor((*right, n, k) if side else (*right, k, n))
    a = regular(d, *left, n, n, turned=False)
    return Sample(a, b, upper=d.flag(), left=side, unitriangular=d.choice(False, False, True))


def of_triangle(a: Any, upper: bool, unit: bool = False) -> Any:
    t = jnp.triu(a) if upper else jnp.tril(a)
    return t - t * jnp.eye(a.shape[-1]) + jnp.eye(a.shape[-1]) if unit else t


def triangular_jax(a: Any, b: Any, upper: bool, left: bool, unitriangular: bool) -> Any:
    return solved(of_triangle(a, upper, unitriangular), b, left, vectors=False)


def triangular_old(d: Draw) -> Sample:
    n, k = order(d, 3, 2), d.choice(2, 1)
    left, right = d.choice(*TO_BATCHES)
    options = d.choice((True, False, False), (False, True, False), (True, True, False), (False, False, True))
    return Sample(d.tensor((*right, n, k)), regular(d, *left, n, n, turned=False), *options)


def triangular_old_jax(b: Any, a: Any, upper: bool, transpose: bool, unit: bool) -> Any:
    t = of_triangle(a, upper, unit)
    whole = jnp.broadcast_to(a, (*jnp.broadcast_shapes(a.shape[:-2], b.shape[:-2]), *a.shape[-2:]))
    return solved(jnp.swapaxes(t, -1, -2) if transpose else t, b, vectors=False), whole


def folded(d: Draw) -> Sample:
    return Sample(nexnet.LiteTensor(regular(d, 6, 6).data.reshape(2, 3, 3, 2)), 2)


def folded_equations(d: Draw) -> Sample:
    if d.flag():
        return Sample(nexnet.LiteTensor(regular(d, 6, 6).data.reshape(2, 3, 6)), d.tensor((2, 3)))
    x = nexnet.LiteTensor(regular(d, 6, 6).data.reshape(2, 3, 2, 3).permute(2, 0, 1, 3).contiguous())
    return Sample(x, d.tensor((2, 3)), (0, 3))


def folded_jax(a: Any, b: Any, dims: Any = None) -> Any:
    return jnp.linalg.tensorsolve(a, b, axes=dims)


CASES = [
    Case(name="linalg_inv", inputs=square, jax=jnp.linalg.inv, layouts=LAYOUTS),
    Case(name="inverse", inputs=square, jax=jnp.linalg.inv, layouts=LAYOUTS),
    Case(
        name="linalg_inv_ex",
        call=lambda a: solving.linalg_inv_ex(a)[0],
        inputs=square,
        torch=lambda a: torch.linalg.inv_ex(a)[0],
        jax=jnp.linalg.inv,
        layouts=LAYOUTS,
    ),
    Case(name="linalg_tensorinv", inputs=folded, jax=jnp.linalg.tensorinv, layouts=("plain", "strided")),
    Case(name="linalg_solve", inputs=equations, jax=solved, layouts=LAYOUTS),
    Case(
        name="linalg_solve_ex",
        call=lambda a, b, left=True: solving.linalg_solve_ex(a, b, left=left)[0],
        inputs=equations,
        torch=lambda a, b, left=True: torch.linalg.solve_ex(a, b, left=left)[0],
        jax=solved,
        layouts=LAYOUTS,
    ),
    Case(name="linalg_tensorsolve", inputs=folded_equations, jax=folded_jax, layouts=("plain", "strided")),
    Case(name="linalg_solve_triangular", inputs=triangular, jax=triangular_jax, layouts=LAYOUTS),
    Case(name="triangular_solve", inputs=triangular_old, jax=triangular_old_jax, layouts=LAYOUTS),
]
