"""Parts of a tensor: indexing in every form.

An index has a basic part (ints, slices, None, Ellipsis: a view) and an advanced one (index tensors and masks: a copy).
Each is an operator, and its backward is again one: what was taken is put back into zeros.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy
import torch
from torch import Tensor

from ...engine import TensorBase
from ...errors import InputError, message
from ...policy import Linear, function, implements
from .. import _vmap_kernels
from .._kernels import overload
from .._plain import zeros_for

__all__ = ["getitem", "masked_select", "narrow", "select", "take"]

_functorch = torch._C._functorch
_index = overload(torch.ops.aten.index.Tensor)
_index_put_ = overload(torch.ops.aten.index_put_.default)

_PLAIN = frozenset({int, slice, type(None)})
_BASIC = _PLAIN | {type(Ellipsis)}


# ---------------------------------------------------------------------------------------------------------------------
# Taking


@implements(Tensor.__getitem__)
def getitem(input: Any, index: Any) -> Any:
    """``x[index]``, by torch's rules, for every form of index; tensors in it may be LiteTensors, torch's or numpy's.

    A list is an index tensor. The gradients of an element that is taken several times add up.
    """
    if type(index) in _PLAIN:
        return slicing(input, index)
    if type(index) is tuple and _PLAIN.issuperset(map(type, index)):
        return slicing(input, *index)
    if isinstance(index, TensorBase):
        index = index.data  # an index has no gradient
    if isinstance(index, Tensor) and index.ndim:
        return at(input, index)
    basic, tensors = split_index(index, input)
    if basic is not None or not tensors:
        input = slicing(input, *(basic or ()))
    return at(input, *tensors) if tensors else input


@implements()
@function
class slicing(Linear):
    """x[i, j, ...] for ints, slices and None, a view:  dx = zeros with g there."""

    def forward(self, input: Any, *index: Any) -> Any:
        self.ctx.save(input.shape, index)
        return input[index]

    def backward(self, grad: Any) -> Any:
        shape, index = self.ctx.release
        return _put_in_zeros(grad, shape, index) if type(grad) is Tensor else slicing_backward(grad, shape, index)


def _put_in_zeros(x: Tensor, shape: torch.Size, index: Any) -> Tensor:
    out: Tensor = zeros_for(x, shape)
    out[index] = x
    return out


@implements()
@function
class slicing_backward(Linear):
    """Zeros of a shape with x at an index:  dx = g there."""

    def forward(self, input: Any, shape: torch.Size, index: Any) -> Any:
        self.ctx.save(index)
        return _put_in_zeros(input, shape, index)

    def backward(self, grad: Any) -> Any:
        (index,) = self.ctx.release
        return grad[index]


@implements()
@function
class at(Linear):
    """x[i, j, ...] for index tensors and masks, or None for a whole dimension:  dx = zeros with g added there."""

    def forward(self, input: Any, *index: Any) -> Any:
        self.ctx.save(input.shape, *index)
        return input[index] if len(index) == 1 else _index(input, index)

    def backward(self, grad: Any) -> Any:
        shape, *index = self.ctx.release
        return _add_to_zeros(grad, shape, index) if type(grad) is Tensor else at_backward(grad, shape, *index)


def _add_to_zeros(x: Tensor, shape: torch.Size, index: Any) -> Tensor:
    zeros: Tensor = zeros_for(x, shape)
    try:
        if len(index) == 1:
            return zeros.index_put_(index, x, True)
        return _index_put_(zeros, index, x, True)  # type: ignore[no-any-return]
    except RuntimeError as error:
        if not (is_of_vmap(error) or _functorch.is_batchedtensor(x)):
            raise
        return torch.ops.aten.index_put.default(zeros, index, _batch_in_front(x), True)  # type: ignore[no-any-return]


def _batch_in_front(x: Tensor) -> Tensor:
    """Give a tensor of torch.vmap with its batch in the first dimension: index_put takes it for there."""
    if not _functorch.is_batchedtensor(x):
        return x
    level, batch = _functorch.maybe_get_level(x), _functorch.maybe_get_bdim(x)
    plain = _batch_in_front(_functorch.get_unwrapped(x).movedim(batch, 0))
    return _functorch._add_batch_dim(plain, 0, level)  # type: ignore[no-any-return]


def is_of_vmap(error: RuntimeError) -> bool:
    """Say whether torch.vmap has refused to write a batch of values into a tensor that is not one of a batch."""
    return str(error).startswith("vmap: ")


@implements()
@function
class at_backward(Linear):
    """Zeros of a shape with x added at an index:  dx = g there."""

    def forward(self, input: Any, shape: torch.Size, *index: Any) -> Any:
        self.ctx.save(*index)
        return _add_to_zeros(input, shape, index)

    def backward(self, grad: Any) -> Any:
        return at(grad, *self.ctx.release)


def split_index(index: Any, x: Any) -> tuple[tuple[Any, ...] | None, list[Tensor | None]]:
    """Split an index of x in its basic part (None if that changes nothing) and the tensors for what that leaves."""
    items = [_index_item(each, x.device) for each in (index if isinstance(index, tuple) else (index,))]
    if any(isinstance(each, Tensor) and each.ndim for each in items):
        # Beside others torch selects by an index tensor without dimensions, as by an int.
        items = [
            int(each) if isinstance(each, Tensor) and not each.ndim and not is_mask(each) else each for each in items
        ]
    if sum([each is Ellipsis for each in items]) > 1:
        raise IndexError("an index can only have a single Ellipsis ('...')")
    covered = sum([each.ndim if is_mask(each) else each is not None and each is not Ellipsis for each in items])
    basic: list[Any] = []
    tensors: list[Tensor | None] = []
    for item in items:
        if item is Ellipsis:
            basic += [slice(None)] * (x.ndim - covered)
            tensors += [None] * (x.ndim - covered)
        elif type(item) in _BASIC:
            basic.append(item)
            tensors += [] if type(item) is int else [None]
        elif is_mask(item):
            basic += [slice(None)] * item.ndim or [None]  # a mask without dimensions makes one
            tensors.append(item if item.ndim else item.reshape(1))
        else:
            basic.append(slice(None))
            tensors.append(item)
    changes = any(each != slice(None) for each in basic)
    return tuple(basic) if changes else None, tensors if any(each is not None for each in tensors) else []


def is_mask(item: Any) -> bool:
    return isinstance(item, Tensor) and item.dtype in (torch.bool, torch.uint8)


def _index_item(item: Any, device: torch.device) -> Any:
    """Give an element of an index as an int, a slice, None, Ellipsis or a torch tensor."""
    if type(item) in _BASIC or isinstance(item, Tensor):
        return item
    if isinstance(item, TensorBase):
        return item.data
    if isinstance(item, (list, tuple, range, bool, numpy.ndarray, numpy.bool_)):
        dtype = torch.int64 if isinstance(item, (list, tuple, range)) and len(item) == 0 else None
        return torch.as_tensor(_plain(item), dtype=dtype, device=device)
    try:
        return operator.index(item)
    except TypeError:
        raise InputError(
            message(
                "a tensor can't be indexed by this.",
                expected="ints, slices, None, Ellipsis, or index tensors, masks, arrays and lists of ints or bools",
                got=f"{item!r} ({type(item).__name__})",
            )
        ) from None


def _plain(item: Any) -> Any:
    if isinstance(item, TensorBase):
        return item.data.tolist()
    return [_plain(each) for each in item] if isinstance(item, (list, tuple, range)) else item


# ---------------------------------------------------------------------------------------------------------------------
# Parts that have names of their own


@implements(torch.select)
@function
class select(slicing.policy):  # type: ignore[misc,name-defined]
    """The slice of x at one index of a dimension."""

    def forward(self, input: Any, dim: int, index: int) -> Any:
        self.ctx.save(input.shape, (*[slice(None)] * (dim % (input.ndim or 1)), int(index)))
        return input.select(dim, index)


@implements(torch.narrow)
@function
class narrow(slicing.policy):  # type: ignore[misc,name-defined]
    """``length`` indices of a dimension from ``start`` on."""

    def forward(self, input: Any, dim: int, start: int, length: int) -> Any:
        out = input.narrow(dim, start, length)
        start = int(start) % (input.shape[dim] + 1) if start >= 0 else int(start) + input.shape[dim]
        self.ctx.save(input.shape, (*[slice(None)] * (dim % input.ndim), slice(start, start + length)))
        return out


@implements(torch.take)
@function
class take(Linear):
    """The elements of x at indices that count through all of it:  dx = zeros with g added there."""

    def forward(self, input: Any, index: Any) -> Any:
        self.ctx.save(input.shape, index)
        return _vmap_kernels.take(input, index)

    def backward(self, grad: Any) -> Any:
        shape, index = self.ctx.release
        if type(grad) is Tensor and not (_functorch.is_batchedtensor(grad) or _functorch.is_batchedtensor(index)):
            return zeros_for(grad, shape).put_(index, grad, True)
        flat = torch.Size([shape.numel()])
        put = _add_to_zeros(grad, flat, [index]) if type(grad) is Tensor else at_backward(grad, flat, index)
        return put.reshape(shape)


@implements(torch.masked_select)
@function
class masked_select(Linear):
    """The elements of x where the mask is true, in one dimension:  dx = zeros with g in order there."""

    def forward(self, input: Any, mask: Any) -> Any:
        self.ctx.save(input.shape, mask)
        return torch.masked_select(input, mask)

    def backward(self, grad: Any) -> Any:
        shape, mask = self.ctx.release
        shape = shape if mask.shape == shape else torch.broadcast_shapes(shape, mask.shape)
        if type(grad) is Tensor and _functorch.is_batchedtensor(grad):
            return _add_to_zeros(grad, shape, [mask.expand(shape)])
        zeros = torch.zeros(shape, dtype=grad.dtype, device=grad.device)
        return zeros.masked_scatter_(mask, grad) if type(grad) is Tensor else torch.masked_scatter(zeros, mask, grad)
