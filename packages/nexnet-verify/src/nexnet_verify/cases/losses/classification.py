"""Losses of classes: class indices and probabilities, weights, an index to ignore, label smoothing."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy
import torch
from torch.nn import functional as F  # noqa: N812  torch's own name for it

import nexnet

from .._case import Case, Sample
from .._draw import POSITIVE, PROBABILITY, Draw
from ._reduced import REDUCTIONS, reduced

IGNORED = 1


def class_shapes(d: Draw) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """The input's shape, the target's, and the number of classes."""
    return d.choice(((4, 3), (4,), 3), ((3,), (), 3), ((2, 3, 2), (2, 2), 3), ((1, 5), (1,), 5))


def targets(d: Draw, shape: tuple[int, ...], classes: int) -> nexnet.LiteTensor:
    """Class indices, the first of which is not one to ignore (the mean of nothing is not a number)."""
    index = d.generator.integers(0, classes, shape)
    index = numpy.where(numpy.arange(index.size).reshape(shape) == 0, 2, index) if index.size else index
    return nexnet.LiteTensor(torch.from_numpy(numpy.asarray(index)))


def entropy_inputs(d: Draw) -> Sample:
    """Class indices or probabilities; a weight by class; an index to ignore; label smoothing."""
    shape, target_shape, classes = class_shapes(d)
    x, weight = d.tensor(shape), d.choice(None, d.tensor((classes,), POSITIVE))
    options = {"reduction": d.choice(*REDUCTIONS), "label_smoothing": d.choice(0.0, 0.2)}
    if d.choice(False, False, True):
        return Sample(x, d.tensor(shape, PROBABILITY), weight, **options)
    return Sample(x, targets(d, target_shape, classes), weight, ignore_index=d.choice(-100, IGNORED), **options)


def likelihood_inputs(d: Draw) -> Sample:
    shape, target_shape, classes = class_shapes(d)
    x, weight = d.tensor(shape), d.choice(None, d.tensor((classes,), POSITIVE))
    index = targets(d, target_shape, classes)
    return Sample(x, index, weight, ignore_index=d.choice(-100, IGNORED), reduction=d.choice(*REDUCTIONS))


def entropy(x: Any, t: Any, weight: Any, reduction: str, label_smoothing: float = 0.0, ignore_index: int = -100) -> Any:
    x = jnp.moveaxis(x, 1, -1) if x.ndim > 1 else x
    log_p = jax.nn.log_softmax(x, axis=-1)
    if not jnp.issubdtype(t.dtype, jnp.floating):
        return likelihood_of(log_p, t, weight, ignore_index, reduction, label_smoothing)
    t = jnp.moveaxis(t, 1, -1) if t.ndim > 1 else t
    t = t * (1 - label_smoothing) + label_smoothing / x.shape[-1]
    losses = -jnp.sum(log_p * t * (1.0 if weight is None else weight), axis=-1)
    return reduced(losses, reduction)


def likelihood(x: Any, t: Any, weight: Any, ignore_index: int, reduction: str) -> Any:
    return likelihood_of(jnp.moveaxis(x, 1, -1) if x.ndim > 1 else x, t, weight, ignore_index, reduction, 0.0)


def entropy_torch(x: Any, t: Any, weight: Any, label_smoothing: float, **options: Any) -> Any:
    if weight is None or t.dtype.is_floating_point:
        return F.cross_entropy(x, t, weight, label_smoothing=label_smoothing, **options)
    return likelihood_torch(F.log_softmax(x, 0 if x.ndim == 1 else 1), t, weight, smoothing=label_smoothing, **options)


def likelihood_torch(log_p: Any, t: Any, weight: Any, ignore_index: int, reduction: str, smoothing: float = 0.0) -> Any:
    """Differentiable by the weight as well, by which torch's own is not."""
    if weight is None:
        return F.nll_loss(log_p, t, ignore_index=ignore_index, reduction=reduction)
    kept = t != ignore_index
    index = torch.where(kept, t, 0)
    dim = 0 if log_p.ndim == 1 else 1
    picked = log_p.gather(dim, index.unsqueeze(dim)).squeeze(dim)
    spread = torch.tensordot(log_p.movedim(dim, -1), weight, 1) / len(weight)
    losses = torch.where(kept, -(1 - smoothing) * weight[index] * picked - smoothing * spread, 0)
    if reduction == "mean":
        return losses.sum() / torch.where(kept, weight[index], 0).sum()
    return losses if reduction == "none" else losses.sum()


def likelihood_of(log_p: Any, t: Any, weight: Any, ignore_index: int, reduction: str, smoothing: float) -> Any:
    weight = jnp.ones(log_p.shape[-1]) if weight is None else weight
    kept = t != ignore_index
    index = numpy.where(kept, t, 0)
    picked = jnp.take_along_axis(log_p, index[..., None], axis=-1)[..., 0]
    spread = jnp.sum(log_p * weight, axis=-1) / log_p.shape[-1]
    losses = jnp.where(kept, -(1 - smoothing) * weight[index] * picked - smoothing * spread, 0.0)
    if reduction == "mean":
        return jnp.sum(losses) / jnp.sum(jnp.where(kept, weight[index], 0.0))
    return reduced(losses, reduction)


def layer(d: Draw) -> Sample:
    x, w, b = d.tensor((4, 3)), d.tensor((5, 3)), d.choice(None, d.tensor((5,)))
    return Sample(x, w, d.index((4,), 5), b, reduction=d.choice(*REDUCTIONS))


def with_bias(fn: Any) -> Any:
    def call(x: Any, w: Any, t: Any, b: Any, reduction: str) -> Any:
        return fn(x, w, t, linear_bias=b, reduction=reduction)

    return call


def linear_cross_entropy(x: Any, w: Any, t: Any, linear_bias: Any, reduction: str) -> Any:
    logits = x @ w.T if linear_bias is None else x @ w.T + linear_bias
    return reduced(-jnp.take_along_axis(jax.nn.log_softmax(logits), t[:, None], 1)[:, 0], reduction)


CASES = [
    Case(
        name="nll_loss",
        inputs=likelihood_inputs,
        jax=likelihood,
        torch=likelihood_torch,
        layouts=("plain", "plain", "strided", "expanded"),
    ),
    Case(
        name="cross_entropy",
        inputs=entropy_inputs,
        jax=entropy,
        torch=entropy_torch,
        layouts=("plain", "plain", "strided", "expanded"),
    ),
    Case(
        name="linear_cross_entropy",
        call=with_bias(nexnet.linear_cross_entropy),
        inputs=layer,
        jax=linear_cross_entropy,
        torch=with_bias(
            lambda x, w, t, linear_bias, reduction: torch.nn.functional.cross_entropy(
                torch.nn.functional.linear(x, w, linear_bias), t, reduction=reduction
            )
        ),
        layouts=("plain", "strided"),
    ),
]
