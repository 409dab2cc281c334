"""New values at an index."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from typing import Any

import torch

from nexnet.ops.shapes.index_updates import Indexer

from ...torch_reference import as_torch
from .._case import Case, Sample
from .._draw import Draw
from .indexing import SOLID, plain


def put(method: str) -> Any:
    """x, values that broadcast to a part of it, and that part, by indices that do not repeat where one would win."""

    def inputs(d: Draw) -> Sample:
        x = d.tensor((3, 4, 2))
        rows = d.distinct_index(2, 3) if method == "set" else d.index((2,), 3)
        forms = [
            ((2, 4, 2), rows),
            ((3, 2), (slice(None), 1)),
            ((2,), (Ellipsis, 0, slice(None))),
            ((), (0, 1, 1)),
            ((2, 1, 2), (slice(0, 2),)),
            ((2, 2), (rows, d.index((2,), 4))),
            ((4, 1), d.mask((3,))),
            ((1, 4, 2), slice(1, 2)),
        ]
        shape, index = d.choice(*forms)
        return Sample(x, d.tensor(shape), index)

    return inputs


def put_call(method: str) -> Any:
    def call(x: Any, values: Any, index: Any) -> Any:
        return getattr(Indexer(x)[index], method)(values)

    def counterpart(x: Any, values: Any, index: Any) -> Any:
        return getattr(x.at[plain(index)], method)(values)

    def in_torch(x: Any, values: Any, index: Any) -> Any:
        index = as_torch(index)
        if method == "set":
            out = x.clone()
            out[index] = values
            return out
        places = torch.arange(x.numel()).reshape(x.shape)[index]  # they may repeat: then each value is added
        return x.reshape(-1).index_add(0, places.reshape(-1), values.expand(places.shape).reshape(-1)).view(x.shape)

    return {"call": call, "jax": counterpart, "torch": in_torch, "inputs": put(method)}


def index_put_inputs(d: Draw) -> Sample:
    x = d.tensor((3, 4))
    accumulate = d.flag()
    rows = d.index((2,), 3) if accumulate else d.distinct_index(2, 3)
    return d.choice(
        Sample(x, (rows, d.index((2,), 4)), d.tensor((2,)), accumulate), Sample(x, (rows,), d.tensor((4,)), accumulate)
    )


def index_put_jax(x: Any, indices: Any, values: Any, accumulate: bool) -> Any:
    place = x.at[tuple(plain(each) for each in indices)]
    return place.add(values) if accumulate else place.set(values)


CASES = [
    Case(name="at.set", **put_call("set"), layouts=("plain", "plain", *SOLID)),
    Case(name="at.add", **put_call("add"), layouts=("plain", "plain", *SOLID)),
    Case(name="index_put", inputs=index_put_inputs, jax=index_put_jax, layouts=SOLID),
]
