"""Dropout of every form, beside the same noise as torch draws it."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

import nexnet

from .._case import Case, Sample
from .._draw import Draw

DRAWN = 12  # the seed of every mask
LOWEST = -1.7580993408473766


def dropped(*shapes: tuple[int, ...]) -> Callable[[Draw], Sample]:
    def inputs(d: Draw) -> Sample:
        shape = d.choice(*shapes) if shapes else d.shape()
        return Sample(d.tensor(shape), d.choice(0.5, 0.2, 0.0, 1.0), d.choice(True, True, False))

    return inputs


def seeded(name: str) -> Callable[..., Any]:
    def call(x: Any, p: float, training: bool) -> Any:
        return getattr(nexnet.ops, name)(x, p, training, generator=torch.Generator().manual_seed(DRAWN))

    return call


def written_out(batch_dims: int | None, alpha: bool, constant: Callable[[Any], Any]) -> Callable[..., Any]:
    """N x + b with the mask that torch draws; of channels if ``batch_dims``, the number of dimensions with a batch."""

    def call(x: Any, p: float, training: bool) -> Any:
        if not training or p == 0:
            return x
        if p == 1:
            return x * 0.0
        shape = tuple(x.shape)
        if batch_dims is not None:
            lead = 2 if batch_dims == 0 or len(shape) == batch_dims else 1
            shape = shape[:lead] + (1,) * (len(shape) - lead)
        kept = torch.empty(shape, dtype=torch.float64).bernoulli_(1 - p, generator=torch.Generator().manual_seed(DRAWN))
        if not alpha:
            return x * constant(kept / (1 - p))
        a = 1 / math.sqrt((1 - p) * (1 + p * LOWEST**2))
        return x * constant(kept * a) + constant(a * LOWEST * (1 - kept) - a * p * LOWEST)

    return call


def case(name: str, batch_dims: int | None, alpha: bool, *shapes: tuple[int, ...]) -> Case:
    return Case(
        name=name,
        call=seeded(name),
        inputs=dropped(*shapes),
        jax=written_out(batch_dims, alpha, lambda each: each.numpy()),
        torch=written_out(batch_dims, alpha, lambda each: each),
        layouts=("plain", "plain", "plain", "plain") if shapes else ("plain", "scalar", "empty", "plain"),
        strided=False,
        reason="torch draws a mask in the order of memory: other strides are another mask",
    )


CASES = [
    case("dropout", None, False),
    case("alpha_dropout", None, True),
    case("feature_dropout", 0, False, (3, 4), (2, 3, 2)),
    case("feature_alpha_dropout", 0, True, (3, 4), (2, 3, 2)),
    case("dropout1d", 3, False, (2, 3, 2), (3, 2)),
    case("dropout2d", 4, False, (2, 3, 2, 2)),
    case("dropout3d", 5, False, (2, 3, 2, 1, 2), (3, 2, 1, 2)),
]
