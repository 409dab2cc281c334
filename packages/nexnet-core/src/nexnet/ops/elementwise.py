"""Functions of one tensor, element by element, and smooth functions of two: a formula sheet.

``of_output`` makes the operator whose rule reads its output y, ``of_input`` the one whose rule reads its input x;
g is the gradient that comes in. Where torch has one kernel for ``g f'``, it is used, and has a rule of its own for the
higher orders (``kernel``). Domains and singular points are torch's: log, sqrt and their like are infinite at 0.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .._engine import TensorBase, scalar
from ..policy import Analytic, Operator, Policy, calls, function, implements

__all__ = [
    "abs",
    "absolute",
    "acos",
    "acosh",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cos",
    "cosh",
    "erf",
    "erfc",
    "exp",
    "exp2",
    "expit",
    "expm1",
    "frac",
    "hypot",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "logaddexp2",
    "logit",
    "reciprocal",
    "rsqrt",
    "sigmoid",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "tan",
    "tanh",
    "xlogy",
]  # fmt: skip


def of_input(
    formula: str,
    gradient: Callable[[Any, Any], Any],
    *torch_functions: Callable[..., Any],
    module: str = __name__,
    complex_too: bool = True,
    has_cuts: bool = False,
) -> Operator:
    """Make the operator of the first torch function, answering to all; ``gradient(g, x)`` is its rule.

    Of one that ``has_cuts``, where conj(f'(z)) is not f'(conj z), the gradient is conjugated, and not z.
    """
    compute = torch_functions[0]

    class rule(Policy):
        elementwise = True
        complex_rule = ("analytic" if has_cuts else "reflected") if complex_too else "none"

        forward = calls(compute, "input", saves="inputs")

        def backward(self, grad: Any) -> Any:
            (input,) = self.ctx.release
            return gradient(grad, input)

    return operator(rule, formula, torch_functions, module)


def of_output(
    formula: str,
    gradient: Callable[[Any, Any], Any],
    *torch_functions: Callable[..., Any],
    module: str = __name__,
    complex_too: bool = True,
    conjugates: bool = False,
) -> Operator:
    """Make the operator of the first torch function, answering to all; ``gradient(g, y)`` is its rule.

    One that ``conjugates`` is that of complex numbers too, as it is.
    """
    compute = torch_functions[0]

    class rule(Policy):
        elementwise = True
        complex_rule = "own" if conjugates else "reflected" if complex_too else "none"

        forward = calls(compute, "input", saves="output")

        def backward(self, grad: Any) -> Any:
            (out,) = self.ctx.release
            return gradient(grad, out)

    return operator(rule, formula, torch_functions, module)


def kernel(
    formula: str, curvature: Callable[..., Any], torch_kernel: Callable[..., Any], **options: Any
) -> Callable[..., Any]:
    """Give torch's kernel k(g, s, *parameters) = g f'(s) a rule, and a function of both, for use in another rule.

    It is linear in g, so dg = k(h, s); ds = ``curvature(h g, s, *parameters)`` = h g f''(s), or None where f'' is 0.
    ``options`` are the kernel's keywords with their defaults, which go to ``curvature`` too.
    """
    compute = overload(torch_kernel)

    class rule(Policy):
        elementwise = True

        forward = calls(compute, "grad", "saved", saves="inputs", **options)

        def backward(self, cotangent: Any) -> Any:
            grad, saved, *parameters = self.ctx.release
            given = {}
            if options:
                given = dict(zip(options, parameters[-len(options) :], strict=True))
                del parameters[-len(options) :]
            needs = self.ctx.needs_input_grad
            return (
                apply(cotangent, saved, *parameters, **given) if needs[0] else None,
                curvature(cotangent * grad, saved, *parameters, **given) if needs[1] else None,
            )

    apply = kernel_or_rule(compute, operator(rule, formula, (torch_kernel,)))
    return apply


def overload(torch_kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Give an overload of ``torch.ops.aten`` without the Python call around it."""
    return getattr(torch_kernel, "_op", torch_kernel)


def kernel_or_rule(torch_kernel: Callable[..., Any], rule: Operator) -> Callable[..., Any]:
    """Give a function that calls the rule for LiteTensors, sparing them the way through torch, and else the kernel."""
    torch_kernel = overload(torch_kernel)

    def call(grad: Any, *args: Any, **options: Any) -> Any:
        return (rule if isinstance(grad, TensorBase) else torch_kernel)(grad, *args, **options)

    return call


def operator(
    rule: type[Policy], formula: str, torch_functions: tuple[Callable[..., Any], ...], module: str = __name__
) -> Operator:
    """Make the operator of a rule, named after the first torch function, as if ``module`` had defined it."""
    name = torch_functions[0].__name__.split(".")[0]
    rule.__name__ = rule.__qualname__ = name
    rule.__module__ = module
    if inspect.isfunction(rule.__dict__.get("forward")):
        rule.forward.__qualname__ = f"{name}.forward"  # what Python says of a wrong call
    rule.__doc__ = f"{name}:  {formula}"
    made: Operator = implements(*torch_functions)(function(rule))
    return made


# Exponentials and logarithms

exp = of_output("y = e^x,  dx = g y", lambda g, y: g * y, torch.exp)
exp2 = of_output("y = 2^x,  dx = g y ln 2", lambda g, y: g * y * math.log(2), torch.exp2, torch.special.exp2)
expm1 = of_output("y = e^x - 1,  dx = g (y + 1)", lambda g, y: g * (y + 1), torch.expm1, torch.special.expm1)
log = of_input("ln x,  dx = g / x", lambda g, x: g / x, torch.log)
log2 = of_input("ln x / ln 2,  dx = g / (x ln 2)", lambda g, x: g / (x * math.log(2)), torch.log2)
log10 = of_input("ln x / ln 10,  dx = g / (x ln 10)", lambda g, x: g / (x * math.log(10)), torch.log10)
log1p = of_input("ln(1 + x),  dx = g / (1 + x)", lambda g, x: g / (x + 1), torch.log1p, torch.special.log1p)

# Powers

square = of_input("x^2,  dx = 2 g x", lambda g, x: g * (2 * x), torch.square)
sqrt = of_output("y = x^(1/2),  dx = g / (2 y).  Corner: infinite at 0.", lambda g, y: g / (2 * y), torch.sqrt)
rsqrt = of_output("y = x^(-1/2),  dx = -g y^3 / 2", lambda g, y: g * (-0.5 * y**3), torch.rsqrt)
reciprocal = of_output("y = 1 / x,  dx = -g y^2", lambda g, y: -g * (y * y), torch.reciprocal)

# Trigonometry

sin = of_input("dx = g cos x", lambda g, x: g * torch.cos(x), torch.sin)
cos = of_input("dx = -g sin x", lambda g, x: g * -torch.sin(x), torch.cos)
tan = of_output("y = tan x,  dx = g (1 + y^2)", lambda g, y: g * (y * y + 1), torch.tan)
asin = of_input(
    "dx = g / sqrt((1 - x) (1 + x))",
    lambda g, x: g * torch.rsqrt((1 - x) * (1 + x)),
    torch.asin,
    torch.arcsin,
    has_cuts=True,
)
acos = of_input(
    "dx = -g / sqrt((1 - x) (1 + x))",
    lambda g, x: g * -torch.rsqrt((1 - x) * (1 + x)),
    torch.acos,
    torch.arccos,
    has_cuts=True,
)
atan = of_input("dx = g / (1 + x^2)", lambda g, x: g / (x * x + 1), torch.atan, torch.arctan)

# Hyperbolic functions

sinh = of_input("dx = g cosh x", lambda g, x: g * torch.cosh(x), torch.sinh)
cosh = of_input("dx = g sinh x", lambda g, x: g * torch.sinh(x), torch.cosh)
asinh = of_input(
    "dx = g / sqrt(1 + x^2)", lambda g, x: g * torch.rsqrt(x * x + 1), torch.asinh, torch.arcsinh, has_cuts=True
)


def _split_rsqrt(z: Any) -> Any:
    """Give 1 / sqrt((z - 1) (z + 1)) on the sheet of acosh: of a product of complex numbers it may be the other one."""
    return torch.rsqrt(z - 1) * torch.rsqrt(z + 1)


acosh = of_input(
    "dx = g / sqrt((x - 1) (x + 1))",
    lambda g, x: g * _split_rsqrt(x) if x.dtype.is_complex else g * torch.rsqrt((x - 1) * (x + 1)),
    torch.acosh,
    torch.arccosh,
    has_cuts=True,
)
atanh = of_input("dx = g / ((1 - x) (1 + x))", lambda g, x: g / ((1 - x) * (1 + x)), torch.atanh, torch.arctanh)


# Torch's kernels for these two conjugate; the rules for them here, of recorded gradients, are those of real numbers.

_tanh_backward = kernel(
    "g (1 - y^2),  dg = h (1 - y^2),  dy = -2 h g y",
    lambda hg, y: hg * y * scalar(-2, y),
    torch.ops.aten.tanh_backward.default,
)
tanh = of_output(
    "y = tanh x,  dx = g conj(1 - y^2)",
    lambda g, y: _tanh_backward(g, y) if type(g) is Tensor or not g.dtype.is_complex else g * (1 - y * y).conj(),
    torch.tanh,
    conjugates=True,
)

# The logistic function, its inverse, and the error function

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
erf = of_input(
    "dx = g e^(-x^2) 2 / sqrt(pi)",
    lambda g, x: g * torch.exp(-x * x) * (2 / math.sqrt(math.pi)),
    torch.erf,
    torch.special.erf,
    complex_too=False,
)
erfc = of_input(
    "1 - erf x,  dx = -g e^(-x^2) 2 / sqrt(pi)",
    lambda g, x: g * torch.exp(-x * x) * (-2 / math.sqrt(math.pi)),
    torch.erfc,
    torch.special.erfc,
    complex_too=False,
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


# Absolute value and fraction


@implements(torch.abs, torch.absolute)
@function
class abs(Policy):
    """|x|:  dx = g sgn x; for complex numbers sgn x = x / |x|.  Corner: 0 at 0."""

    elementwise = True
    complex_rule = "own"

    def forward(self, input: Any) -> Any:
        self.ctx.save(input)
        return torch.abs(input)

    def backward(self, grad: Any) -> Any:
        (input,) = self.ctx.release
        return grad * torch.sgn(input)


@implements(torch.frac)
@function
class frac(Policy):
    """x - trunc x:  dx = g."""

    elementwise = True

    def forward(self, input: Any) -> Any:
        return torch.frac(input)

    def backward(self, grad: Any) -> Any:
        return grad


# Two operands


@implements(torch.atan2, torch.arctan2)
@function
class atan2(Policy):
    """The angle of the point (x, y), from (y, x):  dy = g x / r^2,  dx = -g y / r^2,  r = hypot(x, y).

    At the origin both are 0. Dividing by r twice neither overflows nor underflows where r^2 would.

    Corner: 0 at the origin.
    """

    elementwise = True

    def forward(self, input: Any, other: Any) -> Any:
        self.ctx.save(input, other)
        return torch.atan2(input, other)

    def backward(self, grad: Any) -> Any:
        y, x = self.ctx.release
        need_y, need_x = self.ctx.needs_input_grad
        origin = (y == 0) & (x == 0)
        r = torch.hypot(y, torch.where(origin, 1, x))
        scaled = grad / r
        return scaled * (x / r) if need_y else None, -scaled * (y / r) if need_x else None


@implements(torch.hypot)
@function
class hypot(Policy):
    """r = sqrt(x^2 + y^2):  dx = g x / r,  dy = g y / r.  Corner: NaN at the origin."""

    elementwise = True

    def forward(self, input: Any, other: Any) -> Any:
        out = torch.hypot(input, other)
        self.ctx.save(input, other, out)
        return out

    def backward(self, grad: Any) -> Any:
        input, other, out = self.ctx.release
        need_input, need_other = self.ctx.needs_input_grad
        return grad * (input / out) if need_input else None, grad * (other / out) if need_other else None


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


absolute, expit = abs, sigmoid
arcsin, arccos, arctan, arctan2 = asin, acos, atan, atan2
arcsinh, arccosh, arctanh = asinh, acosh, atanh
