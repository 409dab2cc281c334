"""The engine's tensors, as type checkers see them. Written by tests/typing/stubs.py: do not edit."""

from __future__ import annotations
from collections.abc import Callable
from typing import Any
import torch
from torch import Tensor
from .. import _complaints
from .attributes import dtype_of, ndim_of, shape_of
is_wrapped: Callable[[Tensor], bool]
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
