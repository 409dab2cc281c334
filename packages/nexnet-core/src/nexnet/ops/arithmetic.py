"""Arithmetic of two operands. Broadcasting and promotion are undone by the engine, once for every rule."""

from __future__ import annotations

from typing import Any

import torch

from ..policy import Policy, function, implements

__all__ = ["add", "mul", "neg", "rsub", "sub"]


@implements(torch.add, torch.Tensor.__radd__)
@function
class add(Policy):
    """x + alpha y:  dx = g,  dy = alpha g."""

    def forward(self, input: Any, other: Any, *, alpha: Any = 1) -> Any:
        self.ctx.save(alpha)
        return input + other if alpha == 1 else torch.add(input, other, alpha=alpha)

    def backward(self, grad: Any) -> Any:
        (alpha,) = self.ctx.release
        return grad, grad if alpha == 1 else grad * alpha


@implements(torch.sub, torch.subtract)
@function
class sub(Policy):
    """x - alpha y:  dx = g,  dy = -alpha g."""

    def forward(self, input: Any, other: Any, *, alpha: Any = 1) -> Any:
        self.ctx.save(alpha)
        return input - other if alpha == 1 else torch.sub(input, other, alpha=alpha)

    def backward(self, grad: Any) -> Any:
        (alpha,) = self.ctx.release
        if not self.ctx.needs_input_grad[1]:
            return grad
        return grad, -grad if alpha == 1 else grad * -alpha


@implements(torch.rsub)
def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """other - alpha input."""
    return sub(other, input, alpha=alpha)


@implements(torch.mul, torch.multiply)
@function
class mul(Policy):
    """x y:  dx = g y,  dy = g x."""

    def forward(self, input: Any, other: Any) -> Any:
        need_input, need_other = self.ctx.needs_input_grad
        self.ctx.save(other if need_input else None, input if need_other else None)
        return input * other

    def backward(self, grad: Any) -> Any:
        other, input = self.ctx.release
        return None if other is None else grad * other, None if input is None else grad * input


@implements(torch.neg, torch.negative)
@function
class neg(Policy):
    """-x:  dx = -g."""

    def forward(self, input: Any) -> Any:
        return -input

    def backward(self, grad: Any) -> Any:
        return -grad
