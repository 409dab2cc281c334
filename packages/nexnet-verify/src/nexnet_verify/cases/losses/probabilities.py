"""Losses of probabilities."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from torch.nn import functional as F  # noqa: N812  torch's own name for it

import nexnet

from .._case import Case, Sample
from .._draw import POSITIVE, PROBABILITY, REAL, Draw
from ._reduced import REDUCTIONS, SOLID, pair, reduced, times_weight, weighted_last


def binary(x: Any, t: Any, weight: Any, reduction: str) -> Any:
    return times_weight(-t * jnp.log(x) - (1 - t) * jnp.log(1 - x), weight, reduction)


def logits_inputs(d: Draw) -> Sample:
    shape = d.shape()
    x, t = d.tensor(shape), d.tensor(shape, PROBABILITY)
    weight, positive = d.choice(None, d.tensor(shape, POSITIVE)), d.choice(None, d.tensor(shape, POSITIVE))
    return Sample(x, t, weight, positive, d.choice(*REDUCTIONS))


def with_logits_call(x: Any, t: Any, weight: Any, positive: Any, reduction: str) -> Any:
    loss = nexnet.binary_cross_entropy_with_logits
    return loss(x, t, weight, reduction=reduction, pos_weight=positive)


def binary_torch(x: Any, t: Any, weight: Any, reduction: str) -> Any:
    """Differentiable by the weight as well, by which torch's own is not."""
    if weight is None:
        return F.binary_cross_entropy(x, t, reduction=reduction)
    losses = F.binary_cross_entropy(x, t, reduction="none") * weight
    return losses if reduction == "none" else getattr(losses, reduction)()


def with_logits_torch(x: Any, t: Any, weight: Any, positive: Any, reduction: str) -> Any:
    """Differentiable by the weights as well, by which torch's own is not."""
    if weight is None and positive is None:
        return F.binary_cross_entropy_with_logits(x, t, reduction=reduction)
    losses = (1 - t) * x - (1 + ((1 if positive is None else positive) - 1) * t) * F.logsigmoid(x)
    losses = losses if weight is None else losses * weight
    return losses if reduction == "none" else getattr(losses, reduction)()


def with_logits(x: Any, t: Any, weight: Any, positive: Any, reduction: str) -> Any:
    positive = 1.0 if positive is None else positive
    losses = (1 - t) * x - (1 + (positive - 1) * t) * jax.nn.log_sigmoid(x)
    return times_weight(losses, weight, reduction)


def divergence_inputs(d: Draw) -> Sample:
    shape, log_target = d.shape(), d.flag()
    t = d.tensor(shape, REAL if log_target else PROBABILITY)
    return Sample(d.tensor(shape), t, reduction=d.choice(*REDUCTIONS, "batchmean"), log_target=log_target)


def divergence(x: Any, t: Any, reduction: str, log_target: bool) -> Any:
    losses = jnp.exp(t) * (t - x) if log_target else t * (jnp.log(t) - x)
    return jnp.sum(losses) / (x.shape[0] if x.ndim else 1) if reduction == "batchmean" else reduced(losses, reduction)


CASES = [
    Case(
        name="binary_cross_entropy",
        call=weighted_last(nexnet.binary_cross_entropy),
        torch=binary_torch,
        inputs=pair((PROBABILITY, PROBABILITY), weighted=True),
        jax=binary,
        layouts=SOLID,
    ),
    Case(
        name="binary_cross_entropy_with_logits",
        call=with_logits_call,
        torch=with_logits_torch,
        inputs=logits_inputs,
        jax=with_logits,
        layouts=SOLID,
    ),
    Case(name="kl_div", inputs=divergence_inputs, jax=divergence, layouts=SOLID),
]
