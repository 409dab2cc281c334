"""What is handed out: gradients that are the user's alone, sharing memory with nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .backward import go_back
from .products import Product
from .tape import TapeBase, is_recording, tracks
from .tensor import TensorBase, unwrap, wrap


def gradients(
    tape: TapeBase,
    outs: list[Any],
    seeds: list[Any],
    inputs: list[Any],
    consume: bool = True,
    low_rank: Callable[[Tensor, Tensor], Any] | None = None,
) -> list[Any]:
    """Go back through the tape; give the gradient of each input as a tensor that is the user's alone.

    ``seeds`` is used up: a gradient that is a view of its seed is alone with its memory if nobody else holds the seed.
    ``low_rank`` makes a gradient of the factors of one that is a product with more elements than these.
    """
    recorded = is_recording()
    grads: dict[Any, Any] = {}
    for i in range(len(outs)):
        key = outs[i].key
        if key is not None and tracks(tape, key):
            seed = seeds[i] if recorded else unwrap(seeds[i])
            grads[key] = grads[key] + seed if key in grads else seed
    seeds.clear()
    seed = None
    products: dict[Any, Any] | None = None
    if low_rank is not None:
        products = {each.key: None for each in inputs}
    loop = go_back(tape, grads, consume, products)
    mine = [grads.get(each.key) for each in inputs]
    grads.clear()
    for i in range(len(mine)):
        key = inputs[i].key
        product: Product | None = None if products is None else products[key]
        if low_rank is not None and product is not None:
            if mine[i] is None:
                mine[i] = low_rank(product.a, product.b)
                continue
            mine[i] = product.plus(mine[i])
            key.maker = loop
        if mine[i] is None:
            mine[i] = zeros_like(inputs[i])
        elif not is_exclusive(mine, i, loop is not None and key.maker is loop):
            mine[i] = _copied(mine, i, recorded)
        if not isinstance(mine[i], TensorBase):
            mine[i] = wrap(mine[i])
    return mine


def zeros_like(tensor: TensorBase) -> Tensor:
    """Give zeros of a tensor's kind, contiguous whatever the tensor's strides."""
    return torch.zeros(tensor.raw.shape, dtype=tensor.raw.dtype, device=tensor.raw.device)


def _copied(tensors: list[Any], i: Any, recorded: bool) -> Any:
    if recorded:
        return tensors[i].clone()
    if is_exclusive_view(tensors, i):
        data = tensors[i].data
        return data.conj().conj_physical_().data if data.is_conj() else data  # conjugated at last, and in its place
    return tensors[i].clone(memory_format=torch.contiguous_format)


# A gradient may be handed out as it is if nobody else can see its memory: one reference to the Python object, one
# tensor on the storage. Both counts are compared with those of a tensor that is known to be alone. A view keeps the
# tensor that it is a view of; if nothing else keeps that, it is handed out, without the memory of having been a view.

_storage_uses: Callable[[int], int] | None = getattr(torch._C, "_storage_Use_Count", None)  # without: all are copied


def _references(tensors: list[Any], i: Any) -> Any:
    """Count the references to the tensor in the list, and to the torch tensor in it, in one number."""
    value = tensors[i]
    if not isinstance(value, TensorBase):
        return sys.getrefcount(value)
    tensor: TensorBase = value
    data = tensor.raw
    return 1000 * min(sys.getrefcount(value), 999) + min(sys.getrefcount(data), 999)


def _tensors_on(data: Tensor) -> int:
    """Count the tensors of torch's that lie in this one's memory."""
    return _storage_uses(data.untyped_storage()._cdata)  # type: ignore[misc]


def is_exclusive(tensors: list[Any], i: Any, is_new: bool = False) -> bool:
    """Say whether the tensor in the list shares its memory with nothing else, and is contiguous.

    ``is_new`` says that its memory is known to be its own.
    """
    lite = isinstance(tensors[i], TensorBase)
    if _storage_uses is None or _references(tensors, i) != (_ALONE_IN_LITE if lite else _ALONE):
        return False
    data = tensors[i].data if lite else tensors[i]
    if not data.is_contiguous():
        return False
    if is_new:
        return True
    if data._base is not None and (data.is_conj() or data.is_neg()):  # a view whose values wait to be computed
        return False
    try:
        return _tensors_on(data) == _USES_ALONE and _is_torchs(data)
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
    if data.untyped_storage().nbytes() > 2 * data.nbytes:
        return False
    return (_base_references(data), _tensors_on(data)) == _ALONE_AS_VIEW and _is_torchs(data)


def _is_torchs(data: Tensor) -> bool:
    """Say whether torch allocated the memory: that of numpy's and other libraries is kept elsewhere, too."""
    return data.untyped_storage().resizable()


def _base_references(view: Tensor) -> int:
    return sys.getrefcount(view._base)


_ALONE = _references([torch.zeros(2)], 0)
_ALONE_IN_LITE = _references([wrap(torch.zeros(2))], 0)
_USES_ALONE = 0 if _storage_uses is None else _tensors_on(torch.zeros(2))
_ALONE_AS_VIEW = (0, 0)
if _storage_uses is not None:
    _view = torch.zeros(2)[:]
    _ALONE_AS_VIEW = (_base_references(_view), _tensors_on(_view))
