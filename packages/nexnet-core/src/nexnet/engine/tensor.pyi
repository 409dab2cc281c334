"""The engine's tensors, as type checkers see them. Written by tests/typing/stubs.py: do not edit."""

from __future__ import annotations
from collections.abc import Callable
from typing import Any
import torch
from torch import Tensor
from .. import _complaints
COMPLEX: Any
HALVES: Any
DIFFERENTIABLE: Any
is_wrapped: Callable[[Tensor], bool]
_CPU: Any
class Key:
    shape: torch.Size
    dtype: torch.dtype
    device: torch.device
    home: Any
    maker: Any

    def __repr__(self) -> str:
        ...
class TensorBase:
    raw: Any
    key: Any

    def __init__(self) -> None:
        ...

    @property
    def data(self) -> Tensor:
        ...

    @property
    def shape(self) -> torch.Size:
        ...

    @property
    def dtype(self) -> torch.dtype:
        ...

    @property
    def device(self) -> torch.device:
        ...

    @property
    def ndim(self) -> int:
        ...
_tensor_type: Any
_missing_attribute: Any
def register_tensor_type(missing_attribute: Callable[[str], AttributeError]) -> Callable[[type[Any]], type[Any]]:
    ...
def wrap(data: Any) -> Any:
    ...
def unwrap(value: Any) -> Any:
    ...
def wrap_constant(value: Any) -> Any:
    ...
def version_of(tensor: Tensor) -> int:
    ...
def key_of(data: Any, dtype: Any, home: Any) -> Key:
    ...
def key_like(other: Key, home: Any) -> Key:
    ...
def are_alike(key: Key, other: Key) -> bool:
    ...
def fits(data: Any, key: Key) -> bool:
    ...
def is_complex(key: Key) -> bool:
    ...
def is_half(key: Key) -> bool:
    ...
def zeros(key: Key) -> Tensor:
    ...
