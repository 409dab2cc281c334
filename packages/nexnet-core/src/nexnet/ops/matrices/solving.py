"""Linear equations with as many unknowns: inverses, and solutions for matrices with and without structure.

The formulas are those of M. Giles, "An extended collection of matrix derivative results for forward and reverse mode
algorithmic differentiation" (2008), 2.2.

A factorisation that forward has made serves the first derivative. A higher one is taken through the rule's own
operators (``solve`` of the same matrix), because what was factorised there is no function that a tape knows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from ...engine import unwrap
from ...errors import InputError, message
from ...policy import Policy, function, implements
from .. import _vmap_kernels
from .._names import composite, place_of, return_types

__all__ = [
    "inverse",
    "linalg_inv",
    "linalg_inv_ex",
    "linalg_solve",
    "linalg_solve_ex",
    "linalg_solve_triangular",
    "linalg_tensorinv",
    "linalg_tensorsolve",
    "triangular_solve",
]

# ---------------------------------------------------------------------------------------------------------------------
# Inverses


@implements(torch.linalg.inv)
@function
class linalg_inv(Policy):
    """Y = A^-1:  dA = -Y^H g Y^H."""

    complex_rule = "own"

    def forward(self, A: Any) -> Any:  # noqa: N803  torch's name
        out = torch.linalg.inv(A)
        self.ctx.save(out)
        return out

    def backward(self, grad: Any) -> Any:
        (out,) = self.ctx.release
        return _inverse_gradient(grad, out)


@implements(torch.linalg.inv_ex)
@function
class linalg_inv_ex(Policy):
    """(Y, info), Y = A^-1, without an error where A is singular (info > 0):  dA = -Y^H g Y^H."""

    complex_rule = "own"
    materialize_grads = False

    def forward(self, A: Any, *, check_errors: bool = False) -> Any:  # noqa: N803
        out = torch.linalg.inv_ex(A, check_errors=check_errors)
        self.ctx.save(out[0])
        return out

    def backward(self, grad: Any, _: Any) -> Any:
        (out,) = self.ctx.release
        return _inverse_gradient(grad, out)


def _inverse_gradient(grad: Any, inverse: Any) -> Any:
    adjoint = inverse.mH
    return (-adjoint).matmul(grad).matmul(adjoint)


@implements(torch.inverse)
def inverse(input: Any) -> Any:
    """The inverse of each matrix."""
    return linalg_inv(input)


@implements(torch.linalg.tensorinv)
@composite
def linalg_tensorinv(A: Any, ind: int = 2) -> Any:  # noqa: N803
    """The inverse of what ``tensordot(A, x, x.ndim)`` does: A's first ``ind`` dimensions are its rows."""
    rows, columns = math.prod(A.shape[:ind]), math.prod(A.shape[ind:])
    if ind <= 0 or rows != columns:
        raise InputError(
            message(
                "only a square matrix has an inverse.",
                rule="linalg.tensorinv",
                expected="prod(A.shape[:ind]) == prod(A.shape[ind:]), ind > 0",
                got=f"{rows} and {columns} for ind = {ind}",
            )
        )
    return linalg_inv(A.reshape(rows, columns)).reshape(*A.shape[ind:], *A.shape[:ind])


# ---------------------------------------------------------------------------------------------------------------------
# Solutions


def is_vector(A: Any, B: Any) -> bool:  # noqa: N803
    """Say whether B is a vector, or a batch of them, as torch.linalg.solve has it."""
    return B.ndim == 1 or (A.ndim - 1 == B.ndim and tuple(B.shape) == tuple(A.shape[:-1]))


class _Solve(Policy):
    """A X = B, or X A = B:  dB = A^-H g,  dA = -dB X^H  (or dB = g A^-H, dA = -X^H dB)."""

    complex_rule = "own"
    materialize_grads = False

    def forward(self, A: Any, B: Any, left: bool, check_errors: bool) -> Any:  # noqa: N803
        vector = is_vector(A, B)
        b = B.unsqueeze(-1) if vector else B
        if b.ndim < A.ndim:  # under vmap torch may take a B of fewer dimensions for vectors, silently
            b = b.reshape((1,) * (A.ndim - b.ndim) + tuple(b.shape))
        out, lu, pivots, info = torch._linalg_solve_ex(A, b, left=left, check_errors=check_errors)
        out = out.squeeze(-1) if vector else out
        self.ctx.save(A, lu, pivots, out if self.ctx.needs_input_grad[0] else None, left, vector)
        return out, lu, pivots, info

    def backward(self, grad: Any, *_: Any) -> Any:
        a, lu, pivots, out, left, vector = self.ctx.release
        if vector:
            grad = grad.unsqueeze(-1)
        if isinstance(grad, torch.Tensor):  # the first order: A is factorised already
            db = _vmap_kernels.lu_solve(lu, pivots, grad, left=left, adjoint=True)
        else:
            db = linalg_solve_ex(a.mH, grad, left=left)[0]
        da = None
        if out is not None:
            x = (out.unsqueeze(-1) if vector else out).mH
            minus = -db  # the smaller one, as a rule
            da = minus.matmul(x) if left else x.matmul(minus)
        return da, db.squeeze(-1) if vector else db


_solve = function(_Solve)
_solve.leaf = True


@implements(torch.linalg.solve)
def linalg_solve(A: Any, B: Any, *, left: bool = True) -> Any:  # noqa: N803
    """The X with A X = B, or X A = B if not ``left``; B holds matrices (..., n, k), or vectors (..., n)."""
    out, _, _, info = _solve(A, B, left, False)
    torch._linalg_check_errors(unwrap(info), "torch.linalg.solve", is_matrix=A.ndim == 2)
    return out


@implements(torch.linalg.solve_ex)
def linalg_solve_ex(A: Any, B: Any, *, left: bool = True, check_errors: bool = False) -> Any:  # noqa: N803
    """(X, info), without an error where A is singular (info > 0)."""
    out, _, _, info = _solve(A, B, left, check_errors)
    return return_types.linalg_solve_ex((out, info))


class _TensorSolve(Policy):
    """A X = B with the elements of B, and those of X, as vectors:  dB = A^-H g,  dA = -dB X^H, as for matrices."""

    complex_rule = "own"
    materialize_grads = False

    def forward(self, A: Any, B: Any, source: tuple[int, ...], end: tuple[int, ...]) -> Any:  # noqa: N803
        moved, size = A.movedim(source, end) if source else A, B.numel()
        out, lu, pivots, info = torch._linalg_solve_ex(moved.reshape(size, size), B.reshape(size, 1))
        out = out.reshape(moved.shape[B.ndim :])
        self.ctx.save(A, lu, pivots, out if self.ctx.needs_input_grad[0] else None, moved.shape, B.shape, source, end)
        return out, lu, pivots, info

    def backward(self, grad: Any, *_: Any) -> Any:
        a, lu, pivots, out, shape, right, source, end = self.ctx.release
        size = math.prod(right)
        grad = grad.reshape(size, 1)
        if isinstance(grad, torch.Tensor):  # the first order: A is factorised already
            db = _vmap_kernels.lu_solve(lu, pivots, grad, adjoint=True)
        else:
            moved = a.movedim(source, end) if source else a
            db = linalg_solve_ex(moved.reshape(size, size).mH, grad)[0]
        da = None
        if out is not None:
            da = (-db * out.reshape(1, size).conj()).reshape(shape)
            da = da.movedim(end, source) if source else da
        return da, db.reshape(right)


_tensor_solve = function(_TensorSolve)
_tensor_solve.leaf = True


@implements(torch.linalg.tensorsolve)
@composite
def linalg_tensorsolve(A: Any, B: Any, dims: Sequence[int] | None = None) -> Any:  # noqa: N803
    """The X with tensordot(A, X, X.ndim) = B; the dimensions ``dims`` of A are moved to its end first."""
    ndim = A.ndim
    source = () if dims is None else tuple([place_of(dim, ndim) for dim in dims])
    sizes = [*[size for i, size in enumerate(A.shape) if i not in source], *[A.shape[i] for i in source]]
    rows, columns = math.prod(B.shape), math.prod(sizes[B.ndim :])
    if math.prod(sizes) != rows * columns or rows != columns:
        raise InputError(
            message(
                "the equations must be as many as the unknowns.",
                rule="linalg.tensorsolve",
                expected="prod(A.shape[B.ndim:]) == prod(B.shape)",
                got=f"{columns} and {rows}",
            )
        )
    out, _, _, info = _tensor_solve(A, B, source, tuple(range(ndim - len(source), ndim)))
    torch._linalg_check_errors(unwrap(info), "torch.linalg.solve", is_matrix=True)
    return out


@implements(torch.linalg.solve_triangular)
@function
class linalg_solve_triangular(Policy):
    """A X = B, or X A = B, A triangular:  dB = A^-H g,  dA = the triangle of -dB X^H  (or of -X^H dB).

    Corner: only the triangle has a gradient, without its diagonal if ``unitriangular``: the rest of A is never read.
    """

    complex_rule = "own"

    def forward(
        self,
        A: Any,  # noqa: N803
        B: Any,  # noqa: N803
        *,
        upper: bool,
        left: bool = True,
        unitriangular: bool = False,
    ) -> Any:
        out = torch.linalg.solve_triangular(A, B, upper=upper, left=left, unitriangular=unitriangular)
        self.ctx.save(A, out if self.ctx.needs_input_grad[0] else None, upper, left, unitriangular)
        return out

    def backward(self, grad: Any) -> Any:
        a, out, upper, left, unit = self.ctx.release
        db = torch.linalg.solve_triangular(a.mH, grad, upper=not upper, left=left, unitriangular=unit)
        da = None
        if out is not None:
            minus = -db  # the smaller one, as a rule
            da = minus.matmul(out.mH) if left else out.mH.matmul(minus)
            da = da.triu(int(unit)) if upper else da.tril(-int(unit))
        return da, db


@implements(torch.triangular_solve)
@composite
def triangular_solve(
    b: Any,
    A: Any,  # noqa: N803
    upper: bool = True,
    transpose: bool = False,
    unitriangular: bool = False,
) -> Any:
    """(X, a copy of A) with A X = b, or A^T X = b if ``transpose``. Prefer ``nexnet.linalg.solve_triangular``."""
    if min(b.ndim, A.ndim) < 2:
        raise InputError(
            message(
                "both must be matrices, or batches of them.",
                rule="triangular_solve",
                got=f"shapes {tuple(b.shape)} and {tuple(A.shape)}",
            )
        )
    if A.shape[:-2] != b.shape[:-2]:
        A = A.expand((*torch.broadcast_shapes(A.shape[:-2], b.shape[:-2]), *A.shape[-2:]))  # noqa: N806
    matrix = A.mT if transpose else A
    out = linalg_solve_triangular(matrix, b, upper=upper is not transpose, unitriangular=unitriangular)
    return return_types.triangular_solve((out, A.clone()))
