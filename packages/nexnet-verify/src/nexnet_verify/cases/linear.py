"""The linear layer."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from typing import Any

from ._case import Case, Sample
from ._draw import Draw

LAYOUTS = ("plain", "strided", "expanded", "empty")


def affine(d: Draw) -> Sample:
    """X of any rank, W and perhaps b."""
    rows = d.choice((4,), (), (2, 3), (1,))
    inner, outer = d.choice((3, 2), (1, 4), (2, 1))
    if d.layout == "empty":
        rows = (0,)
    x, w, b = d.tensor((*rows, inner)), d.tensor((outer, inner)), d.tensor((outer,))
    return d.choice(Sample(x, w, b), Sample(x, w))


def linear_jax(x: Any, w: Any, b: Any = None) -> Any:
    return x @ w.T if b is None else x @ w.T + b


CASES = [
    Case(name="linear", inputs=affine, jax=linear_jax, layouts=LAYOUTS),
]
