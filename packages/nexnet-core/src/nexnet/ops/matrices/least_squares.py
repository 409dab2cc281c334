"""Equations of matrices that are not square, or have no inverse: pseudo-inverses and least squares.

The formula of the pseudo-inverse is that of G. Golub and V. Pereyra (1973).
"""

from __future__ import annotations

from typing import Any

import torch

from ...policy import Policy, function, implements
from .._names import return_types
from .solving import is_vector

__all__ = ["linalg_lstsq", "linalg_pinv", "pinverse"]


class _PseudoInverse(Policy):
    """Y = A^+:  dA = -Y^H g Y^H + (1 - A Y) g^H Y Y^H + Y^H Y g^H (1 - Y A).  A's rank must not change nearby.

    Golub and Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems" (1973), 4.12.
    """

    complex_rule = "own"

    def forward(self, A: Any, atol: Any, rtol: Any, hermitian: bool) -> Any:  # noqa: N803
        out = torch.linalg.pinv(A, atol=atol, rtol=rtol, hermitian=hermitian)
        self.ctx.save(A, out)
        return out

    def backward(self, grad: Any) -> Any:
        a, y = self.ctx.release
        g, yh = grad.mH, y.mH
        if a.shape[-2] <= a.shape[-1]:  # the products in the order that keeps them small
            k = g.matmul(y)
            ky = k.matmul(yh)
            return -(y.matmul(k)).mH + ky - a.matmul(y.matmul(ky)) + yh.matmul(y.matmul(g - k.matmul(a)))
        k = y.matmul(g)
        yk = yh.matmul(k)
        return -(k.matmul(y)).mH + (g - a.matmul(k)).matmul(y).matmul(yh) + yk - yk.matmul(y).matmul(a)


_pseudo_inverse = function(_PseudoInverse)
_pseudo_inverse.leaf = True


@implements(torch.linalg.pinv)
def linalg_pinv(
    A: Any,  # noqa: N803
    rcond: Any = None,
    hermitian: bool = False,
    *,
    atol: Any = None,
    rtol: Any = None,
) -> Any:
    """Moore's and Penrose's pseudo-inverse; singular values up to ``max(atol, rtol * largest)`` count as 0."""
    return _pseudo_inverse(A, atol, rtol if rcond is None else rcond, hermitian)


@implements(torch.pinverse)
def pinverse(input: Any, rcond: float = 1e-15) -> Any:
    """Moore's and Penrose's pseudo-inverse; singular values up to ``rcond`` times the largest count as 0."""
    return _pseudo_inverse(input, None, rcond, False)


class _LeastSquares(Policy):
    """X = A^+ B, and ρ_j = |b_j - A x_j|^2 where there are more equations than unknowns.

    With Y = A^+, R = B - A X:  dB = Y^H g + 2 R gρ,
    dA = -Y^H g X^H + R g^H Y Y^H + Y^H X g^H (1 - Y A) - 2 R gρ X^H,  where R is orthogonal to A's columns.
    """

    complex_rule = "own"
    materialize_grads = False

    def forward(self, A: Any, B: Any, rcond: Any, driver: Any) -> Any:  # noqa: N803
        out = torch.linalg.lstsq(A, B, rcond, driver=driver)
        self.ctx.save(A, B, out[0], rcond, is_vector(A, B))
        return out

    def backward(self, grad: Any, by_residuals: Any, *_: Any) -> Any:
        a, b, x, rcond, vector = self.ctx.release
        if vector:
            b, x = b.unsqueeze(-1), x.unsqueeze(-1)
        residual = b - a.matmul(x)
        da = db = None
        if grad is not None:
            grad = grad.unsqueeze(-1) if vector else grad
            y = torch.linalg.pinv(a, rtol=rcond)
            g, yh = grad.mH, y.mH
            db = yh.matmul(grad)
            gy = g.matmul(y)
            da = residual.matmul(gy.matmul(yh)) - db.matmul(x.mH) + yh.matmul(x).matmul(g - gy.matmul(a))
        if by_residuals is not None and by_residuals.numel():
            scaled = 2 * residual * (by_residuals.unsqueeze(-1) if vector else by_residuals).unsqueeze(-2)
            db = scaled if db is None else db + scaled
            da = -scaled.matmul(x.mH) if da is None else da - scaled.matmul(x.mH)
        return da, None if db is None else db.squeeze(-1) if vector else db


_least_squares = function(_LeastSquares)
_least_squares.leaf = True


@implements(torch.linalg.lstsq)
def linalg_lstsq(A: Any, B: Any, rcond: float | None = None, *, driver: str | None = None) -> Any:  # noqa: N803
    """The X of least |A X - B|, with residuals, rank and singular values, as torch.linalg.lstsq gives them.

    The gradient takes A for a matrix of full rank, or of a rank that does not change nearby.
    """
    return return_types.linalg_lstsq(_least_squares(A, B, rcond, driver))
