"""Eigenvalues and singular values, with their vectors.

Vectors are determined up to a sign (a phase, if complex): only what does not depend on it has a meaningful gradient.

The formulas are those of M. Giles, "An extended collection of matrix derivative results for forward and reverse mode
algorithmic differentiation" (2008), 3.1 and 3.2, and of J. Townsend, "Differentiating the singular value
decomposition" (2016), as PyTorch uses them.
"""

from __future__ import annotations

from typing import Any

import torch

from ...errors import GradientError, InputError, message
from ...policy import Policy, function, implements
from .._names import return_types

__all__ = [
    "linalg_eig",
    "linalg_eigh",
    "linalg_eigvals",
    "linalg_eigvalsh",
    "linalg_svd",
    "linalg_svdvals",
    "svd",
]


def _differences(x: Any) -> Any:
    """Give x_j - x_i as a matrix, with ones on the diagonal."""
    e = x.unsqueeze(-2) - x.unsqueeze(-1)
    return e + torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)


def _without_diagonal(x: Any) -> Any:
    return x - torch.diag_embed(x.diagonal(0, -2, -1))


def _check_phase(rule: str, phases: Any) -> None:
    """Refuse the gradient of a function of complex vectors that is not one of what they span."""
    if not isinstance(phases, torch.Tensor) or phases.is_meta or torch._C._functorch.is_batchedtensor(phases):
        return
    if not torch.allclose(phases, torch.zeros_like(phases), rtol=1e-2, atol=1e-2):
        raise GradientError(
            message(
                "the loss depends on the phases of complex vectors, which are arbitrary: it has no gradient.",
                rule=rule,
                remedy="use what does not change when a vector is multiplied by e^(i phi): |v|^2, v v^H",
            )
        )


# ---------------------------------------------------------------------------------------------------------------------
# Hermitian matrices: A = V diag(w) V^H


class _Eigh(Policy):
    """A = V diag(w) V^H:  dA = V [diag(dw) + (M - M^H) / 2 E] V^H,  M = V^H dV,  E_ij = w_j - w_i.

    Corner: where eigenvalues are equal, dV's part is NaN or inf, and dw's is finite.
    """

    complex_rule = "own"
    materialize_grads = False

    def forward(self, A: Any, UPLO: str, vectors: bool) -> Any:  # noqa: N803  torch's names
        w, v = torch._linalg_eigh(A, UPLO, vectors or self.ctx.needs_input_grad[0])
        self.ctx.save(w, v)
        return w, v

    def backward(self, dw: Any, dv: Any) -> Any:
        w, v = self.ctx.release
        if dv is None:
            return (v * dw.unsqueeze(-2)).matmul(v.mH)
        inner = v.mH.matmul(dv)
        if v.is_complex():
            _check_phase("linalg.eigh", inner.diagonal(0, -2, -1).imag)
            inner = _without_diagonal(inner)
        inner = (inner - inner.mH) / (2 * _differences(w))
        if dw is not None:
            inner = inner + torch.diag_embed(dw)
        return v.matmul(inner).matmul(v.mH)


_eigh = function(_Eigh)
_eigh.leaf = True


@implements(torch.linalg.eigh)
def linalg_eigh(A: Any, UPLO: str = "L") -> Any:  # noqa: N803
    """(w, V) with A = V diag(w) V^H for a symmetric or Hermitian A, of which one triangle is read; w ascends.

    Corner: the gradient is symmetric: a change of A is one of both triangles. Vectors of equal eigenvalues have none
    (NaN or inf).
    """
    return return_types.linalg_eigh(_eigh(A, UPLO, True))


@implements(torch.linalg.eigvalsh)
def linalg_eigvalsh(A: Any, UPLO: str = "L") -> Any:  # noqa: N803
    """The eigenvalues of a symmetric or Hermitian matrix, ascending: dA = V diag(g) V^H.

    Corner: finite where eigenvalues are equal; the second order is not.
    """
    return _eigh(A, UPLO, False)[0]


# ---------------------------------------------------------------------------------------------------------------------
# Square matrices: A V = V diag(w), complex


def _check_finite(A: Any) -> None:  # noqa: N803
    """Refuse what LAPACK would die of; torch asks this of linalg.eig, and not of linalg.eigvals."""
    if A.is_meta or torch._C._functorch.is_batchedtensor(A) or bool(A.isfinite().all()):
        return
    raise InputError(
        message("a matrix with NaN or infinite elements has no eigenvalues.", rule="linalg_eigvals", argument="A")
    )


class _Eig(Policy):
    """A V = V diag(w):  dA = V^-H [diag(dw) + (M - V^H V diag(Re M)) / conj(E)] V^H,  M = V^H dV,  E_ij = w_j - w_i.

    The vectors have the length 1. A real A has a real gradient: its real part.
    """

    complex_rule = "own"
    materialize_grads = False

    def forward(self, A: Any, vectors: bool) -> Any:  # noqa: N803
        if vectors or self.ctx.needs_input_grad[0]:
            w, v = torch.linalg.eig(A)
        else:
            _check_finite(A)
            w, v = torch.linalg.eigvals(A), torch.empty((0,), dtype=A.dtype, device=A.device)
        self.ctx.save(w, v, A.is_complex())
        return w, v

    def backward(self, dw: Any, dv: Any) -> Any:
        w, v, is_complex = self.ctx.release
        vh = v.mH
        if dv is None:
            da = torch.linalg.solve(vh, dw.unsqueeze(-1) * vh)
        else:
            inner = vh.matmul(dv)
            diagonal = inner.diagonal(0, -2, -1)
            _check_phase("linalg.eig", diagonal.imag)
            inner = inner - vh.matmul(v) * diagonal.real.unsqueeze(-2)
            inner = _without_diagonal(inner) / _differences(w).conj()
            if dw is not None:
                inner = inner + torch.diag_embed(dw)
            da = torch.linalg.solve(vh, inner.matmul(vh))
        return da if is_complex else da.real


_eig = function(_Eig)
_eig.leaf = True


@implements(torch.linalg.eig)
def linalg_eig(A: Any) -> Any:  # noqa: N803
    """(w, V) with A V = V diag(w), complex; each vector has the length 1, and any phase.

    Corner: vectors of equal eigenvalues have no gradient (NaN); nor has a matrix without a base of such vectors.
    """
    return return_types.linalg_eig(_eig(A, True))


@implements(torch.linalg.eigvals)
def linalg_eigvals(A: Any) -> Any:  # noqa: N803
    """The eigenvalues of any square matrix, complex and in no order: dA = V^-H diag(g) V^H.

    Corner: right where eigenvalues are equal, if there is a base of eigenvectors.
    """
    return _eig(A, False)[0]


# ---------------------------------------------------------------------------------------------------------------------
# Any matrix: A = U diag(s) V^H


class _SVD(Policy):
    """A = U diag(s) V^H, with k = min(m, n) singular values.

    dA = U [(skew(U^H dU) / E) S + S (skew(V^H dV) / E) + diag(ds)] V^H
    + (1 - U U^H) dU S^-1 V^H + U S^-1 dV^H (1 - V V^H),  skew(M) = M - M^H,  E_ij = s_j^2 - s_i^2.
    The columns that ``full_matrices`` adds, U', are determined up to a rotation among themselves; what does not
    depend on it has a gradient through U, of which they are the complement: dU = -U' dU'^H U.

    Corner: where singular values are equal (or 0, of a matrix that is not square), the parts of dU and dV are NaN or
    inf, and that of ds is finite.
    """

    complex_rule = "own"
    materialize_grads = False

    def forward(self, A: Any, full_matrices: bool, vectors: bool, driver: str | None = None) -> Any:  # noqa: N803
        needed = vectors or self.ctx.needs_input_grad[0]
        u, s, vh = torch._linalg_svd(A, full_matrices and vectors, needed, driver=driver)
        self.ctx.save(u, s, vh)
        return u, s, vh

    def backward(self, du: Any, ds: Any, dvh: Any) -> Any:
        u, s, vh = self.ctx.release
        k = s.shape[-1]
        if u.shape[-1] > k:
            du = _without_complement(du, u, k)
            u = u[..., :k]
        if vh.shape[-2] > k:
            dv = _without_complement(None if dvh is None else dvh.mH, vh.mH, k)
            dvh, vh = None if dv is None else dv.mH, vh[..., :k, :]
        if du is None and dvh is None:
            if ds is None:
                return None
            if u.shape[-2] >= vh.shape[-1]:
                return u.matmul(ds.unsqueeze(-1) * vh)
            return (u * ds.unsqueeze(-2)).matmul(vh)

        row, column = s.unsqueeze(-2), s.unsqueeze(-1)
        e = _differences(s)  # E = (s_j - s_i) (s_j + s_i), of which no square over- or underflows
        total = row + column + torch.eye(k, dtype=s.dtype, device=s.device)
        inner: Any = None if ds is None else torch.diag_embed(ds)
        by_u: Any = None if du is None else u.mH.matmul(du)
        by_v: Any = None if dvh is None else dvh.matmul(vh.mH)  # (V^H dV)^H
        if by_u is not None:
            part: Any = by_u - by_u.mH
            if u.is_complex():
                phases = part.diagonal(0, -2, -1)
                part = _without_diagonal(part) / e * (row / total) + torch.diag_embed(phases / (2 * s))
            else:
                part = part / e * (row / total)
            inner = part if inner is None else inner + part
        if by_v is not None:
            part = by_v.mH - by_v
            part = (column / total) * ((_without_diagonal(part) if u.is_complex() else part) / e)
            inner = part if inner is None else inner + part
        if u.is_complex():
            turned = sum(x.diagonal(0, -2, -1).imag * sign for x, sign in ((by_u, 1), (by_v, -1)) if x is not None)
            _check_phase("linalg.svd", turned)
        da = u.matmul(inner)
        if du is not None and u.shape[-2] > k:
            da = da + (du - u.matmul(by_u)) / row
        da = da.matmul(vh)
        if dvh is not None and vh.shape[-1] > k:
            da = da + u.matmul((dvh - by_v.matmul(vh)) / column)
        return da


def _without_complement(du: Any, u: Any, k: int) -> Any:
    """Give dU of the first k columns, with what the gradient by the others is through them."""
    if du is None:
        return None
    return du[..., :k] - u[..., k:].matmul(du[..., k:].mH.matmul(u[..., :k]))


_svd = function(_SVD)
_svd.leaf = True


@implements(torch.linalg.svd)
def linalg_svd(A: Any, full_matrices: bool = True, *, driver: str | None = None) -> Any:  # noqa: N803
    """(U, s, V^H) with A = U diag(s) V^H; s descends.

    Corner: vectors of equal singular values have no gradient (NaN or inf).

    ``full_matrices`` makes U and V square. ``driver`` chooses among CUDA's methods.
    """
    return return_types.linalg_svd(_svd(A, full_matrices, True, driver))


@implements(torch.linalg.svdvals)
def linalg_svdvals(A: Any, *, driver: str | None = None) -> Any:  # noqa: N803
    """The singular values, descending: dA = U diag(g) V^H.

    Corner: finite where singular values are equal; the second order is not.
    """
    return _svd(A, False, False, driver)[1]


@implements(torch.svd)
def svd(input: Any, some: bool = True, compute_uv: bool = True) -> Any:
    """(U, s, V) with A = U diag(s) V^H: torch's older form of ``linalg.svd``; zeros for U and V if not computed."""
    if not compute_uv:
        m, n = input.shape[-2:]
        u = torch.zeros((*input.shape[:-2], m, m), dtype=input.dtype, device=input.device)
        v = torch.zeros((*input.shape[:-2], n, n), dtype=input.dtype, device=input.device)
        return return_types.svd((type(input)(u), linalg_svdvals(input), type(input)(v)))
    left, s, right = _svd(input, not some, True)
    return return_types.svd((left, s, right.mH))
