"""Products of matrices, added to a third."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from typing import Any

from .._case import Case, Sample
from .._draw import Draw
from .matmul import MATRICES, product


def scaled(*shapes: str) -> Any:
    """A sum with a product; the first may broadcast."""
    draw = product(*shapes)

    def inputs(d: Draw) -> Sample:
        c, a, b = draw(d).args
        if d.flag():
            c = d.tensor((b.shape[-1],))
        return Sample(c, a, b, beta=d.choice(1, 0.5), alpha=d.choice(1, -2.0))

    return inputs


def plus_product(c: Any, a: Any, b: Any, beta: float, alpha: float) -> Any:
    return beta * c + alpha * (a @ b)


CASES = [
    Case(name="addmm", inputs=scaled("mn", "mk", "kn"), jax=plus_product, layouts=MATRICES),
    Case(name="baddbmm", inputs=scaled("bmn", "bmk", "bkn"), jax=plus_product, layouts=MATRICES),
]
