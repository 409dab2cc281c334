"""Vector norms."""

from __future__ import annotations

import math
from typing import Any

import torch

from ...policy import Policy, function, implements
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
        if p == 1:
            return x.sgn() * restore_dims(grad, shape, dim, keepdim)
        if p == 2:
            positive = may_look_at(out) and out.amin().item() > 0
            ratio = grad / (out if positive else out.masked_fill(out == 0, math.inf))
            return x * restore_dims(ratio, shape, dim, keepdim)
        grad, y = restore_dims(grad, shape, dim, keepdim), restore_dims(out, shape, dim, keepdim)
        if abs(p) == math.inf:
            reached = x.abs() == y
            count = reached.sum() if dim is None else reached.sum(dim, keepdim=True)
            return x.sgn() * reached * (grad / count)
        grad = grad * y.masked_fill(y == 0, math.inf if p > 1 else 1) ** (1 - p)
        return x.sgn() * x.abs().masked_fill(x == 0, 1) ** (p - 1) * grad  # filled: 0**(p-2) has no place in dd
