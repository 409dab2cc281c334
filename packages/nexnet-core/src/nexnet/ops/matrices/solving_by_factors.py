"""Linear equations of a matrix that is given by its factors, Cholesky's or those of LU: gradients by these."""

from __future__ import annotations

from typing import Any

import torch

from ...policy import Policy, function, implements
from .. import _vmap_kernels

__all__ = ["cholesky_inverse", "cholesky_solve", "linalg_lu_solve", "lu_solve"]


@implements(torch.cholesky_solve)
@function
class cholesky_solve(Policy):
    """L L^H X = B:  dB = (L L^H)^-1 g,  dL = the triangle of -(dB X^H + X dB^H) L  (or U^H U, and from the left).

    Corner: only the triangle of L has a gradient, as in solve_triangular: the rest is never read.
    """

    complex_rule = "own"

    def forward(self, B: Any, L: Any, upper: bool = False) -> Any:  # noqa: N803
        out = torch.cholesky_solve(B, L, upper)
        self.ctx.save(L, out if self.ctx.needs_input_grad[1] else None, upper)
        return out

    def backward(self, grad: Any) -> Any:
        factor, out, upper = self.ctx.release
        db = torch.cholesky_solve(grad, factor, upper)
        df = None
        if out is not None:
            df = (-db).matmul(out.mH)
            df = _of_triangle(df + df.mH, factor, upper)
        return db, df


@implements(torch.cholesky_inverse)
@function
class cholesky_inverse(Policy):
    """Y = (L L^H)^-1:  dL = the triangle of -Y (g + g^H) Y L  (or, of U^H U, with U on the left).

    Corner: only the triangle of L has a gradient, as in solve_triangular: the rest is never read.
    """

    complex_rule = "own"

    def forward(self, L: Any, upper: bool = False) -> Any:  # noqa: N803
        out = torch.cholesky_inverse(L, upper)
        self.ctx.save(L, out, upper)
        return out

    def backward(self, grad: Any) -> Any:
        factor, out, upper = self.ctx.release
        return _of_triangle(out.matmul(grad + grad.mH).matmul(-out), factor, upper)


def _of_triangle(gradient: Any, factor: Any, upper: bool) -> Any:
    """Pass the (Hermitian) gradient by L L^H, or by U^H U, on to the triangle of the factor."""
    if upper:
        return factor.triu().matmul(gradient).triu()
    return gradient.matmul(factor.tril()).tril()


class _LUSolve(Policy):
    """A X = B with A = P L U, or by A^H (``adjoint``), or from the right:  dB as in solve, with A^-H.

    By the factors: R = -dB X^H is the gradient by A (as in solve), and dU = triu(L^H P^T R), dL = tril(P^T R U^H, -1).
    """

    complex_rule = "own"

    def forward(self, LU: Any, pivots: Any, B: Any, left: bool, adjoint: bool) -> Any:  # noqa: N803
        out = _vmap_kernels.lu_solve(LU, pivots, B, left=left, adjoint=adjoint)
        self.ctx.save(LU, pivots, out if self.ctx.needs_input_grad[0] else None, left, adjoint)
        return out

    def backward(self, grad: Any) -> Any:
        lu, pivots, out, left, adjoint = self.ctx.release
        db = _vmap_kernels.lu_solve(lu, pivots, grad, left=left, adjoint=not adjoint)
        dlu = None
        if out is not None:
            r = db.matmul(out.mH) if left else out.mH.matmul(db)
            r = -(r.mH if adjoint else r)
            p, lower, upper = torch.lu_unpack(lu, pivots)
            r = p.mT.matmul(r)
            dlu = lower.mH.matmul(r).triu() + r.matmul(upper.mH).tril(-1)
        return dlu, None, db


_lu_solve = function(_LUSolve)
_lu_solve.leaf = True


@implements(torch.linalg.lu_solve)
def linalg_lu_solve(LU: Any, pivots: Any, B: Any, *, left: bool = True, adjoint: bool = False) -> Any:  # noqa: N803
    """The X with A X = B, from what ``nexnet.linalg.lu_factor`` gave for A; X A = B and A^H X = B as asked."""
    return _lu_solve(LU, pivots, B, left, adjoint)


@implements(torch.lu_solve)
def lu_solve(b: Any, LU_data: Any, LU_pivots: Any) -> Any:  # noqa: N803
    """The X with A X = b, from what ``nexnet.linalg.lu_factor`` gave for A."""
    return _lu_solve(LU_data, LU_pivots, b, True, False)
