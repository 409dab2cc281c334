"""Kernels that torch.vmap has no rule for, and would call example by example, of others that it has one for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..engine import is_wrapped, unwrap

__all__ = ["conj_physical", "fill", "is_mapped", "masked_scatter", "masked_scatter_backward", "put", "take"]


_transforms: Callable[[], Any] = torch._C._functorch.peek_interpreter_stack  # None outside of all


def is_mapped(*values: Any) -> bool:
    """Say whether one of them, torch's or nexnet's, is inside of torch.vmap."""
    return _transforms() is not None and any(
        isinstance(each, Tensor) and is_wrapped(each) for each in map(unwrap, values)
    )


def _or(kernel: Callable[..., Tensor]) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    """Call the kernel wherever nothing is mapped."""

    def choose(mapped: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def call(*args: Any) -> Tensor:
            return (mapped if is_mapped(*args) else kernel)(*args)

        call.__doc__ = mapped.__doc__
        return call

    return choose


@_or(torch.take)
def take(input: Tensor, index: Tensor) -> Tensor:
    """Give the elements at indices that count through all of x."""
    return input.reshape(-1)[index]


@_or(torch.put)
def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """Give x with the elements of s put at, or added at, such indices."""
    flat = input.reshape(-1).index_put((index.reshape(-1),), source.reshape(-1), accumulate)
    return flat.reshape(input.shape)


@_or(torch.masked_scatter)
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """Give x with the elements of s in order where the mask is true."""
    if source.numel() == 0:  # the mask is true nowhere
        return input.clone()
    return torch.where(mask, source.reshape(-1)[_order(mask).clamp(min=0)].reshape(mask.shape), input)


@_or(torch.ops.aten.masked_scatter_backward.default)
def masked_scatter_backward(grad: Tensor, mask: Tensor, shape: Sequence[int]) -> Tensor:
    """Give g where the mask is true, in order, then zeros, in a shape."""
    size = torch.Size(shape).numel()
    order = torch.where(mask.reshape(-1), _order(mask), size)  # what is masked out goes to the end, and is left there
    zeros = torch.zeros(size + 1, dtype=grad.dtype, device=grad.device)
    return zeros.scatter(0, order, grad.reshape(-1))[:size].reshape(shape)


def _order(mask: Tensor) -> Tensor:
    """Give, for each element where the mask is true, how many such there are before it."""
    return mask.reshape(-1).cumsum(0) - 1


@_or(torch.fill)
def fill(input: Tensor, value: Any) -> Tensor:
    """Give a value, a number or a tensor without dimensions, in the shape of x."""
    filled: Tensor = torch.as_tensor(value, device=input.device).to(input.dtype)
    return filled.expand(input.shape).clone()


@_or(torch.conj_physical)
def conj_physical(input: Tensor) -> Tensor:
    """Give the complex conjugate."""
    return torch.complex(input.real, -input.imag)
