"""Whether a tensor is alone with its memory: nobody else can see what is written into it.

It is if there is one reference to the Python object, and one tensor on the storage. Both counts are compared with those
of a tensor that is known to be alone. A view keeps the tensor that it is a view of; if nothing else keeps that, it may
be handed out, without the memory of having been a view.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .tape import this_thread
from .tensor import TensorBase, is_wrapped, wrap

_storage_uses: Callable[[int], int] | None = getattr(torch._C, "_storage_Use_Count", None)  # without: all are copied


def _references(tensors: list[Any], i: Any) -> Any:
    """Count the references to the tensor in the list, and to the torch tensor in it, in one number."""
    value = tensors[i]
    if not isinstance(value, TensorBase):
        return sys.getrefcount(value)
    tensor: TensorBase = value
    data = tensor.raw
    return 1000 * min(sys.getrefcount(value), 999) + min(sys.getrefcount(data), 999)


def _tensors_on(storage: torch.UntypedStorage) -> int:
    """Count the tensors of torch's that lie in this memory."""
    return _storage_uses(storage._cdata)  # type: ignore[misc]


def is_exclusive(tensors: list[Any], i: Any) -> bool:
    """Say whether the tensor in the list shares its memory with nothing else, and is contiguous."""
    lite = isinstance(tensors[i], TensorBase)
    if _storage_uses is None or _references(tensors, i) != (_ALONE_IN_LITE if lite else _ALONE):
        return False
    data = tensors[i].data if lite else tensors[i]
    if not data.is_contiguous():
        return False
    if this_thread().mapped and is_wrapped(data):  # torch would throw, which takes as long as ten operators
        return False
    if data._base is not None and (data.is_conj() or data.is_neg()):  # a view whose values wait to be computed
        return False
    try:
        storage = data.untyped_storage()
        return _tensors_on(storage) == _USES_ALONE and storage.resizable()  # torch's own: that of numpy's is not
    except (NotImplementedError, RuntimeError):  # a tensor without a storage of its own, as inside of torch.vmap
        return False


def is_exclusive_view(tensors: list[Any], i: Any) -> bool:
    """Say whether the tensor in the list is contiguous, and a view that alone keeps what it is a view of.

    A part of it, which would keep the whole, does not count; nor do few elements, which take less time to copy.
    """
    if tensors[i].numel() < 4096 or _storage_uses is None or _references(tensors, i) != _ALONE:
        return False
    data = tensors[i]
    if data._base is None or data.is_neg() or not data.is_contiguous():
        return False
    storage = data.untyped_storage()
    if storage.nbytes() > 2 * data.nbytes:
        return False
    return (_base_references(data), _tensors_on(storage)) == _ALONE_AS_VIEW and storage.resizable()


def private(tensors: list[Any]) -> Any:
    """Give the one tensor in the list, or a copy of it if it is not alone with its memory; None as it is.

    The copy of a LiteTensor has its key: it is the same tensor to every tape.
    """
    if tensors[0] is None or is_exclusive(tensors, 0):
        return tensors[0]
    if not isinstance(tensors[0], TensorBase):
        return tensors[0].clone()
    tensor: TensorBase = tensors[0]
    copy: TensorBase = wrap(tensor.raw.clone())
    copy.key = tensor.key
    return copy


def _base_references(view: Tensor) -> int:
    return sys.getrefcount(view._base)


_ALONE = _references([torch.zeros(2)], 0)
_ALONE_IN_LITE = _references([wrap(torch.zeros(2))], 0)
_USES_ALONE = 0
_ALONE_AS_VIEW = (0, 0)
if _storage_uses is not None:
    _tensor = torch.zeros(2)
    _USES_ALONE = _tensors_on(_tensor.untyped_storage())
    _view = torch.zeros(2)[:]
    _ALONE_AS_VIEW = (_base_references(_view), _tensors_on(_view.untyped_storage()))
