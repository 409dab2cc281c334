"""Norms of matrices, condition numbers, and the exponential of a matrix."""

from __future__ import annotations

import math
from typing import Any

import torch

from ...engine import number
from ...errors import InputError, message
from ...policy import Policy, function, implements
from .._names import composite, place_of
from ..constant import constant
from ..reductions.norms import vector_norm
from .solving import linalg_inv_ex
from .spectral import linalg_svdvals

__all__ = [
    "frobenius_norm",
    "linalg_cond",
    "linalg_matrix_norm",
    "linalg_matrix_rank",
    "linalg_norm",
    "matrix_exp",
    "norm",
    "norm_except_dim",
    "nuclear_norm",
]

_ORDERS = ("fro", "nuc", 2, -2, 1, -1, math.inf, -math.inf)


@implements(torch.linalg.matrix_norm)
@composite
def linalg_matrix_norm(
    A: Any,  # noqa: N803  torch's name
    ord: Any = "fro",
    dim: Any = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: torch.dtype | None = None,
) -> Any:
    """The norm of each matrix.

    ``ord``: "fro", the root of the sum of squares; "nuc", the sum of singular values; 2 and -2, the largest and the
    smallest of them; 1 and -1, the largest and the smallest of the columns' sums of sizes; inf and -inf, of the rows'.

    Corner: rows and columns that tie share the gradient evenly, as in amax; equal singular values likewise.
    """
    rows, columns = (d % A.ndim for d in _two(dim, A.ndim))
    if rows == columns:
        raise InputError(
            message("a matrix has two dimensions.", rule="matrix_norm", argument="dim", expected="distinct", got=dim)
        )
    ord = number(ord, "matrix_norm", "ord")
    if ord not in _ORDERS:
        raise InputError(
            message(
                "matrices have no such norm.",
                rule="matrix_norm",
                argument="ord",
                expected=", ".join(map(repr, _ORDERS)),
                got=repr(ord),
            )
        )
    if ord == "fro":
        return vector_norm(A, 2, (rows, columns), keepdim, dtype=dtype)
    if dtype is not None:
        A = A.to(dtype)  # noqa: N806
    if ord in (2, 1, math.inf) and 0 in (A.shape[rows], A.shape[columns]):
        return A.abs().sum((rows, columns), keepdim)  # of nothing, as in torch: 0
    if ord in ("nuc", 2, -2):
        s = linalg_svdvals(A if (rows, columns) == (A.ndim - 2, A.ndim - 1) else A.movedim((rows, columns), (-2, -1)))
        out = s.sum(-1) if ord == "nuc" else s.amax(-1) if ord == 2 else s.amin(-1)
    else:
        sums = A.abs().sum(rows if abs(ord) == 1 else columns, keepdim=True)
        return (sums.amax if ord > 0 else sums.amin)((rows, columns), keepdim)
    if keepdim:
        out = out.unsqueeze(min(rows, columns)).unsqueeze(max(rows, columns))
    return out


def _two(dim: Any, ndim: int) -> tuple[int, int]:
    if not isinstance(dim, (tuple, list)) or len(dim) != 2 or ndim < 2:
        raise InputError(
            message(
                "a matrix norm is over two dimensions.",
                rule="matrix_norm",
                argument="dim",
                got=f"{dim}, for a tensor of {ndim} dimensions",
            )
        )
    for d in dim:
        if not -ndim <= d < ndim:
            raise IndexError(f"Dimension out of range (expected to be in range of [{-ndim}, {ndim - 1}], but got {d})")
    return dim[0], dim[1]


@implements(torch.linalg.norm)
@composite
def linalg_norm(
    A: Any,  # noqa: N803
    ord: Any = None,
    dim: Any = None,
    keepdim: bool = False,
    *,
    dtype: torch.dtype | None = None,
) -> Any:
    """The norm of vectors or of matrices: of matrices where two dimensions, and an order, are given.

    Without ``ord`` it is the root of the sum of squares, over all dimensions or those named.
    """
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    if dim is None and A.ndim not in (1, 2):
        raise InputError(
            message(
                "with an order but no dimensions, the norm is of a vector or of a matrix.",
                rule="linalg.norm",
                argument="A",
                got=f"shape {tuple(A.shape)}",
            )
        )
    of_matrices = A.ndim == 2 if dim is None else isinstance(dim, (tuple, list)) and len(dim) == 2
    if of_matrices:
        return linalg_matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
    if isinstance(ord, str):
        raise InputError(
            message("vectors have no such norm.", rule="linalg.norm", argument="ord", expected="a number", got=ord)
        )
    return vector_norm(A, ord, dim, keepdim, dtype=dtype)


@implements(torch.norm, torch.functional.norm)
@composite
def norm(
    input: Any,
    p: Any = "fro",
    dim: Any = None,
    keepdim: bool = False,
    *,
    dtype: torch.dtype | None = None,
) -> Any:
    """The p-norm of the elements, over ``dim`` or all of them; "fro" is 2, and "nuc" is of matrices.

    Corner: 0 at 0.
    """
    p = number(p, "norm", "p")
    if p == "nuc":
        return linalg_matrix_norm(input, "nuc", (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
    if isinstance(p, str) and p != "fro":
        raise InputError(
            message("there is no such norm.", rule="norm", argument="p", expected="a number, 'fro', 'nuc'", got=p)
        )
    return vector_norm(input, 2 if p is None or p == "fro" else p, dim, keepdim, dtype=dtype)


@implements(torch.frobenius_norm)
@composite
def frobenius_norm(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The root of the sum of squares, over the dimensions named."""
    return vector_norm(input, 2, dim, keepdim)


@implements(torch.nuclear_norm)
@composite
def nuclear_norm(input: Any, dim: Any = (-2, -1), keepdim: bool = False) -> Any:
    """The sum of each matrix's singular values."""
    return linalg_matrix_norm(input, "nuc", dim, keepdim)


@implements(torch.norm_except_dim)
@composite
def norm_except_dim(v: Any, pow: int = 2, dim: int = 0) -> Any:
    """The norm over all dimensions but one, which are kept with size 1; over all, to a scalar, for -1."""
    if dim == -1:
        return vector_norm(v, pow)
    kept = place_of(dim, v.ndim)
    if v.ndim == 1:  # of each element: no dimension is left, which to a norm would be all
        return vector_norm(v.unsqueeze(-1), pow, -1)
    return vector_norm(v, pow, [i for i in range(v.ndim) if i != kept], True)


@implements(torch._weight_norm_interface)
def _weight_norm_interface(v: Any, g: Any, dim: int = 0) -> tuple[Any, Any]:
    norm = norm_except_dim(v, 2, dim)
    return v * (g / norm), norm


@implements(torch._weight_norm)
def _weight_norm(v: Any, g: Any, dim: int = 0) -> Any:
    """Give v with g for its norms over all dimensions but one: beneath torch.nn.utils.weight_norm."""
    return _weight_norm_interface(v, g, dim)[0]


@implements(torch.linalg.cond)
@composite
def linalg_cond(A: Any, p: Any = None) -> Any:  # noqa: N803
    """How far each matrix is from singular: the norm of A times that of A^-1; p as in ``linalg.matrix_norm``.

    For p = 2 (or None) it is the ratio of the largest to the smallest singular value, of any shape; -2 is its inverse.

    Corner: a singular matrix's is inf.
    """
    if 0 in A.shape[-2:]:
        return A.abs().sum((-2, -1))
    p = number(p, "linalg.cond", "p")
    if p is None or p in (2, -2):
        s = linalg_svdvals(A)
        largest, smallest = s[..., 0], s[..., -1]
        return smallest / largest if p == -2 else largest / smallest
    inverse, info = linalg_inv_ex(A)
    return torch.where(info > 0, math.inf, linalg_matrix_norm(A, p) * linalg_matrix_norm(inverse, p))  # type: ignore[call-overload]


linalg_matrix_rank = implements(torch.linalg.matrix_rank)(constant(torch.linalg.matrix_rank))


@implements(torch.matrix_exp, torch.linalg.matrix_exp)
@function
class matrix_exp(Policy):
    """e^A = 1 + A + A^2 / 2 + ...:  dA = the upper right block of exp [[A^H, g], [0, A^H]].

    R. Mathias, "A chain rule for matrix functions and applications" (1996), theorem 2.1.
    """

    complex_rule = "own"

    def forward(self, input: Any) -> Any:
        self.ctx.save(input)
        return torch.linalg.matrix_exp(input)

    def backward(self, grad: Any) -> Any:
        (a,) = self.ctx.release
        n, a = a.shape[-1], a.mH
        block = torch.cat([torch.cat([a, grad], -1), torch.cat([torch.zeros_like(a), a], -1)], -2)
        return torch.linalg.matrix_exp(block)[..., :n, n:]
