"""Sums of products by index letters."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from .._case import Case, Sample
from .._draw import Draw

EQUATIONS = (
    "ij,jk->ik",
    "ij,jk",
    "ii->i",
    "ii",
    "ij->ji",
    "ij->",
    "bij,bjk->bik",
    "...ij,...jk->...ik",
    "i,j->ij",
    "i,i",
    "ij,kj,k->i",
    "iij->j",
    "ij,ij->j",
    "bi,oij,bj->bo",
)
SIZES = {"i": 3, "j": 2, "k": 4, "b": 2, "o": 3}


def operands(d: Draw) -> Sample:
    equation = d.choice(*EQUATIONS)
    tensors = []
    for letters in equation.split("->")[0].split(","):
        shape = tuple(SIZES[letter] for letter in letters.replace("...", ""))
        tensors.append(d.tensor((*d.choice((2,), (), (1,)), *shape) if "..." in letters else shape))
    return Sample(equation, *tensors)


def einsum_jax(equation: str, *arrays: Any) -> Any:
    return jnp.einsum(equation, *arrays)


CASES = [
    Case(
        name="einsum",
        inputs=operands,
        jax=einsum_jax,
        layouts=("plain", "plain", "strided", "plain", "expanded", "plain", "plain"),
    ),
]
