"""What the cases of losses share: inputs of one shape, weights, and every reduction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from .._case import Sample
from .._draw import POSITIVE, Domain, Draw

SOLID = ("plain", "scalar", "strided", "expanded")  # the mean of nothing is not a number
REDUCTIONS = ("mean", "sum", "none")


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


def times_weight(losses: Any, weight: Any, reduction: str) -> Any:
    return reduced(losses if weight is None else losses * weight, reduction)
