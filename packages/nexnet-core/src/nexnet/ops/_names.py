"""numpy's names for torch's arguments, which torch takes too."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch

_TORCH_NAMES = {"axis": "dim", "keepdims": "keepdim"}


def numpy_names(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function with torch's ``dim`` and ``keepdim`` be called with ``axis`` and ``keepdims`` (operators can)."""

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        if not kwargs:
            return fn(*args)
        return fn(*args, **{_TORCH_NAMES.get(name, name): value for name, value in kwargs.items()})

    return call


#: torch's named tuples, of which its annotations know a part.
return_types: Any = torch.return_types


def place_of(dim: int, ndim: int) -> int:
    """Count a dimension from the front.

    Raises:
        IndexError: there is no such dimension, with torch's words.
    """
    try:
        return range(max(ndim, 1))[dim]
    except IndexError:
        low, high = -max(ndim, 1), max(ndim, 1) - 1
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{low}, {high}], but got {dim})"
        ) from None
