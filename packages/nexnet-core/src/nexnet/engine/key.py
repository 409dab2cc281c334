"""A tensor's identity on the tapes, and what the engine asks of it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from . import cpython
from .attributes import is_like, is_on_cpu, shape_of

COMPLEX = frozenset({torch.complex64, torch.complex128})
HALVES = frozenset({torch.float16, torch.bfloat16})
REALS = frozenset({torch.float32, torch.float64}) | HALVES
DIFFERENTIABLE = REALS | COMPLEX

_COMPLEX64, _COMPLEX128 = torch.complex64, torch.complex128  # compared by identity: a real tensor pays nothing else
_FLOAT16, _BFLOAT16 = torch.float16, torch.bfloat16
_CPU = torch.device("cpu")


class Key:
    """A tensor's identity on the tapes, with what its gradient is checked against. It holds no storage.

    Attributes:
        home: the token of the tape that tracked it first.
        maker: the backward loop, as a token, that has made its gradient and may add into that. It stays when the
            gradient has been passed on: none comes to a key again, then, in the same loop.
    """

    shape: torch.Size
    dtype: torch.dtype
    device: torch.device
    home: Any
    maker: Any

    def __repr__(self) -> str:
        return f"<Key {tuple(self.shape)}, {str(self.dtype).removeprefix('torch.')}, {self.device}>"


cpython.blank((Key,))


def key_of(data: Any, dtype: Any, home: Any) -> Key:
    """Give a new key for a torch tensor, of which the dtype is known."""
    key: Key = Key.__new__(Key)
    key.shape, key.dtype, key.home = shape_of(data), dtype, home
    key.device = _CPU if is_on_cpu(data) else data.device
    return key


def key_like(other: Key, home: Any) -> Key:
    """Give a new key of the same shape, dtype and device."""
    key: Key = Key.__new__(Key)
    key.shape, key.dtype, key.device, key.home = other.shape, other.dtype, other.device, home
    return key


def are_alike(key: Key, other: Key) -> bool:
    """Say whether two keys have one shape, dtype and device."""
    return (
        key.dtype is other.dtype
        and (key.device is other.device or key.device == other.device)
        and (key.shape is other.shape or key.shape == other.shape)
    )


def is_on_device(data: Any, key: Key) -> bool:
    """Say whether a tensor is on the key's device."""
    return (key.device is _CPU and is_on_cpu(data)) or data.device == key.device  # type: ignore[no-any-return]


def fits(data: Any, key: Key) -> bool:
    """Say whether a tensor has the key's shape, dtype and device."""
    if key.device is _CPU:
        return is_like(data, key.shape, key.dtype)
    return data.shape == key.shape and data.dtype is key.dtype and data.device == key.device  # type: ignore[no-any-return]


def is_complex(key: Key) -> bool:
    """Say whether the key is a complex tensor's."""
    return key.dtype is _COMPLEX64 or key.dtype is _COMPLEX128


def is_half(key: Key) -> bool:
    """Say whether the key is a half precision tensor's."""
    return key.dtype is _FLOAT16 or key.dtype is _BFLOAT16


def zeros(key: Key) -> Tensor:
    """Give zeros of a key's kind."""
    return torch.zeros(key.shape, dtype=key.dtype, device=key.device)
