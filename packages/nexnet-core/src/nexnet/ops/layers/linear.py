"""The linear layer, alone and with the ReLU that so often follows it."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ...engine.attributes import length_of, ndim_of, numel_of
from ...engine.direct import direct
from ...engine.key import Key
from ...engine.products import add_by_transposed_into
from ...engine.rule import Node, product_for, transposed_product_for
from ...engine.tensor import TensorBase
from ...kernels import products
from ...policy import Analytic, Policy, calls, function, implements
from .rectifier import _threshold_backward

__all__ = ["linear", "linear_relu"]

_linear, _sum = direct(torch._C._nn.linear), direct(Tensor.sum)


def _forward(input: Any, weight: Any, bias: Any = None) -> Any:
    """Give x W^T + b; which kernel multiplies is a question of large products alone."""
    are_plain = type(input) is Tensor and type(weight) is Tensor and ndim_of(weight) > 0
    if are_plain and numel_of(input) * length_of(weight) < products.SMALL:
        return _linear(input, weight, bias)
    return products.linear(input, weight, bias)


@implements(torch.nn.functional.linear)
@function
class linear(Analytic):
    """y = x W^T + b:  dx = g W,  dW = g^T x,  db = sum over rows of g.  Shapes: x (..., in), W (out, in), b (out)."""

    gradients_fit = True
    forward = calls(_forward, "input", "weight", "bias=None", saves="others")

    def backward(self, grad: Any) -> Any:
        weight, input = self.ctx.release
        return by_arguments(self, grad, input, weight)


@implements()
@function
class linear_relu(Policy):
    """y = max(x W^T + b, 0), in one kernel where oneDNN multiplies:  as linear, with g where y > 0.  Corner: 0 at 0.

    Shapes: those of linear.
    """

    gradients_fit = True

    def forward(self, input: Any, weight: Any, bias: Any = None) -> Any:
        out = products.linear(input, weight, bias, "relu")
        need_input, need_weight, *_ = self.ctx.needs_input_grad
        self.ctx.save(weight if need_input else None, input if need_weight else None, out)
        return out

    def backward(self, grad: Any) -> Any:
        weight, input, out = self.ctx.release
        return by_arguments(self, _threshold_backward(grad, out, 0), input, weight)


linear_relu.leaf = True


def by_arguments(call: Node, grad: Any, input: Any, weight: Any, bias_too: bool = True) -> Any:
    """Give the gradients of a linear layer by its arguments, for the call of a rule whose output's gradient is g."""
    weight = None if call.parents[0] is None else weight  # saved for another tape's sake
    input = None if call.parents[1] is None else input
    bias: Key | None = call.parents[2] if bias_too and len(call.parents) > 2 else None
    with_bias = bias is not None
    if bias is not None:
        shape = bias.shape
        output: Key = call.output
        if len(shape) != 1 or shape[0] != output.shape[-1]:  # it was broadcast
            dx, dw, _ = by_arguments(call, grad, input, weight, bias_too=False)
            return dx, dw, _summed_to(grad, shape)
    if input is None and weight is None:
        return None, None, _summed_to(grad, shape) if with_bias else None
    if _is_of_matrices(call):
        if isinstance(grad, TensorBase):
            return linear_backward(grad, input, weight, with_bias)
        return _gradients(call, grad, input, weight, with_bias)

    one_row = grad.ndim < input.ndim if weight is None else weight.ndim == 1  # W, for which y has no dimension
    if not one_row and isinstance(grad, TensorBase):
        return linear_backward(grad, input, weight, with_bias)
    rows = grad.unsqueeze(-1) if one_row else grad
    shape = rows.shape[:-1]
    rows = _rows(rows)
    weight = weight.unsqueeze(0) if one_row and weight is not None else weight
    input = None if input is None else input.reshape(rows.shape[0], input.shape[-1])
    compute = linear_backward if isinstance(grad, TensorBase) else products.linear_gradients
    dx, dw, db = compute(rows, input, weight, with_bias)
    if one_row:
        dw = None if dw is None else dw.squeeze(0)
        db = None if db is None else db.squeeze(0)
    return None if dx is None else dx.reshape(*shape, dx.shape[-1]), dw, db


def _rows(x: Any) -> Any:
    """Give x (..., n) as a matrix."""
    return x if x.ndim == 2 else x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def _is_of_matrices(call: Node) -> bool:
    """Say whether x, W and y have two dimensions each: y has, and so has what is differentiated by."""
    known: Key = call.parents[1] if call.parents[0] is None else call.parents[0]
    output: Key = call.output
    return len(known.shape) == 2 == len(output.shape)


def _summed_to(grad: Any, shape: Any) -> Any:
    if grad.ndim < len(shape):
        return grad.reshape(shape)  # sizes of 1 in front
    return grad.sum_to_size(shape)


def _gradients(call: Node | None, grad: Any, input: Any, weight: Any, with_bias: bool) -> tuple[Any, Any, Any]:
    """Give (g W, g^T x, sum over rows of g) of matrices; which kernel multiplies is a question of large ones alone."""
    other = weight if input is None else input
    if numel_of(grad) * numel_of(other) >= products.SMALL * max(length_of(other), 1):
        product = torch.mm if call is None else call.matrix_product
        return products.linear_gradients(grad, input, weight, with_bias, product)
    dx = None if weight is None else product_for(call, grad, weight)
    dw = None if input is None else transposed_product_for(call, grad, input)
    return dx, dw, _over_rows(grad) if with_bias else None


def _over_rows(matrix: Any) -> Any:
    return _sum(matrix, 0) if type(matrix) is Tensor else matrix.sum(0)


def _gradients_of(grad: Any, input: Any, weight: Any, with_bias: bool) -> tuple[Any, Any, Any]:
    if ndim_of(grad) == 2:
        return _gradients(None, grad, input, weight, with_bias)
    if ndim_of(grad) == 1 and input is None and not with_bias:  # as in vmap: a row, in one call
        return torch.matmul(grad, weight), None, None
    input = None if input is None else _rows(input)
    dx, dw, db = _gradients(None, _rows(grad), input, weight, with_bias)
    return None if dx is None else dx.reshape(*grad.shape[:-1], dx.shape[-1]), dw, db


@function
class linear_backward(Analytic):
    """(g W, g^T x, sum over rows of g), the gradients of a linear layer, as one rule: its higher orders are few nodes.

    With cotangents P of g W, Q of g^T x and r of the sum:  dg = P W^T + x Q^T + r,  dx = g Q,  dW = g^T P.
    Shapes: g (..., out), x (..., in), W (out, in).
    """

    materialize_grads = False
    gradients_fit = True

    forward = calls(_gradients_of, "grad", "input", "weight", "with_bias", saves="inputs")

    def backward(self, p: Any, q: Any, r: Any) -> Any:
        return second_order(self, p, q, r)


def second_order(call: Node, p: Any, q: Any, r: Any, weight_too: bool = True) -> Any:
    """Give the gradients of ``linear_backward`` by its arguments, for a call of it."""
    grad, input, weight, _ = call.release
    by_grad, by_input, by_weight, _ = call.parents
    need_input = by_input is not None and q is not None
    need_weight = by_weight is not None and p is not None and weight_too
    of_matrices = ndim_of(grad) == 2
    dx = dw = None
    if need_input:
        dx = product_for(call, grad, q) if of_matrices else grad.matmul(q)
    if need_weight:
        dw = transposed_product_for(call, grad, p) if of_matrices else _rows(grad).t().mm(_rows(p))
    return None if by_grad is None else _by_grad(call, grad, input, weight, p, q, r), dx, dw


def _by_grad(call: Node, grad: Any, input: Any, weight: Any, p: Any, q: Any, r: Any) -> Any:
    """Give P W^T + x Q^T + r, of those that there are."""
    if p is None:
        return r.expand(grad.shape) if q is None else _linear(input, q, r)
    r = _linear(p, weight, r)
    if q is None:
        return r
    if r.ndim != 2:
        return r + _linear(input, q)
    if call.fuses:
        return add_by_transposed_into(r, input, q)  # nobody else has seen r
    return torch.addmm(r, input, q.t())
