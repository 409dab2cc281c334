"""What a tensor is: the questions of shape, kind and place that torch's tensors answer, put to the one inside.

Their answers are Python values, and have no gradient: no question ever needs a rule.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import torch

from .engine import unwrap

if TYPE_CHECKING:
    _Value = TypeVar("_Value")

    class attribute(Generic[_Value]):  # what a property is, with the type of its value
        def __init__(self, get: Callable[[Any], _Value]) -> None: ...
        def __get__(self, instance: object, owner: object) -> _Value: ...

else:
    attribute = property


def _is(name: str) -> attribute[builtins.bool]:
    """Make an attribute that says whether the tensor is of a kind."""
    return attribute(lambda self: builtins.bool(getattr(self.data, name)))


def _asks(name: str) -> Callable[..., Any]:
    """Make a method that gives torch's answer."""

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(self.data, name)(*map(unwrap, args), **{key: unwrap(value) for key, value in kwargs.items()})

    method.__name__ = name
    method.__doc__ = f"torch.Tensor.{name}, as torch documents it."
    return method


class Questions:
    """What a LiteTensor tells of itself beside its shape, dtype and device."""

    __slots__ = ()

    is_cpu, is_cuda, is_mps, is_xpu, is_xla = _is("is_cpu"), _is("is_cuda"), _is("is_mps"), _is("is_xpu"), _is("is_xla")
    is_ipu, is_maia, is_meta, is_mtia = _is("is_ipu"), _is("is_maia"), _is("is_meta"), _is("is_mtia")
    is_mkldnn, is_vulkan, is_nested = _is("is_mkldnn"), _is("is_vulkan"), _is("is_nested")
    is_quantized, is_sparse, is_sparse_csr = _is("is_quantized"), _is("is_sparse"), _is("is_sparse_csr")

    data_ptr = _asks("data_ptr")
    dense_dim = _asks("dense_dim")
    dim_order = _asks("dim_order")
    get_device = _asks("get_device")
    is_coalesced = _asks("is_coalesced")
    is_distributed = _asks("is_distributed")
    is_inference = _asks("is_inference")
    is_pinned = _asks("is_pinned")
    is_same_size = _asks("is_same_size")
    is_set_to = _asks("is_set_to")
    is_shared = _asks("is_shared")
    sparse_dim = _asks("sparse_dim")
    storage_offset = _asks("storage_offset")

    @property
    def layout(self) -> torch.layout:
        """How the elements lie in the storage."""
        return self.data.layout  # type: ignore[attr-defined, no-any-return]

    @property
    def itemsize(self) -> builtins.int:
        """The bytes of one element."""
        return self.data.itemsize  # type: ignore[attr-defined, no-any-return]

    @property
    def nbytes(self) -> builtins.int:
        """The bytes of all elements."""
        return self.data.nbytes  # type: ignore[attr-defined, no-any-return]

    def dim(self) -> builtins.int:
        """The number of dimensions."""
        return self.data.ndim  # type: ignore[attr-defined, no-any-return]

    ndimension = dim

    def size(self, dim: builtins.int | None = None) -> Any:
        """The size of each dimension, or of one."""
        return self.shape if dim is None else self.data.size(dim)  # type: ignore[attr-defined]

    def numel(self) -> builtins.int:
        """The number of elements."""
        return self.data.numel()  # type: ignore[attr-defined, no-any-return]

    nelement = numel

    def element_size(self) -> builtins.int:
        """The bytes of one element."""
        return self.data.element_size()  # type: ignore[attr-defined, no-any-return]

    def stride(self, dim: builtins.int | None = None) -> Any:
        """The steps in the storage from one element to the next, for each dimension or for one."""
        return self.data.stride() if dim is None else self.data.stride(dim)  # type: ignore[attr-defined]

    def is_contiguous(self, memory_format: torch.memory_format = torch.contiguous_format) -> builtins.bool:
        """Whether the elements lie in order in memory."""
        return self.data.is_contiguous(memory_format=memory_format)  # type: ignore[attr-defined, no-any-return]
