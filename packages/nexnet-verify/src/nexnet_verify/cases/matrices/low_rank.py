"""Decompositions from random products: with one seed, the same in PyTorch. U and V are compared by their product."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from nexnet.ops.matrices import low_rank

from .._case import Case, Sample
from .._draw import Draw

SOLID = ("plain", "strided")
DRAWN = 7
WITHOUT_JAX = "JAX has no such function"
STRIDES = "products over other strides add in another order, and what is left out of a low rank is sensitive to that"


def of_seed(decompose: Callable[..., Any]) -> Callable[..., Any]:
    """Draw the same vectors each time; give the singular values, and the matrix of low rank."""

    def call(*args: Any) -> Any:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(DRAWN)
            u, s, v = decompose(*args)
        return s, (u * s).matmul(v.mT)

    return call


def matrices(d: Draw) -> Sample:
    x = d.tensor(d.choice((4, 3), (3, 4)))
    return d.choice(Sample(x, 2, 1), Sample(x, 2), Sample(x, 3, 2, d.tensor((4,) if x.shape[1] == 4 else (3,))))


def samples(d: Draw) -> Sample:
    x = d.tensor((5, 3))
    return d.choice(Sample(x, 2), Sample(x, 2, False), Sample(x, 2, True, 1))


CASES = [
    Case(
        name=name,
        call=of_seed(getattr(low_rank, name)),
        torch=of_seed(getattr(torch, name)),
        inputs=inputs,
        without_jax=WITHOUT_JAX,
        layouts=SOLID,
    )
    for name, inputs in (("svd_lowrank", matrices), ("pca_lowrank", samples))
]
