"""Products beyond those of two matrices: sums with a product, chains, powers, Kronecker's, by dimensions, cross."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from ...errors import InputError, message
from ...policy import Analytic, Policy, function, implements
from .._names import composite
from .._plain import is_plain
from .matmul import _left, of_dtype

__all__ = [
    "addbmm",
    "addmv",
    "addr",
    "chain_matmul",
    "cross",
    "kron",
    "linalg_cross",
    "linalg_multi_dot",
    "linalg_vander",
    "linalg_vecdot",
    "matrix_power",
    "tensordot",
    "vander",
]


# ---------------------------------------------------------------------------------------------------------------------
# A sum with a product


class _AddedProduct(Analytic):
    """y = beta C + alpha A B:  dC = beta g, and A and B get alpha g as in the product."""

    kernel: Any

    def forward(self, input: Any, a: Any, b: Any, *, beta: float = 1, alpha: float = 1) -> Any:
        _, need_a, need_b = self.ctx.needs_input_grad
        self.ctx.save(b if need_a else None, a if need_b else None, beta, alpha)
        return type(self).kernel(input, a, b, beta=beta, alpha=alpha)

    def backward(self, grad: Any) -> Any:
        b, a, beta, alpha = self.ctx.release
        scaled = grad if alpha == 1 else grad * alpha
        return (
            (grad if beta == 1 else grad * beta) if self.ctx.needs_input_grad[0] else None,
            None if b is None else type(self).left(scaled, b),
            None if a is None else type(self).right(scaled, a),
        )

    @staticmethod
    def left(grad: Any, b: Any) -> Any:
        """Give the product's gradient by A."""
        return grad.matmul(b.mT)

    @staticmethod
    def right(grad: Any, a: Any) -> Any:
        """Give the product's gradient by B."""
        return a.mT.matmul(grad)


@implements(torch.addmv)
@function
class addmv(_AddedProduct):
    """y = beta c + alpha A v:  dc = beta g,  dA = alpha g v^T,  dv = alpha A^T g."""

    kernel = torch.addmv

    def forward(self, input: Any, mat: Any, vec: Any, *, beta: float = 1, alpha: float = 1) -> Any:
        return _AddedProduct.forward(self, input, mat, vec, beta=beta, alpha=alpha)

    @staticmethod
    def left(grad: Any, b: Any) -> Any:
        return _left(grad, b, 2)

    @staticmethod
    def right(grad: Any, a: Any) -> Any:
        return a.mT.mv(grad)


@implements(torch.addr)
@function
class addr(_AddedProduct):
    """Y = beta C + alpha a b^T:  dC = beta g,  da = alpha g b,  db = alpha g^T a."""

    kernel = torch.addr

    def forward(self, input: Any, vec1: Any, vec2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
        return _AddedProduct.forward(self, input, vec1, vec2, beta=beta, alpha=alpha)

    @staticmethod
    def left(grad: Any, b: Any) -> Any:
        return grad.mv(b)

    @staticmethod
    def right(grad: Any, a: Any) -> Any:
        return grad.mT.mv(a)


@implements(torch.addbmm)
@function
class addbmm(_AddedProduct):
    """Y = beta C + alpha sum_i A_i B_i:  dC = beta g,  dA_i = alpha g B_i^T,  dB_i = alpha A_i^T g."""

    kernel = torch.addbmm

    def forward(self, input: Any, batch1: Any, batch2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
        return _AddedProduct.forward(self, input, batch1, batch2, beta=beta, alpha=alpha)


# ---------------------------------------------------------------------------------------------------------------------
# Chains and powers of matrices


@implements(torch.linalg.multi_dot)
@composite
def linalg_multi_dot(tensors: Sequence[Any]) -> Any:
    """The product of matrices in the order that needs the fewest multiplications.

    The first may be a vector, taken as a row, and the last one, taken as a column: the result lacks that dimension.

    Raises:
        InputError: fewer than two tensors, or one between the ends that is no matrix.
    """
    tensors = list(tensors)
    if len(tensors) < 2:
        raise InputError(message("a chain has two matrices or more.", rule="multi_dot", got=len(tensors)))
    ends = (tensors[0].ndim, tensors[-1].ndim)
    if not all(n in (1, 2) for n in ends) or any(each.ndim != 2 for each in tensors[1:-1]):
        raise InputError(
            message(
                "a chain is of matrices; only its ends may be vectors.",
                rule="multi_dot",
                argument="tensors",
                got=[tuple(each.shape) for each in tensors],
            )
        )
    if ends[0] == 1:
        tensors[0] = tensors[0].unsqueeze(0)
    if ends[1] == 1:
        tensors[-1] = tensors[-1].unsqueeze(-1)
    out = _chain(tensors)
    if ends == (1, 1):
        return out.reshape(())
    return out.squeeze(0) if ends[0] == 1 else out.squeeze(-1) if ends[1] == 1 else out


@implements(torch.functional.chain_matmul, torch.chain_matmul)
@composite
def chain_matmul(*matrices: Any) -> Any:
    """The product of matrices in the order that needs the fewest multiplications; of one matrix, the matrix."""
    if any(each.ndim != 2 for each in matrices) or not matrices:
        raise InputError(
            message("a chain is of matrices.", rule="chain_matmul", got=[tuple(each.shape) for each in matrices])
        )
    return _chain(list(matrices))


def _chain(matrices: list[Any]) -> Any:
    """Multiply in the best order, found by dynamic programming (Cormen et al., Introduction to Algorithms, 15.2)."""
    if len(matrices) <= 2:
        return matrices[0].mm(matrices[1]) if len(matrices) == 2 else matrices[0]
    sizes = [matrices[0].shape[0], *(each.shape[1] for each in matrices)]
    n = len(matrices)
    cost = [[0.0] * n for _ in range(n)]
    cut = [[0] * n for _ in range(n)]
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i][j], cut[i][j] = min(
                (cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)
            )

    def product(i: int, j: int) -> Any:
        return matrices[i] if i == j else product(i, cut[i][j]).mm(product(cut[i][j] + 1, j))

    return product(0, n - 1)


@implements(torch.matrix_power, torch.linalg.matrix_power)
@composite
def matrix_power(input: Any, n: int) -> Any:
    """Each matrix to an integer power, by repeated squaring; a negative one is a power of the inverse."""
    if input.ndim < 2 or input.shape[-1] != input.shape[-2]:
        raise InputError(
            message("only square matrices have powers.", rule="matrix_power", got=f"shape {tuple(input.shape)}")
        )
    if not isinstance(n, int):
        raise InputError(message("the power is an integer.", rule="matrix_power", argument="n", got=repr(n)))
    if n == 0:
        eye = torch.eye(input.shape[-1], dtype=input.dtype, device=input.device).expand(input.shape)
        return torch.zeros_like(input) + eye
    base = torch.linalg.inv(input) if n < 0 else input
    n = abs(n)
    if n == 1:
        return base.clone() if base is input else base
    out = None
    while n:
        if n & 1:
            out = base if out is None else out.matmul(base)
        n >>= 1
        if n:
            base = base.matmul(base)
    return out


# ---------------------------------------------------------------------------------------------------------------------
# Products by dimensions


@implements(torch.linalg.vecdot)
@function
class linalg_vecdot(Policy):
    """sum_i conj(x_i) y_i along one dimension; the others broadcast:  dx = conj(g) y,  dy = g x."""

    complex_rule = "own"

    def forward(self, x: Any, y: Any, *, dim: int = -1) -> Any:
        need_x, need_y = self.ctx.needs_input_grad
        self.ctx.save(y if need_x else None, x if need_y else None, dim)
        return torch.linalg.vecdot(x, y, dim=dim)

    def backward(self, grad: Any) -> Any:
        y, x, dim = self.ctx.release
        grad = grad.unsqueeze(dim)
        return None if y is None else grad.conj() * y, None if x is None else grad * x


@implements(torch.kron)
@function
class kron(Analytic):
    """Blocks a_ij B:  da_ij = sum of (block_ij of g) B,  dB = sum_ij a_ij (block_ij of g).

    With g's elements as a matrix G, of a row for each element of A and a column for each of B, that is the outer
    product's rule: dA = G b, dB = G^T a. The one of fewer dimensions is taken with sizes of 1 in front.
    """

    def forward(self, input: Any, other: Any) -> Any:
        need_input, need_other = self.ctx.needs_input_grad
        self.ctx.save(other if need_input else None, input if need_other else None, input.shape, other.shape)
        if input.is_contiguous() and other.is_contiguous():  # torch.kron fails for some strides
            return torch.kron(input, other)
        ndim = max(input.ndim, other.ndim)
        a, b = ((1,) * (ndim - x.ndim) + tuple(x.shape) for x in (input, other))
        left = input.reshape([size for each in a for size in (each, 1)])
        right = other.reshape([size for each in b for size in (1, each)])
        return (left * right).reshape([m * n for m, n in zip(a, b, strict=True)])

    def backward(self, grad: Any) -> Any:
        other, input, a, b = self.ctx.release
        ndim = max(len(a), len(b))
        rows, columns = (1,) * (ndim - len(a)) + a, (1,) * (ndim - len(b)) + b
        g = grad.reshape([size for pair in zip(rows, columns, strict=True) for size in pair])
        g = g.permute([*range(0, 2 * ndim, 2), *range(1, 2 * ndim, 2)]) if ndim else g
        g = g.reshape(math.prod(a), math.prod(b))
        return (
            None if other is None else _reshaped(g.mv(of_dtype(other, grad).reshape(-1)), a),
            None if input is None else _reshaped(g.mT.mv(of_dtype(input, grad).reshape(-1)), b),
        )


def _reshaped(own: Any, shape: torch.Size) -> Any:
    """Reshape a vector that nobody else has: it itself where it is torch's, so that it is no view."""
    return own.resize_(shape) if is_plain(own) else own.reshape(shape)


class _TensorDot(Analytic):
    """y = sum over pairs of dimensions:  dA = g and B summed over B's other dimensions,  dB = A and g over A's."""

    def forward(self, a: Any, b: Any, left: list[int], right: list[int]) -> Any:
        need_a, need_b = self.ctx.needs_input_grad[:2]
        self.ctx.save(b if need_a else None, a if need_b else None, left, right, a.ndim, b.ndim)
        return torch.tensordot(a, b, dims=(left, right))

    def backward(self, grad: Any) -> Any:
        b, a, left, right, a_ndim, b_ndim = self.ctx.release
        rows = [i for i in range(a_ndim) if i not in left]
        columns = [j for j in range(b_ndim) if j not in right]
        da = db = None
        if b is not None:  # its dimensions: those that are rows, and then the summed ones, in the order that B has them
            da = torch.tensordot(grad, b, dims=(list(range(len(rows), grad.ndim)), columns))
            order = rows + [left[right.index(j)] for j in sorted(right)]
            da = _put_back(da, order)
        if a is not None:
            db = torch.tensordot(a, grad, dims=(rows, list(range(len(rows)))))
            order = [right[left.index(i)] for i in sorted(left)] + columns
            db = _put_back(db, order)
        return da, db


def _put_back(x: Any, order: list[int]) -> Any:
    """Give x with dimension i, of which its own i-th is the ``order[i]``-th, in its place."""
    places = [order.index(i) for i in range(len(order))]
    return x if places == list(range(len(order))) else x.permute(places)


_tensordot = function(_TensorDot)
_tensordot.leaf = True


@implements(torch.functional.tensordot, torch.tensordot)
@composite
def tensordot(a: Any, b: Any, dims: Any = 2) -> Any:
    """The sum of products over dimensions of both.

    ``dims``: how many, the last of ``a`` with the first of ``b``; or two lists, which dimension of ``a`` with which of
    ``b``. A summed dimension of size 1 broadcasts.
    """
    if isinstance(dims, int):
        if not 0 <= dims <= min(a.ndim, b.ndim):
            raise InputError(
                message(
                    "tensordot sums over as many dimensions as both have.", rule="tensordot", argument="dims", got=dims
                )
            )
        left, right = list(range(a.ndim - dims, a.ndim)), list(range(dims))
    else:
        pair = dims.tolist() if hasattr(dims, "tolist") else dims
        if len(pair) != 2:
            raise InputError(message("dims are two lists.", rule="tensordot", argument="dims", got=dims))
        left, right = ([each] if isinstance(each, int) else list(each) for each in pair)
        left, right = [d % a.ndim if a.ndim else d for d in left], [d % b.ndim if b.ndim else d for d in right]
    if len(left) != len(right):
        raise InputError(
            message("tensordot sums over pairs of dimensions.", rule="tensordot", got=f"{left} and {right}")
        )
    for i, j in zip(left, right, strict=True):
        if a.shape[i] != b.shape[j]:
            if b.shape[j] == 1:
                a = a.sum(i, keepdim=True)
            elif a.shape[i] == 1:
                b = b.sum(j, keepdim=True)
            else:
                raise InputError(
                    message(
                        "the sizes of summed dimensions differ.",
                        rule="tensordot",
                        expected=f"{a.shape[i]}, the size of dimension {i} of a",
                        got=f"{b.shape[j]}, the size of dimension {j} of b",
                    )
                )
    return _tensordot(a, b, left, right)


# ---------------------------------------------------------------------------------------------------------------------
# In three dimensions, and powers of numbers as columns


@implements(torch.linalg.cross)
@function
class linalg_cross(Analytic):
    """a x b along a dimension of size 3; the others broadcast:  da = b x g,  db = g x a."""

    def forward(self, input: Any, other: Any, *, dim: int = -1) -> Any:
        need_input, need_other = self.ctx.needs_input_grad
        self.ctx.save(other if need_input else None, input if need_other else None, dim)
        return torch.linalg.cross(input, other, dim=dim)

    def backward(self, grad: Any) -> Any:
        other, input, dim = self.ctx.release
        return (
            None if other is None else torch.linalg.cross(other, grad, dim=dim),
            None if input is None else torch.linalg.cross(grad, input, dim=dim),
        )


@implements(torch.cross)
@composite
def cross(input: Any, other: Any, dim: int | None = None) -> Any:
    """The cross product, along the first dimension of size 3 unless one is named."""
    if dim is None:
        found = [i for i, size in enumerate(input.shape) if size == 3]
        if not found:
            raise InputError(
                message("no dimension has size 3.", rule="cross", argument="input", got=f"shape {tuple(input.shape)}")
            )
        dim = found[0]
    return linalg_cross(input, other, dim=dim)


class _Vander(Analytic):
    """y_ik = x_i^k, k = 0 ... n - 1, in columns:  dx_i = sum_k g_ik k x_i^(k-1).  Right where x = 0, at any order."""

    def forward(self, x: Any, n: int) -> Any:
        self.ctx.save(x, n)
        return torch.linalg.vander(x, N=n) if n > 1 else torch.ones((*x.shape, n), dtype=x.dtype, device=x.device)

    def backward(self, grad: Any) -> Any:
        x, n = self.ctx.release
        if n < 2:
            return None
        powers = torch.arange(1, n, device=grad.device)
        return (grad[..., 1:] * powers * _powers(x, n - 1)).sum(-1)


_powers = function(_Vander)
_powers.leaf = True


@implements(torch.linalg.vander)
@composite
def linalg_vander(x: Any, *, N: int | None = None) -> Any:  # noqa: N803  torch's name
    """The powers of the elements as columns, from 0 up to N - 1; a number is a vector of one element.

    Raises:
        InputError: fewer than two columns.
    """
    x = x if x.ndim else x.reshape(1)
    n = x.shape[-1] if N is None else N
    if n < 2:
        raise InputError(
            message(
                "vander makes at least two columns of a vector.",
                rule="linalg.vander",
                got=f"N = {n}, shape {tuple(x.shape)}",
            )
        )
    return _powers(x, n)


@implements(torch.vander)
@composite
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:  # noqa: N803  torch's name
    """The powers of a vector's elements as columns, from N - 1 down to 0, or up from 0 if ``increasing``."""
    if x.ndim != 1:
        raise InputError(message("vander takes a vector.", rule="vander", got=f"shape {tuple(x.shape)}"))
    columns = _powers(x, x.shape[0] if N is None else N)
    return columns if increasing else columns.flip(-1)
