"""Losses with margins, on either side of their hinges."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy
import torch

import nexnet

from .._case import Case, Sample
from .._draw import DISTINCT, NONZERO, PROBABILITY, Domain, Draw
from ._reduced import REDUCTIONS, SOLID, reduced

AROUND_ONE = Domain(-2.0, 2.0, avoid=(1.0,), margin=0.2)
FAR = Domain(3.5, 5.0)  # further from REAL than any margin here
CLASSES = ("plain", "plain", "strided")


def signs(d: Draw, shape: Any) -> nexnet.LiteTensor:
    return nexnet.LiteTensor(d.index(shape, 2).data * 2 - 1)


def alike(d: Draw) -> Sample:
    shape = d.shape()
    return Sample(d.tensor(shape, AROUND_ONE), signs(d, shape), reduction=d.choice(*REDUCTIONS))


def hinge(x: Any, t: Any, reduction: str) -> Any:
    return reduced(jnp.where(t == 1, x, jnp.maximum(1 - x, 0)), reduction)


def ranked(d: Draw) -> Sample:
    """Numbers far apart, one way or the other: a tie is a kink."""
    shape = d.shape()
    pair = d.tensor(shape), d.tensor(shape, FAR)
    x1, x2 = d.choice(pair, pair[::-1])
    return Sample(x1, x2, signs(d, shape), d.choice(0, 0.5), reduction=d.choice(*REDUCTIONS))


def ranking(x1: Any, x2: Any, t: Any, margin: float, reduction: str) -> Any:
    return reduced(jnp.maximum(-t * (x1 - x2) + margin, 0), reduction)


def directions(d: Draw) -> Sample:
    """The margin is beyond every cosine, or below it."""
    shape = d.choice((3, 2), (4,), (2, 3))
    pair = d.tensor(shape, NONZERO), d.tensor(shape, NONZERO), signs(d, shape[:-1])
    return Sample(*pair, d.choice(-1.1, 1.1), reduction=d.choice(*REDUCTIONS))


def cosine_embedding(x1: Any, x2: Any, t: Any, margin: float, reduction: str) -> Any:
    cosine = jnp.sum(x1 * x2, -1) / jnp.sqrt((jnp.sum(x1 * x1, -1) + 1e-12) * (jnp.sum(x2 * x2, -1) + 1e-12))
    return reduced(jnp.where(t == 1, 1 - cosine, jnp.maximum(cosine - margin, 0)), reduction)


def triplets(d: Draw) -> Sample:
    shape = d.choice((3, 2), (4,), (2, 3))
    near, far = d.tensor(shape, Domain(3.0, 4.0)), d.tensor(shape, Domain(-9.0, -7.0))
    positive, negative = d.choice((near, far), (far, near))
    swap = d.flag()
    return Sample(d.tensor(shape), positive, negative, swap=swap, reduction=d.choice(*REDUCTIONS))


def triplet(a: Any, p: Any, n: Any, swap: bool, reduction: str) -> Any:
    def distance(x: Any, y: Any) -> Any:
        return jnp.sqrt(jnp.sum((x - y + 1e-6) ** 2, -1))

    far = jnp.minimum(distance(a, n), distance(p, n)) if swap else distance(a, n)
    return reduced(jnp.maximum(distance(a, p) - far + 1, 0), reduction)


def classes(d: Draw) -> Sample:
    """Scores of which no two differ by the margin."""
    shape = d.choice((4, 3), (3,), (1, 5))
    target = d.index(shape[:-1], shape[-1])
    return Sample(d.tensor(shape, DISTINCT), target, d.choice(1, 2), 2.1357, reduction=d.choice(*REDUCTIONS))


def multi_margin(gather: Callable[..., Any], xp: Any) -> Callable[..., Any]:
    def loss(x: Any, t: Any, p: int, margin: float, reduction: str) -> Any:
        own = gather(x, t)
        z = xp.where(margin - own + x > 0, margin - own + x, 0.0) ** p
        other = numpy.arange(x.shape[-1]) != numpy.asarray(t)[..., None]
        losses = (z * xp.asarray(other)).sum(-1) / x.shape[-1]
        return losses if reduction == "none" else losses.mean() if reduction == "mean" else losses.sum()

    return loss


def labelled(d: Draw) -> Sample:
    shape = d.choice((3, 4), (4,))
    labels = torch.tensor([[3, 0, -1, 1], [1, -1, 2, 0], [2, 3, 1, -1]])
    # Differences of scores are multiples of 0.7 and never 1: the loss is linear around each.
    order = torch.from_numpy(d.generator.permuted(numpy.tile(numpy.arange(4.0), (3, 1)), axis=1)) * 0.7
    x = d.tensor(shape, Domain(-0.02, 0.02)) + nexnet.LiteTensor(order if len(shape) == 2 else order[0])
    target = nexnet.LiteTensor(labels if len(shape) == 2 else labels[0])
    return Sample(x, target, reduction=d.choice(*REDUCTIONS))


def multilabel_margin(minimum: Callable[[Any], Any], zeros: Callable[[Any], Any]) -> Callable[..., Any]:
    def loss(x: Any, t: Any, reduction: str) -> Any:
        rows = []
        table = numpy.asarray(t).reshape(-1, x.shape[-1])
        for i, row in enumerate(table.tolist()):
            labels = row[: row.index(-1)] if -1 in row else row
            total = zeros(x.dtype)
            for label in labels:
                for other in range(len(row)):
                    if other not in labels:
                        score = x if len(x.shape) == 1 else x[i]
                        total = total + minimum(1 - (score[label] - score[other])) / len(row)
            rows.append(total)
        total = sum(rows[1:], rows[0])
        if reduction == "none":
            return rows[0] if len(x.shape) == 1 else stack(rows)
        return total / len(rows) if reduction == "mean" else total

    def stack(rows: list[Any]) -> Any:
        return torch.stack(rows) if isinstance(rows[0], torch.Tensor) else jnp.stack(rows)

    return loss


def soft(d: Draw) -> Sample:
    shape = d.shape()
    return Sample(d.tensor(shape), d.tensor(shape, NONZERO), reduction=d.choice(*REDUCTIONS))


def soft_margin_torch(x: torch.Tensor, t: torch.Tensor, reduction: str) -> torch.Tensor:
    """By the target too, by which torch has no gradient; in the scores' dtype, as torch's."""
    losses = torch.nn.functional.softplus(-t.to(x.dtype) * x)
    return losses if reduction == "none" else losses.mean() if reduction == "mean" else losses.sum()


def multilabel(d: Draw) -> Sample:
    shape = d.choice((4, 3), (3,), (2, 2, 3))
    weight = d.choice(None, d.tensor((3,), NONZERO))
    return Sample(d.tensor(shape), d.tensor(shape, PROBABILITY), weight, reduction=d.choice(*REDUCTIONS))


def multilabel_soft(x: Any, t: Any, weight: Any, reduction: str) -> Any:
    losses = -t * jax.nn.log_sigmoid(x) - (1 - t) * jax.nn.log_sigmoid(-x)
    return reduced(jnp.mean(losses if weight is None else losses * weight, -1), reduction)


CASES = [
    Case(name="hinge_embedding_loss", inputs=alike, jax=hinge, layouts=SOLID),
    Case(name="margin_ranking_loss", inputs=ranked, jax=ranking, layouts=SOLID),
    Case(name="cosine_embedding_loss", inputs=directions, jax=cosine_embedding, layouts=("plain", "strided", "plain")),
    Case(name="triplet_margin_loss", inputs=triplets, jax=triplet, layouts=("plain", "strided")),
    Case(name="triplet_margin_with_distance_loss", inputs=triplets, jax=triplet, layouts=("plain", "strided")),
    Case(
        name="multi_margin_loss",
        inputs=classes,
        jax=multi_margin(lambda x, t: jnp.take_along_axis(x, t[..., None], -1), jnp),
        torch=multi_margin(lambda x, t: torch.gather(x, -1, t[..., None]), torch),
        layouts=CLASSES,
    ),
    Case(
        name="multilabel_margin_loss",
        inputs=labelled,
        jax=multilabel_margin(lambda z: jnp.maximum(z, 0.0), lambda dtype: jnp.zeros((), dtype)),
        torch=multilabel_margin(lambda z: torch.clamp(z, min=0.0), lambda dtype: torch.zeros((), dtype=dtype)),
        layouts=CLASSES,
    ),
    Case(
        name="soft_margin_loss",
        inputs=soft,
        jax=lambda x, t, reduction: reduced(jax.nn.softplus(-t * x), reduction),
        torch=soft_margin_torch,
        layouts=SOLID,
    ),
    Case(name="multilabel_soft_margin_loss", inputs=multilabel, jax=multilabel_soft, layouts=CLASSES),
]
