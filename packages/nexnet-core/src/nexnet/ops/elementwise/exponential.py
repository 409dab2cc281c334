"""Exponentials and logarithms, and the logistic function: a formula sheet.

g is the gradient that comes in, x the input, y the output. Domains and singular points are torch's: logarithms are
infinite at 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ...policy import Analytic, Policy, function, implements
from .._formulas import of_input, of_output
from .._kernels import kernel

__all__ = [
    "exp",
    "exp2",
    "expit",
    "expm1",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "logaddexp2",
    "logit",
    "sigmoid",
    "xlogy",
]


# Exponentials and logarithms

exp = of_output("y = e^x,  dx = g y", lambda g, y: g * y, torch.exp)
exp2 = of_output("y = 2^x,  dx = g y ln 2", lambda g, y: g * y * math.log(2), torch.exp2, torch.special.exp2)
expm1 = of_output("y = e^x - 1,  dx = g (y + 1)", lambda g, y: g * (y + 1), torch.expm1, torch.special.expm1)
log = of_input("ln x,  dx = g / x", lambda g, x: g / x, torch.log)
log2 = of_input("ln x / ln 2,  dx = g / (x ln 2)", lambda g, x: g / (x * math.log(2)), torch.log2)
log10 = of_input("ln x / ln 10,  dx = g / (x ln 10)", lambda g, x: g / (x * math.log(10)), torch.log10)
log1p = of_input("ln(1 + x),  dx = g / (1 + x)", lambda g, x: g / (x + 1), torch.log1p, torch.special.log1p)

# The logistic function and its inverse. Torch's kernel conjugates; its rule here, of recorded gradients, is that of
# real numbers.

_sigmoid_backward = kernel(
    "g y (1 - y),  dg = h y (1 - y),  dy = h g (1 - 2 y)",
    lambda hg, y: hg * (1 - 2 * y),
    torch.ops.aten.sigmoid_backward.default,
)
sigmoid = of_output(
    "y = 1 / (1 + e^-x),  dx = g conj(y (1 - y))",
    lambda g, y: _sigmoid_backward(g, y) if type(g) is Tensor or not g.dtype.is_complex else g * (y * (1 - y)).conj(),
    torch.sigmoid,
    torch.special.expit,
    conjugates=True,
)

_logit_backward: Callable[..., Any] = kernel(
    "g / (x (1 - x)), and 0 outside of [eps, 1 - eps] (NaN outside of [0, 1] without eps)",
    lambda hg, x, eps: _logit_backward(_logit_backward(hg, x, eps), x, eps) * (2 * x - 1),
    torch.ops.aten.logit_backward.default,
)


@implements(torch.logit, torch.special.logit)
@function
class logit(Policy):
    """ln(x / (1 - x)):  dx = g / (x (1 - x)), and 0 where x was brought into [eps, 1 - eps]."""

    def forward(self, input: Any, eps: float | None = None) -> Any:
        self.ctx.save(input, eps)
        return torch.logit(input, eps)

    def backward(self, grad: Any) -> Any:
        input, eps = self.ctx.release
        return _logit_backward(grad, input, eps)


# Two operands


@implements(torch.xlogy, torch.special.xlogy)
@function
class xlogy(Policy):
    """x ln y, and 0 for x = 0:  dx = g ln y,  dy = g x / y.  Either may be a number.

    Corner: dx = 0 at x = 0, y <= 0.
    """

    elementwise = True

    def forward(self, input: Any, other: Any) -> Any:
        self.ctx.save(input, other)
        return torch.xlogy(input, other)

    def backward(self, grad: Any) -> Any:
        x, y = self.ctx.release
        need_x, need_y = self.ctx.needs_input_grad
        dx = dy = None
        if need_x:
            dx = torch.xlogy(grad, torch.where((x == 0) & (y <= 0), 1, y))
        if need_y:
            dy = grad * (x / y)
        return dx, dy


@implements(torch.logaddexp)
@function
class logaddexp(Analytic):
    """ln(e^x + e^y):  dx = g s(x - y),  dy = g s(y - x),  s the logistic function.

    Corner: (1, 0) at (inf, 1).
    """

    elementwise = True

    def forward(self, input: Any, other: Any) -> Any:
        self.ctx.save(input, other)
        return torch.logaddexp(input, other)

    def backward(self, grad: Any) -> Any:
        input, other = self.ctx.release
        need_input, need_other = self.ctx.needs_input_grad
        return (
            grad * torch.sigmoid(input - other) if need_input else None,
            grad * torch.sigmoid(other - input) if need_other else None,
        )


@implements(torch.logaddexp2)
@function
class logaddexp2(Policy):
    """log2(2^x + 2^y):  dx = g s((x - y) ln 2),  dy = g s((y - x) ln 2),  s the logistic function."""

    elementwise = True

    def forward(self, input: Any, other: Any) -> Any:
        self.ctx.save(input, other)
        return torch.logaddexp2(input, other)

    def backward(self, grad: Any) -> Any:
        input, other = self.ctx.release
        need_input, need_other = self.ctx.needs_input_grad
        difference = (input - other) * math.log(2)
        return (
            grad * torch.sigmoid(difference) if need_input else None,
            grad * torch.sigmoid(-difference) if need_other else None,
        )


expit = sigmoid
