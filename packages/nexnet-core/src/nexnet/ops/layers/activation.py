"""Activations. Each uses torch's kernel for its gradient, which has a rule of its own for the higher orders.

With the kernel k(g, x) = g f'(x) the rule of k is dg = h f'(x), dx = h g f''(x): the lines below state f' and f''.
``inplace=True`` is an error: nothing is ever written into a tensor.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812  torch's own name for it

from ...errors import InputError, message
from ...policy import Analytic, Operator, Policy, function, implements
from .._formulas import operator
from .._kernels import kernel, kernel_or_rule
from .._vmap_kernels import where_mapped

__all__ = [
    "celu",
    "elu",
    "gelu",
    "glu",
    "hardswish",
    "logsigmoid",
    "mish",
    "selu",
    "silu",
    "softplus",
    "softsign",
    "tanhshrink",
]

_aten = torch.ops.aten


def _refuse_inplace(name: str) -> None:
    raise InputError(
        message("inplace=True writes into a tensor, and nexnet is functional.", rule=name, remedy="leave inplace out")
    )


def _activation(
    formula: str,
    gradient: Callable[[Any, Any], Any],
    torch_function: Callable[..., Any],
    module: str = __name__,
    complex_too: bool = False,
) -> Operator:
    """Make the operator of an activation without parameters; ``gradient(g, x)`` is its rule."""

    class rule(Policy):
        elementwise = True
        complex_rule = "analytic" if complex_too else "none"

        def forward(self, input: Any, inplace: bool = False) -> Any:
            if inplace:
                _refuse_inplace(torch_function.__name__)
            self.ctx.save(input)
            return torch_function(input)

        def backward(self, grad: Any) -> Any:
            (input,) = self.ctx.release
            return gradient(grad, input)

    return operator(rule, formula, (torch_function,), module)


# Smooth, or smooth on either side of 0 -------------------------------------------------------------------------------


def _hardswish_curvature(hg: Any, x: Any) -> Any:
    return torch.where((x > -3) & (x < 3), hg / 3, 0)


def _silu_curvature(hg: Any, x: Any) -> Any:
    s = torch.sigmoid(x)
    return hg * (s * (1 - s) * (2 + x * (1 - 2 * s)))


def _mish_curvature(hg: Any, x: Any) -> Any:
    """With f = x t,  t = tanh(softplus x):  t' = s (1 - t^2),  t'' = t' (1 - s - 2 s t),  f'' = 2 t' + x t''."""
    s, t = torch.sigmoid(x), torch.tanh(F.softplus(x))
    slope = s * (1 - t * t)
    return hg * (slope * (2 + x * (1 - s - 2 * s * t)))


def _softplus_curvature(hg: Any, x: Any, beta: float, threshold: float) -> Any:
    s = torch.sigmoid(x * beta)
    return torch.where(x * beta > threshold, 0, hg * (beta * s * (1 - s)))


_hardswish_backward = kernel(
    "0 where x <= -3, g where x >= 3, g (2 x + 3) / 6 between", _hardswish_curvature, _aten.hardswish_backward.default
)
_silu_backward = kernel("g s (1 + x (1 - s)),  s = sigmoid x", _silu_curvature, _aten.silu_backward.default)


@where_mapped(_aten.mish_backward.default)
def _mish_slope(grad: Any, x: Any) -> Any:
    t = torch.tanh(F.softplus(x))
    return grad * (t + x * torch.sigmoid(x) * (1 - t * t))


_mish_backward = kernel(
    "g (t + x s (1 - t^2)),  s = sigmoid x,  t = tanh(softplus x)",
    _mish_curvature,
    _mish_slope,
)
_softplus_backward = kernel(
    "g sigmoid(beta x), and g where beta x > threshold", _softplus_curvature, _aten.softplus_backward.default
)

hardswish = _activation(
    "x min(max(x + 3, 0), 6) / 6:  dx = g (2 x + 3) / 6 between -3 and 3, 0 at -3 and g at 3",
    _hardswish_backward,
    F.hardswish,
)


def _silu_gradient(grad: Any, x: Any) -> Any:
    if not x.dtype.is_complex:
        return _silu_backward(grad, x)
    s = torch.sigmoid(x)
    return grad * (s * (1 + x * (1 - s)))


silu = _activation("x s,  s = sigmoid x:  dx = g s (1 + x (1 - s))", _silu_gradient, F.silu, complex_too=True)
mish = _activation("x t,  t = tanh(softplus x):  dx = g (t + x s (1 - t^2)),  s = sigmoid x", _mish_backward, F.mish)


@implements(F.logsigmoid)
@function
class logsigmoid(Policy):
    """ln sigmoid x = -softplus(-x):  dx = g sigmoid(-x)."""

    def forward(self, input: Any) -> Any:
        self.ctx.save(input)
        return F.logsigmoid(input)

    def backward(self, grad: Any) -> Any:
        (input,) = self.ctx.release
        return grad * torch.sigmoid(-input)


@implements(F.softsign)
@function
class softsign(Policy):
    """x / (1 + |x|):  dx = g / (1 + |x|)^2;  for complex numbers g / (1 + |x|) - sgn x Re(conj(g) x) / (1 + |x|)^2."""

    complex_rule = "own"

    def forward(self, input: Any) -> Any:
        self.ctx.save(input)
        return F.softsign(input)

    def backward(self, grad: Any) -> Any:
        (input,) = self.ctx.release
        size = torch.abs(input) + 1
        if input.dtype.is_complex:
            return grad / size - torch.sgn(input) * ((grad.conj() * input).real / torch.square(size))
        return grad / torch.square(size)


@implements(F.softplus)
@function
class softplus(Policy):
    """ln(1 + e^(beta x)) / beta:  dx = g sigmoid(beta x).  Where beta x > threshold, x itself, and dx = g.

    Corner: none; it is smooth, with 1/2 at 0.
    """

    def forward(self, input: Any, beta: float = 1, threshold: float = 20) -> Any:
        self.ctx.save(input, beta, threshold)
        return F.softplus(input, beta, threshold)

    def backward(self, grad: Any) -> Any:
        return _softplus_backward(grad, *self.ctx.release)


@implements(F.tanhshrink)
@function
class tanhshrink(Analytic):
    """x - tanh x:  dx = g tanh^2 x."""

    def forward(self, input: Any) -> Any:
        self.ctx.save(input)
        return input - torch.tanh(input)

    def backward(self, grad: Any) -> Any:
        (input,) = self.ctx.release
        return grad * torch.square(torch.tanh(input))


# gelu ----------------------------------------------------------------------------------------------------------------


def _gelu_curvature(hg: Any, x: Any, *, approximate: str) -> Any:
    """With f = x P(x):  f'' = p(x) (2 - x^2),  p the normal density.

    With f = x (1 + t) / 2,  t = tanh u,  u = k (x + c x^3):  t' = (1 - t^2) u',  t'' = (1 - t^2) (u'' - 2 t u'^2),
    f'' = t' + x t'' / 2.
    """
    square = x * x
    if approximate == "none":
        return hg * (torch.exp(-0.5 * square) * (2 - square) * (1 / math.sqrt(2 * math.pi)))
    k, c = math.sqrt(2 / math.pi), 0.044715
    t = torch.tanh(k * (x + c * square * x))
    slope = k * (1 + 3 * c * square)
    return hg * ((1 - t * t) * (slope + x * (3 * k * c * x - t * slope * slope)))


_gelu_backward = kernel(
    "g (P(x) + x p(x)), P the normal distribution and p its density",
    _gelu_curvature,
    _aten.gelu_backward.default,
    approximate="none",
)


@implements(F.gelu)
@function
class gelu(Policy):
    """x P(x), P the normal distribution:  dx = g (P(x) + x p(x)).

    ``approximate="tanh"``: x (1 + tanh(k (x + 0.044715 x^3))) / 2, k = sqrt(2 / pi), and its own derivative.
    Source: Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016.
    """

    def forward(self, input: Any, *, approximate: str = "none") -> Any:
        self.ctx.save(input, approximate)
        return F.gelu(input, approximate=approximate)

    def backward(self, grad: Any) -> Any:
        input, approximate = self.ctx.release
        return _gelu_backward(grad, input, approximate=approximate)


# The elu family: s x where x > 0, else s alpha (e^(c x) - 1) ---------------------------------------------------------


@implements(_aten.elu_backward.default)
@function
class _elu_backward(Policy):
    """s g where x > 0, else s alpha c g e^(c x):  dg = k(h, x),  dx = h g s alpha c^2 e^(c x) where x < 0, else 0."""

    def forward(self, grad: Any, alpha: float, scale: float, input_scale: float, is_result: bool, input: Any) -> Any:
        self.ctx.save(grad, input, alpha, scale, input_scale)
        return _aten.elu_backward.default(grad, alpha, scale, input_scale, is_result, input)

    def backward(self, cotangent: Any) -> Any:
        grad, input, alpha, scale, input_scale = self.ctx.release
        below = torch.where(input < 0, input, 0)  # e^(c x) of a large x would be infinite, and 0 times it NaN
        curvature = scale * alpha * input_scale**2 * torch.exp(below * input_scale)
        dg = _aten.elu_backward.default(cotangent, alpha, scale, input_scale, False, input)
        return dg, None, None, None, None, torch.where(input < 0, cotangent * grad * curvature, 0)


class _Elu(Policy):
    def backward(self, grad: Any) -> Any:
        input, alpha, scale, input_scale = self.ctx.release
        return _aten.elu_backward.default(grad, alpha, scale, input_scale, False, input)


@implements(F.elu)
@function
class elu(_Elu):
    """x where x > 0, else alpha (e^x - 1):  dx = g where x > 0, else alpha g e^x.  Corner: alpha at 0."""

    def forward(self, input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
        if inplace:
            _refuse_inplace("elu")
        self.ctx.save(input, alpha, 1.0, 1.0)
        return F.elu(input, alpha)


@implements(torch.celu, F.celu)
@function
class celu(_Elu):
    """x where x > 0, else alpha (e^(x / alpha) - 1):  dx = g where x > 0, else g e^(x / alpha).

    Raises:
        RuntimeError: torch's: an alpha of 0.
    """

    def forward(self, input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
        if inplace:
            _refuse_inplace("celu")
        out = torch.celu(input, alpha)  # which says what is wrong with an alpha of 0
        self.ctx.save(input, alpha, 1.0, 1.0 / alpha)
        return out


@implements(torch.selu, F.selu)
@function
class selu(_Elu):
    """s x where x > 0, else s alpha (e^x - 1):  dx = s g where x > 0, else s alpha g e^x, also at 0.

    s and alpha: Klambauer et al., "Self-Normalizing Neural Networks", 2017.
    """

    def forward(self, input: Any, inplace: bool = False) -> Any:
        if inplace:
            _refuse_inplace("selu")
        self.ctx.save(input, 1.6732632423543772848170429916717, 1.0507009873554804934193349852946, 1.0)
        return torch.selu(input)


# A gate --------------------------------------------------------------------------------------------------------------


@implements(_aten.glu_backward.default)
@function
class _glu_backward(Policy):
    """(g s, g a s'), s = sigmoid b, s' = s (1 - s):  dg = s h + a s' k,  da = g s' k,  db = g s' (h + a (1 - 2 s) k).

    h and k are the two halves of the cotangent.
    """

    def forward(self, grad: Any, input: Any, dim: int) -> Any:
        self.ctx.save(grad, input, dim)
        return _aten.glu_backward.default(grad, input, dim)

    def backward(self, cotangent: Any) -> Any:
        grad, input, dim = self.ctx.release
        a, b = torch.chunk(input, 2, dim)
        h, k = torch.chunk(cotangent, 2, dim)
        s = torch.sigmoid(b)
        slope = s * (1 - s)
        db = h + a * (1 - 2 * s) * k
        return s * h + a * slope * k, torch.cat([k, db], dim) * torch.cat([grad * slope] * 2, dim)


_glu_gradient = kernel_or_rule(_aten.glu_backward.default, _glu_backward)


@implements(F.glu)
@function
class glu(Policy):
    """a s, s = sigmoid b, the input's halves along a dimension being a and b:  da = g s,  db = g a s (1 - s).

    Source: Dauphin et al., "Language Modeling with Gated Convolutional Networks", 2016.
    """

    def forward(self, input: Any, dim: int = -1) -> Any:
        self.ctx.save(input, dim)
        return F.glu(input, dim)

    def backward(self, grad: Any) -> Any:
        return _glu_gradient(grad, *self.ctx.release)
