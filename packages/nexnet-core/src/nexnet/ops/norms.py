"""Vector norms."""

from __future__ import annotations

import math
from typing import Any

import torch

from ..errors import InputError, NoGradientRule, message
from ..policy import Policy, function, implements
from ._names import numpy_names
from .reduction import Dims, restore_dims

__all__ = ["norm", "vector_norm"]


@implements(torch.linalg.vector_norm)
@function
class vector_norm(Policy):
    """y = (sum_i |x_i|^p)^(1/p):  dx_i = g sgn(x_i) (|x_i| / y)^(p-1).

    As in PyTorch the gradient is 0 where y = 0, and for p = 0 (a count) everywhere; the largest (p = inf) or smallest
    (p = -inf) elements share it evenly. The sign of a complex number is x / |x|.
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
        grad, y = restore_dims(grad, shape, dim, keepdim), restore_dims(out, shape, dim, keepdim)
        if p == 1:
            return x.sgn() * grad
        if p == 2:
            return x * (grad / y.masked_fill(y == 0, math.inf))
        if abs(p) == math.inf:
            reached = x.abs() == y
            count = reached.sum() if dim is None else reached.sum(dim, keepdim=True)
            return x.sgn() * reached * (grad / count)
        grad = grad * y.masked_fill(y == 0, math.inf if p > 1 else 1) ** (1 - p)
        return x.sgn() * x.abs().masked_fill(x == 0, 1) ** (p - 1) * grad  # filled: 0**(p-2) has no place in dd


@implements(torch.norm, torch.functional.norm)
@numpy_names
def norm(
    input: Any,
    p: Any = "fro",
    dim: Any = None,
    keepdim: bool = False,
    *,
    dtype: torch.dtype | None = None,
) -> Any:
    """The p-norm of the elements, over ``dim`` or all of them; ``"fro"`` is 2."""
    if isinstance(p, str) and p != "fro":
        raise InputError(message("this matrix norm has no rule.", rule="norm", argument="p", got=repr(p)))
    return vector_norm(input, 2 if p is None or p == "fro" else p, dim, keepdim, dtype=dtype)


@implements(torch.linalg.norm)
def _linalg_norm(
    A: Any,  # noqa: N803  torch's name
    ord: Any = None,
    dim: Any = None,
    keepdim: bool = False,
    *,
    dtype: torch.dtype | None = None,
) -> Any:
    """The norm of vectors or matrices: unlike torch.norm, a number means an operator norm where A is a matrix."""
    of_matrices = (A.ndim == 2 if dim is None else isinstance(dim, (tuple, list)) and len(dim) == 2) and ord is not None
    if (ord != "fro") if of_matrices else isinstance(ord, str):
        raise NoGradientRule(
            message(
                "nexnet has no gradient rule for this matrix norm.",
                rule="torch.linalg.norm",
                argument="ord",
                expected="'fro' for matrices, a number for vectors",
                got=repr(ord),
            )
        )
    return vector_norm(A, 2 if ord is None or ord == "fro" else ord, dim, keepdim, dtype=dtype)
