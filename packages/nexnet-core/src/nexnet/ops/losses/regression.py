"""Losses of a difference, with the signatures of torch.nn.functional.

Both tensors should have one shape: a difference is broadcast, with torch's warning.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812  torch's own name for it

from ...engine import number, scalar, try_first
from ...policy import Policy, calls, implements
from .._formulas import operator
from .._kernels import kernel_or_rule, overload
from .._names import composite
from .._vmap_kernels import is_mapped
from ..elementwise.arithmetic import mul, square, sub
from ..elementwise.piecewise import abs
from ..elementwise.selection import where
from ..shapes.joining import to
from ._reduced import _code, _matched, _reduce, _reduced, _share, _tensor, _weighted_mean

__all__ = ["huber_loss", "l1_loss", "mse_loss", "smooth_l1_loss"]

_aten = torch.ops.aten


def _rounded(difference: Any, bound: float) -> Any:
    """Give d^2 / 2 where |d| < bound, else bound (|d| - bound / 2)."""
    size = abs(difference)
    return where(size < bound, square(difference) * 0.5, bound * (size - 0.5 * bound))


def _difference_loss(
    formula: str, value: Callable[..., Any], slope: Callable[..., Any], curvature: Callable[..., Any], name: str
) -> Callable[..., Any]:
    """Make the operator of torch's loss f(x - t), reduced, and that of its gradient's kernel k = g f'(x - t) / n.

    k is linear in g, so dg = h k(1);  dx = -dt = ``curvature(h g, x, t, *parameters)`` / n = h g f''(x - t) / n.
    n is the number of elements for a mean, else 1. Under vmap the kernels' place is taken by ``value(x - t,
    *parameters)``, reduced, and ``slope(g / n, x - t, *parameters)``: torch's rules for them are wrong, or missing,
    where the operands are not mapped alike.
    """
    torch_value, torch_kernel = getattr(_aten, name).default, getattr(_aten, f"{name}_backward").default
    kernel = overload(torch_kernel)

    def plain(grad: Any, input: Any, target: Any, reduction: int, *parameters: Any) -> Any:
        if is_mapped(grad, input, target):
            return slope(_share(grad, input, reduction), input - target, *parameters)
        return kernel(grad, input, target, reduction, *parameters)

    class loss(Policy):
        gradients_fit = True

        forward = calls(getattr(torch._C._nn, name), "input", "target", "reduction", saves="inputs")

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
    fused = operator(loss, formula, (torch_value,), __name__)

    def choose(input: Any, target: Any, reduction: int, *parameters: Any) -> Any:
        if is_mapped(input, target):
            try_first(fused, (input, target, reduction, *parameters))
            return _reduced(value(sub(input, target), *parameters), reduction)
        return fused(input, target, reduction, *parameters)

    return choose


_mse_loss = _difference_loss(
    "(x - t)^2",
    square,
    lambda g, difference: 2 * g * difference,
    lambda hg, *_: hg * scalar(2, hg),
    "mse_loss",
)
_huber_loss = _difference_loss(
    "(x - t)^2 / 2 where |x - t| < delta, else delta (|x - t| - delta / 2)",
    _rounded,
    lambda g, difference, delta: g * difference.clamp(-delta, delta),
    lambda hg, x, t, delta: where(torch.abs(x - t) < delta, hg, 0),
    "huber_loss",
)
_smooth_l1_loss = _difference_loss(
    "(x - t)^2 / (2 beta) where |x - t| < beta, else |x - t| - beta / 2",
    lambda difference, beta: _rounded(difference, beta) / beta,
    lambda g, difference, beta: g * (difference / beta).clamp(-1, 1),
    lambda hg, x, t, beta: where(torch.abs(x - t) < beta, hg / beta, 0),
    "smooth_l1_loss",
)


@implements(F.mse_loss)
@composite
def mse_loss(input: Any, target: Any, *, reduction: str = "mean", weight: Any = None) -> Any:
    """(x - t)^2. With a weight, of the input's shape, the mean is weighted."""
    input, target = _matched(input, target, "mse_loss")
    code = _code(reduction, "mse_loss")
    if weight is None:
        return _mse_loss(input, target, code)
    return _weighted_mean(_mse_loss(input, target, 0), weight, reduction, "mse_loss")


@implements(F.l1_loss)
@composite
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
@composite
def smooth_l1_loss(input: Any, target: Any, *, reduction: str = "mean", beta: float = 1.0) -> Any:
    """(x - t)^2 / (2 beta) where |x - t| < beta, else |x - t| - beta / 2; l1_loss for beta = 0.

    At |x - t| = beta the second derivative is that of the outer side: 0.
    """
    beta = number(beta, "smooth_l1_loss", "beta")
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)
    return _smooth_l1_loss(*_matched(input, target, "smooth_l1_loss"), _code(reduction, "smooth_l1_loss"), beta)


@implements(F.huber_loss)
@composite
def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None) -> Any:
    """(x - t)^2 / 2 where |x - t| < delta, else delta (|x - t| - delta / 2), times the weight.

    At |x - t| = delta the second derivative is that of the outer side: 0.
    """
    dtype = _tensor(input).dtype  # which torch's loss has, whatever its target's
    input, target = _matched(input, target, "huber_loss")
    delta = number(delta, "huber_loss", "delta")
    loss = _huber_loss(input, target, _code(reduction, "huber_loss") if weight is None else 0, delta)
    loss = loss if loss.dtype is dtype else to(loss, dtype)
    return loss if weight is None else _reduce(mul(loss, weight), reduction, "huber_loss")
