"""Tensors turned, repeated element by element, combined with each other, and put on diagonals of blocks."""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Sequence
from typing import Any

import torch

from ...engine import unwrap
from ...errors import InputError, message
from ...policy import Linear, function, implements
from .._names import composite
from .._plain import is_plain
from .diagonals import diag_embed
from .gathering import index_select
from .indexing import getitem
from .joining import stack
from .reshaping import reshape
from .views import expand

__all__ = [
    "as_strided",
    "block_diag",
    "cartesian_prod",
    "combinations",
    "diagflat",
    "meshgrid",
    "repeat_interleave",
    "rot90",
]


@implements(torch.rot90)
@function
class rot90(Linear):
    """x turned k times by a right angle, from the first of two dimensions towards the second:  dx = g turned back."""

    def forward(self, input: Any, k: int = 1, dims: tuple[int, ...] = (0, 1)) -> Any:
        self.ctx.save(k, tuple(dims))
        return torch.rot90(input, k, dims)

    def backward(self, grad: Any) -> Any:
        k, dims = self.ctx.release
        return torch.rot90(grad, -k, dims)


@implements(torch.diagflat)
def diagflat(input: Any, offset: int = 0) -> Any:
    """A matrix with all elements of x on a diagonal."""
    return diag_embed(reshape(input, -1), offset)


@implements(torch.block_diag)
@function
class block_diag(Linear):
    """A matrix with the matrices on its diagonal, zeros elsewhere:  each gets its block of g. A vector is a row."""

    def forward(self, *tensors: Any) -> Any:
        self.ctx.save([each.shape for each in tensors])
        return torch.block_diag(*tensors)

    def backward(self, grad: Any) -> Any:
        (shapes,) = self.ctx.release
        grads: list[Any] = []
        row = column = 0
        for shape, needed in zip(shapes, self.ctx.needs_input_grad, strict=True):
            rows, columns = (1,) * (2 - len(shape)) + tuple(shape)
            block = grad.narrow(0, row, rows).narrow(1, column, columns) if needed else None
            grads.append(block if block is None or len(shape) == 2 else block.reshape(shape))
            row, column = row + rows, column + columns
        return tuple(grads)


# ---------------------------------------------------------------------------------------------------------------------
# Elements of several tensors, or of one, with each other


@implements()
@function
class _grid(Linear):
    """Each vector expanded along one dimension of its own of a grid:  dx = the sum of its g over the others."""

    materialize_grads = False

    def forward(self, *tensors: Any, indexing: str) -> Any:
        own = list(range(len(tensors)))
        if indexing == "xy" and len(own) > 1:
            own[:2] = 1, 0
        self.ctx.save(own)
        return torch.meshgrid(*tensors, indexing=indexing)

    def backward(self, *grads: Any) -> Any:
        (own,) = self.ctx.release
        if len(own) == 1:
            return grads
        return tuple(
            None if grad is None else grad.sum([k for k in own if k != dim])
            for grad, dim in zip(grads, own, strict=True)
        )


@implements(torch.meshgrid, torch._C._VariableFunctions.meshgrid)  # type: ignore[attr-defined]
@composite
def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Any, ...]:
    """The coordinates of a grid: vectors expanded to the dimensions that they make together.

    ``indexing`` is "ij" (as given) or "xy" (the first two exchanged); without it "ij", for which torch warns.
    """
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    if indexing not in (None, "ij", "xy") or not tensors or any(each.ndim > 1 for each in tensors):
        raise InputError(
            message(
                "a grid is made of vectors.",
                rule="meshgrid",
                expected='tensors of one dimension or none, and indexing "ij" or "xy"',
                got=f"shapes {[tuple(each.shape) for each in tensors]}, indexing {indexing!r}",
            )
        )
    return tuple(_grid(*tensors, indexing=indexing or "ij"))


@implements(torch.cartesian_prod)
@composite
def cartesian_prod(*tensors: Any) -> Any:
    """Every choice of one element from each vector, as rows; a single vector as it is."""
    tensors = tuple(tensors[0]) if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else tensors
    if len(tensors) == 1:
        return reshape(tensors[0], -1)
    return reshape(stack(meshgrid(*tensors, indexing="ij"), -1), -1, len(tensors))


@implements(torch.combinations)
@composite
def combinations(input: Any, r: int = 2, with_replacement: bool = False) -> Any:
    """Every choice of r elements of a vector, as rows."""
    n, r = len(input), operator.index(r)
    if n > 1 and r * math.log2(n) > 24:  # torch looks through all n^r rows
        choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
        places = torch.tensor(list(choose(range(n), r)), dtype=torch.int64, device=input.device).reshape(-1, r)
    else:
        places = torch.combinations(torch.arange(n, device=input.device), r, with_replacement)
    return getitem(input, places)


@implements(torch.repeat_interleave)
@composite
def repeat_interleave(
    input: Any, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Any:
    """The slices of x along a dimension, each ``repeats`` times in succession (a number, or one for each slice).

    Without a dimension x is taken flat. With one argument, as in torch: each index as often as the number there says.
    """
    if repeats is None:
        return torch.repeat_interleave(unwrap(input), output_size=output_size)
    input, dim = (reshape(input, -1), 0) if dim is None else (input, dim)
    repeats = unwrap(repeats)
    if isinstance(repeats, int) and input.ndim:
        dim %= input.ndim
        rest = input.shape[dim + 1 :]
        if output_size not in (None, input.shape[dim] * repeats):
            raise InputError(
                message(
                    "the output has another size.",
                    rule="repeat_interleave",
                    argument="output_size",
                    expected=input.shape[dim] * repeats,
                    got=output_size,
                )
            )
        wide = expand(reshape(input, *input.shape[: dim + 1], 1, *rest), *input.shape[: dim + 1], repeats, *rest)
        return reshape(wide, *input.shape[:dim], input.shape[dim] * repeats, *rest)
    places = torch.arange(input.shape[dim] if input.ndim else 1, device=input.device)
    places = torch.repeat_interleave(places, repeats, output_size=output_size)
    return index_select(input, dim, places)


# ---------------------------------------------------------------------------------------------------------------------
# Any elements of the storage


@implements(torch.as_strided)
@function
class as_strided(Linear):
    """The elements at strides of x's storage:  dx = the sum of g over those that are an element of x.

    What lies in the storage beside x is a constant. Where elements of x share memory (it was expanded), they share the
    gradient evenly, as in PyTorch.
    """

    def forward(self, input: Any, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None) -> Any:
        start = input.storage_offset() if storage_offset is None else storage_offset
        self.ctx.save(input.shape, input.stride(), input.storage_offset(), tuple(size), tuple(stride), start)
        return input.as_strided(size, stride, storage_offset)

    def backward(self, grad: Any) -> Any:
        shape, strides, offset, size, stride, start = self.ctx.release
        if _is_one_to_one(shape, strides, size, stride):
            if is_plain(grad) and _lies_within(shape, strides, offset, size, stride, start):
                out = grad.new_zeros(*shape)
                out.as_strided(size, stride, start - offset).copy_(grad)
                return out
            length = max(_end(shape, strides, offset), _end(size, stride, start))
            storage = grad.new_zeros(length)
            if is_plain(grad):
                storage.as_strided(size, stride, start).copy_(grad)
            else:
                taken = places(size, stride, start).to(grad.device)  # vmap knows no as_strided_scatter
                storage = storage.index_add(0, taken, grad.reshape(-1))
            return storage.as_strided(shape, strides, offset)
        own, taken = places(shape, strides, offset), places(size, stride, start)
        length = int(max([int(each.max()) for each in (own, taken) if each.numel()], default=-1)) + 1
        storage = grad.new_zeros(length).index_add(0, taken.to(grad.device), grad.reshape(-1))
        shared = torch.zeros(length, dtype=torch.int64).index_add(0, own, torch.ones_like(own))[own]
        return (storage[own] / shared.to(grad.device)).reshape(shape)


def shares(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Say whether two elements may share their place in the storage."""
    reach = 0
    for stride, size in sorted((stride, size) for stride, size in zip(strides, shape, strict=True) if size > 1):
        if stride <= reach:
            return True
        reach += stride * (size - 1)
    return False


@functools.lru_cache(1024)
def _is_one_to_one(shape: torch.Size, strides: Any, size: Any, stride: Any) -> bool:
    """Say whether x and its part have elements, each with a place of its own."""
    return 0 not in (*shape, *size) and not shares(shape, strides) and not shares(size, stride)


@functools.lru_cache(1024)
def _lies_within(shape: torch.Size, strides: Any, offset: int, size: Any, stride: Any, start: int) -> bool:
    """Say whether x has dimensions, is contiguous, and has all elements of its part."""
    expected = 1
    for n, step in zip(reversed(shape), reversed(strides), strict=True):
        if n != 1 and step != expected:
            return False
        expected *= n
    return len(shape) > 0 and offset <= start and _end(size, stride, start) <= offset + expected


def _end(shape: Sequence[int], strides: Sequence[int], offset: int) -> int:
    """Give the place behind the last element."""
    return offset + sum([stride * (size - 1) for size, stride in zip(shape, strides, strict=True)]) + 1


def places(shape: Sequence[int], strides: Sequence[int], offset: int) -> torch.Tensor:
    """Give the place in the storage of each element, in order."""
    places = torch.tensor(offset)
    for size, stride in zip(shape, strides, strict=True):
        places = places.unsqueeze(-1) + torch.arange(size) * stride
    return places.reshape(-1)
