"""Linear layers of which each example has its own: what ``linear`` is on a batch where the weights or biases differ.

The examples lie along a first dimension. What is the same for all of them has none; its gradient is their sum, and is
made here by one product where that is one, else by the engine.
"""

from __future__ import annotations

import math
from typing import Any

from ..engine.rule import Node, transposed_product_for
from ..ops.layers.linear import linear, linear_backward, linear_relu
from ..ops.layers.rectifier import _threshold_backward

__all__ = ["EACH"]

_linear: Any = linear
_linear_relu: Any = linear_relu
_linear_backward: Any = linear_backward


class _Linear(_linear.policy):  # type: ignore[misc]
    """As linear, of each example:  dx = g W,  dW = g^T x,  db = sum over rows of g."""

    def backward(self, grad: Any) -> Any:
        return _gradients(self, grad, *self.ctx.release)


class _LinearReLU(_linear_relu.policy):  # type: ignore[misc]
    """As linear_relu, of each example."""

    def backward(self, grad: Any) -> Any:
        weight, input, out = self.ctx.release
        return _gradients(self, _threshold_backward(grad, out, 0), weight, input)


def _gradients(call: Node, grad: Any, weight: Any, input: Any) -> tuple[Any, Any, Any]:
    by_input, by_weight, by_bias = (*call.parents, None)[:3]
    ndim = grad.ndim - 1
    rows = _rows(grad, ndim)
    dx = dw = db = None
    if by_input is not None:
        dx = _unrowed(_product(rows, weight), grad, ndim)
    if by_weight is not None:
        dw = _transposed_product(call, rows, _rows(input, ndim), len(by_weight.shape) == 2)
    if by_bias is not None:
        db = rows.sum(-2) if len(by_bias.shape) == 2 else rows.sum((0, 1))
    return dx, dw, db


class _LinearBackward(_linear_backward.policy):  # type: ignore[misc]
    """As linear_backward, of each example:  dg = P W^T + x Q^T + r,  dx = g Q,  dW = g^T P.

    It saves the number of dimensions of an example's g instead of whether there is a bias.
    """

    def backward(self, p: Any, q: Any, r: Any) -> Any:
        grad, input, weight, ndim = self.ctx.release
        by_grad, by_input, by_weight, _ = self.parents
        rows = _rows(grad, ndim)
        p = None if p is None else _rows(p, ndim)
        dg = dx = dw = None
        if by_grad is not None:
            parts = [
                None if p is None else _product(p, weight.mT),
                None if q is None else _product(_rows(input, ndim), q.mT),
                None if r is None else r.unsqueeze(-2),
            ]
            first, *others = [each for each in parts if each is not None]
            dg = sum(others, first)
            dg = _unrowed(dg if others or r is None else dg.expand(-1, rows.shape[-2], -1), grad, ndim)
        if by_input is not None and q is not None:
            dx = _unrowed(_product(rows, q), grad, ndim)
        if by_weight is not None and p is not None:
            dw = _transposed_product(self, rows, p, weight.ndim == 2)
        return dg, dx, dw


def _rows(x: Any, ndim: int) -> Any:
    """Give examples of so many dimensions, (..., k), as matrices."""
    if ndim == 2:
        return x
    batch = x.shape[: x.ndim - ndim]
    return x.reshape(*batch, math.prod(x.shape[len(batch) : -1]), x.shape[-1])


def _unrowed(rows: Any, like: Any, ndim: int) -> Any:
    """Give such matrices the dimensions that the examples have in another tensor."""
    return rows if ndim == 2 else rows.reshape(rows.shape[0], *like.shape[like.ndim - ndim : -1], rows.shape[-1])


def _product(a: Any, b: Any) -> Any:
    return a.bmm(b) if a.ndim == 3 == b.ndim else a.matmul(b)


def _transposed_product(call: Node, a: Any, b: Any, summed: bool) -> Any:
    """Give A^T B of each example, or the sum of all."""
    if summed and a.ndim == 3 == b.ndim:
        return transposed_product_for(call, a.reshape(-1, a.shape[-1]), b.reshape(-1, b.shape[-1]))
    return _product(a.mT, b)


#: The rule for a batch of which each example has its own weights, by the rule for one.
EACH = {_linear.policy: _Linear, _linear_relu.policy: _LinearReLU, _linear_backward.policy: _LinearBackward}
for _rule, _form in EACH.items():
    _form.__name__ = _rule.__name__  # which errors and traces show
