"""softmax and its family, along any dimension."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import torch

import nexnet

from .._case import Case, Sample
from .._draw import Draw

DRAWN = 12  # the seed of gumbel_softmax's noise


def along(d: Draw) -> Sample:
    x = d.tensor()
    return Sample(x, d.dim(x.ndim))


def over(normalise: Callable[..., Any]) -> Callable[..., Any]:
    """JAX's softmax has no dimension of a scalar."""
    return lambda x, dim: normalise(x, axis=dim) if x.ndim else normalise(x[None], axis=0)[0]


def noisy(d: Draw) -> Sample:
    x = d.tensor(low=1)
    return Sample(x, d.choice(1.0, 0.7), d.dim(x.ndim))


def gumbel_softmax(x: Any, tau: float, dim: int) -> Any:
    return nexnet.ops.gumbel_softmax(x, tau, dim=dim, generator=torch.Generator().manual_seed(DRAWN))


def noise(shape: Any) -> torch.Tensor:
    """The same noise, as torch draws it."""
    drawn = torch.empty(tuple(shape), dtype=torch.float64).exponential_(generator=torch.Generator().manual_seed(DRAWN))
    return -drawn.log()


CASES = [
    Case(name="softmax", inputs=along, jax=over(jax.nn.softmax)),
    Case(name="log_softmax", inputs=along, jax=over(jax.nn.log_softmax)),
    Case(name="softmin", inputs=along, jax=over(lambda x, axis: jax.nn.softmax(-x, axis))),
    Case(
        name="gumbel_softmax",
        call=gumbel_softmax,
        inputs=noisy,
        jax=lambda x, tau, dim: jax.nn.softmax((x + noise(x.shape).numpy()) / tau, axis=dim),
        torch=lambda x, tau, dim: torch.softmax((x + noise(x.shape)) / tau, dim),
        float32_rtol=1e-4,
        reason="the noise is drawn in the input's precision",
    ),
]
