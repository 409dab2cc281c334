"""A tensor's memory, what is in a batched one, and the tensors that a value holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, UntypedStorage

from ._nested import held_by, leaves_of
from .engine import is_wrapped, unwrap

__all__ = ["memory_of", "storage_of", "tensors_in", "unbatched"]

_functorch = torch._C._functorch


def memory_of(data: Tensor) -> UntypedStorage | None:
    """Give a tensor's memory (of a batched one, that of the whole batch); None where it can't be seen."""
    while is_wrapped(data):
        data = _functorch.get_unwrapped(data)
    try:
        return data.untyped_storage()
    except (NotImplementedError, RuntimeError):  # a tensor without a storage of its own: sparse, say
        return None


def storage_of(data: Tensor) -> int:
    """Name a tensor's memory; 0 where it can't be seen."""
    memory = memory_of(data)
    return 0 if memory is None else int(memory._cdata)


def unbatched(data: Tensor) -> Tensor:
    """Give the tensor in a batched one, with the batch in front; any other as it is."""
    while is_wrapped(data):
        dim = _functorch.maybe_get_bdim(data)
        data = _functorch.get_unwrapped(data)
        data = data.movedim(dim, 0) if dim >= 0 else data
    return data


def tensors_in(value: Any, depth: int = 4) -> Iterator[Tensor]:
    """Give the torch tensors in what a rule saved, also those that functions in it hold."""
    for each in leaves_of(value):
        data = unwrap(each)
        if isinstance(data, Tensor):
            yield data
        elif depth > 0 and (held := held_by(each)):
            yield from tensors_in(held, depth - 1)
