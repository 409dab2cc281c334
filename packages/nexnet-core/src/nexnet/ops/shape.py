"""Views, copies and conversions: the same values in another arrangement."""

from __future__ import annotations

from typing import Any

import torch

from ..policy import Policy, function, implements

__all__ = ["alias", "clone", "reshape", "to"]


@implements(torch.ops.aten.alias.default)
@function
class alias(Policy):
    """x under a new identity:  dx = g."""

    def forward(self, input: Any) -> Any:
        return input

    def backward(self, grad: Any) -> Any:
        return grad


@implements(torch.clone)
@function
class clone(Policy):
    """A contiguous copy of x:  dx = g."""

    def forward(self, input: Any, *, memory_format: torch.memory_format = torch.contiguous_format) -> Any:
        return input.clone(memory_format=memory_format)

    def backward(self, grad: Any) -> Any:
        return grad


@implements(torch.Tensor.to)
@function
class to(Policy):
    """x in another dtype or on another device:  dx = g, converted back."""

    def forward(self, input: Any, *args: Any, **kwargs: Any) -> Any:
        self.ctx.save(input.dtype, input.device)
        return input.to(*args, **kwargs)

    def backward(self, grad: Any) -> Any:
        dtype, device = self.ctx.release
        return grad.to(dtype=dtype, device=device)


@implements(torch.reshape)
@function
class reshape(Policy):
    """x in another shape:  dx = g in x's shape."""

    def forward(self, input: Any, *shape: Any) -> Any:
        self.ctx.save(input.shape)
        return input.reshape(*shape)

    def backward(self, grad: Any) -> Any:
        (shape,) = self.ctx.release
        return grad.reshape(shape)
