"""Gradients that a vmap would sum: where a weight is one for all examples, its share of them is made by one product.

Of what is the same for every example, the backward of a vmap sums the examples' gradients. A linear layer's would be a
matrix for each of them, made and written only to be summed. Here the examples are rows of one product instead; it is
divided by their number, since each is to give its share.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..kernels import products
from ..ops.layers.linear import by_arguments, linear, linear_backward, linear_relu, second_order
from ..ops.layers.rectifier import _threshold_backward

__all__ = ["sharing"]

_functorch = torch._C._functorch
_linear: Any = linear
_linear_relu: Any = linear_relu
_linear_backward: Any = linear_backward


def _share(left: Tensor, right: Tensor) -> Tensor:
    """Give left^T right, of rows (..., m) and (..., n): where they differ by example, the mean over the examples."""
    level: Any = _functorch.maybe_current_level()
    sizes = [
        _functorch.get_unwrapped(each).shape[_functorch.maybe_get_bdim(each)]
        for each in (left, right)
        if _functorch.is_batchedtensor(each) and _functorch.maybe_get_level(each) == level
    ]
    if not sizes:
        return left.reshape(-1, left.shape[-1]).t().mm(right.reshape(-1, right.shape[-1]))
    left, right = (_functorch._remove_batch_dim(each, level, sizes[0], 0) for each in (left, right))
    left, right = (each.reshape(-1, each.shape[-1]) for each in (left, right))
    _, product, _ = products.linear_gradients(left, right, None, False)
    return product.div_(sizes[0])  # type: ignore[no-any-return]


class _Linear(_linear.policy):  # type: ignore[misc]
    """As linear, where dW is the example's share."""

    def backward(self, grad: Any) -> Any:
        weight, input = self.ctx.release
        dx, _, db = by_arguments(self, grad, None, weight)
        return dx, _share(grad, input), db


class _LinearReLU(_linear_relu.policy):  # type: ignore[misc]
    """As linear_relu, where dW is the example's share."""

    def backward(self, grad: Any) -> Any:
        weight, input, out = self.ctx.release
        grad = _threshold_backward(grad, out, 0)
        dx, _, db = by_arguments(self, grad, None, weight)
        return dx, _share(grad, input), db


class _LinearBackward(_linear_backward.policy):  # type: ignore[misc]
    """As linear_backward, where dW is the example's share."""

    def backward(self, p: Any, q: Any, r: Any) -> Any:
        grad, _, _, _ = self.ctx.release
        by_grad, by_input, _ = second_order(self, p, q, r, weight_too=False)
        return by_grad, by_input, None if p is None else _share(grad, p)


_SHARING = {
    _linear.policy: (1, _Linear),
    _linear_relu.policy: (1, _LinearReLU),
    _linear_backward.policy: (2, _LinearBackward),
}
for _rule, (_, _form) in _SHARING.items():
    _form.__name__ = _rule.__name__  # which errors and traces show


def sharing(policy: Any, parents: tuple[Any, ...], same: Any) -> Any:
    """Give the form of a rule that gives shares, where it has one and its weight is of the keys that are the same."""
    if policy not in _SHARING:
        return policy
    place, form = _SHARING[policy]
    key = parents[place]
    return form if key is not None and key in same and len(key.shape) == 2 else policy
