"""Products of matrices and vectors."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from .._case import Case, Sample
from .._draw import COMPLEX, REAL, Domain, Draw

MATRICES = ("plain", "strided", "expanded", "empty")


def product(*shapes: str, domain: Domain = REAL) -> Any:
    """Tensors whose shapes are named by letters: ``product("mk", "kn")``."""

    def inputs(d: Draw) -> Sample:
        sizes = {"m": d.choice(3, 2, 1), "k": d.choice(2, 3, 1), "n": d.choice(4, 1, 2), "b": d.choice(2, 1, 3), "l": 2}
        if d.layout == "empty":
            sizes[d.choice("k", "m")] = 0
        return Sample(*[d.tensor(tuple(sizes[letter] for letter in shape), domain) for shape in shapes])

    return inputs


def any_rank(d: Draw) -> Sample:
    """Vectors, matrices and batches that broadcast, in every combination that torch.matmul takes."""
    letters = d.choice(("mk", "kn"), ("k", "k"), ("mk", "k"), ("k", "kn"), ("bmk", "kn"), ("bmk", "bkn"), ("mk", "bkn"),
                       ("k", "bkn"), ("bmk", "k"), ("lbmk", "bkn"), ("lomk", "bkn"))  # fmt: skip
    sizes = {"m": 3, "k": d.choice(2, 1), "n": d.choice(4, 1), "b": d.choice(2, 3), "l": 2, "o": 1}
    if d.layout == "empty":
        sizes[d.choice("k", "m", "n")] = 0
    return Sample(*[d.tensor(tuple(sizes[letter] for letter in shape)) for shape in letters])


def inner_inputs(d: Draw) -> Sample:
    left, right = d.choice(((2, 3), (4, 3)), ((3,), (3,)), ((2, 3), (3,)), ((), (2, 2)), ((2, 1, 3), (2, 2, 3)))
    return Sample(d.tensor(left), d.tensor(right))


def bilinear_inputs(d: Draw) -> Sample:
    rows = d.choice((3,), (), (2, 2))
    x, y, w = d.tensor((*rows, 2)), d.tensor((*rows, 3)), d.tensor((4, 2, 3))
    return d.choice(Sample(x, y, w, d.tensor((4,))), Sample(x, y, w))


def bilinear_jax(x: Any, y: Any, w: Any, b: Any = None) -> Any:
    out = jnp.einsum("...m,kmn,...n->...k", x, w, y)
    return out if b is None else out + b


CASES = [
    Case(name="matmul", inputs=any_rank, jax=jnp.matmul, layouts=("plain", *MATRICES, "plain")),
    Case(name="mm", inputs=product("mk", "kn"), jax=jnp.matmul, layouts=MATRICES),
    Case(name="bmm", inputs=product("bmk", "bkn"), jax=jnp.matmul, layouts=MATRICES),
    Case(name="mv", inputs=product("mk", "k"), jax=jnp.matmul, layouts=MATRICES),
    Case(name="dot", inputs=product("k", "k"), jax=jnp.dot, layouts=MATRICES),
    Case(name="vdot", inputs=product("k", "k", domain=COMPLEX), jax=jnp.vdot, layouts=MATRICES),
    Case(name="outer", inputs=product("m", "k"), jax=jnp.outer, layouts=MATRICES),
    Case(name="inner", inputs=inner_inputs, jax=jnp.inner, layouts=("plain", "strided", "expanded")),
    Case(name="bilinear", inputs=bilinear_inputs, jax=bilinear_jax, layouts=("plain", "strided", "expanded")),
]
