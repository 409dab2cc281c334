"""The linear layer, alone and with the ReLU that so often follows it."""

from __future__ import annotations

import math
from typing import Any

import torch

from ... import kernels
from ...engine import TensorBase
from ...policy import Analytic, Policy, calls, function, implements
from .rectifier import _threshold_backward

__all__ = ["linear", "linear_relu"]


@implements(torch.nn.functional.linear)
@function
class linear(Analytic):
    """y = x W^T + b:  dx = g W,  dW = g^T x,  db = sum over rows of g.  Shapes: x (..., in), W (out, in), b (out)."""

    gradients_fit = True
    forward = calls(kernels.linear, "input", "weight", "bias=None", saves="others")

    def backward(self, grad: Any) -> Any:
        weight, input = self.ctx.release
        return _by_arguments(self, grad, input, weight)


@implements()
@function
class linear_relu(Policy):
    """y = max(x W^T + b, 0), in one kernel where oneDNN multiplies:  as linear, with g where y > 0.  Corner: 0 at 0.

    Shapes: those of linear.
    """

    gradients_fit = True

    def forward(self, input: Any, weight: Any, bias: Any = None) -> Any:
        out = kernels.linear(input, weight, bias, "relu")
        need_input, need_weight, *_ = self.ctx.needs_input_grad
        self.ctx.save(weight if need_input else None, input if need_weight else None, out)
        return out

    def backward(self, grad: Any) -> Any:
        weight, input, out = self.ctx.release
        return _by_arguments(self, _threshold_backward(grad, out, 0), input, weight)


linear_relu.leaf = True


def _by_arguments(call: Policy, grad: Any, input: Any, weight: Any, bias_too: bool = True) -> Any:
    """Give the gradients of a linear layer by its arguments, for the call of a rule whose output's gradient is g."""
    needs = call.needs_input_grad
    recorded = isinstance(grad, TensorBase)
    if recorded and not needs[1]:  # several tapes have asked, and this one for less than all of them
        input = None
    if recorded and not needs[0]:
        weight = None
    with_bias = bias_too and len(needs) > 2 and needs[2]
    if with_bias:
        shape = call.parents[2].shape
        if len(shape) != 1 or shape[0] != grad.shape[-1]:  # it was broadcast
            dx, dw, _ = _by_arguments(call, grad, input, weight, bias_too=False)
            return dx, dw, _summed_to(grad, shape)
    if (input is None or input.ndim == 2) and (weight is None or weight.ndim == 2) and grad.ndim == 2:
        if recorded:
            return linear_backward(grad, input, weight, with_bias)
        return kernels.linear_gradients(grad, input, weight, with_bias, call.matrix_product)
    if input is None and weight is None:
        return None, None, _summed_to(grad, shape) if with_bias else None

    one_row = grad.ndim < input.ndim if weight is None else weight.ndim == 1  # W, for which y has no dimension
    rows = grad.unsqueeze(-1) if one_row else grad
    shape = rows.shape[:-1]
    rows = rows.reshape(math.prod(shape), rows.shape[-1])
    weight = weight.unsqueeze(0) if one_row and weight is not None else weight
    input = None if input is None else input.reshape(rows.shape[0], input.shape[-1])
    compute = linear_backward if recorded else kernels.linear_gradients
    dx, dw, db = compute(rows, input, weight, with_bias)
    if one_row:
        dw, db = (None if each is None else each.squeeze(0) for each in (dw, db))
    return None if dx is None else dx.reshape(*shape, dx.shape[-1]), dw, db


def _summed_to(grad: Any, shape: Any) -> Any:
    if grad.ndim < len(shape):
        return grad.reshape(shape)  # sizes of 1 in front
    return grad.sum_to_size(shape)


@function
class linear_backward(Analytic):
    """(g W, g^T x, sum over rows of g), the gradients of a linear layer, as one rule: its higher orders are few nodes.

    With cotangents P of g W, Q of g^T x and r of the sum:  dg = P W^T + x Q^T + r,  dx = g Q,  dW = g^T P.
    """

    materialize_grads = False
    gradients_fit = True

    forward = calls(kernels.linear_gradients, "grad", "input", "weight", "with_bias", saves="inputs")

    def backward(self, p: Any, q: Any, r: Any) -> Any:
        grad, _, _, _ = self.ctx.release
        need_grad, need_input, need_weight, _ = self.ctx.needs_input_grad
        product = self.ctx.matrix_product
        return (
            self._by_grad(p, q, r) if need_grad else None,
            product(grad, q) if need_input and q is not None else None,
            product(grad.t(), p) if need_weight and p is not None else None,
        )

    def _by_grad(self, p: Any, q: Any, r: Any) -> Any:
        grad, input, weight, _ = self.ctx.release
        if q is None:
            return r.expand(grad.shape) if p is None else torch.nn.functional.linear(p, weight, r)
        if p is not None:
            r = torch.nn.functional.linear(p, weight, r)
        return input.mm(q.t()) if r is None else torch.addmm(r, input, q.t())
