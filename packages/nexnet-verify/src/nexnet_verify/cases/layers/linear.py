"""The linear layer, alone and with the ReLU that so often follows it."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from typing import Any

import jax
import torch

from .._case import Case, Sample
from .._draw import POSITIVE, Domain, Draw

LAYOUTS = ("plain", "strided", "expanded", "empty")
FAR_ABOVE, FAR_BELOW = Domain(15.0, 17.0), Domain(-17.0, -15.0)  # of products of three numbers up to 2 each


def affine(d: Draw) -> Sample:
    """X of any rank, W and perhaps b, which may be broadcast."""
    rows = d.choice((4,), (), (2, 3), (1,))
    inner, outer = d.choice((3, 2), (1, 4), (2, 1))
    if d.layout == "empty":
        rows = (0,)
    x, w, b = d.tensor((*rows, inner)), d.tensor((outer, inner)), d.tensor(d.choice((outer,), (outer,), (1,)))
    return d.choice(Sample(x, w, b), Sample(x, w))


def away_from_kinks(d: Draw) -> Sample:
    """What is affine, with a bias that leads every output to one side of 0 or to the other."""
    x, w = affine(d).args[:2]
    if d.flag():
        return Sample(x, w, d.tensor((w.shape[0],), domain=d.choice(FAR_ABOVE, FAR_BELOW)))
    return Sample(d.tensor(tuple(x.shape), POSITIVE), d.tensor(tuple(w.shape), POSITIVE))


def linear_jax(x: Any, w: Any, b: Any = None) -> Any:
    return x @ w.T if b is None else x @ w.T + b


CASES = [
    Case(name="linear", inputs=affine, jax=linear_jax, layouts=LAYOUTS),
    Case(
        name="linear_relu",
        inputs=away_from_kinks,
        jax=lambda x, w, b=None: jax.nn.relu(linear_jax(x, w, b)),
        torch=lambda x, w, b=None: torch.nn.functional.linear(x, w, b).relu(),
        layouts=LAYOUTS,
    ),
]
