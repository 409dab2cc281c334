"""Determinants and their logarithms."""

from __future__ import annotations

import math
from typing import Any

import torch

from ...policy import Policy, function, implements
from .. import _vmap_kernels
from .._names import return_types
from .._plain import may_look_at

__all__ = ["det", "logdet", "slogdet"]

# Singular values below this part of the largest count as zero, for the form that does not divide by them. That form
# is exact for all matrices: this only decides when its cost is worth it.
_SMALL = 1e-2


class _Determinant(Policy):
    """d = det A:  dA = g conj(cof(A)),  the cofactors cof(A) = d A^-T,  which are polynomials in A's elements.

    Corner: of a singular matrix the gradient is right at every order (for rank n - 1 it is not 0): the cofactors are
    taken from the singular values (N. Higham, "What is the adjugate of a matrix?", 2020), and, for higher orders, in a
    form without A^-1.
    """

    complex_rule = "own"
    materialize_grads = False

    def forward(self, A: Any) -> Any:  # noqa: N803
        out, lu, pivots = torch._linalg_det(A)
        self.ctx.save(A, out, lu, pivots)
        return out, lu, pivots

    def backward(self, grad: Any, *_: Any) -> Any:
        a, out, lu, pivots = self.ctx.release
        scale = grad.unsqueeze(-1).unsqueeze(-1)
        if not isinstance(grad, torch.Tensor):
            border = _border(a.data)
            if border is None:
                return scale * out.conj().unsqueeze(-1).unsqueeze(-1) * torch.linalg.inv_ex(a)[0].mH
            return scale * _bordered_cofactors(a, *border)
        diagonal = lu.diagonal(0, -2, -1)
        if not _known(lu) or bool((diagonal == 0).any()):
            return scale * _cofactors_by_svd(a)
        # The factors are of a matrix as good as A, and so are the cofactors, however near to singular it is.
        target = torch.diag_embed((grad * out.conj()).unsqueeze(-1).expand(diagonal.shape))
        return _vmap_kernels.lu_solve(lu, pivots, target, adjoint=not _is_of_transpose(a))


def _is_of_transpose(a: Any) -> bool:
    """Say whether torch's kernel has factorised A^T, which it does where that spares a copy."""
    return bool(a.is_contiguous() and not a.is_complex())


def _known(x: Any) -> bool:
    """Say whether a branch may be taken by a tensor's values: not on the meta device, nor under vmap."""
    return not (x.is_meta or torch._C._functorch.is_batchedtensor(x))


def _cofactors_by_svd(a: Any) -> Any:
    """Conjugate cofactors: conj(det(U) det(V^H)) U cof(S) V^H, where cof(S)_ii is the product of the other s."""
    u, s, vh = torch.linalg.svd(a)
    n = s.shape[-1]
    others = s.unsqueeze(-2).expand((*s.shape, n)).masked_fill(torch.eye(n, dtype=torch.bool, device=s.device), 1)
    sign = (torch.linalg.det(u) * torch.linalg.det(vh)).conj()
    return (u * (sign.unsqueeze(-1) * others.prod(-1)).unsqueeze(-2)).matmul(vh)


def _border(a: Any) -> Any:
    """Give constants (U_k, V_k, s_k): singular vectors of the k values that are small in some matrix of the batch.

    None if there are none, so that A has an inverse that can be relied on; and where values are not known.
    """
    if not _known(a) or 0 in a.shape:
        return None
    u, s, vh = torch.linalg.svd(a)
    largest = s[..., :1]
    k = int((s <= _SMALL * largest).sum(-1).max())
    if k == 0:
        return None
    least = torch.finfo(s.dtype).eps if k <= 3 else _SMALL  # see _adjugate: its recursion mixes the scales
    floor = torch.where(largest > 0, largest * least, 1)
    return u[..., -k:], vh[..., -k:, :], torch.maximum(s[..., -k:], floor)


def _bordered_cofactors(a: Any, u: Any, vh: Any, s: Any) -> Any:
    """Conjugate cofactors of a matrix with small singular values, differentiable at every order there.

    With M = [[A, U_k], [V_k^H, 0]] and M^-1 = [[P, Q], [R, T]], Jacobi's identity on complementary minors gives
    det A = det M det T. M is well conditioned, U_k and V_k are constants, and T is small (-diag(s_k) here), so that its
    determinant and adjugate are evaluated as polynomials. By d(M^-1) = -M^-1 dM M^-1,

        conj(cof(A)) = conj(det M) (det(T) P - Q adj(T) R)^H.
    """
    k, n = u.shape[-1], a.shape[-1]
    corner = torch.zeros((*a.shape[:-2], k, k), dtype=a.dtype, device=a.device)
    m = torch.cat([torch.cat([a, u], -1), torch.cat([vh, corner], -1)], -2)
    inverse = torch.linalg.inv(m)
    p, q = inverse[..., :n, :n], inverse[..., :n, n:]
    r, t = inverse[..., n:, :n], inverse[..., n:, n:]
    root = s.sqrt()  # T is scaled to the size of one, from both sides
    scale = root.unsqueeze(-1) * root.unsqueeze(-2)
    adjugate, determinant = _adjugate(t / scale)
    whole = s.prod(-1).unsqueeze(-1).unsqueeze(-1)
    cofactors = (determinant * whole * p - q.matmul(adjugate * (whole / scale)).matmul(r)).mH
    return torch.linalg.det(m).conj().unsqueeze(-1).unsqueeze(-1) * cofactors


def _adjugate(t: Any) -> Any:
    """Adjugate and determinant by additions and products alone.

    Up to three rows by minors, where each element's scale stays its own; more by Faddeev's and LeVerrier's recursion.
    """
    k = t.shape[-1]
    if k <= 3:
        rows = [[_minor(t, j, i) * (-1.0) ** (i + j) for j in range(k)] for i in range(k)]
        adjugate = torch.stack([torch.stack(row, -1) for row in rows], -2)
        return adjugate, t[..., :1, :].matmul(adjugate[..., :, :1])
    eye = torch.eye(k, dtype=t.dtype, device=t.device)
    m = eye.expand(t.shape)
    sign = 1.0
    for i in range(1, k):
        tm = t.matmul(m)
        m, sign = tm - tm.diagonal(0, -2, -1).sum(-1).unsqueeze(-1).unsqueeze(-1) / i * eye, -sign
    trace = t.matmul(m).diagonal(0, -2, -1).sum(-1).unsqueeze(-1).unsqueeze(-1)
    return m * sign, trace * (sign / k)


def _minor(t: Any, i: int, j: int) -> Any:
    """Give the determinant of a matrix of at most three rows without row i and column j."""
    rows = [r for r in range(t.shape[-1]) if r != i]
    columns = [c for c in range(t.shape[-1]) if c != j]
    if not rows:
        return torch.ones_like(t[..., 0, 0])
    if len(rows) == 1:
        return t[..., rows[0], columns[0]]
    (a, b), (c, d) = rows, columns
    return t[..., a, c] * t[..., b, d] - t[..., a, d] * t[..., b, c]


_determinant = function(_Determinant)
_determinant.leaf = True


@implements(torch.det, torch.linalg.det)
def det(A: Any) -> Any:  # noqa: N803  torch's name
    """The determinant of each matrix.

    Corner: of a singular matrix the gradient is the adjugate, which is right at every order (torch's is not).
    """
    return _determinant(A)[0]


class _SignAndLog(Policy):
    """(s, ln |d|), d = det A, s = d / |d|:  dA = (g - i Im(conj(ds) s)) A^-H;  a real sign s is constant.

    Corner: inf and NaN where A is singular, which has no inverse.
    """

    complex_rule = "own"
    materialize_grads = False

    def forward(self, A: Any) -> Any:  # noqa: N803
        sign, logabsdet, lu, pivots = torch._linalg_slogdet(A)
        self.ctx.save(A, lu, pivots, sign)
        return sign, logabsdet, lu, pivots

    def backward(self, by_sign: Any, grad: Any, *_: Any) -> Any:
        a, lu, pivots, sign = self.ctx.release
        if by_sign is not None and sign.is_complex():
            turned = -(by_sign.conj() * sign).imag
            grad = torch.complex(torch.zeros_like(turned) if grad is None else grad, turned)
        if grad is None:
            return None
        return _by_inverse(grad, a, lu, pivots)


def _by_inverse(grad: Any, a: Any, lu: Any, pivots: Any) -> Any:
    """Give g A^-H."""
    if not isinstance(grad, torch.Tensor) or not _known(a):
        return grad.unsqueeze(-1).unsqueeze(-1) * torch.linalg.inv_ex(a)[0].mH
    target = torch.diag_embed(grad.to(a.dtype).unsqueeze(-1).expand(a.shape[:-1]))
    return _vmap_kernels.lu_solve(lu, pivots, target, adjoint=not _is_of_transpose(a))


_sign_and_log = function(_SignAndLog)
_sign_and_log.leaf = True


@implements(torch.slogdet, torch.linalg.slogdet)
def slogdet(A: Any) -> Any:  # noqa: N803
    """The sign of each matrix's determinant and the logarithm of its size: det A = sign e^logabsdet.

    Corner: inf or NaN where the matrix is singular.
    """
    return return_types.linalg_slogdet(_sign_and_log(A)[:2])


class _LogDeterminant(Policy):
    """ln d, d = det A:  dA = g A^-H, and 0 where a real d is negative: there the logarithm is NaN, a constant."""

    complex_rule = "own"
    materialize_grads = False

    def forward(self, A: Any) -> Any:  # noqa: N803
        sign, logabsdet, lu, pivots = torch._linalg_slogdet(A)
        out = logabsdet + sign.log() if sign.is_complex() else torch.where(sign < 0, math.nan, logabsdet)
        self.ctx.save(A, lu, pivots, sign)
        return out, lu, pivots, sign

    def backward(self, grad: Any, *_: Any) -> Any:
        a, lu, pivots, sign = self.ctx.release
        if not (sign.dtype.is_complex or (may_look_at(sign) and sign.amin().item() >= 0)):
            grad = grad.masked_fill(sign < 0, 0)
        return _by_inverse(grad, a, lu, pivots)


_log_determinant = function(_LogDeterminant)
_log_determinant.leaf = True


@implements(torch.logdet)
def logdet(input: Any) -> Any:
    """The logarithm of each matrix's determinant: -inf where it is 0, NaN where it is negative."""
    return _log_determinant(input)[0]
