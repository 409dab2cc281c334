"""Losses, with every reduction; away from the kinks of those that have some."""

# ruff: noqa: ARG001, D103  a formula's pieces are described by their names

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from torch.nn import functional as F  # noqa: N812  torch's own name for it

import nexnet
import nexnet.ops.loss

from ._case import Case, Sample
from ._draw import POSITIVE, PROBABILITY, REAL, Domain, Draw

SOLID = ("plain", "scalar", "strided", "expanded")  # the mean of nothing is not a number
REDUCTIONS = ("mean", "sum", "none")

# An input and a target whose distance is on one side or the other of the bound of the quadratic part, and not 0.
NEAR, FAR = Domain(0.2, 0.4), Domain(1.5, 2.5)
ZERO = Domain(-0.05, 0.05)


def reduced(losses: Any, reduction: str) -> Any:
    return losses if reduction == "none" else jnp.mean(losses) if reduction == "mean" else jnp.sum(losses)


def pair(
    *choices: tuple[Domain, Domain], weighted: bool = False, **options: tuple[Any, ...]
) -> Callable[[Draw], Sample]:
    """An input and a target of one shape, a weight perhaps, and options."""

    def inputs(d: Draw) -> Sample:
        left, right = d.choice(*choices)
        kwargs: dict[str, Any] = {name: d.choice(*values) for name, values in options.items()}
        kwargs["reduction"] = d.choice(*REDUCTIONS)
        shape = d.shape()
        x, t = d.tensor(shape, left), d.tensor(shape, right)
        return Sample(x, t, d.choice(None, d.tensor(shape, POSITIVE)) if weighted else None, **kwargs)

    return inputs


def weighted_last(loss: Callable[..., Any]) -> Callable[..., Any]:
    """Call a loss whose weight is a keyword; it may be differentiated by as well."""

    def call(x: Any, t: Any, weight: Any, **options: Any) -> Any:
        return loss(x, t, **options) if weight is None else loss(x, t, weight=weight, **options)

    return call


def mean_by_weight(losses: Any, weight: Any, reduction: str) -> Any:
    if weight is None:
        return reduced(losses, reduction)
    return jnp.sum(losses * weight) / jnp.sum(weight) if reduction == "mean" else reduced(losses * weight, reduction)


def times_weight(losses: Any, weight: Any, reduction: str) -> Any:
    return reduced(losses if weight is None else losses * weight, reduction)


def huber(x: Any, t: Any, weight: Any, reduction: str, delta: float) -> Any:
    size = jnp.abs(x - t)
    return times_weight(jnp.where(size <= delta, size**2 / 2, delta * (size - delta / 2)), weight, reduction)


def smooth_l1(x: Any, t: Any, weight: None, reduction: str, beta: float) -> Any:
    size = jnp.abs(x - t)
    return reduced(jnp.where(size < beta, size**2 / (2 * beta), size - beta / 2) if beta else size, reduction)


def binary(x: Any, t: Any, weight: Any, reduction: str) -> Any:
    return times_weight(-t * jnp.log(x) - (1 - t) * jnp.log(1 - x), weight, reduction)


def logits_inputs(d: Draw) -> Sample:
    shape = d.shape()
    x, t = d.tensor(shape), d.tensor(shape, PROBABILITY)
    weight, positive = d.choice(None, d.tensor(shape, POSITIVE)), d.choice(None, d.tensor(shape, POSITIVE))
    return Sample(x, t, weight, positive, d.choice(*REDUCTIONS))


def with_logits_call(x: Any, t: Any, weight: Any, positive: Any, reduction: str) -> Any:
    loss = nexnet.ops.loss.binary_cross_entropy_with_logits
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
        name="mse_loss",
        call=weighted_last(nexnet.ops.loss.mse_loss),
        torch=weighted_last(F.mse_loss),
        inputs=pair((REAL, REAL), weighted=True),
        jax=lambda x, t, weight, reduction: mean_by_weight((x - t) ** 2, weight, reduction),
        layouts=SOLID,
    ),
    Case(
        name="l1_loss",
        call=weighted_last(nexnet.ops.loss.l1_loss),
        torch=weighted_last(F.l1_loss),
        inputs=pair((ZERO, NEAR), (NEAR, ZERO), weighted=True),
        jax=lambda x, t, weight, reduction: mean_by_weight(jnp.abs(x - t), weight, reduction),
        layouts=SOLID,
    ),
    Case(
        name="smooth_l1_loss",
        call=weighted_last(nexnet.ops.loss.smooth_l1_loss),
        torch=weighted_last(F.smooth_l1_loss),
        inputs=pair((ZERO, NEAR), (FAR, ZERO), (NEAR, ZERO), beta=(1.0, 0.7, 0)),
        jax=smooth_l1,
        layouts=SOLID,
    ),
    Case(
        name="huber_loss",
        call=weighted_last(nexnet.ops.loss.huber_loss),
        torch=weighted_last(F.huber_loss),
        inputs=pair((ZERO, NEAR), (FAR, ZERO), (NEAR, ZERO), weighted=True, delta=(1.0, 0.7)),
        jax=huber,
        layouts=SOLID,
    ),
    Case(
        name="binary_cross_entropy",
        call=weighted_last(nexnet.ops.loss.binary_cross_entropy),
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
