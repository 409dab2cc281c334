"""Losses of a difference, away from their kinks."""

# ruff: noqa: ARG001, D103  a formula's pieces are described by their names

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from torch.nn import functional as F  # noqa: N812  torch's own name for it

import nexnet

from .._case import Case
from .._draw import REAL, Domain
from ._reduced import SOLID, pair, reduced, times_weight, weighted_last

# An input and a target whose distance is on one side or the other of the bound of the quadratic part, and not 0.
NEAR, FAR = Domain(0.2, 0.4), Domain(1.5, 2.5)
ZERO = Domain(-0.05, 0.05)


def mean_by_weight(losses: Any, weight: Any, reduction: str) -> Any:
    if weight is None:
        return reduced(losses, reduction)
    return jnp.sum(losses * weight) / jnp.sum(weight) if reduction == "mean" else reduced(losses * weight, reduction)


def huber(x: Any, t: Any, weight: Any, reduction: str, delta: float) -> Any:
    size = jnp.abs(x - t)
    return times_weight(jnp.where(size <= delta, size**2 / 2, delta * (size - delta / 2)), weight, reduction)


def smooth_l1(x: Any, t: Any, weight: None, reduction: str, beta: float) -> Any:
    size = jnp.abs(x - t)
    return reduced(jnp.where(size < beta, size**2 / (2 * beta), size - beta / 2) if beta else size, reduction)


CASES = [
    Case(
        name="mse_loss",
        call=weighted_last(nexnet.mse_loss),
        torch=weighted_last(F.mse_loss),
        inputs=pair((REAL, REAL), weighted=True),
        jax=lambda x, t, weight, reduction: mean_by_weight((x - t) ** 2, weight, reduction),
        layouts=SOLID,
    ),
    Case(
        name="l1_loss",
        call=weighted_last(nexnet.l1_loss),
        torch=weighted_last(F.l1_loss),
        inputs=pair((ZERO, NEAR), (NEAR, ZERO), weighted=True),
        jax=lambda x, t, weight, reduction: mean_by_weight(jnp.abs(x - t), weight, reduction),
        layouts=SOLID,
    ),
    Case(
        name="smooth_l1_loss",
        call=weighted_last(nexnet.smooth_l1_loss),
        torch=weighted_last(F.smooth_l1_loss),
        inputs=pair((ZERO, NEAR), (FAR, ZERO), (NEAR, ZERO), beta=(1.0, 0.7, 0)),
        jax=smooth_l1,
        layouts=SOLID,
    ),
    Case(
        name="huber_loss",
        call=weighted_last(nexnet.huber_loss),
        torch=weighted_last(F.huber_loss),
        inputs=pair((ZERO, NEAR), (FAR, ZERO), (NEAR, ZERO), weighted=True, delta=(1.0, 0.7)),
        jax=huber,
        layouts=SOLID,
    ),
]
