"""Kernels that torch.vmap has no rule for, and would call example by example, of others that it has one for.

And those whose rule is wrong where one vmap maps one operand, and a second vmap another: see ``alike``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..engine import is_wrapped, unwrap

__all__ = [
    "alike",
    "conj_physical",
    "fill",
    "in_place_of",
    "index_fill",
    "is_mapped",
    "lu_solve",
    "masked_fill",
    "masked_scatter",
    "masked_scatter_backward",
    "put",
    "take",
    "where_mapped",
]

_functorch = torch._C._functorch

_transforms: Callable[[], Any] = torch._C._functorch.peek_interpreter_stack  # None outside of all


def is_mapped(*values: Any) -> bool:
    """Say whether one of them, torch's or nexnet's, is inside of torch.vmap."""
    return _transforms() is not None and any(
        isinstance(each, Tensor) and is_wrapped(each) for each in map(unwrap, values)
    )


def alike(*operands: Tensor) -> list[Tensor]:
    """Give the operands mapped by each vmap that maps one of them, those that it leaves the same repeated for it.

    Where vmaps are nested, the batch of the inner one is a dimension to the outer one's rules, and some of these take
    operands that have it, and others that have not, as if they had as many dimensions.
    """
    level = max(_functorch.maybe_get_level(each) for each in operands)
    here = [_functorch.maybe_get_level(each) == level and _functorch.is_batchedtensor(each) for each in operands]
    if not any(here):
        return list(operands)
    fronted = []
    for each, mapped in zip(operands, here, strict=True):
        value, dim = _functorch._unwrap_batched(each, level) if mapped else (each.unsqueeze(0), 0)
        fronted.append(value.movedim(dim or 0, 0))
    size = max(each.shape[0] for each in fronted)
    whole = [each if mapped else each.expand(size, *each.shape[1:]) for each, mapped in zip(fronted, here, strict=True)]
    return [_functorch._add_batch_dim(each, 0, level) for each in alike(*whole)]


def in_place_of(kernel: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate what is called in a kernel's place: the rule that it is given is the kernel's."""

    def mark(function: Callable[..., Any]) -> Callable[..., Any]:
        function.stands_for = kernel  # type: ignore[attr-defined]
        return function

    return mark


def where_mapped(kernel: Callable[..., Tensor]) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    """Decorate what is called in a kernel's place where something is mapped."""

    def choose(mapped: Callable[..., Tensor]) -> Callable[..., Tensor]:
        @in_place_of(kernel)
        def call(*args: Any, **options: Any) -> Tensor:
            return (mapped if is_mapped(*args) else kernel)(*args, **options)

        call.__doc__ = mapped.__doc__
        return call

    return choose


@where_mapped(torch.take)
def take(input: Tensor, index: Tensor) -> Tensor:
    """Give the elements at indices that count through all of x."""
    return input.reshape(-1)[index]


@where_mapped(torch.put)
def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """Give x with the elements of s put at, or added at, such indices."""
    flat = input.reshape(-1).index_put((index.reshape(-1),), source.reshape(-1), accumulate)
    return flat.reshape(input.shape)


@where_mapped(torch.masked_fill)
def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """Give a value, a number or a tensor without dimensions, where the mask is true, x elsewhere."""
    if isinstance(value, Tensor) and value.ndim == 0 and torch.can_cast(value.dtype, input.dtype):
        return torch.where(mask, value.to(input.dtype), input)
    return torch.masked_fill(input, mask, value)


@where_mapped(torch.masked_scatter)
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """Give x with the elements of s in order where the mask is true."""
    if source.numel() == 0:  # the mask is true nowhere
        return input.clone()
    return torch.where(mask, source.reshape(-1)[_order(mask).clamp(min=0)].reshape(mask.shape), input)


@where_mapped(torch.ops.aten.masked_scatter_backward.default)
def masked_scatter_backward(grad: Tensor, mask: Tensor, shape: Sequence[int]) -> Tensor:
    """Give g where the mask is true, in order, then zeros, in a shape."""
    size = torch.Size(shape).numel()
    order = torch.where(mask.reshape(-1), _order(mask), size)  # what is masked out goes to the end, and is left there
    zeros = torch.zeros(size + 1, dtype=grad.dtype, device=grad.device)
    return zeros.scatter(0, order, grad.reshape(-1))[:size].reshape(shape)


def _order(mask: Tensor) -> Tensor:
    """Give, for each element where the mask is true, how many such there are before it."""
    return mask.reshape(-1).cumsum(0) - 1


@where_mapped(torch.fill)
def fill(input: Tensor, value: Any) -> Tensor:
    """Give a value, a number or a tensor without dimensions, in the shape of x."""
    # Of a complex tensor torch keeps the real part, with a warning; a complex number it refuses.
    filled = value.to(input) if isinstance(value, Tensor) else _element(value, input)
    return filled.expand(input.shape).clone()


def _element(value: Any, beside: Tensor) -> Tensor:
    """Give a value, a number or a tensor without dimensions, as an element of a tensor."""
    element: Tensor = torch.as_tensor(value, device=beside.device)
    if element.is_complex() and not beside.is_complex():
        raise RuntimeError("value cannot be converted to type float without overflow")  # torch's words of one example
    return element.to(beside.dtype)


@where_mapped(torch.conj_physical)
def conj_physical(input: Tensor) -> Tensor:
    """Give the complex conjugate."""
    return torch.complex(input.real, -input.imag)


@where_mapped(torch.index_fill)
def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """Give x with a value, a number or a tensor without dimensions, at indices of a dimension."""
    if input.ndim == 0:
        return index_fill(input.reshape(1), dim, index, value).reshape(())
    index = index.reshape(-1)
    shape = list(input.shape)
    shape[dim] = index.shape[0]
    return torch.index_copy(input, dim, index, _element(value, input).expand(shape))


@where_mapped(torch.linalg.lu_solve)
def lu_solve(LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False) -> Tensor:  # noqa: N803
    """Give the X with A X = B from A's factors."""
    if not all(isinstance(each, Tensor) for each in (LU, pivots, B)):  # recorded: the operator's forward comes here
        return torch.linalg.lu_solve(LU, pivots, B, left=left, adjoint=adjoint)  # type: ignore[no-any-return]
    lu, pivots, b = alike(LU, pivots, B)
    ndim = max(lu.ndim, b.ndim)
    lu, b = (each[(None,) * (ndim - each.ndim)] for each in (lu, b))
    pivots = pivots[(None,) * (ndim - 1 - pivots.ndim)]
    out: Tensor = torch.linalg.lu_solve(lu, pivots, b, left=left, adjoint=adjoint)
    return out
