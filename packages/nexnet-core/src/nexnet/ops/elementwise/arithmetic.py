"""Arithmetic of two or three operands. Broadcasting and promotion are undone by the engine, once for every rule.

An operand may be a LiteTensor, a torch tensor, a numpy array or a number, on either side.
"""

from __future__ import annotations

import cmath
import math
import operator
from typing import Any

import torch

from ...engine import TensorBase, directly, passes_less, passes_on, times_saved
from ...errors import InputError, message
from ...policy import Analytic, Linear, Policy, Reflected, calls, function, implements
from .._conventions import chosen
from .._formulas import of_input, of_output
from .._names import composite

__all__ = [
    "add",
    "addcdiv",
    "addcmul",
    "div",
    "divide",
    "fmod",
    "lerp",
    "mul",
    "multiply",
    "neg",
    "negative",
    "positive",
    "pow",
    "reciprocal",
    "remainder",
    "rsqrt",
    "rsub",
    "sqrt",
    "square",
    "sub",
    "subtract",
    "true_divide",
]


@directly("tt1", "add_Tensor")
def _add(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    return input + other if alpha == 1 else torch.add(input, other, alpha=alpha)


@directly("tt1", "sub_Tensor")
def _sub(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    return input - other if alpha == 1 else torch.sub(input, other, alpha=alpha)


@implements(torch.add, torch.Tensor.__radd__)
@function
class add(Linear):
    """x + alpha y:  dx = g,  dy = alpha g."""

    elementwise = True
    scalars_as_tensors = True

    forward = calls(_add, "input", "other", alpha=1)
    backward = passes_on


@implements(torch.sub, torch.subtract)
@function
class sub(Linear):
    """x - alpha y:  dx = g,  dy = -alpha g."""

    elementwise = True
    scalars_as_tensors = True

    forward = calls(_sub, "input", "other", alpha=1)
    backward = passes_less


@implements(torch.rsub, torch.Tensor.__rsub__)
def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """The reverse of sub: other - alpha input."""
    return sub(other, input, alpha=alpha)


@implements(torch.mul, torch.multiply, torch.Tensor.__rmul__)
@function
class mul(Reflected):
    """x y:  dx = g y,  dy = g x."""

    elementwise = True
    scalars_as_tensors = True

    forward = calls(operator.mul, "input", "other", saves="others")
    backward = times_saved


@implements(torch.div, torch.divide, torch.true_divide)
@function
class div(Reflected):
    """z = x / y:  dx = g / y,  dy = -(g / y) z.

    Rounded (``rounding_mode`` "floor" or "trunc") it is flat between its jumps: the gradients are zero.
    """

    elementwise = True
    scalars_as_tensors = True

    def forward(self, input: Any, other: Any, *, rounding_mode: str | None = None) -> Any:
        if rounding_mode is None:
            out = input / other
        else:
            out = torch.div(torch.as_tensor(input), other, rounding_mode=rounding_mode)
        self.ctx.save(other, out if self.ctx.needs_input_grad[1] else None, rounding_mode)
        return out

    def backward(self, grad: Any) -> Any:
        other, out, rounding_mode = self.ctx.release
        if rounding_mode is not None:
            return None
        dx = grad / other
        return dx, None if out is None else -dx * out


@implements(torch.remainder)
@function
class remainder(Policy):
    """x - y floor(x / y), with the sign of y:  dx = g,  dy = -g floor(x / y)."""

    elementwise = True

    def forward(self, input: Any, other: Any) -> Any:
        self.ctx.save(*(input, other) if self.ctx.needs_input_grad[1] else (None, None))
        return torch.remainder(input, other)

    def backward(self, grad: Any) -> Any:
        input, other = self.ctx.release
        return grad, None if other is None else -grad * torch.floor_divide(input, other)


@implements(torch.fmod)
@function
class fmod(Policy):
    """x - y trunc(x / y), with the sign of x:  dx = g,  dy = -g trunc(x / y)."""

    elementwise = True

    def forward(self, input: Any, other: Any) -> Any:
        self.ctx.save(*(input, other) if self.ctx.needs_input_grad[1] else (None, None))
        return torch.fmod(input, other)

    def backward(self, grad: Any) -> Any:
        input, other = self.ctx.release
        return grad, None if other is None else -grad * torch.div(input, other, rounding_mode="trunc")


@implements(torch.neg, torch.negative)
@function
class neg(Linear):
    """-x:  dx = -g."""

    elementwise = True

    forward = calls(torch.neg, "input")

    def backward(self, grad: Any) -> Any:
        return -grad


@implements(torch.positive)
@composite
def positive(input: Any) -> Any:
    """+x, which is x itself."""
    if input.dtype is torch.bool:
        raise InputError(message("a bool tensor has no +x.", rule="positive", argument="input", got="torch.bool"))
    return input


@implements(torch.pow, torch.Tensor.__pow__)
@function
class pow(Analytic):
    """z = x^n:  dx = g n x^(n-1),  dn = g z log x.

    Where x^n is constant in a neighbourhood or on its one side, so is its derivative: by the base, x^0 has derivative
    0 at 0 too, and x^1 (n a number) has second derivative 0 at 0; by the exponent, 0^n has derivative 0 for n >= 0
    and -inf for n < 0. A negative base has derivative NaN by its exponent, since z is real at integers only.

    Corner: by the base 0 at 0^0, and 0 at second order for x^1 at 0; by the exponent 0 at 0^n, and -inf for n < 0.
    """

    elementwise = True

    def forward(self, input: Any, exponent: Any) -> Any:
        out = torch.pow(input, exponent)
        self.ctx.save(input, exponent, out if self.ctx.needs_input_grad[1] else None)
        return out

    def backward(self, grad: Any) -> Any:
        input, exponent, out = self.ctx.release
        need_input, need_exponent = self.ctx.needs_input_grad
        return _with_mixed(
            grad * _slope_by_base(input, exponent) if need_input else None,
            grad * _slope_by_exponent(input, exponent, out) if need_exponent else None,
            input,
            exponent,
        )


def _with_mixed(dx: Any, dn: Any, x: Any, n: Any) -> tuple[Any, Any]:
    """Give both gradients of x^n; at x = 0, n from 0 to 1, those by the exponent are a choice, and of one side."""
    if not all(isinstance(each, TensorBase) for each in (x, n)):
        return dx, dn
    side = torch.real(n)
    mask = (x == 0) & (side >= 0) & (side <= 1)
    return chosen(dx, mask, n), chosen(dn, mask, x, n)


def _slope_by_base(x: Any, n: Any) -> Any:
    """Give n x^(n-1), and 0 for 0^0. What a mask hides is finite where it is differentiated: that would be NaN."""
    if not isinstance(n, (int, float, complex)):
        constant = (x == 0) & (n == 0)
        recorded = isinstance(x, TensorBase) or isinstance(n, TensorBase)
        return torch.where(constant, 0, n * (torch.where(constant, 1, x) if recorded else x) ** (n - 1))
    if n == 0:
        return torch.zeros_like(x)
    if n == 2:
        return 2 * x
    return n * x ** (n - 1)


def _slope_by_exponent(x: Any, n: Any, z: Any) -> Any:
    """Give z log x, and 0 for x = 0, n >= 0."""
    if z.dtype.is_complex:
        return _slope_by_complex_exponent(x, n, z)
    if not isinstance(x, (int, float)):
        return torch.xlogy(z, torch.where((x == 0) & (n >= 0), 1, x))
    if x == 0:
        return z * torch.where(n >= 0, 0.0, -math.inf)
    return z * (math.log(x) if x > 0 else math.nan)


def _slope_by_complex_exponent(x: Any, n: Any, z: Any) -> Any:
    """Give z log x, and 0 for x = 0 and n with a real part of 0 or more."""
    if not isinstance(x, (int, float, complex)):
        x = x if x.dtype.is_complex else x.to(z.dtype)  # a negative base has a logarithm
        constant = (x == 0) & (torch.real(n) >= 0)
        return torch.where(constant, 0, z * torch.log(torch.where(constant, 1, x)))
    if x == 0:
        return z * torch.where(torch.real(n) >= 0, 0.0, -math.inf)
    return z * cmath.log(x)


@implements(torch.addcmul)
@function
class addcmul(Analytic):
    """x + value y z:  dx = g,  dy = value g z,  dz = value g y."""

    elementwise = True

    def forward(self, input: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Any:
        _, need_first, need_second = self.ctx.needs_input_grad
        self.ctx.save(tensor2 if need_first else None, tensor1 if need_second else None, value)
        return torch.addcmul(input, tensor1, tensor2, value=value)

    def backward(self, grad: Any) -> Any:
        tensor2, tensor1, value = self.ctx.release
        scaled = grad if value == 1 else grad * value
        return grad, None if tensor2 is None else scaled * tensor2, None if tensor1 is None else scaled * tensor1


@implements(torch.addcdiv)
@function
class addcdiv(Analytic):
    """x + value y / z:  dx = g,  dy = value g / z,  dz = -value g y / z^2."""

    elementwise = True

    def forward(self, input: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Any:
        need_second = self.ctx.needs_input_grad[2]
        self.ctx.save(tensor1 if need_second else None, tensor2, value)
        return torch.addcdiv(input, tensor1, tensor2, value=value)

    def backward(self, grad: Any) -> Any:
        tensor1, tensor2, value = self.ctx.release
        quotient = (grad if value == 1 else grad * value) / tensor2
        return grad, quotient, None if tensor1 is None else -quotient * (tensor1 / tensor2)


@implements(torch.lerp)
@function
class lerp(Analytic):
    """x + w (y - x):  dx = g (1 - w),  dy = g w,  dw = g (y - x).  The weight is a number or a tensor."""

    elementwise = True

    def forward(self, input: Any, end: Any, weight: Any) -> Any:
        self.ctx.save(*(input, end) if self.ctx.needs_input_grad[2] else (None, None), weight)
        return torch.lerp(input, end, weight)

    def backward(self, grad: Any) -> Any:
        input, end, weight = self.ctx.release
        need_input, need_end, need_weight = self.ctx.needs_input_grad
        return (
            grad * (1 - weight) if need_input else None,
            grad * weight if need_end else None,
            grad * (end - input) if need_weight else None,
        )


# Powers

square = of_input("x^2,  dx = 2 g x", lambda g, x: g * (2 * x), torch.square)
sqrt = of_output("y = x^(1/2),  dx = g / (2 y).  Corner: infinite at 0.", lambda g, y: g / (2 * y), torch.sqrt)
rsqrt = of_output("y = x^(-1/2),  dx = -g y^3 / 2", lambda g, y: g * (-0.5 * y**3), torch.rsqrt)
reciprocal = of_output("y = 1 / x,  dx = -g y^2", lambda g, y: -g * (y * y), torch.reciprocal)

subtract, multiply, divide, true_divide, negative = sub, mul, div, div, neg


# Under the names of torch.Tensor's methods for an operand on the left -------------------------------------------------


@implements(torch.Tensor.__rtruediv__)
def _rdiv(input: Any, other: Any) -> Any:
    return div(other, input)


@implements(torch.Tensor.__rmod__)
def _rmod(input: Any, other: Any) -> Any:
    return remainder(other, input)


@implements(torch.Tensor.__rpow__)
def _rpow(input: Any, other: Any) -> Any:
    return pow(other, input)
