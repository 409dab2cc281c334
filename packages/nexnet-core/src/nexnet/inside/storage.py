"""A tensor's memory, and what is in a batched one."""

from __future__ import annotations

import torch
from torch import Tensor

from ..engine import is_wrapped

__all__ = ["storage_of", "unbatched"]

_functorch = torch._C._functorch


def storage_of(data: Tensor) -> int:
    """Name a tensor's memory (of a batched one, that of the whole batch); 0 where it can't be seen."""
    while is_wrapped(data):
        data = _functorch.get_unwrapped(data)
    try:
        return int(data.untyped_storage()._cdata)
    except (NotImplementedError, RuntimeError):  # a tensor without a storage of its own: sparse, say
        return 0


def unbatched(data: Tensor) -> Tensor:
    """Give the tensor in a batched one, with the batch in front; any other as it is."""
    while is_wrapped(data):
        dim = _functorch.maybe_get_bdim(data)
        data = _functorch.get_unwrapped(data)
        data = data.movedim(dim, 0) if dim >= 0 else data
    return data
