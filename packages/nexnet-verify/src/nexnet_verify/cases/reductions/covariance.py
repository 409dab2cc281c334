"""Covariance and correlation, of variables that vary."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import torch

import nexnet
from nexnet.ops.reductions import covariance

from .._case import Case, Sample
from .._draw import POSITIVE, Draw


def observed(d: Draw) -> Any:
    return d.tensor(d.choice((3, 4), (2, 3), (4,), (1, 4)))


def several(d: Draw) -> Sample:
    """Two variables or more: one alone has the constant correlation 1."""
    return Sample(d.tensor(d.choice((3, 4), (2, 3))))


def weighted(d: Draw) -> Sample:
    x = observed(d)
    count = x.shape[-1]
    counts = nexnet.LiteTensor(torch.tensor([1, 3, 2, 1][:count])) if d.flag() else None
    weights = d.tensor((count,), POSITIVE) if d.flag() else None
    return Sample(x, d.choice(1, 0), counts, weights)


def cov(x: Any, correction: int, counts: Any, weights: Any) -> Any:
    return covariance.cov(x, correction=correction, fweights=counts, aweights=weights)


def cov_torch(x: Any, correction: int, counts: Any, weights: Any) -> Any:
    return torch.cov(x, correction=correction, fweights=counts, aweights=weights)


def cov_jax(x: Any, correction: int, counts: Any, weights: Any) -> Any:
    return jnp.cov(x, ddof=correction, fweights=counts, aweights=weights)


CASES = [
    Case(name="cov", call=cov, inputs=weighted, torch=cov_torch, jax=cov_jax, layouts=("plain", "strided")),
    Case(name="corrcoef", inputs=several, jax=jnp.corrcoef, layouts=("plain", "strided")),
]
