"""Vector norms."""

from __future__ import annotations

import math
from typing import Any

import torch

from ...engine import TensorBase
from ...policy import Policy, function, implements
from .._conventions import chosen
from .._plain import may_look_at
from .sums import Dims, restore_dims

__all__ = ["vector_norm"]


@implements(torch.linalg.vector_norm)
@function
class vector_norm(Policy):
    """y = (sum_i |x_i|^p)^(1/p):  dx_i = g sgn(x_i) (|x_i| / y)^(p-1).

    As in PyTorch the gradient is 0 where y = 0, and for p = 0 (a count) everywhere; the largest (p = inf) or smallest
    (p = -inf) elements share it evenly. The sign of a complex number is x / |x|.

    Corner: 0 at 0 for every p; by p = 1 also for each zero element; elements that tie for the inf-norm share evenly.
    Second order: NaN at 0; infinite for a zero element where 1 < p < 2.
    """

    complex_rule = "own"

    def forward(
        self, x: Any, ord: float = 2, dim: Dims = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
    ) -> Any:
        out = torch.linalg.vector_norm(x, ord, dim, keepdim, dtype=dtype)
        self.ctx.save(x, out, ord, dim, keepdim)
        return out

    def backward(self, grad: Any) -> Any:
        x, out, p, dim, keepdim = self.ctx.release
        if p == 0:
            return None
        shape = x.shape
        if p == 2:
            positive = may_look_at(out) and out.amin().item() > 0
            ratio = grad / (out if positive else out.masked_fill(out == 0, math.inf))
            dx = x * restore_dims(ratio, shape, dim, keepdim)
            return dx if positive else chosen(dx, restore_dims(out == 0, shape, dim, keepdim), x)
        grad, y = restore_dims(grad, shape, dim, keepdim), restore_dims(out, shape, dim, keepdim)
        return gradient_of_norm(grad, y, x, p, dim)


def gradient_of_norm(grad: Any, y: Any, x: Any, p: float, dim: Dims) -> Any:
    """Give g sgn(x) (|x| / y)^(p-1), with the norm's dimensions kept in g and in y, the norm: 0 where y or x is 0."""
    if p == 1 or abs(p) == math.inf:
        dx = x.sgn() * grad
        if p != 1:
            reached = x.abs() == y
            dx = dx * reached / (reached.sum() if dim is None else reached.sum(dim, keepdim=True))
        return chosen(dx, x == 0, x) if x.dtype.is_complex else dx
    zero = y == 0
    if p > 1:
        y = y.masked_fill(zero, math.inf)
    recorded = isinstance(x, TensorBase)
    if not recorded:
        return grad * (x.sgn() * (x.abs().masked_fill(x == 0, 1) / y) ** (p - 1))
    if p > 1 and not x.dtype.is_complex:
        return chosen(grad * (_signed_power(x, p - 1) * y ** (1 - p)), zero, x)
    slope = x.sgn() * x.abs().masked_fill(x == 0, 1) ** (p - 1) * y ** (1 - p)
    return chosen(chosen(grad * slope, zero, x), x == 0, x)


@implements()
@function
class _signed_power(Policy):
    """sgn(x) |x|^a, a > 0:  dx = g a |x|^(a-1), infinite at 0 where a < 1, and there 0 for a gradient of 0."""

    def forward(self, x: Any, a: float) -> Any:
        self.ctx.save(x, a)
        return x.sgn() * x.abs() ** a

    def backward(self, grad: Any) -> Any:
        x, a = self.ctx.release
        return grad * torch.where((x == 0) & (grad == 0), 0, a * x.abs() ** (a - 1))

    def jvp(self, tangent: Any, _: Any) -> Any:
        return _signed_power.policy.backward(self, tangent)
