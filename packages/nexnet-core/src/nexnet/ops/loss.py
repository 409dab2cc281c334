"""Losses, with the signatures of torch.nn.functional. Each element's loss is reduced: "none", "mean" or "sum".

Losses of two tensors want one shape: a difference is broadcast, with torch's warning.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy
import torch
from torch.nn import functional as F  # noqa: N812  torch's own name for it

from .._engine import TensorBase, scalar
from ..errors import InputError, message
from ..policy import Operator, Policy, calls, function, implements
from .activation import logsigmoid
from .arithmetic import mul, sub
from .elementwise import abs, exp, kernel_or_rule, operator, overload, xlogy
from .joining import to
from .reduction import mean, sum
from .selection import where
from .shape import expand

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "mse_loss",
    "smooth_l1_loss",
]

_aten = torch.ops.aten
_bce = _aten.binary_cross_entropy.default
_bce_backward = _aten.binary_cross_entropy_backward.default
_bce_value = overload(_bce)
_CODES = {"none": 0, "mean": 1, "sum": 2}
_TENSORS = (TensorBase, torch.Tensor, numpy.ndarray)


def _code(reduction: str, rule: str) -> int:
    """Give torch's kernels the number by which they call a reduction."""
    if reduction not in _CODES:
        raise InputError(
            message("no such reduction.", rule=rule, argument="reduction", expected="none, mean or sum", got=reduction)
        )
    return _CODES[reduction]


def _reduce(loss: Any, reduction: str, rule: str) -> Any:
    code = _code(reduction, rule)
    return loss if code == 0 else mean(loss) if code == 1 else sum(loss)


# Differences ---------------------------------------------------------------------------------------------------------


def _difference_loss(
    formula: str, curvature: Callable[..., Any], name: str, slope: Callable[..., Any] | None = None
) -> Operator:
    """Make the operator of torch's loss f(x - t), reduced, and that of its gradient's kernel k = g f'(x - t) / n.

    k is linear in g, so dg = h k(1);  dx = -dt = ``curvature(h g, x, t, *parameters)`` / n = h g f''(x - t) / n.
    n is the number of elements for a mean, else 1. ``slope(g / n, x - t)`` stands in for k under vmap, if torch has no
    batching rule for it.
    """
    torch_value, torch_kernel = getattr(_aten, name).default, getattr(_aten, f"{name}_backward").default
    value, kernel = overload(torch_value), overload(torch_kernel)

    def plain(grad: Any, input: Any, target: Any, reduction: int, *parameters: Any) -> Any:
        if slope is not None and torch._C._functorch.is_batchedtensor(input):
            return slope(_share(grad, input, reduction), input - target)
        return kernel(grad, input, target, reduction, *parameters)

    class loss(Policy):
        gradients_fit = True

        forward = calls(value, "input", "target", "reduction", saves="inputs")

        def backward(self, grad: Any) -> Any:
            dx = gradient(grad, *self.ctx.release)
            return dx, -dx if self.ctx.needs_input_grad[1] else None

    class loss_backward(Policy):
        forward = calls(plain, "grad", "input", "target", "reduction", saves="inputs")

        def backward(self, cotangent: Any) -> Any:
            grad, input, target, reduction, *parameters = self.ctx.release
            need_grad, need_input, need_target = self.ctx.needs_input_grad[:3]
            dg: Any = None
            dx: Any = None
            if need_grad:
                dg = cotangent * gradient(torch.ones_like(grad), input, target, reduction, *parameters)
            if need_input or need_target:
                dx = curvature(cotangent * _share(grad, input, reduction), input, target, *parameters)
            return dg, dx, -dx if need_target else None

    gradient = kernel_or_rule(plain, operator(loss_backward, f"gradient of {formula}", (torch_kernel,)))
    return operator(loss, formula, (torch_value,), __name__)


_mse_loss = _difference_loss(
    "(x - t)^2", lambda hg, *_: hg * scalar(2, hg), "mse_loss", lambda g, difference: 2 * g * difference
)
_huber_loss = _difference_loss(
    "(x - t)^2 / 2 where |x - t| < delta, else delta (|x - t| - delta / 2)",
    lambda hg, x, t, delta: where(torch.abs(x - t) < delta, hg, 0),
    "huber_loss",
)
_smooth_l1_loss = _difference_loss(
    "(x - t)^2 / (2 beta) where |x - t| < beta, else |x - t| - beta / 2",
    lambda hg, x, t, beta: where(torch.abs(x - t) < beta, hg / beta, 0),
    "smooth_l1_loss",
)


@implements(F.mse_loss)
def mse_loss(input: Any, target: Any, *, reduction: str = "mean", weight: Any = None) -> Any:
    """(x - t)^2. With a weight, of the input's shape, the mean is weighted."""
    input, target = _matched(input, target, "mse_loss")
    code = _code(reduction, "mse_loss")
    if weight is None:
        return _mse_loss(input, target, code)
    return _weighted_mean(_mse_loss(input, target, 0), weight, reduction, "mse_loss")


@implements(F.l1_loss)
def l1_loss(input: Any, target: Any, *, reduction: str = "mean", weight: Any = None) -> Any:
    """|x - t|. With a weight, of the input's shape, the mean is weighted.

    Corner: 0 where x = t.
    """
    input, target = _matched(input, target, "l1_loss")
    losses = abs(sub(input, target))
    if weight is None:
        return _reduce(losses, reduction, "l1_loss")
    return _weighted_mean(losses, weight, reduction, "l1_loss")


@implements(F.smooth_l1_loss)
def smooth_l1_loss(input: Any, target: Any, *, reduction: str = "mean", beta: float = 1.0) -> Any:
    """(x - t)^2 / (2 beta) where |x - t| < beta, else |x - t| - beta / 2; l1_loss for beta = 0.

    At |x - t| = beta the second derivative is that of the outer side: 0.
    """
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)
    return _smooth_l1_loss(*_matched(input, target, "smooth_l1_loss"), _code(reduction, "smooth_l1_loss"), beta)


@implements(F.huber_loss)
def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None) -> Any:
    """(x - t)^2 / 2 where |x - t| < delta, else delta (|x - t| - delta / 2), times the weight.

    At |x - t| = delta the second derivative is that of the outer side: 0.
    """
    input, target = _matched(input, target, "huber_loss")
    if weight is None:
        return _huber_loss(input, target, _code(reduction, "huber_loss"), delta)
    return _reduce(mul(_huber_loss(input, target, 0, delta), weight), reduction, "huber_loss")


def _weighted_mean(losses: Any, weight: Any, reduction: str, rule: str) -> Any:
    weight = _tensor(weight)
    if weight.shape != losses.shape:
        raise InputError(
            message(
                "the weight has not the input's shape.",
                rule=rule,
                argument="weight",
                expected=tuple(losses.shape),
                got=tuple(weight.shape),
            )
        )
    losses = mul(losses, weight)
    return sum(losses) / sum(weight) if reduction == "mean" else _reduce(losses, reduction, rule)


def _matched(input: Any, target: Any, rule: str) -> tuple[Any, Any]:
    """Give both in one shape and dtype, as torch's kernels for gradients want them."""
    if isinstance(input, TensorBase) and isinstance(target, TensorBase):
        a, b = input.data, target.data
        if a.shape == b.shape and a.dtype is b.dtype:
            return input, target
    _require_tensor(target, rule)
    input, target = _tensor(input), _tensor(target)
    if input.shape != target.shape:
        warnings.warn(
            f"{rule} was given an input of shape {tuple(input.shape)} and a target of shape {tuple(target.shape)}: "
            "they are broadcast, which is seldom meant. Give both one shape.",
            stacklevel=3,
        )
        shape = torch.broadcast_shapes(input.shape, target.shape)
        input, target = expand(input, shape), expand(target, shape)
    if input.dtype is not target.dtype:
        dtype = torch.promote_types(input.dtype, target.dtype)
        input, target = (each if each.dtype is dtype else to(each, dtype) for each in (input, target))
    return input, target


def _tensor(value: Any) -> Any:
    return torch.as_tensor(value) if isinstance(value, numpy.ndarray) else value


# Probabilities -------------------------------------------------------------------------------------------------------


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


def _share(grad: Any, input: Any, reduction: int) -> Any:
    """Give each element's part in the gradient of a reduced loss."""
    return grad / scalar(math.prod(input.shape), grad) if reduction == 1 and 0 not in input.shape else grad


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


@implements(F.binary_cross_entropy_with_logits, torch.binary_cross_entropy_with_logits)
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
    """
    _require_tensor(target, "kl_div")
    losses = mul(exp(target), sub(target, input)) if log_target else xlogy(target, target) - mul(target, input)
    if reduction == "batchmean":
        return sum(losses) / (input.shape[0] if input.ndim else 1)
    return _reduce(losses, reduction, "kl_div")


def _require_tensor(target: Any, rule: str) -> None:
    if not isinstance(target, _TENSORS):
        raise InputError(
            message(
                "the target is no tensor.",
                rule=rule,
                argument="target",
                expected="a tensor or an array",
                got=type(target).__name__,
                remedy="nexnet.LiteTensor(target)",
            )
        )


def _check_shapes(input: Any, target: Any, rule: str) -> None:
    _require_tensor(target, rule)
    if input.shape != target.shape:
        raise InputError(
            message(
                "the target has not the input's shape.",
                rule=rule,
                argument="target",
                expected=tuple(input.shape),
                got=tuple(target.shape),
            )
        )
