"""Connectionist temporal classification, beside the sum over every path that spells the labels."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy
import torch

from nexnet.ops.losses import ctc

from .._case import Case, Sample
from .._draw import Draw
from ._reduced import REDUCTIONS

CLASSES = 3
LABELS = [[1, 2], [2, 2], [1, 0]]
LENGTHS, COUNTS = (4, 4, 2), (2, 2, 1)


def inputs(d: Draw) -> Sample:
    """Logarithms of probabilities that need not sum up to 1: PyTorch's own gradient wants that they do."""
    return Sample(d.tensor((4, 3, CLASSES)), d.choice(*REDUCTIONS))


def ctc_loss(x: Any, reduction: str) -> Any:
    return ctc.ctc_loss(x, torch.tensor(LABELS), LENGTHS, COUNTS, reduction=reduction)


def paths(n: int) -> numpy.ndarray[Any, Any]:
    """Every sequence of classes that spells the labels of an example, (T, paths)."""
    want = LABELS[n][: COUNTS[n]]
    found = [
        path
        for path in itertools.product(range(CLASSES), repeat=LENGTHS[n])
        if [key for key, _ in itertools.groupby(path) if key != 0] == want
    ]
    return numpy.array(found).T


def by_paths_jax(x: Any, reduction: str) -> Any:
    scores = [jnp.take_along_axis(x[: LENGTHS[n], n], paths(n), 1).sum(0) for n in range(3)]
    losses = jnp.stack([-jax.nn.logsumexp(each) for each in scores])
    if reduction == "mean":
        return jnp.mean(losses / jnp.asarray(COUNTS))
    return losses if reduction == "none" else jnp.sum(losses)


def by_paths_torch(x: torch.Tensor, reduction: str) -> torch.Tensor:
    scores = [x[: LENGTHS[n], n].gather(1, torch.from_numpy(paths(n))).sum(0) for n in range(3)]
    losses = torch.stack([-torch.logsumexp(each, 0) for each in scores])
    if reduction == "mean":
        return (losses / torch.tensor(COUNTS)).mean()
    return losses if reduction == "none" else losses.sum()


CASES = [
    Case(
        name="ctc_loss",
        call=ctc_loss,
        inputs=inputs,
        jax=by_paths_jax,
        torch=by_paths_torch,
        layouts=("plain", "strided", "expanded"),
    )
]
