"""Products beyond those of two matrices."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

import itertools
from typing import Any

import jax.numpy as jnp
import torch

from nexnet.ops.matrices import matrix_products

from .._case import Case, Sample
from .._draw import Draw
from .._matrices import LAYOUTS, batch, order, regular
from .addmm import scaled
from .matmul import MATRICES

PLAIN = ("plain", "strided", "expanded")


def plus_matrix_vector(c: Any, a: Any, v: Any, beta: float, alpha: float) -> Any:
    return beta * c + alpha * (a @ v)


def plus_outer(c: Any, a: Any, b: Any, beta: float, alpha: float) -> Any:
    return beta * c + alpha * jnp.outer(a, b)


def plus_batch(c: Any, a: Any, b: Any, beta: float, alpha: float) -> Any:
    return beta * c + alpha * (a @ b).sum(0)


def vector_sum(d: Draw) -> Sample:
    m, k = d.choice(3, 1), 0 if d.layout == "empty" else d.choice(2, 1)
    c = d.tensor((d.choice(m, 1),))
    return Sample(c, d.tensor((m, k)), d.tensor((k,)), beta=d.choice(1, 0.5), alpha=d.choice(1, -2.0))


def outer_sum(d: Draw) -> Sample:
    m, n = d.choice(3, 1), 0 if d.layout == "empty" else d.choice(2, 1)
    c = d.tensor(d.choice((m, n), (n,), (m, 1)))
    return Sample(c, d.tensor((m,)), d.tensor((n,)), beta=d.choice(1, 0.5), alpha=d.choice(1, -2.0))


def chain(d: Draw) -> Sample:
    sizes = [d.choice(2, 5, 1), d.choice(3, 1), d.choice(1, 4), d.choice(2, 3), d.choice(3, 1)][: d.choice(5, 4, 3)]
    if d.layout == "empty":
        sizes[d.integer(0, len(sizes) - 1)] = 0
    return Sample(*[d.tensor(each) for each in itertools.pairwise(sizes)])


def chain_with_ends(d: Draw) -> Sample:
    tensors = list(chain(d).args)
    first, last = d.choice((False, False), (True, False), (False, True), (True, True))
    if first:
        tensors[0] = d.tensor(tensors[0].shape[1:])
    if last:
        tensors[-1] = d.tensor(tensors[-1].shape[:1])
    return Sample(tensors)


def powers(d: Draw) -> Sample:
    n = order(d)
    return Sample(regular(d, *batch(d), n, n), d.choice(3, 2, -2, 5, 1, -1, 0))


def dots(d: Draw) -> Sample:
    left, right = d.choice(((2, 3), (2, 3)), ((3,), (3,)), ((2, 3), (3,)), ((2, 1, 3), (4, 3)), ((2, 3), (2, 1)))
    if d.layout == "empty":
        left = right = d.choice((0,), (2, 0), (0, 2))
    return Sample(d.tensor(left), d.tensor(right), dim=-1)


def blocks(d: Draw) -> Sample:
    left, right = d.choice(((2, 3), (3, 2)), ((2,), (3,)), ((2,), (2, 1, 2)), ((2, 1, 2), (2,)), ((), (2,)), ((), ()))
    if d.layout == "empty":
        left = (0, 2)
    return Sample(d.tensor(left), d.tensor(right))


def contracted(d: Draw) -> Sample:
    a, b, dims = d.choice(
        ((2, 3, 2), (3, 2, 4), 2),
        ((2, 3), (3, 2), 1),
        ((2, 3), (2,), 0),
        ((2, 3, 4), (4, 2, 2), ([2, 0], [0, 1])),
        ((2, 3), (3, 2), ([0, 1], [1, 0])),
        ((2, 3), (4, 3), ([-1], [-1])),
    )
    if d.layout == "empty":
        a, b, dims = (2, 0), (0, 3), 1
    return Sample(d.tensor(a), d.tensor(b), dims)


def crossed(d: Draw) -> Sample:
    left, right, dim = d.choice(
        ((3,), (3,), -1), ((2, 3), (2, 3), -1), ((2, 3), (1, 3), 1), ((3, 2), (3, 1), 0), ((4, 3, 2), (4, 3, 2), 1)
    )
    if d.layout == "empty":
        left = right = (0, 3)
        dim = -1
    return Sample(d.tensor(left), d.tensor(right), dim)


def cross_jax(a: Any, b: Any, dim: int) -> Any:
    a, b = jnp.broadcast_arrays(a, b)
    return jnp.cross(a, b, axis=dim)


def columns(d: Draw) -> Sample:
    n = 0 if d.layout == "empty" else d.choice(3, 1, 2)
    return Sample(d.tensor((*d.choice((), (2,)), n)), N=d.choice(4, 2, 3))


def columns_of_vector(d: Draw) -> Sample:
    n = 0 if d.layout == "empty" else d.choice(3, 1, 2)
    return Sample(d.tensor((n,)), d.choice(4, 2, 1), d.flag())


def rising(x: Any, N: int) -> Any:  # noqa: N803
    return jnp.stack([x**k for k in range(N)], -1)


CASES = [
    Case(name="addmv", inputs=vector_sum, jax=plus_matrix_vector, layouts=MATRICES),
    Case(name="addr", inputs=outer_sum, jax=plus_outer, layouts=MATRICES),
    Case(name="addbmm", inputs=scaled("mn", "bmk", "bkn"), jax=plus_batch, layouts=MATRICES),
    Case(name="chain_matmul", inputs=chain, jax=lambda *a: jnp.linalg.multi_dot(a), layouts=MATRICES),
    Case(name="linalg_multi_dot", inputs=chain_with_ends, jax=jnp.linalg.multi_dot, layouts=MATRICES),
    Case(name="matrix_power", inputs=powers, jax=jnp.linalg.matrix_power, layouts=LAYOUTS),
    Case(name="linalg_vecdot", inputs=dots, jax=lambda x, y, dim: (x * y).sum(dim), layouts=MATRICES),
    Case(name="kron", inputs=blocks, jax=jnp.kron, layouts=MATRICES),
    Case(name="tensordot", inputs=contracted, jax=jnp.tensordot, layouts=MATRICES),
    Case(
        name="linalg_cross",
        call=lambda a, b, dim: matrix_products.linalg_cross(a, b, dim=dim),
        inputs=crossed,
        torch=lambda a, b, dim: torch.linalg.cross(a, b, dim=dim),
        jax=cross_jax,
        layouts=MATRICES,
    ),
    Case(name="cross", inputs=crossed, jax=cross_jax, layouts=MATRICES),
    Case(name="linalg_vander", inputs=columns, jax=rising, layouts=MATRICES),
    Case(
        name="vander",
        inputs=columns_of_vector,
        jax=lambda x, n, up: rising(x, n) if up else rising(x, n)[..., ::-1],
        without_torch="torch.vander can't be differentiated: it writes into what its own backward needs",
        layouts=MATRICES,
    ),
]
