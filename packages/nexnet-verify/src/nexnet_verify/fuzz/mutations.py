"""Right calls of every operator, made wrong: in values, sizes, ranks, dtypes, numbers and types."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy
import optree
import torch
from torch import Tensor

import nexnet

from ..cases import Case, Sample
from ..problem import NAMESPACE
from ..walking import differentiable_cases, samples

__all__ = ["Mutation", "call_text", "hostile_types", "hostile_values", "kernels"]

#: A place in the leaves of a call's arguments, and what comes there; in words.
Mutation = tuple[str, dict[int, Any]]

NUMBERS = (0, -1, -5, 17, 1000, -(2**62))
FLOATS = (math.nan, math.inf, -1.0, 0.0, 1e300)
DTYPES = (
    torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.uint8, torch.bool, torch.complex128,
)  # fmt: skip


def _filled(x: Tensor, value: float) -> Tensor:
    return torch.full_like(x, value)


def _one(x: Tensor, value: float) -> Tensor:
    out = x.clone(memory_format=torch.contiguous_format)
    out.view(-1)[out.numel() // 2 :][:1] = value
    return out


_VALUES: dict[str, Callable[[Tensor], Tensor]] = {
    "nan": lambda x: _filled(x, math.nan),
    "a nan": lambda x: _one(x, math.nan),
    "inf": lambda x: _filled(x, math.inf),
    "an inf": lambda x: _one(x, -math.inf),
    "the largest number": lambda x: _filled(x, torch.finfo(x.dtype).max),
    "zeros": lambda x: _filled(x, 0.0),
}

_INDICES: dict[str, Callable[[Tensor], Tensor]] = {
    "an index of 10 million": lambda x: _one(x, 10_000_000),
    "an index of -10 million": lambda x: _one(x, -10_000_000),
    "an index of -1": lambda x: _one(x, -1),
    "indices one too large": lambda x: x + 1,
}

_SHAPES: dict[str, Callable[[Tensor], Tensor]] = {
    "no dimensions": lambda x: x.reshape(-1)[0],
    "flat": lambda x: x.reshape(-1),
    "a dimension more": lambda x: x[None],
    "a dimension less": lambda x: x[0],
    "one element only": lambda x: x.reshape(-1)[:1],
    "twice": lambda x: torch.cat([x, x]) if x.ndim else x,
}


def kernels() -> list[Case]:
    """Give the cases of all operators, those of one name once."""
    return list({(case.kind, case.name): case for case in differentiable_cases()}.values())


@functools.lru_cache(maxsize=8)
def right_calls(name: str, kind: str) -> list[tuple[str, Sample]]:
    """Give right calls of an operator, of which no two are of one structure."""
    found: dict[str, tuple[str, Sample]] = {}
    for layout, sample in samples(name, kind):
        if layout in ("plain", "scalar", "empty"):
            found.setdefault(str(sample), (layout, sample))
    return list(found.values())


def _leaves(sample: Sample) -> list[Any]:
    return list(optree.tree_leaves((sample.args, sample.kwargs), none_is_leaf=True, namespace=NAMESPACE))


def hostile_values(sample: Sample) -> Iterator[Mutation]:
    """Give what torch's front door would have checked: sizes of 0, nan, indices out of range, ranks and dtypes."""
    leaves = _leaves(sample)
    tensors = {i: leaf.data for i, leaf in enumerate(leaves) if isinstance(leaf, nexnet.LiteTensor)}
    tensors |= {i: leaf for i, leaf in enumerate(leaves) if isinstance(leaf, Tensor)}
    yield "nothing", {}
    batch = {i: x[:0] for i, x in tensors.items() if x.ndim}
    if len(batch) > 1:
        yield "empty batch", batch
    for i, x in tensors.items():
        words = f"argument {i}: "
        for dim in range(x.ndim):
            yield f"{words}dimension {dim} of size 0", {i: x.narrow(dim, 0, 0)}
        changes = _VALUES if x.is_floating_point() or x.is_complex() else _INDICES
        for what, change in {**changes, **_SHAPES}.items():
            if x.numel() and not (x.ndim == 0 and what == "a dimension less") and x.dtype != torch.bool:
                yield words + what, {i: change(x)}
        for dtype in DTYPES:
            if dtype != x.dtype:
                yield f"{words}{dtype}", {i: (x.real if x.is_complex() else x).to(dtype)}
    for i, leaf in enumerate(leaves):
        if type(leaf) is int:
            yield from ((f"argument {i}: {value}", {i: value}) for value in NUMBERS if value != leaf)
        elif type(leaf) is float:
            yield from ((f"argument {i}: {value}", {i: value}) for value in FLOATS)
        elif type(leaf) is bool:
            yield f"argument {i}: {not leaf}", {i: not leaf}


class Stranger:
    """What no operator knows."""

    def __repr__(self) -> str:
        return "Stranger()"


#: In words, and what is made of the argument that was there.
_TYPES: dict[str, Callable[[Any], Any]] = {
    "text": lambda _: "text",
    "None": lambda _: None,
    "an object": lambda _: Stranger(),
    "a class": lambda _: Stranger,
    "bytes": lambda _: b"bytes",
    "an empty list": lambda _: [],
    "a list of text": lambda _: ["a", "b"],
    "nested lists": lambda _: [[1.0, 2.0], [3.0]],
    "a dict": lambda _: {"a": 1},
    "a set": lambda _: {1, 2},
    "a generator": lambda _: iter([1, 2]),
    "a function": lambda _: len,
    "a complex number": lambda _: 1j,
    "a fraction": lambda _: 0.5,
    "an integer": lambda _: 3,
    "a huge integer": lambda _: 2**70,
    "a bool": lambda _: True,
    "nan": lambda _: math.nan,
    "a slice": lambda _: slice(None),
    "an ellipsis": lambda _: ...,
    "a tensor": lambda _: torch.ones(2, dtype=torch.float64),
    "a LiteTensor": lambda _: nexnet.LiteTensor(torch.ones(2, dtype=torch.float64)),
    "a list of it": lambda old: [old],
    "a tuple of two": lambda old: (old, old),
    "a numpy array": lambda _: torch.ones(2).numpy(),
    "a numpy array of objects": lambda _: numpy.array([object(), None]),
    "a sparse tensor": lambda _: torch.ones(2, 2).to_sparse(),
    "a meta tensor": lambda _: torch.ones(2, device="meta"),
    "a dtype": lambda _: torch.float32,
}


def hostile_types(sample: Sample) -> Iterator[Mutation]:
    """Give a wrong type in the place of each argument."""
    for i, leaf in enumerate(_leaves(sample)):
        yield from ((f"argument {i}: {what}", {i: change(leaf)}) for what, change in _TYPES.items())


def mutated(sample: Sample, mutation: dict[int, Any]) -> Sample:
    """Give the call with a mutation. A tensor comes as what the right call has there: a LiteTensor or torch's."""
    leaves, treespec = optree.tree_flatten((sample.args, sample.kwargs), none_is_leaf=True, namespace=NAMESPACE)
    for i, value in mutation.items():
        lite = isinstance(leaves[i], nexnet.LiteTensor) and isinstance(value, Tensor) and value.layout == torch.strided
        leaves[i] = nexnet.LiteTensor(value) if lite else value
    args, kwargs = optree.tree_unflatten(treespec, leaves)
    return Sample(*args, **kwargs)


def written(value: Any) -> str:
    """Write a value as Python; a tensor with its numbers where they are few."""
    if isinstance(value, nexnet.LiteTensor):
        return f"nexnet.LiteTensor({written(value.data)})"
    if isinstance(value, Tensor):
        if value.layout != torch.strided or value.is_meta:
            return f"torch.ones({list(value.shape)}, device={str(value.device)!r}, layout={value.layout})"
        if value.numel() == 0:
            return f"torch.zeros({list(value.shape)}, dtype={value.dtype})"
        constant = value.reshape(-1)[0]
        if value.numel() > 4 and bool((value == constant).all()):
            return f"torch.full({list(value.shape)}, {constant.item()!r}, dtype={value.dtype})".replace(
                "nan", "math.nan"
            )
        numbers = repr(value.tolist()).replace("nan", "math.nan").replace("inf", "math.inf")
        return f"torch.tensor({numbers}, dtype={value.dtype})"
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        inner = ", ".join(map(written, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{',' * (len(value) == 1)})"
    return (
        repr(value).replace("nan", "math.nan").replace("inf", "math.inf") if isinstance(value, float) else repr(value)
    )


def call_text(sample: Sample) -> str:
    """Write a call of ``call`` as Python."""
    given = [written(each) for each in sample.args]
    given += [f"{name}={written(value)}" for name, value in sample.kwargs.items()]
    return f"call({', '.join(given)})"
