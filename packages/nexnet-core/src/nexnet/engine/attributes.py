"""What the engine asks of torch tensors most: read where torch keeps it, in a tenth of the time of torch's getters.

A getter looks whether a subclass or a mode wants to answer, and is ready to turn a warning into an error: a key for a
tensor took three of them, and so did the look whether a gradient fits. Of a plain tensor on the CPU the answer lies in
its memory, at places that _tensors.h finds; all others are asked. In the debug form every answer is compared.
"""

from __future__ import annotations

from operator import attrgetter, methodcaller
from typing import Any

import torch

from .. import _complaints
from . import cpython
from .debug import CHECKED
from .native import READERS

_SHAPE, _DTYPE, _NUMEL, _NDIM, _LENGTH, _ON_CPU, _LIKE = READERS
_CHECKED = CHECKED
_shape, _dtype, _ndim, _is_cpu = map(attrgetter, ("shape", "dtype", "ndim", "is_cpu"))
_numel = methodcaller("numel")


def shape_of(tensor: Any) -> torch.Size:
    """Give the size of each dimension."""
    found: torch.Size = cpython.answer(_SHAPE, tensor, _shape)
    if _CHECKED:
        _check("shape", found, tensor.shape)
    return found


def dtype_of(tensor: Any) -> torch.dtype:
    """Give the element type."""
    found: torch.dtype = cpython.answer(_DTYPE, tensor, _dtype)
    if _CHECKED:
        _check("dtype", found, tensor.dtype)
    return found


def numel_of(tensor: Any) -> int:
    """Give the number of elements."""
    found = cpython.count(_NUMEL, tensor, _numel)
    if _CHECKED:
        _check("numel", found, tensor.numel())
    return found


def ndim_of(tensor: Any) -> int:
    """Give the number of dimensions."""
    found = cpython.count(_NDIM, tensor, _ndim)
    if _CHECKED:
        _check("ndim", found, tensor.ndim)
    return found


def length_of(tensor: Any) -> int:
    """Give the size of the first dimension."""
    found = cpython.count(_LENGTH, tensor, len)
    if _CHECKED:
        _check("length", found, len(tensor))
    return found


def is_on_cpu(tensor: Any) -> bool:
    """Say whether a tensor is on the CPU."""
    found = cpython.says(_ON_CPU, tensor, _is_cpu)
    if _CHECKED:
        _check("device", found, tensor.is_cpu)
    return found


def is_like(tensor: Any, shape: torch.Size, dtype: torch.dtype) -> bool:
    """Say whether a tensor is on the CPU, and has this shape and dtype."""
    found = cpython.compares(_LIKE, tensor, shape, dtype, _is_like)
    if _CHECKED:
        _check("shape, dtype and device", found, _is_like(tensor, shape, dtype))
    return found


def _is_like(tensor: Any, shape: torch.Size, dtype: torch.dtype) -> bool:
    return tensor.shape == shape and tensor.dtype is dtype and tensor.is_cpu  # type: ignore[no-any-return]


def _check(what: str, read: Any, given: Any) -> None:
    if read != given:
        raise _complaints.broken_promise("a tensor", what, "what torch says", given, read)
