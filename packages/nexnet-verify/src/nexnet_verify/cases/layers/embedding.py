"""Embeddings: repeated indices, a row for padding, bags of every kind."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from itertools import pairwise
from typing import Any

import jax.numpy as jnp
import numpy
import torch
from torch.nn import functional as F  # noqa: N812  torch's own name for it

import nexnet

from .._case import Case, Sample
from .._draw import DISTINCT, Draw

ROWS = 5
TABLES = ("plain", "strided", "plain", "expanded")


def picked(d: Draw) -> Sample:
    """Indices that repeat. The row of the padding is not among them: its gradient is withheld by convention."""
    return Sample(d.index(d.choice((2, 3), (4,), ()), ROWS - 1), d.tensor((ROWS, 2)), d.choice(None, ROWS - 1, -1))


def bags(d: Draw) -> Sample:
    """Several modes; of sums, with a weight for each index or without."""
    mode = d.choice("sum", "mean", "max")
    table = d.tensor((ROWS, 2), DISTINCT)
    kwargs: dict[str, Any] = {"mode": mode, "padding_idx": d.choice(None, 2)}
    if d.flag():
        index, offsets = d.index((6,), ROWS), nexnet.LiteTensor(torch.tensor([0, 2, 2]))
        samples = d.choice(None, d.tensor((6,))) if mode == "sum" else None
        return Sample(index, table, offsets, samples, **kwargs)
    index = d.index((3, 2), ROWS)
    return Sample(index, table, None, d.choice(None, d.tensor((3, 2))) if mode == "sum" else None, **kwargs)


def weighted_bags(d: Draw) -> Sample:
    return Sample(d.index((3, 2), ROWS), d.tensor((ROWS, 2)), None, d.tensor((3, 2)), mode="sum", padding_idx=None)


def embedding_bag(index: Any, table: Any, offsets: Any, samples: Any, **kwargs: Any) -> Any:
    return nexnet.ops.embedding_bag(index, table, offsets, per_sample_weights=samples, **kwargs)


def embedding_bag_torch(index: Any, table: Any, offsets: Any, samples: Any, **kwargs: Any) -> Any:
    """Torch has no second derivative of the largest: gathered, by where torch found it."""
    if kwargs["mode"] != "max":
        return F.embedding_bag(index, table, offsets, per_sample_weights=samples, **kwargs)
    found = F.embedding_bag(index, table.detach(), offsets, **kwargs)
    same = (table.detach()[:, None] == found).double()  # the elements of the table differ
    empty = (same.sum(0, keepdim=True) == 0).double()
    return (table[:, None] * same * (1 - empty)).sum(0)


def embedding_bag_jax(index: Any, table: Any, offsets: Any, samples: Any, mode: str, padding_idx: Any) -> Any:
    index = numpy.asarray(index)
    samples = jnp.ones(index.shape) if samples is None else samples
    if index.ndim == 2:
        places: list[list[tuple[int, ...]]] = [[(i, j) for j in range(index.shape[1])] for i in range(index.shape[0])]
    else:
        starts = [*numpy.asarray(offsets).tolist(), len(index)]
        places = [[(i,) for i in range(a, b)] for a, b in pairwise(starts)]
    out = []
    for bag in places:
        rows = [table[index[at]] * samples[at] for at in bag if index[at] != padding_idx]
        if not rows:
            out.append(jnp.zeros(table.shape[1]))
        elif mode == "max":
            out.append(largest(rows))
        else:
            out.append(jnp.sum(jnp.stack(rows), 0) / (len(rows) if mode == "mean" else 1))
    return jnp.stack(out)


def largest(rows: list[Any]) -> Any:
    """The first of the largest in each column: JAX's own maximum splits the gradient between equal ones."""
    stacked = jnp.stack(rows)
    return jnp.take_along_axis(stacked, jnp.argmax(stacked, 0)[None], 0)[0]


CASES = [
    Case(name="embedding", inputs=picked, jax=lambda index, table, _: table[index], layouts=TABLES),
    Case(
        name="embedding_bag",
        call=embedding_bag,
        inputs=bags,
        jax=embedding_bag_jax,
        torch=embedding_bag_torch,
        layouts=("plain", "strided", "plain"),
    ),
    Case(
        name="embedding_bag.weighted",
        call=embedding_bag,
        inputs=weighted_bags,
        jax=embedding_bag_jax,
        torch=embedding_bag_torch,
        layouts=("plain", "strided"),
    ),
]
