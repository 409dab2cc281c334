"""Tensors joined, split, repeated and rearranged along dimensions; copies and conversions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch

from ...engine import TensorBase, unwrap
from ...engine.attributes import shape_of
from ...errors import InputError, message
from ...policy import Linear, Policy, function, implements
from .._names import composite
from .reshaping import reshape
from .views import atleast_3d

__all__ = [
    "cat",
    "chunk",
    "clone",
    "column_stack",
    "concat",
    "concatenate",
    "contiguous",
    "dsplit",
    "dstack",
    "flip",
    "fliplr",
    "flipud",
    "hsplit",
    "hstack",
    "repeat",
    "roll",
    "row_stack",
    "split",
    "split_with_sizes",
    "stack",
    "tensor_split",
    "tile",
    "to",
    "type_as",
    "unbind",
    "unsafe_chunk",
    "unsafe_split",
    "unsafe_split_with_sizes",
    "vsplit",
    "vstack",
]


# ---------------------------------------------------------------------------------------------------------------------
# Many into one


class _cat(Linear):
    """The tensors one after the other:  each gets its part of g."""

    def forward(self, *tensors: Any, dim: int) -> Any:
        self.ctx.save([shape_of(each) for each in tensors], dim)
        return torch.cat(tensors, dim)

    def backward(self, grad: Any) -> Any:
        shapes, dim = self.ctx.release
        grads: list[Any] = []
        start = 0
        for shape, needed in zip(shapes, self.ctx.needs_input_grad, strict=True):
            if len(shape) != grad.ndim:  # torch lets an empty vector join anything
                grads.append(None)
                continue
            grads.append(grad.narrow(dim, start, shape[dim]) if needed else None)
            start += shape[dim]
        return tuple(grads)


class _stack(Linear):
    """The tensors along a new dimension:  each gets its slice of g."""

    def forward(self, *tensors: Any, dim: int) -> Any:
        self.ctx.save(dim)
        return torch.stack(tensors, dim)

    def backward(self, grad: Any) -> Any:
        (dim,) = self.ctx.release
        return grad.unbind(dim)


class _vstack(Linear):
    """The tensors one above the other, vectors as rows:  each gets its rows of g."""

    def forward(self, *tensors: Any) -> Any:
        self.ctx.save([each.shape for each in tensors])
        return torch.vstack(tensors)

    def backward(self, grad: Any) -> Any:
        (shapes,) = self.ctx.release
        grads: list[Any] = []
        row = 0
        for shape, needed in zip(shapes, self.ctx.needs_input_grad, strict=True):
            rows = shape[0] if len(shape) > 1 else 1
            if not needed:
                grads.append(None)
            elif len(shape) > 1:
                grads.append(grad.narrow(0, row, rows))
            else:
                grads.append(grad.select(0, row) if shape else grad.select(0, row).reshape(()))
            row += rows
        return tuple(grads)


_cat_tensors, _stack_tensors, _vstack_tensors = function(_cat), function(_stack), function(_vstack)
_cat_tensors.leaf = _stack_tensors.leaf = _vstack_tensors.leaf = True


def _sequence(tensors: Any, rule: str) -> Any:
    """Give what is to be joined.

    Raises:
        InputError: it is one tensor, or nothing that has tensors in it.
    """
    if isinstance(tensors, (list, tuple)):
        return tensors
    if isinstance(tensors, (TensorBase, torch.Tensor, str, dict)) or not isinstance(tensors, Iterable):
        raise InputError(
            message(
                f"{rule} joins a sequence of tensors.",
                rule=rule,
                argument="tensors",
                got=f"a {type(tensors).__name__}",
                remedy=f"{rule}([x, y])",
            )
        )
    return tensors


@implements(torch.cat, torch.concat, torch.concatenate)
@composite
def cat(tensors: Sequence[Any], dim: int = 0) -> Any:
    """Join tensors along a dimension."""
    return _cat_tensors(*_sequence(tensors, "cat"), dim=dim)


concat = concatenate = cat


@implements(torch.stack)
@composite
def stack(tensors: Sequence[Any], dim: int = 0) -> Any:
    """Join tensors of one shape along a new dimension."""
    return _stack_tensors(*_sequence(tensors, "stack"), dim=dim)


@implements(torch.hstack)
@composite
def hstack(tensors: Sequence[Any]) -> Any:
    """Join tensors side by side: along the second dimension, vectors along their only one."""
    tensors = [reshape(each, 1) if each.ndim == 0 else each for each in _sequence(tensors, "hstack")]
    return _cat_tensors(*tensors, dim=0 if tensors[0].ndim == 1 else 1)


@implements(torch.column_stack)
@composite
def column_stack(tensors: Sequence[Any]) -> Any:
    """Join tensors side by side, vectors as columns."""
    return cat([reshape(each, -1, 1) if each.ndim < 2 else each for each in _sequence(tensors, "column_stack")], 1)


@implements(torch.vstack, torch.row_stack)
@composite
def vstack(tensors: Sequence[Any]) -> Any:
    """Join tensors one above the other: along the first dimension, vectors as rows."""
    return _vstack_tensors(*_sequence(tensors, "vstack"))


row_stack = vstack


@implements(torch.dstack)
@composite
def dstack(tensors: Sequence[Any]) -> Any:
    """Join tensors along the third dimension."""
    return cat([atleast_3d(each) for each in _sequence(tensors, "dstack")], 2)


# ---------------------------------------------------------------------------------------------------------------------
# One into many


@implements(torch.split, torch.Tensor.split, torch.unsafe_split)
@function
class split(Linear):
    """x in pieces of a size, or of several sizes:  dx = the pieces' gradients one after the other."""

    def forward(self, tensor: Any, split_size_or_sections: int | list[int], dim: int = 0) -> Any:
        self.ctx.save(dim)
        return torch.split(tensor, split_size_or_sections, dim)

    def backward(self, *grads: Any) -> Any:
        (dim,) = self.ctx.release
        return torch.cat(grads, dim)


@implements(torch.split_with_sizes, torch.unsafe_split_with_sizes)
@composite
def split_with_sizes(input: Any, split_sizes: Sequence[int], dim: int = 0) -> Any:
    """X in pieces of several sizes."""
    return split(input, list(split_sizes), dim)


@implements(torch.tensor_split)
@composite
def tensor_split(input: Any, indices_or_sections: Any, dim: int = 0) -> tuple[Any, ...]:
    """X in a number of pieces, as equal as can be, or cut at indices, as slices are."""
    where = indices_or_sections
    where = unwrap(where).tolist() if hasattr(where, "tolist") else where
    if input.ndim == 0 or (isinstance(where, int) and where < 1):
        torch.tensor_split(unwrap(input), where, dim)  # raises torch's own error
    size = input.shape[dim]
    if isinstance(where, int):
        return split(input, [size // where + (i < size % where) for i in range(where)], dim)  # type: ignore[return-value]
    parts = [range(size)[a:b] for a, b in zip([None, *where], [*where, None], strict=True)]
    if [each for part in parts for each in part] == list(range(size)):
        return split(input, [len(part) for part in parts], dim)  # type: ignore[return-value]
    return tuple(input.narrow(dim, part.start if len(part) else 0, len(part)) for part in parts)


@implements(torch.hsplit)
@composite
def hsplit(input: Any, indices_or_sections: Any) -> Any:
    """X in pieces side by side: along the second dimension, a vector along its only one."""
    return _equal(input, indices_or_sections, 0 if input.ndim == 1 else 1, 1)


@implements(torch.vsplit)
@composite
def vsplit(input: Any, indices_or_sections: Any) -> Any:
    """X in pieces one above the other: along the first dimension."""
    return _equal(input, indices_or_sections, 0, 2)


@implements(torch.dsplit)
@composite
def dsplit(input: Any, indices_or_sections: Any) -> Any:
    """X in pieces along the third dimension."""
    return _equal(input, indices_or_sections, 2, 3)


def _equal(input: Any, where: Any, dim: int, least: int) -> Any:
    """Split as tensor_split does, but into equal pieces only."""
    if input.ndim < least or (isinstance(where, int) and (where < 1 or input.shape[dim] % where)):
        raise InputError(
            message(
                "it can't be split so.",
                expected=f"{least} dimensions or more, and a size that the number of pieces divides",
                got=f"shape {tuple(input.shape)}, dimension {dim}, {where}",
            )
        )
    return tensor_split(input, where, dim)


@implements(torch.chunk, torch.unsafe_chunk)
@function
class chunk(Linear):
    """x in a number of pieces:  dx = the pieces' gradients one after the other."""

    def forward(self, input: Any, chunks: int, dim: int = 0) -> Any:
        self.ctx.save(dim)
        return torch.chunk(input, chunks, dim)

    def backward(self, *grads: Any) -> Any:
        (dim,) = self.ctx.release
        return torch.cat(grads, dim)


unsafe_split, unsafe_chunk, unsafe_split_with_sizes = split, chunk, split_with_sizes


@implements(torch.unbind)
@function
class unbind(Linear):
    """The slices of x along a dimension:  dx = the slices' gradients, stacked."""

    def forward(self, input: Any, dim: int = 0) -> Any:
        self.ctx.save(dim)
        return input.unbind(dim)

    def backward(self, *grads: Any) -> Any:
        (dim,) = self.ctx.release
        return torch.stack(grads, dim)


# ---------------------------------------------------------------------------------------------------------------------
# Repeated and rearranged


@implements(torch.Tensor.repeat)
@function
class repeat(Linear):
    """x as tiles, ``repeats`` times along each dimension:  dx = the sum of g over the tiles."""

    def forward(self, input: Any, *repeats: Any) -> Any:
        counts = repeats[0] if len(repeats) == 1 and not isinstance(repeats[0], int) else repeats
        self.ctx.save(input.shape, tuple(counts))
        return input.repeat(counts)

    def backward(self, grad: Any) -> Any:
        shape, counts = self.ctx.release
        sizes = (1,) * (len(counts) - len(shape)) + tuple(shape)
        tiles = [each for pair in zip(counts, sizes, strict=True) for each in pair]
        return grad.reshape(tiles).sum(tuple(range(0, len(tiles), 2))) if tiles else grad


@implements(torch.tile)
@function
class tile(repeat.policy):  # type: ignore[misc,name-defined]
    """x as tiles; dimensions that ``dims`` does not reach are not repeated."""

    def forward(self, input: Any, *dims: Any) -> Any:
        counts = tuple(dims[0]) if len(dims) == 1 and not isinstance(dims[0], int) else dims
        return super().forward(input, (1,) * (input.ndim - len(counts)) + counts)


@implements(torch.flip)
@function
class flip(Linear):
    """x in reverse order along dimensions:  dx = g in reverse order."""

    def forward(self, input: Any, *dims: Any) -> Any:
        self.ctx.save(dims)
        return input.flip(*dims)

    def backward(self, grad: Any) -> Any:
        (dims,) = self.ctx.release
        return grad.flip(*dims)


@implements(torch.fliplr)
def fliplr(input: Any) -> Any:
    """X with its columns in reverse order."""
    return flip(input, 1)


@implements(torch.flipud)
def flipud(input: Any) -> Any:
    """X with its rows in reverse order."""
    return flip(input, 0)


@implements(torch.roll)
@function
class roll(Linear):
    """x moved along dimensions, what leaves at the end coming in at the start:  dx = g moved back."""

    def forward(self, input: Any, shifts: int | tuple[int, ...], dims: int | tuple[int, ...] = ()) -> Any:
        self.ctx.save(shifts, dims)
        return torch.roll(input, shifts, dims)

    def backward(self, grad: Any) -> Any:
        shifts, dims = self.ctx.release
        return torch.roll(grad, -shifts if isinstance(shifts, int) else [-each for each in shifts], dims)


# ---------------------------------------------------------------------------------------------------------------------
# Copies and conversions


@implements(torch.clone)
@function
class clone(Linear):
    """A copy of x:  dx = g."""

    def forward(self, input: Any, *, memory_format: torch.memory_format = torch.contiguous_format) -> Any:
        return input.clone(memory_format=memory_format)

    def backward(self, grad: Any) -> Any:
        return grad


@implements(torch.Tensor.contiguous)
@function
class contiguous(Linear):
    """x with its elements in order in memory, a copy only if they are not:  dx = g."""

    def forward(self, input: Any, *, memory_format: torch.memory_format = torch.contiguous_format) -> Any:
        return input.contiguous(memory_format=memory_format)

    def backward(self, grad: Any) -> Any:
        return grad


@implements(torch.Tensor.to)
@function
class to(Policy):
    """x in another dtype or on another device:  dx = g, converted back."""

    complex_rule = "own"

    def forward(self, input: Any, *args: Any, **kwargs: Any) -> Any:
        self.ctx.save(input.dtype, input.device)
        return input.to(*args, **kwargs)

    def backward(self, grad: Any) -> Any:
        dtype, device = self.ctx.release
        if grad.dtype.is_complex and not dtype.is_complex:
            grad = grad.real
        return grad.to(dtype=dtype, device=device)


@implements(torch.Tensor.type_as)
@composite
def type_as(input: Any, other: Any) -> Any:
    """X in the dtype and on the device of another tensor."""
    return to(input, dtype=other.dtype, device=other.device)
