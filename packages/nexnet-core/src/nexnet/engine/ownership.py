"""What is handed out: gradients that are the user's alone, sharing memory with nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .alone import is_exclusive, is_exclusive_view
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
    low_rank: Callable[[Tensor, Tensor, torch.Size], Any] | None = None,
) -> list[Any]:
    """Go back through the tape; give the gradient of each input as a tensor that is the user's alone.

    ``seeds`` is used up: a gradient that is a view of its seed is alone with its memory if nobody else holds the seed.
    ``low_rank`` makes a gradient of the factors and the shape of one that is a product with more elements than these.
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
    go_back(tape, grads, consume, products)
    mine = [grads.get(each.key) for each in inputs]
    grads.clear()
    for i in range(len(mine)):
        key = inputs[i].key
        product: Product | None = None if products is None else products[key]
        if low_rank is not None and product is not None:
            if mine[i] is None:
                mine[i] = low_rank(product.left(), product.b, key.shape)
                continue
            mine[i] = product.plus(mine[i])
        if mine[i] is None:
            mine[i] = zeros_like(inputs[i])
        elif not is_exclusive(mine, i):
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
