"""Products of matrices and vectors."""

from __future__ import annotations

import math
from typing import Any

import torch

from ...engine import TensorBase
from ...engine.autocast import at_rest, is_on
from ...errors import InputError, message
from ...policy import Analytic, Policy, Reflected, calls, function, implements
from .._names import composite

__all__ = [
    "bilinear",
    "bmm",
    "dot",
    "ger",
    "inner",
    "matmul",
    "mm",
    "mv",
    "outer",
    "vdot",
]


class _Product(Reflected):
    """y = A B, over the last two dimensions:  dA = g B^T,  dB = A^T g.

    A vector is a row on the left and a column on the right. Batch dimensions broadcast; the engine sums them back.
    """

    kernel: Any = torch.matmul

    def forward(self, input: Any, other: Any) -> Any:
        out = type(self).kernel(input, other)
        need_input, need_other = self.ctx.needs_input_grad
        self.ctx.save(other if need_input else None, input if need_other else None, input.ndim, other.ndim)
        return out

    def backward(self, grad: Any) -> Any:
        b, a, a_ndim, b_ndim = self.ctx.release
        by_a, by_b = self.ctx.needs_input_grad  # what is saved may be saved for another tape's sake
        if a_ndim == b_ndim == 2 and isinstance(grad, TensorBase):
            return product_backward(grad, a if by_b else None, b if by_a else None)
        return _left(grad, b, a_ndim) if by_a else None, _right(grad, a, b_ndim) if by_b else None


def _left(grad: Any, b: Any, a_ndim: int) -> Any:
    if b.ndim == 1:
        return grad * b if a_ndim == 1 else grad.unsqueeze(-1) * b
    if a_ndim == 1:
        return b.matmul(grad) if b.ndim == 2 else b.matmul(grad.unsqueeze(-1)).squeeze(-1)
    return grad.matmul(b.mT)


def _right(grad: Any, a: Any, b_ndim: int) -> Any:
    if a.ndim == 1:
        return grad * a if b_ndim == 1 else a.unsqueeze(-1) * grad.unsqueeze(-2)
    if a.ndim > 2 and b_ndim <= 2:  # one product over all rows, not a batch of products and their sum
        rows = math.prod(a.shape[:-1])
        grad = grad.reshape(rows) if b_ndim == 1 else grad.reshape(rows, grad.shape[-1])
        a = a.reshape(rows, a.shape[-1])
    return a.mT.matmul(grad)


def _product_gradients(grad: Any, a: Any, b: Any) -> Any:
    return None if b is None else grad.mm(b.t()), None if a is None else a.t().mm(grad)


@function
class product_backward(Analytic):
    """(g B^T, A^T g), the gradients of A B, as one rule: the higher orders of a product are then one node, not four.

    With cotangents P of g B^T and Q of A^T g:  dg = P B + A Q,  dA = g Q^T,  dB = P^T g.
    """

    materialize_grads = False
    gradients_fit = True

    forward = calls(_product_gradients, "grad", "a", "b", saves="inputs")

    def backward(self, p: Any, q: Any) -> Any:
        grad, a, b = self.ctx.release
        need_grad, need_a, need_b = self.ctx.needs_input_grad
        product = self.ctx.matrix_product
        dg = None
        if need_grad:
            dg = product(a, q) if p is None else product(p, b) if q is None else torch.addmm(p.mm(b), a, q)
        return (
            dg,
            product(grad, q.t()) if need_a and q is not None else None,
            product(p.t(), grad) if need_b and p is not None else None,
        )


@implements(torch.matmul, torch.Tensor.__matmul__, torch.linalg.matmul)
@function
class matmul(_Product):
    """The product of matrices, vectors or batches of them, by torch.matmul's rules."""


@implements(torch.Tensor.__rmatmul__)
def _rmatmul(input: Any, other: Any) -> Any:
    return matmul(other, input)


@implements(torch.mm)
@function
class mm(Reflected):
    """y = A B, of two matrices:  dA = g B^T,  dB = A^T g."""

    gradients_fit = True
    forward = calls(torch.mm, "input", "other", saves="others")

    def backward(self, grad: Any) -> Any:
        b, a = self.ctx.release
        by_a, by_b = self.ctx.needs_input_grad
        if isinstance(grad, TensorBase):
            return product_backward(grad, a if by_b else None, b if by_a else None)
        product = self.ctx.matrix_product
        return product(grad, b.t()) if by_a else None, product(a.t(), grad) if by_b else None


@implements(torch.bmm)
@function
class bmm(_Product):
    """The products of two batches of matrices, of equal size."""

    kernel = torch.bmm


@implements(torch.mv)
@function
class mv(_Product):
    """The product of a matrix and a vector."""

    kernel = torch.mv


@implements(torch.dot)
@function
class dot(_Product):
    """The inner product of two vectors."""

    kernel = torch.dot


@implements(torch.vdot)
@function
class vdot(Policy):
    """The inner product of two vectors, of which the first is conjugated:  dx = conj(g) y,  dy = g x."""

    complex_rule = "own"

    def forward(self, input: Any, other: Any) -> Any:
        need_input, need_other = self.ctx.needs_input_grad
        self.ctx.save(other if need_input else None, input if need_other else None)
        return torch.vdot(input, other)

    def backward(self, grad: Any) -> Any:
        other, input = self.ctx.release
        return None if other is None else grad.conj() * other, None if input is None else grad * input


@implements(torch.outer, torch.ger)
@function
class outer(Analytic):
    """y_ij = a_i b_j:  da = g b,  db = g^T a."""

    def forward(self, input: Any, vec2: Any) -> Any:
        need_input, need_vec2 = self.ctx.needs_input_grad
        self.ctx.save(vec2 if need_input else None, input if need_vec2 else None)
        return torch.outer(input, vec2)

    def backward(self, grad: Any) -> Any:
        vec2, input = self.ctx.release
        return (
            None if vec2 is None else grad.mv(of_dtype(vec2, grad)),
            None if input is None else grad.mT.mv(of_dtype(input, grad)),
        )


def of_dtype(x: Any, grad: Any) -> Any:
    """Give an operand in the dtype to which both were promoted, which a product's kernel wants."""
    return x if x.dtype is grad.dtype else x.to(grad.dtype)


@implements(torch.inner)
@composite
def inner(input: Any, other: Any) -> Any:
    """The sum of products over the last dimensions of both: y_ij = sum_k a_ik b_jk."""
    if input.ndim == 0 or other.ndim == 0:
        return torch.mul(input, other)
    if other.ndim <= 2:
        return matmul(input, other.mT if other.ndim == 2 else other)
    out = matmul(input.reshape(-1, input.shape[-1]), other.reshape(-1, other.shape[-1]).mT)
    return out.reshape(*input.shape[:-1], *other.shape[:-1])


@implements(torch.nn.functional.bilinear, torch.bilinear)
@composite
def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    """y_k = x1^T W_k x2 + b_k.  Shapes: x1 (..., m), x2 (..., n), W (out, m, n), b (out)."""
    if is_on():  # torch's own has the operands' dtype, whatever the products inside of it are cast to
        with at_rest():
            return bilinear(input1, input2, weight, bias)
    if weight.ndim != 3:
        raise InputError(message("a bilinear weight has shape (out, in1, in2).", rule="bilinear", got=weight.shape))
    left = input1.matmul(weight.movedim(1, 0).reshape(weight.shape[1], -1))
    left = left.reshape(*input1.shape[:-1], weight.shape[0], weight.shape[2])
    out = left.matmul(input2.unsqueeze(-1)).squeeze(-1)
    return out if bias is None else out + bias


ger = outer
