"""The engine's tensors, as type checkers see them. Written by tests/typing/stubs.py: do not edit."""

from __future__ import annotations
from typing import Any
import torch
from torch import Tensor
from .attributes import is_like, is_on_cpu, shape_of
COMPLEX: Any
HALVES: Any
REALS: Any
DIFFERENTIABLE: Any
_CPU: Any
class Key:
    shape: torch.Size
    dtype: torch.dtype
    device: torch.device
    home: Any
    maker: Any

    def __repr__(self) -> str:
        ...
def key_of(data: Any, dtype: Any, home: Any) -> Key:
    ...
def key_like(other: Key, home: Any) -> Key:
    ...
def are_alike(key: Key, other: Key) -> bool:
    ...
def is_on_device(data: Any, key: Key) -> bool:
    ...
def fits(data: Any, key: Key) -> bool:
    ...
def is_complex(key: Key) -> bool:
    ...
def is_half(key: Key) -> bool:
    ...
def zeros(key: Key) -> Tensor:
    ...
