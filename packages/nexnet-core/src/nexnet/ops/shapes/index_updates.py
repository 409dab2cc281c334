"""New values at an index of any form: ``x.at[...]`` and index_put. Nothing is written into x."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ...engine import unwrap
from ...errors import InputError, message
from ...policy import Linear, function, implements
from .._kernels import overload
from .._names import composite
from .._plain import is_plain
from .indexing import at, getitem, is_mask, is_of_vmap, split_index

if TYPE_CHECKING:
    from ...tensor import LiteTensor
    from ...typing import TensorLike

__all__ = ["index_put"]

_index = overload(torch.ops.aten.index.Tensor)
_index_put = overload(torch.ops.aten.index_put.default)
_index_put_ = overload(torch.ops.aten.index_put_.default)


class _put(Linear):
    """x with v put at, or added at, an index:  dx = g, with 0 where v was put;  dv = g at the index.

    Where indices repeat, each v that was put gets the whole gradient of the element, though only one is its value
    (which one is not defined), as in PyTorch.
    """

    def forward(self, input: Any, values: Any, accumulate: bool, basic: Any, *index: Any) -> Any:
        out = input.clone(memory_format=torch.contiguous_format)
        if not isinstance(values, Tensor):
            values = torch.as_tensor(values, device=out.device)
        out = _mapped_as(out, (values, *index))
        part = out if basic is None else out[basic]
        self.ctx.save(values.ndim, accumulate, basic, *index)
        if values.dtype is not out.dtype or values.device != out.device:
            values = values.to(out)
        while values.ndim and values.shape[0] == 1:  # as in torch, sizes of 1 in front always fit
            values = values[0]
        if index:
            try:
                if _is_whole(index):
                    part.index_put_(index, values, accumulate)
                else:
                    _index_put_(part, index, values, accumulate)
            except RuntimeError as error:
                if not is_of_vmap(error):
                    raise
                return _put_by_number(input, values, accumulate, basic, index)
        elif accumulate:
            part.add_(values)
        else:
            part.copy_(values)
        return out

    def backward(self, grad: Any) -> Any:
        ndim, accumulate, basic, *index = self.ctx.release
        need_input, need_values, *_ = self.ctx.needs_input_grad
        whole = _is_whole(index)
        plain = is_plain(grad, *(index if whole else [each for each in index if each is not None]))
        part = None
        if need_values:
            part = grad if basic is None else grad[basic]
            if index:
                part = (part[tuple(index)] if whole else _index(part, index)) if plain else at(part, *index)
            if part.ndim < ndim:
                part = part.reshape((1,) * (ndim - part.ndim) + tuple(part.shape))
        if need_input and not accumulate:
            if plain and index and basic is None:
                zero = grad.new_zeros(())
                grad = grad.index_put(index, zero) if whole else _index_put(grad, index, zero)
            else:
                grad = _put_part(grad, 0.0, False, basic, *index)
        return grad, part


def _mapped_as(out: Tensor, others: Sequence[Any]) -> Tensor:
    """Give a tensor that every vmap maps that maps one of the others, so that they may be written into it."""
    for each in others:
        if isinstance(each, Tensor) and torch._C._functorch.is_batchedtensor(each):
            out = torch.where(torch.zeros_like(each, dtype=torch.bool).any(), torch.zeros_like(out), out)
    return out


def _is_whole(index: Sequence[Any]) -> bool:
    """Say whether there is a tensor for each dimension: then torch's methods take it, which are faster than kernels."""
    for each in index:  # noqa: SIM110  any() would make a generator
        if each is None:
            return False
    return True


def _put_by_number(x: Tensor, values: Tensor, accumulate: bool, basic: Any, index: Any) -> Tensor:
    """Put values without writing into x: at the numbers of its elements that an index selects."""
    numbers = torch.arange(x.numel(), device=x.device).reshape(x.shape)
    numbers = torch.ops.aten.index.Tensor(numbers if basic is None else numbers[basic], index)
    return x.reshape(-1).index_put((numbers,), values.expand(numbers.shape), accumulate).reshape(x.shape)


_put_part = implements()(function(_put))


def put_at(input: Any, index: Any, values: Any, accumulate: bool) -> LiteTensor:
    """Give x with values put, or added, at an index of any form."""
    index = unwrap(index)
    if isinstance(index, Tensor) and index.ndim:
        return _put_part(input, values, accumulate, None, index)
    basic, tensors = split_index(index, input)
    return _put_part(input, values, accumulate, basic, *tensors)


@implements(torch.index_put)
@composite
def index_put(input: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """X with values put at index tensors, or added if ``accumulate``; see ``x.at[...]`` for every form of index.

    Corner: where indices repeat without accumulate, the values that are overwritten get the gradient too.
    """
    if values.dtype != input.dtype:
        raise InputError(
            message(
                "what is put takes the dtype of the tensor that it is put into.",
                rule="index_put",
                argument="values",
                expected=input.dtype,
                got=values.dtype,
                remedy="values.to(input.dtype), or x.at[...].set(values), which converts them",
            )
        )
    indices = [unwrap(each) for each in indices]
    if all(isinstance(each, Tensor) and each.ndim and not is_mask(each) for each in indices):
        return _put_part(input, values, accumulate, None, *indices)
    return put_at(input, tuple(indices), values, accumulate)


class IndexedUpdate:
    """``x.at[index]``: ``.set(v)`` and ``.add(v)`` give a new tensor, x with v put or added at the index.

    Differentiable in x and in v. v broadcasts to ``x[index]`` and takes x's dtype. Where indices repeat, ``add`` adds
    each time, and ``set`` leaves one of the values: see the rule for its gradient.
    """

    __slots__ = ("_index", "_x")

    def __init__(self, x: Any, index: Any) -> None:
        self._x = x
        self._index = index

    def get(self) -> LiteTensor:
        """``x[index]``."""
        return getitem(self._x, self._index)  # type: ignore[no-any-return]

    def set(self, values: TensorLike) -> LiteTensor:
        """X with ``values`` at the index."""
        return put_at(self._x, self._index, values, False)

    def add(self, values: TensorLike) -> LiteTensor:
        """X with ``values`` added at the index."""
        return put_at(self._x, self._index, values, True)


class Indexer:
    """``x.at``, to be indexed."""

    __slots__ = ("_x",)

    def __init__(self, x: Any) -> None:
        self._x = x

    def __getitem__(self, index: Any) -> IndexedUpdate:
        return IndexedUpdate(self._x, index)
