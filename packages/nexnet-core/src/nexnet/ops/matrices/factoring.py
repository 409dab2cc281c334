"""Factorisations into triangular and orthogonal matrices: Cholesky, LU, QR, Householder's.

The formulas are those of M. Giles, "An extended collection of matrix derivative results for forward and reverse mode
algorithmic differentiation" (2008), of S. Walter and L. Lehmann, "Algorithmic differentiation of linear algebra
functions" (2010) for QR, and of F. de Hoog, R. Anderssen and M. Lukas, "Differentiation of matrix functionals using
triangular factorization" (2011) for LU, as PyTorch uses them.
"""

from __future__ import annotations

from typing import Any

import torch

from ...errors import InputError, message
from ...policy import Policy, function, implements
from .._names import composite, return_types
from .._vmap_kernels import is_mapped

__all__ = [
    "cholesky",
    "linalg_cholesky_ex",
    "linalg_householder_product",
    "linalg_lu",
    "linalg_lu_factor",
    "linalg_lu_factor_ex",
    "linalg_qr",
    "lu",
    "lu_unpack",
    "orgqr",
    "ormqr",
    "qr",
]


def _solve_with(triangle: Any, b: Any, upper: bool, left: bool = True, unit: bool = False) -> Any:
    return torch.linalg.solve_triangular(triangle, b, upper=upper, left=left, unitriangular=unit)


# ---------------------------------------------------------------------------------------------------------------------
# Cholesky: A = L L^H = U^H U


@implements(torch.linalg.cholesky, torch.cholesky)
@function
class cholesky(Policy):
    """A = L L^H (or U^H U if ``upper``):  dA = L^-H sym(tril(L^H g)) L^-1,  sym the Hermitian part.

    Corner: the gradient is symmetric, though only one triangle of A is read: a change of A is one of both triangles.
    """

    complex_rule = "own"

    def forward(self, input: Any, upper: bool = False) -> Any:
        out = torch.linalg.cholesky(input, upper=upper)
        self.ctx.save(out, upper)
        return out

    def backward(self, grad: Any) -> Any:
        factor, upper = self.ctx.release
        return _cholesky_gradient(grad, factor, upper)


@implements(torch.linalg.cholesky_ex)
@function
class linalg_cholesky_ex(Policy):
    """(L, info) with A = L L^H, without an error where A is not positive definite (info > 0); dA as in cholesky."""

    complex_rule = "own"
    materialize_grads = False

    def forward(self, input: Any, *, upper: bool = False, check_errors: bool = False) -> Any:
        out = torch.linalg.cholesky_ex(input, upper=upper, check_errors=check_errors)
        self.ctx.save(out[0], upper)
        return out

    def backward(self, grad: Any, _: Any) -> Any:
        factor, upper = self.ctx.release
        return _cholesky_gradient(grad, factor, upper)


def _cholesky_gradient(grad: Any, factor: Any, upper: bool) -> Any:
    if upper:
        factor, grad = factor.mH, grad.mH
    inner = factor.mH.matmul(grad).tril()
    inner = (inner + inner.tril(-1).mH) * 0.5  # half of the strict triangle, on each side, and half of the diagonal
    return _solve_with(factor, _solve_with(factor.mH, inner, True), False, left=False)


# ---------------------------------------------------------------------------------------------------------------------
# LU: A = P L U


def _lu_gradient(dl: Any, du: Any, p: Any, lower: Any, upper: Any) -> Any:
    """Give A's gradient by those of L and U, for m rows and n columns, with k = min(m, n).

    Square:  dA = P L^-H [tril(L^H dL, -1) + triu(dU U^H)] U^-H.  If n > k, what is beyond the first k columns of U is
    L^-1 of the rest of A, and if m > k, the rows of L beyond the first k are the rest times U^-1; their gradients go
    to that rest, and through it to the square part.
    """
    k = lower.shape[-1]
    m, n = lower.shape[-2], upper.shape[-1]
    l1 = lower[..., :k, :] if m > k else lower
    u1 = upper[..., :k] if n > k else upper
    inside = None  # what stands in the brackets
    rest = None
    if dl is not None:
        inside = l1.mH.matmul(dl[..., :k, :] if m > k else dl).tril(-1)
        if m > k:
            inside = inside - (lower[..., k:, :].mH.matmul(dl[..., k:, :])).triu()
            rest = _solve_with(u1.mH, dl[..., k:, :], False, left=False)
    if du is not None:
        by_upper = (du[..., :k] if n > k else du).matmul(u1.mH).triu()
        if n > k:
            by_upper = by_upper - (du[..., k:].matmul(upper[..., k:].mH)).tril(-1)
            rest = _solve_with(l1.mH, du[..., k:], True, unit=True)
        inside = by_upper if inside is None else inside + by_upper
    da = _solve_with(l1.mH, _solve_with(u1.mH, inside, False, left=False), True, unit=True)
    if m != n:
        shape = (*lower.shape[:-2], m - k, n) if m > k else (*lower.shape[:-2], m, n - k)
        rest = da.new_zeros(shape) if rest is None else rest
        da = torch.cat([da, rest], -2 if m > k else -1)
    return da if p is None else p.matmul(da)


def _lu_of_each(A: Any, pivot: bool) -> Any:  # noqa: N803
    """Give linalg.lu of the examples of a vmap, for which torch has a rule for its two halves."""
    factors, pivots, _ = torch.linalg.lu_factor_ex(A, pivot=pivot)
    return torch.lu_unpack(factors, pivots, unpack_pivots=pivot)


@implements(torch.linalg.lu)
@function
class linalg_lu(Policy):
    """(P, L, U) with A = P L U:  dA = P L^-H [tril(L^H dL, -1) + triu(dU U^H)] U^-H  for square A.

    The permutation is constant. ``pivot=False`` (not on the CPU) leaves it out: P is empty.
    """

    complex_rule = "own"
    materialize_grads = False

    def forward(self, A: Any, *, pivot: bool = True) -> Any:  # noqa: N803  torch's name
        out = _lu_of_each(A, pivot) if is_mapped(A) else torch.linalg.lu(A, pivot=pivot)
        self.ctx.save(*out, pivot)
        return out

    def backward(self, _: Any, dl: Any, du: Any) -> Any:
        p, lower, upper, pivot = self.ctx.release
        if dl is None and du is None:
            return None
        return _lu_gradient(dl, du, p.detach() if pivot else None, lower, upper)


@implements(torch.linalg.lu_factor_ex)
@function
class linalg_lu_factor_ex(Policy):
    """(LU, pivots, info): L below the diagonal of LU, where its ones are left out, and U above and on it.

    dA as by linalg.lu, with dL = tril(g, -1) and dU = triu(g).  info > 0 where a pivot is 0.
    """

    complex_rule = "own"
    materialize_grads = False

    def forward(self, A: Any, *, pivot: bool = True, check_errors: bool = False) -> Any:  # noqa: N803
        out = torch.linalg.lu_factor_ex(A, pivot=pivot, check_errors=check_errors)
        self.ctx.save(out[0], out[1], pivot)
        return out

    def backward(self, grad: Any, *_: Any) -> Any:
        lu, pivots, pivot = self.ctx.release
        k = min(lu.shape[-2:])
        p, lower, upper = torch.lu_unpack(lu, pivots)
        left = grad[..., :k] if lu.shape[-1] > k else grad
        above = grad[..., :k, :] if lu.shape[-2] > k else grad
        return _lu_gradient(left.tril(-1), above.triu(), p if pivot else None, lower, upper)


@implements(torch.linalg.lu_factor)
def linalg_lu_factor(A: Any, *, pivot: bool = True) -> Any:  # noqa: N803
    """(LU, pivots), as ``linalg.lu_solve`` and ``lu_unpack`` take them; an error where a pivot is 0."""
    factors, pivots, info = linalg_lu_factor_ex(A, pivot=pivot)
    torch._linalg_check_errors(info.data, "torch.linalg.lu_factor", is_matrix=A.ndim == 2)
    return return_types.linalg_lu_factor((factors, pivots))


@implements(torch.functional.lu, torch.lu)
def lu(A: Any, pivot: bool = True, get_infos: bool = False) -> Any:  # noqa: N803
    """(LU, pivots), with info if asked for: torch's older form of ``linalg.lu_factor_ex``."""
    factors, pivots, info = linalg_lu_factor_ex(A, pivot=pivot)
    return (factors, pivots, info) if get_infos else (factors, pivots)


@implements(torch.lu_unpack)
@function
class lu_unpack(Policy):
    """(P, L, U) from (LU, pivots):  dLU = tril(dL, -1) + triu(dU), each in its part of LU."""

    complex_rule = "own"
    materialize_grads = False

    def forward(
        self,
        LU_data: Any,  # noqa: N803
        LU_pivots: Any,  # noqa: N803
        unpack_data: bool = True,
        unpack_pivots: bool = True,
    ) -> Any:
        *batch, m, n = LU_data.shape
        if unpack_pivots and tuple(LU_pivots.shape) != (
            *batch,
            min(m, n),
        ):  # the kernel reads so many, whatever there is
            raise InputError(
                message(
                    "there are not as many pivots as LU has rows to exchange.",
                    rule="lu_unpack",
                    argument="LU_pivots",
                    expected=f"shape {(*batch, min(m, n))}",
                    got=tuple(LU_pivots.shape),
                )
            )
        self.ctx.save(LU_data.shape, unpack_data)
        if (unpack_data and unpack_pivots) or not is_mapped(LU_data, LU_pivots):
            return torch.lu_unpack(LU_data, LU_pivots, unpack_data, unpack_pivots)
        pivots = LU_pivots
        if not unpack_pivots:
            pivots = torch.arange(1, 1 + min(m, n), dtype=torch.int32, device=LU_data.device).expand(*batch, -1)
        parts = torch.lu_unpack(LU_data, pivots)  # all: torch.vmap looks for the batch of what is not asked for, too
        wanted = (unpack_pivots, unpack_data, unpack_data)
        return tuple(
            part if each else torch.empty(0, dtype=part.dtype, device=part.device)
            for part, each in zip(parts, wanted, strict=True)
        )

    def backward(self, _: Any, dl: Any, du: Any) -> Any:
        shape, unpacked = self.ctx.release
        if not unpacked:  # L and U are empty then
            return None
        m, n = shape[-2:]
        below = None if dl is None else _widen(dl.tril(-1), m, n)
        above = None if du is None else _widen(du.triu(), m, n)
        return above if below is None else below if above is None else below + above


def _widen(x: Any, m: int, n: int) -> Any:
    """Add rows and columns of zeros, to m rows and n columns."""
    if x.shape[-1] < n:
        x = torch.cat([x, x.new_zeros((*x.shape[:-1], n - x.shape[-1]))], -1)
    if x.shape[-2] < m:
        x = torch.cat([x, x.new_zeros((*x.shape[:-2], m - x.shape[-2], n))], -2)
    return x


# ---------------------------------------------------------------------------------------------------------------------
# QR


class _QR(Policy):
    """A = Q R.  For m >= n:  dA = [dQ + Q sym(M)] R^-H,  M = dR R^H - Q^H dQ.

    For m < n and R = [R1 | R2]:  dA = Q ([X R1^-H | 0] + dR),  X = tril(S - S^H),  S = Q^H dQ - dR R^H.
    sym mirrors the upper triangle, of whose diagonal it takes the real part; the diagonal of X is halved.
    A must have full rank. Q is computed where a gradient needs it, though ``mode="r"`` does not give it.
    """

    complex_rule = "own"
    materialize_grads = False

    def forward(self, A: Any, mode: str) -> Any:  # noqa: N803
        q, r = torch.linalg.qr(A, "reduced" if mode == "r" and self.ctx.needs_input_grad[0] else mode)
        self.ctx.save(q, r, mode)
        return q, r

    def backward(self, dq: Any, dr: Any) -> Any:
        q, r, mode = self.ctx.release
        m, n = q.shape[-2], r.shape[-1]
        if mode == "complete" and m > n:
            raise InputError(
                message(
                    "the last columns of the complete Q of a tall matrix are not determined, and have no gradient.",
                    rule="linalg.qr",
                    argument="mode",
                    got="'complete', for more rows than columns",
                    remedy="use mode='reduced'",
                )
            )
        if m >= n:
            inner: Any = None if dr is None else dr.matmul(r.mH)
            if dq is not None:
                by_q = q.mH.matmul(dq)
                inner = -by_q if inner is None else inner - by_q
            inner = q.matmul(_mirrored(inner))
            return _solve_with(r.mH, inner if dq is None else dq + inner, False, left=False)
        inner = None if dq is None else q.mH.matmul(dq)
        if dr is not None:
            by_r = dr.matmul(r.mH)
            inner = -by_r if inner is None else inner - by_r
        inner = inner - inner.mH
        inner = (inner.tril() + inner.tril(-1)) * 0.5
        inner = _widen(_solve_with(r[..., :m].mH, inner, False, left=False), m, n)
        return q.matmul(inner if dr is None else inner + dr)


def _mirrored(x: Any) -> Any:
    """Give the Hermitian matrix of an upper triangle, with the real part of its diagonal."""
    if x.dtype.is_complex:
        upper, strict = x.triu(), x.triu(1)
        return (upper + upper.mH + strict + strict.mH) * 0.5
    return x.triu() + x.triu(1).mT


_qr = function(_QR)
_qr.leaf = True


@implements(torch.linalg.qr)
def linalg_qr(A: Any, mode: str = "reduced") -> Any:  # noqa: N803
    """(Q, R) with A = Q R. Differentiable for matrices of full rank, in every mode but "complete" of tall ones.

    Corner: the columns that mode "complete" adds to a tall matrix's Q are arbitrary: an error.

    ``mode="r"`` gives an empty Q; its R has a gradient too (in torch it has none).
    """
    if mode not in ("reduced", "complete", "r"):
        raise InputError(
            message(
                "qr has no such mode.",
                rule="linalg.qr",
                argument="mode",
                expected="'reduced', 'complete' or 'r'",
                got=repr(mode),
            )
        )
    q, r = _qr(A, mode)
    return return_types.linalg_qr((q if mode != "r" else q.detach().new_zeros((0,)), r))


@implements(torch.qr)
def qr(input: Any, some: bool = True) -> Any:
    """(Q, R): torch's older form of ``linalg.qr``; ``some=False`` is its mode "complete"."""
    return return_types.linalg_qr(tuple(_qr(input, "reduced" if some else "complete")))


# ---------------------------------------------------------------------------------------------------------------------
# Householder's reflections


def _reflect(A: Any, tau: Any, other: Any, left: bool, adjoint: bool) -> Any:  # noqa: N803
    """Multiply by Q = H_1 ... H_k, H_i = 1 - tau_i v_i v_i^H, where V = tril(A, -1) with ones on the diagonal.

    Q = 1 - V W D V^H with D = diag(tau) and W = (1 + D striu(V^H V))^-1: the compact form of R. Schreiber and
    C. Van Loan (1989), without a division by tau.
    """
    k = tau.shape[-1]
    v = A[..., :k].tril(-1) + torch.eye(A.shape[-2], k, dtype=A.dtype, device=A.device)
    d = tau.unsqueeze(-1)
    m = (d * v.mH.matmul(v)).triu(1)  # its diagonal of ones is implied by unitriangular

    def middle(x: Any) -> Any:  # W D x, or its adjoint
        if adjoint:
            return tau.unsqueeze(-2).mH * _solve_with(m.mH, x, False, unit=True)
        return _solve_with(m, d * x, True, unit=True)

    if left:
        return other - v.matmul(middle(v.mH.matmul(other)))
    eye = torch.eye(k, dtype=A.dtype, device=A.device)
    return other - other.matmul(v).matmul(middle(eye.expand((*m.shape[:-2], k, k)))).matmul(v.mH)


@implements(torch.linalg.householder_product)
@composite
def linalg_householder_product(A: Any, tau: Any) -> Any:  # noqa: N803
    """The first n columns of H_1 ... H_k, from the reflections below A's diagonal, as ``torch.geqrf`` gives them.

    Shapes: A (..., m, n) with m >= n, tau (..., k) with k <= n; the result is (..., m, n).
    """
    if A.ndim < 2 or A.shape[-2] < A.shape[-1] or tau.shape[-1] > A.shape[-1] or A.shape[:-2] != tau.shape[:-1]:
        raise InputError(
            message(
                "the shapes of the reflections do not fit.",
                rule="linalg.householder_product",
                expected="A (..., m, n), tau (..., k), m >= n >= k",
                got=f"{tuple(A.shape)} and {tuple(tau.shape)}",
            )
        )
    eye = torch.eye(A.shape[-2], A.shape[-1], dtype=A.dtype, device=A.device)
    return _reflect(A, tau, eye.expand(A.shape), True, False)


@implements(torch.orgqr)
@composite
def orgqr(input: Any, tau: Any) -> Any:
    """``linalg.householder_product`` under LAPACK's name."""
    return linalg_householder_product(input, tau)


@implements(torch.ormqr)
@composite
def ormqr(input: Any, tau: Any, other: Any, left: bool = True, transpose: bool = False) -> Any:
    """Q C, C Q, or those with Q^H (``transpose``), with Q = H_1 ... H_k of the reflections below input's diagonal.

    Shapes: input (..., m, k), tau (..., k), other (..., m, n), or (..., n, m) if not ``left``.
    """
    if input.ndim < 2 or input.shape[-2] != other.shape[-2 if left else -1] or tau.shape[-1] > input.shape[-1]:
        raise InputError(
            message(
                "the shapes of the reflections and of what they act on do not fit.",
                rule="ormqr",
                expected="input (..., m, k), tau (..., k), other (..., m, n), or (..., n, m) if not left",
                got=f"{tuple(input.shape)}, {tuple(tau.shape)} and {tuple(other.shape)}",
            )
        )
    return _reflect(input, tau, other, left, transpose)
