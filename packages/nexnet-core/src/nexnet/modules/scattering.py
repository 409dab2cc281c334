"""A write into a part of a tensor, as a value: the tensor with other elements in that part.

A part is what some of torch's views make of a tensor: the steps are taken again on a copy, and the elements that they
lead to are written there. The gradient takes the same steps: by the elements, it is what they lead to in the gradient;
by the tensor, it is the gradient with zeros there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .._dispatch import call_rule
from .._nested import map_leaves
from ..engine import is_wrapped, unwrap
from ..ops.shapes.arranging import shares
from ..policy import Linear, function

__all__ = ["Part", "Step", "in_base", "in_memory", "laid", "overwritten", "replaced", "take_step"]


class Step(NamedTuple):
    """One of torch's views: its function, what that was called with beside the tensor, and which output is meant."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    pick: int | None

    def __call__(self, x: Any, call: Callable[..., Any]) -> Any:
        """Take the step; ``call(function, args, kwargs)`` says how a torch function is called."""
        out = call(self.function, (x, *self.args), dict(self.kwargs))
        return out if self.pick is None else out[self.pick]


class Part:
    """Where some views lead in a tensor that has these strides and this dtype."""

    __slots__ = ("dtype", "steps", "stride")

    def __init__(self, steps: tuple[Step, ...], stride: tuple[int, ...], dtype: torch.dtype) -> None:
        self.steps, self.stride, self.dtype = steps, stride, dtype

    def of(self, x: Tensor) -> Tensor:
        """Give the part of a torch tensor, as a view; its strides are made the tensor's for which the part was told."""
        x = laid(x, self.stride)
        for step in self.steps:
            x = step(x, _plainly)
        return x

    @property
    def may_overlap(self) -> bool:
        """Say whether several elements of the part may be one of the tensor's."""
        lies = self.steps[0].args[0] if self.steps and self.steps[0].function is in_memory else None
        return lies is not None and lies.dtype == self.dtype and not lies.is_conj and shares(lies.size, lies.stride)


def _plainly(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a torch function on torch's tensors: of ``x.view_as(y)`` the y, too, which is a LiteTensor in the step."""
    return function(*map_leaves(args, unwrap), **map_leaves(kwargs, unwrap))


class Lies(NamedTuple):
    """How one of torch's tensors lies in the memory of another: its offset is from there."""

    size: torch.Size
    stride: tuple[int, ...]
    offset: int
    dtype: torch.dtype
    is_conj: bool
    is_neg: bool


def in_base(x: Tensor, base: Tensor) -> Lies | None:
    """Say how a tensor lies in another's memory; None if it has other elements than that one, or their parts."""
    if base.is_conj() or base.is_neg() or x.dtype not in (base.dtype, _OTHER_PARTS.get(base.dtype)):
        return None
    offset = int(x.storage_offset()) - int(base.storage_offset()) * base.itemsize // x.itemsize
    if offset < 0 or _extent(x) + offset > _extent(base) * base.itemsize // x.itemsize:
        return None
    return Lies(x.size(), x.stride(), offset, x.dtype, x.is_conj(), x.is_neg())


#: The dtype of the real and imaginary parts, and the one whose parts these are.
_OTHER_PARTS = {each: each.to_real() for each in (torch.complex32, torch.complex64, torch.complex128)}
_OTHER_PARTS |= {real: whole for whole, real in _OTHER_PARTS.items()}


def _extent(x: Tensor) -> int:
    """Say how many places there are from the first element to the last."""
    return sum([stride * (size - 1) for size, stride in zip(x.shape, x.stride(), strict=True)], 1) if x.numel() else 0


def in_memory(x: Tensor, lies: Lies) -> Tensor:
    """Give what lies somewhere in a tensor's memory: a step to a view that torch has made."""
    size, stride, offset, dtype, is_conj, is_neg = lies
    if dtype.is_complex == x.is_complex():
        x = x.as_strided(size, stride, x.storage_offset() + offset)
    elif dtype.is_complex:
        pairs = (*size, 2), (*[2 * each for each in stride], 1)
        x = torch.view_as_complex(x.as_strided(*pairs, x.storage_offset() + 2 * offset))
    else:
        x = torch.view_as_real(x)
        x = x.as_strided(size, stride, x.storage_offset() + offset)
    x = x.conj() if is_conj else x
    return torch._neg_view(x) if is_neg else x


def take_step(x: Any, step: Step) -> Any:
    """Take a step from a LiteTensor."""
    if step.function is in_memory:
        return _taken(x, Part((step,), x.stride(), x.dtype))
    return step(x, call_rule)


def laid(x: Tensor, stride: tuple[int, ...], copied: bool = False) -> Tensor:
    """Give a tensor with its elements in the order in memory that these strides are of; a copy, if that is asked for.

    Sizes of 1 apart, the strides are then these, unless they leave gaps.
    """
    if not copied and x.stride() == stride:
        return x
    order = sorted(range(x.ndim), key=lambda dim: (-stride[dim], dim))
    places = sorted(range(x.ndim), key=order.__getitem__)
    x = x.permute(order)
    return (x.clone(memory_format=torch.contiguous_format) if copied else x.contiguous()).permute(places)


def _copied(x: Tensor, stride: tuple[int, ...], values: Any = None) -> Tensor:
    """Give a copy that may be written into; inside of a vmap, one for each example if there is a value for each."""
    if isinstance(values, Tensor) and is_wrapped(values):
        x = x + torch.zeros_like(values, dtype=x.dtype).sum()
    return laid(x, stride, copied=True)


@function
class overwritten(Linear):
    """x with v in one part:  dx = g, with zeros there,  dv = g there."""

    def forward(self, input: Any, values: Any, part: Part) -> Any:
        self.ctx.save(part)
        out = _copied(input, part.stride, values)
        part.of(out).copy_(values)
        return out

    def backward(self, grad: Any) -> Any:
        (part,) = self.ctx.release
        need_input, need_values, _ = self.ctx.needs_input_grad
        return _emptied(grad, part) if need_input else None, _taken(grad, part) if need_values else None


@function
class replaced(Linear):
    """v in the place of x, unseen by the gradient, as torch does it in ``no_grad`` and through ``detach``:  dx = g."""

    def forward(self, input: Any, values: Any, part: Part) -> Any:
        out = _copied(input, part.stride, values)
        part.of(out).copy_(values)
        return out

    def backward(self, grad: Any) -> Any:
        return grad


@function
class _taken(Linear):
    """One part of x:  dx = zeros, with g there."""

    def forward(self, input: Any, part: Part) -> Any:
        self.ctx.save(input.shape, part)
        return part.of(input).clone()

    def backward(self, grad: Any) -> Any:
        shape, part = self.ctx.release
        return _placed(grad, shape, part)


@function
class _placed(Linear):
    """Zeros with x in one part:  dx = g there."""

    def forward(self, input: Any, shape: torch.Size, part: Part) -> Any:
        self.ctx.save(part)
        zeros = input.new_zeros(shape, dtype=part.dtype)
        if part.may_overlap:
            places = part.of(torch.arange(zeros.numel(), device=zeros.device).reshape(shape))
            return zeros.reshape(-1).index_add(0, places.reshape(-1), input.reshape(-1)).reshape(shape)
        out = _copied(zeros, part.stride, input)
        part.of(out).copy_(input)
        return out

    def backward(self, grad: Any) -> Any:
        (part,) = self.ctx.release
        return _taken(grad, part)


@function
class _emptied(Linear):
    """x with zeros in one part:  dx = g, with zeros there."""

    def forward(self, input: Any, part: Part) -> Any:
        self.ctx.save(part)
        out = _copied(input, part.stride)
        part.of(out).zero_()
        return out

    def backward(self, grad: Any) -> Any:
        (part,) = self.ctx.release
        return _emptied(grad, part)


for _each in (overwritten, replaced, _taken, _placed, _emptied):
    _each.leaf = True  # for the higher orders forward is called, not recorded: it saves what is constant
