"""Losses of probabilities: binary cross entropies, from logits too, and the divergence of Kullback and Leibler."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812  torch's own name for it

from ...policy import Policy, function, implements
from .._kernels import kernel_or_rule, overload
from .._names import composite
from ..elementwise.arithmetic import mul, sub
from ..elementwise.exponential import exp, xlogy
from ..layers.activation import logsigmoid
from ..reductions.sums import sum
from ._reduced import _answers, _check_shapes, _code, _matched, _reduce, _require_real, _require_tensor, _share, _tensor

__all__ = ["binary_cross_entropy", "binary_cross_entropy_with_logits", "kl_div"]


_aten = torch.ops.aten
_bce = _aten.binary_cross_entropy.default
_bce_backward = _aten.binary_cross_entropy_backward.default
_bce_value = overload(_bce)


@implements()
@function
class _binary_cross_entropy(Policy):
    """-t ln x - (1 - t) ln(1 - x), each ln at least -100:  dx = g (x - t) / (x (1 - x)),  dt = g (ln(1 - x) - ln x).

    The denominator is at least 1e-12. The loss is reduced: for a mean, g stands for g / n.
    """

    def forward(self, input: Any, target: Any, reduction: int) -> Any:
        self.ctx.save(input, target, reduction)
        return _bce_value(input, target, None, reduction)

    def backward(self, grad: Any) -> Any:
        input, target, reduction = self.ctx.release
        dx = _bce_gradient(grad, input, target, None, reduction)
        if not self.ctx.needs_input_grad[1]:
            return dx
        # The difference of the logarithms is the logit; each is -100 at least where the other is 0, and only there.
        return dx, -_share(grad, input, reduction) * torch.clamp(torch.logit(input), -100, 100)


@implements(_bce_backward)
@function
class _binary_cross_entropy_backward(Policy):
    """g (x - t) / m,  m = x (1 - x):  dg = h (x - t) / m,  dx = h g (x^2 - 2 x t + t) / m^2,  dt = -h g / m."""

    def forward(self, grad: Any, input: Any, target: Any, weight: None, reduction: int) -> Any:
        self.ctx.save(grad, input, target, reduction)
        return _bce_backward(grad, input, target, weight, reduction)

    def backward(self, cotangent: Any) -> Any:
        grad, x, t, reduction = self.ctx.release
        m = torch.clamp(x * (1 - x), min=1e-12)
        hg = cotangent * _share(grad, x, reduction) / m
        dg = cotangent * _bce_gradient(torch.ones_like(grad), x, t, None, reduction)
        return dg, hg * ((x * x - 2 * x * t + t) / m), -hg


_bce_gradient = kernel_or_rule(_bce_backward, _binary_cross_entropy_backward)


@implements(F.binary_cross_entropy)
@composite
def binary_cross_entropy(input: Any, target: Any, weight: Any = None, *, reduction: str = "mean") -> Any:
    """-t ln x - (1 - t) ln(1 - x) of probabilities x, times the weight (it broadcasts).

    Each ln is at least -100. From logits, binary_cross_entropy_with_logits is the stable form.

    Raises:
        InputError: input and target differ in shape.
    """
    _check_shapes(input, target, "binary_cross_entropy")
    if input.dtype is not target.dtype:
        input, target = _matched(input, target, "binary_cross_entropy")
    code = _code(reduction, "binary_cross_entropy")
    if weight is None:
        return _binary_cross_entropy(input, target, code)
    return _reduce(mul(_binary_cross_entropy(input, target, 0), weight), reduction, "binary_cross_entropy")


@implements()
@function
class _binary_cross_entropy_with_logits(Policy):
    """(1 - t) x - ln s,  s = sigmoid x:  dx = g (s - t),  dt = -g x.  Reduced: for a mean, g stands for g / n."""

    def forward(self, input: Any, target: Any, reduction: int) -> Any:
        self.ctx.save(input, target, reduction)
        return torch.binary_cross_entropy_with_logits(input, target, reduction=reduction)

    def backward(self, grad: Any) -> Any:
        input, target, reduction = self.ctx.release
        need_input, need_target = self.ctx.needs_input_grad[:2]
        grad = _share(grad, input, reduction)
        return grad * (torch.sigmoid(input) - target) if need_input else None, -grad * input if need_target else None


@_answers(torch.binary_cross_entropy_with_logits, "input", "target", "weight", "pos_weight", "reduction")
@implements(F.binary_cross_entropy_with_logits)
@composite
def binary_cross_entropy_with_logits(
    input: Any, target: Any, weight: Any = None, *, reduction: str = "mean", pos_weight: Any = None
) -> Any:
    """(1 - t) x - (1 + (p - 1) t) ln s, s = sigmoid x, times the weight; p is ``pos_weight``. Both broadcast.

    Raises:
        InputError: input and target differ in shape.
    """
    name = "binary_cross_entropy_with_logits"
    _check_shapes(input, target, name)
    if weight is None and pos_weight is None:
        return _binary_cross_entropy_with_logits(input, target, _code(reduction, name))
    if pos_weight is None:
        losses = _binary_cross_entropy_with_logits(input, target, 0)
    else:
        losses = mul(sub(1, target), input) - (mul(sub(pos_weight, 1), target) + 1) * logsigmoid(input)
    return _reduce(losses if weight is None else mul(losses, weight), reduction, name)


@implements(F.kl_div)
def kl_div(input: Any, target: Any, *, reduction: str = "mean", log_target: bool = False) -> Any:
    """The divergence t (ln t - x) of probabilities t from p = e^x;  with ``log_target``, e^t (t - x).

    "mean" divides by the number of elements; "batchmean", by the size of the first dimension, is the divergence.

    Raises:
        InputError: complex tensors.
    """
    _require_tensor(target, "kl_div")
    _require_real("kl_div", input=input, target=_tensor(target))
    losses = mul(exp(target), sub(target, input)) if log_target else xlogy(target, target) - mul(target, input)
    if reduction == "batchmean":
        return sum(losses) / (input.shape[0] if input.ndim else 1)
    return _reduce(losses, reduction, "kl_div")
