"""Decompositions of a matrix whose rank is low, from its products with a few random vectors.

Source: Halko, Martinsson and Tropp, "Finding structure with randomness", 2009, algorithms 4.4 and 5.1, as in torch. The
random vectors are drawn from torch's generator, and are constants.
"""

from __future__ import annotations

from typing import Any

import torch

from ...errors import InputError, message
from ...policy import implements
from .._names import composite

__all__ = ["pca_lowrank", "svd_lowrank"]


@implements(torch.svd_lowrank)
@composite
def svd_lowrank(A: Any, q: int | None = 6, niter: int | None = 2, M: Any = None) -> Any:  # noqa: N803  torch's names
    """(U, S, V) with A - M = U diag(S) V^H, q singular values of it, after ``niter`` iterations of its column space."""
    matrix = A if M is None else A - M
    wide = matrix.shape[-2] < matrix.shape[-1]
    tall = matrix.mH if wide else matrix
    basis = _basis(tall, 6 if q is None else q, 2 if niter is None else niter)
    u, s, vh = torch.linalg.svd(basis.mH.matmul(tall), full_matrices=False)
    u = basis.matmul(u)
    return (vh.mH, s, u) if wide else (u, s, vh.mH)


@implements(torch.pca_lowrank)
@composite
def pca_lowrank(A: Any, q: int | None = None, center: bool = True, niter: int = 2) -> Any:  # noqa: N803  torch's name
    """``svd_lowrank`` of a matrix of samples (rows), of which the mean is taken off unless ``center`` is False.

    Raises:
        InputError: ``q`` is greater than a side of the matrix, or it or ``niter`` is negative.
    """
    most = min(A.shape[-2:])
    q = min(6, most) if q is None else q
    if not (0 <= q <= most and niter >= 0):
        raise InputError(
            message(
                "q is a number of singular values, niter a number of iterations.",
                rule="pca_lowrank",
                expected=f"0 <= q <= {most} and niter >= 0",
                got=f"q={q}, niter={niter}",
            )
        )
    return svd_lowrank(A - A.mean(-2, keepdim=True) if center else A, q, niter)


def _basis(matrix: Any, q: int, niter: int) -> Any:
    """Give q orthonormal columns Q with Q Q^H A close to matrix."""
    drawn = torch.randn(matrix.shape[-1], q, dtype=matrix.dtype, device=matrix.device)
    columns = torch.linalg.qr(matrix.matmul(drawn))[0]
    for _ in range(niter):
        columns = torch.linalg.qr(matrix.mH.matmul(columns))[0]
        columns = torch.linalg.qr(matrix.matmul(columns))[0]
    return columns
