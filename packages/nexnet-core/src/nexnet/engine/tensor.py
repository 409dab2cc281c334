"""A tensor: a torch tensor, and a key once a tape has tracked it.

Who refers to whom, and what therefore stays alive::

    LiteTensor --> data, key
    Tape ------> [Node, ...]    a node is the instance of the rule that was called
    Node ------> what this call of the rule saved
         ------> keys of its outputs and parents (shape, dtype and device, but no storage)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .. import _complaints
from . import cpython
from .attributes import dtype_of, ndim_of, shape_of

#: Whether a torch tensor is one of torch.func's, inside of a transform: its values can't be looked at.
is_wrapped: Callable[[Tensor], bool] = torch._C._functorch.is_functorch_wrapped_tensor


class TensorBase:
    """The storage of a LiteTensor: a detached torch tensor, and a key once a tape has tracked it.

    What rules ask for most stands here, compiled; all other methods are LiteTensor's.
    """

    raw: Any  # what ``data`` shows; the garbage collector may not know of it
    key: Any  # a Key, once a tape has tracked it

    def __init__(self) -> None:
        raise _complaints.no_data(type(self).__name__)

    @property
    def data(self) -> Tensor:
        """The torch tensor, detached."""
        return cpython.in_sight(self.raw)  # type: ignore[no-any-return]

    @property
    def shape(self) -> torch.Size:
        """The size of each dimension."""
        return shape_of(self.raw) if self.key is None else self.key.shape

    @property
    def dtype(self) -> torch.dtype:
        """The element type."""
        return dtype_of(self.raw) if self.key is None else self.key.dtype

    @property
    def device(self) -> torch.device:
        """Where the storage is."""
        return self.raw.device  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return ndim_of(self.raw)

    def __getattr__(self, name: str) -> Any:
        raise _missing_attribute(name)


cpython.blank((TensorBase,))

_tensor_type = TensorBase
_missing_attribute = AttributeError


def register_tensor_type(missing_attribute: Callable[[str], AttributeError]) -> Callable[[type[Any]], type[Any]]:
    """Name the class (TensorBase with the methods) of which the engine makes its results, and what it says it lacks."""

    def register(cls: type[Any]) -> type[Any]:
        global _tensor_type, _missing_attribute
        _tensor_type = cls
        _missing_attribute = missing_attribute  # type: ignore[assignment]
        cpython.take_slots(cls, cls.__base__)  # type: ignore[arg-type]
        return cls

    return register


def wrap(data: Any) -> Any:
    """Make a LiteTensor around a torch tensor that is known to be detached."""
    tensor: TensorBase = cpython.instance(TensorBase, _tensor_type)
    tensor.raw = data
    return tensor


def unwrap(value: Any) -> Any:
    """Give the torch tensor in a LiteTensor, any other value as it is."""
    return value.data if isinstance(value, TensorBase) else value


def wrap_constant(value: Any) -> Any:
    """Give a torch tensor as a LiteTensor, any other value as it is."""
    return wrap(value) if isinstance(value, Tensor) else value


def version_of(tensor: Tensor) -> int:
    """Give how often a torch tensor has been written into; of one made in inference mode torch does not count it."""
    return -1 if tensor.is_inference() else tensor._version
