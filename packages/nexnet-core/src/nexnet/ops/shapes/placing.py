"""A tensor with another in the place of a part of it: one rule for each kind of part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ...engine import TensorBase, unwrap
from ...policy import Linear, Operator, function, implements
from .. import _vmap_kernels
from .._kernels import kernel_or_rule
from .._names import composite
from .._plain import is_plain
from .arranging import places
from .indexing import take
from .views import expand

__all__ = [
    "as_strided_scatter",
    "diagonal_scatter",
    "fill",
    "masked_fill",
    "masked_scatter",
    "put",
    "select_scatter",
    "slice_scatter",
]


class _Placed(Linear):
    """x with s in the place of a part:  dx = g with zeros there,  ds = that part of g."""

    place: Any
    take: Any

    def put(self, input: Any, src: Any, *where: Any) -> Any:
        """Compute it, and keep where the part is."""
        self.ctx.save(where)
        return type(self).place(input, src, *where)

    def backward(self, grad: Any) -> Any:
        (where,) = self.ctx.release
        need_input, need_src, *_ = self.ctx.needs_input_grad
        part = type(self).take(grad, *where)
        dx = None
        if need_input and is_plain(grad):
            dx = grad.clone(memory_format=torch.contiguous_format)
            type(self).take(dx, *where).zero_()
        elif need_input:
            dx = type(self).place(grad, torch.zeros_like(part), *where)
        return dx, part if need_src else None


@implements(torch.select_scatter)
@function
class select_scatter(_Placed):
    """x with s as the slice at one index of a dimension:  dx = g with zeros there,  ds = g's slice."""

    place, take = staticmethod(torch.select_scatter), staticmethod(torch.select)

    def forward(self, input: Any, src: Any, dim: int, index: int) -> Any:
        return self.put(input, src, dim, index)


@implements(torch.diagonal_scatter)
@function
class diagonal_scatter(_Placed):
    """x with s on a diagonal:  dx = g with zeros there,  ds = g's diagonal."""

    place, take = staticmethod(torch.diagonal_scatter), staticmethod(torch.diagonal)

    def forward(self, input: Any, src: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
        return self.put(input, src, offset, dim1, dim2)


def _slice(x: Any, dim: int, start: int | None, end: int | None, step: int) -> Any:
    return x[(*[slice(None)] * (dim % x.ndim), slice(start, end, step))] if dim else x[start:end:step]


@implements(torch.slice_scatter)
@function
class slice_scatter(_Placed):
    """x with s as a slice along a dimension:  dx = g with zeros there,  ds = g's slice."""

    place, take = staticmethod(torch.slice_scatter), staticmethod(_slice)

    def forward(
        self, input: Any, src: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
    ) -> Any:
        if input.ndim and step > 0:  # counted from the front: torch.vmap takes no other
            start, end, _ = slice(start, end).indices(input.shape[dim])
        return self.put(input, src, dim, start, end, step)


@implements(torch.as_strided_scatter)
@function
class as_strided_scatter(Linear):
    """x with s at strides of its storage:  dx = g with zeros there,  ds = the elements of g that lie there.

    Torch has it for an x without gaps or shared elements, and refuses any other. Its own gradient by x is wrong in
    PyTorch 2.13: g where s lies, and zero elsewhere.
    """

    def forward(
        self,
        input: Any,
        src: Any,
        size: Sequence[int],
        stride: Sequence[int],
        storage_offset: int | None = None,
    ) -> Any:
        mapped = any(torch._C._functorch.is_batchedtensor(unwrap(each)) for each in (input, src))
        if mapped:  # an example's memory is what it takes by itself: torch has no rule for it
            strides, own_start = torch.empty(input.shape, device="meta").stride(), 0
        else:
            strides, own_start = input.stride(), input.storage_offset()
        start = own_start if storage_offset is None else storage_offset
        own = places(input.shape, strides, own_start)
        taken = places(tuple(size), tuple(stride), start)
        length = int(max([int(each.max()) for each in (own, taken) if each.numel()], default=-1)) + 1
        self.ctx.save(own.to(input.device), taken.to(input.device), tuple(size), length)
        if mapped:
            own, taken = own.to(input.device), taken.to(input.device)
            memory = torch.zeros(length, dtype=input.dtype, device=input.device)
            memory = memory.index_copy(0, own, input.reshape(-1)).index_copy(0, taken, src.reshape(-1).to(input.dtype))
            return memory.index_select(0, own).reshape(input.shape)
        return torch.as_strided_scatter(input, src, size, stride, storage_offset)

    def backward(self, grad: Any) -> Any:
        own, taken, size, length = self.ctx.release
        need_input, need_src, *_ = self.ctx.needs_input_grad
        dx = ds = None
        if need_input:
            dx = torch.where(torch.isin(own, taken).reshape(grad.shape), 0, grad)
        if need_src:
            storage = grad.new_zeros(length).index_add(0, own, grad.reshape(-1))
            ds = storage.index_select(0, taken).reshape(size)
        return dx, ds


@implements(torch.masked_fill)
@function
class masked_fill(Linear):
    """v where the mask is true, x elsewhere:  dx = g outside of the mask,  dv = the sum of g inside."""

    def forward(self, input: Any, mask: Any, value: Any) -> Any:
        self.ctx.save(mask)
        return _vmap_kernels.masked_fill(input, mask, value)

    def backward(self, grad: Any) -> Any:
        (mask,) = self.ctx.release
        need_input, _, need_value = self.ctx.needs_input_grad
        return (
            grad.masked_fill(mask, 0) if need_input else None,
            None,
            grad.masked_fill(~mask, 0) if need_value else None,
        )


@implements(torch.masked_scatter)
@composite
def masked_scatter(input: Any, mask: Any, source: Any) -> Any:
    """X with the elements of ``source``, one after the other, where the mask is true. X and the mask broadcast."""
    if input.shape == mask.shape:
        return _masked_scatter(input, mask, source)
    shape = torch.broadcast_shapes(input.shape, mask.shape)
    input = input if input.shape == shape else expand(input, shape)
    return _masked_scatter(input, mask if mask.shape == shape else mask.expand(shape), source)


class _masked_scatter_tensor(Linear):
    """x with the s in order where the mask is true:  dx = g outside of it,  ds = g inside, in order, then zeros."""

    def forward(self, input: Any, mask: Any, source: Any) -> Any:
        self.ctx.save(mask, source.shape)
        return _vmap_kernels.masked_scatter(input, mask, source)

    def backward(self, grad: Any) -> Any:
        mask, shape = self.ctx.release
        need_input, _, need_source = self.ctx.needs_input_grad
        return (
            grad.masked_fill(mask, 0) if need_input else None,
            None,
            masked_scatter_backward(grad, mask, shape) if need_source else None,
        )


@implements()
@function
class _masked_scatter_backward(Linear):
    """x where the mask is true, in order, then zeros, in a shape:  dx = zeros with g in order under the mask."""

    def forward(self, input: Any, mask: Any, shape: Sequence[int]) -> Any:
        self.ctx.save(mask)
        return _vmap_kernels.masked_scatter_backward(input, mask, shape)

    def backward(self, grad: Any) -> Any:
        (mask,) = self.ctx.release
        kernel = _masked_scatter if isinstance(grad, TensorBase) else _vmap_kernels.masked_scatter
        return kernel(torch.zeros(mask.shape, dtype=grad.dtype, device=grad.device), mask, grad)


def masked_scatter_backward(grad: Any, mask: Any, shape: Sequence[int]) -> Any:
    """Call the rule for LiteTensors, and else torch's kernel."""
    kernel = _masked_scatter_backward if isinstance(grad, TensorBase) else _vmap_kernels.masked_scatter_backward
    return kernel(grad, mask, shape)


_masked_scatter: Operator = implements()(function(_masked_scatter_tensor))


@implements(torch.put)
@function
class put(Linear):
    """x with the elements of s put at, or added at, indices that count through all of x:  ds = g there.

    dx = g, with 0 where s was put.
    """

    def forward(self, input: Any, index: Any, source: Any, accumulate: bool = False) -> Any:
        self.ctx.save(index, source.shape, accumulate)
        return _vmap_kernels.put(input, index, source, accumulate)

    def backward(self, grad: Any) -> Any:
        index, shape, accumulate = self.ctx.release
        need_input, _, need_source, *_ = self.ctx.needs_input_grad
        if need_input and not accumulate:
            dx = _put(grad, index, torch.zeros(index.shape, dtype=grad.dtype, device=grad.device))
        else:
            dx = grad
        return dx, None, _take(grad, index).reshape(shape) if need_source else None


_put, _take = kernel_or_rule(_vmap_kernels.put, put), kernel_or_rule(_vmap_kernels.take, take)


@implements(torch.fill)
@function
class fill(Linear):
    """One value v, a number or a tensor without dimensions, in the shape of x, of which it is independent.

    dv = the sum of g, which the engine takes.
    """

    def forward(self, input: Any, value: Any) -> Any:
        return _vmap_kernels.fill(input, value)

    def backward(self, grad: Any) -> Any:
        return None, grad
