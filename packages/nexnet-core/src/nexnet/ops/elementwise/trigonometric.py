"""Functions of angles and of the hyperbola, and their inverses: a formula sheet.

g is the gradient that comes in, x the input, y the output. Domains and singular points are torch's.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...engine import scalar
from ...kernels import elementwise
from ...policy import Policy, function, implements
from .._conventions import chosen
from .._formulas import of_input, of_output
from .._kernels import kernel

__all__ = [
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
    "hypot",
    "sin",
    "sinh",
    "tan",
    "tanh",
]


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


# Torch's kernel conjugates; its rule here, of recorded gradients, is that of real numbers.

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
    compute=elementwise.tanh,
)


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
        dy, dx = scaled * (x / r) if need_y else None, -scaled * (y / r) if need_x else None
        return chosen(dy, origin, y, x), chosen(dx, origin, y, x)


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


arcsin, arccos, arctan, arctan2 = asin, acos, atan, atan2
arcsinh, arccosh, arctanh = asinh, acosh, atanh
