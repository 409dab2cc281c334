"""Activations. Each uses torch's kernel for its gradient, which has a rule of its own for the higher orders.

With the kernel k(g, x) = g f'(x) the rule of k is dg = h f'(x), dx = h g f''(x): the lines below state f' and f''.
``inplace=True`` is an error: nothing is ever written into a tensor.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Generator
from torch.nn import functional as F  # noqa: N812  torch's own name for it

from ..errors import InputError, message
from ..policy import Operator, Policy, function, implements
from .elementwise import kernel, operator

__all__ = [
    "celu",
    "dropout",
    "elu",
    "gelu",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "log_softmax",
    "logsigmoid",
    "mish",
    "relu",
    "relu6",
    "selu",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softsign",
    "threshold",
]

_aten = torch.ops.aten


def _refuse_inplace(name: str) -> None:
    raise InputError(
        message("inplace=True writes into a tensor, and nexnet is functional.", rule=name, remedy="leave inplace out")
    )


def _straight(hg: Any, input: Any, *parameters: Any) -> None:
    """No second derivative: f'' = 0 wherever it exists."""


def _activation(formula: str, gradient: Callable[[Any, Any], Any], torch_function: Callable[..., Any]) -> Operator:
    """Make the operator of an activation without parameters; ``gradient(g, x)`` is its rule."""

    class rule(Policy):
        def forward(self, input: Any, inplace: bool = False) -> Any:
            if inplace:
                _refuse_inplace(torch_function.__name__)
            self.ctx.save(input)
            return torch_function(input)

        def backward(self, grad: Any) -> Any:
            (input,) = self.ctx.release
            return gradient(grad, input)

    return operator(rule, formula, (torch_function,), __name__)


# Piecewise linear ----------------------------------------------------------------------------------------------------

_threshold_backward = kernel("g where x > threshold, else 0", _straight, _aten.threshold_backward.default)
_leaky_relu_backward = kernel("g where x > 0, else slope g", _straight, _aten.leaky_relu_backward.default)
_hardtanh_backward = kernel("g where a < x < b, else 0", _straight, _aten.hardtanh_backward.default)


@implements(torch.relu, F.relu)
@function
class relu(Policy):
    """y = max(x, 0):  dx = g where y > 0, and 0 at 0."""

    def forward(self, input: Any, inplace: bool = False) -> Any:
        if inplace:
            _refuse_inplace("relu")
        out = torch.relu(input)
        self.ctx.save(out)
        return out

    def backward(self, grad: Any) -> Any:
        (out,) = self.ctx.release
        return _threshold_backward(grad, out, 0)


@implements(torch.threshold, F.threshold)
@function
class threshold(Policy):
    """x where x > threshold, else value:  dx = g where x > threshold, else 0."""

    def forward(self, input: Any, threshold: float, value: float, inplace: bool = False) -> Any:
        if inplace:
            _refuse_inplace("threshold")
        self.ctx.save(input, threshold)
        return torch.threshold(input, threshold, value)

    def backward(self, grad: Any) -> Any:
        return _threshold_backward(grad, *self.ctx.release)


@implements(F.leaky_relu)
@function
class leaky_relu(Policy):
    """x where x > 0, else slope x:  dx = g where x > 0, else slope g, also at 0."""

    def forward(self, input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
        if inplace:
            _refuse_inplace("leaky_relu")
        self.ctx.save(input, negative_slope)
        return F.leaky_relu(input, negative_slope)

    def backward(self, grad: Any) -> Any:
        return _leaky_relu_backward(grad, *self.ctx.release, False)


@implements(F.hardtanh)
@function
class hardtanh(Policy):
    """x between a and b, else the nearer bound:  dx = g where a < x < b, and 0 at the bounds."""

    def forward(self, input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Any:
        if inplace:
            _refuse_inplace("hardtanh")
        self.ctx.save(input, min_val, max_val)
        return F.hardtanh(input, min_val, max_val)

    def backward(self, grad: Any) -> Any:
        return _hardtanh_backward(grad, *self.ctx.release)


relu6 = _activation(
    "min(max(x, 0), 6):  dx = g where 0 < x < 6, and 0 at both bounds",
    lambda g, x: _hardtanh_backward(g, x, 0.0, 6.0),
    F.relu6,
)
hardsigmoid = _activation(
    "min(max(x + 3, 0), 6) / 6:  dx = g / 6 where -3 < x < 3, and 0 at both bounds",
    lambda g, x: _hardtanh_backward(g, x, -3.0, 3.0) / 6,  # torch's kernel for it has 1/6 in float32
    F.hardsigmoid,
)

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
_mish_backward = kernel(
    "g (t + x s (1 - t^2)),  s = sigmoid x,  t = tanh(softplus x)", _mish_curvature, _aten.mish_backward.default
)
_softplus_backward = kernel(
    "g sigmoid(beta x), and g where beta x > threshold", _softplus_curvature, _aten.softplus_backward.default
)

hardswish = _activation(
    "x min(max(x + 3, 0), 6) / 6:  dx = g (2 x + 3) / 6 between -3 and 3, 0 at -3 and g at 3",
    _hardswish_backward,
    F.hardswish,
)
silu = _activation("x s,  s = sigmoid x:  dx = g s (1 + x (1 - s))", _silu_backward, F.silu)
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
    """x / (1 + |x|):  dx = g / (1 + |x|)^2."""

    def forward(self, input: Any) -> Any:
        self.ctx.save(input)
        return F.softsign(input)

    def backward(self, grad: Any) -> Any:
        (input,) = self.ctx.release
        return grad / torch.square(torch.abs(input) + 1)


@implements(F.softplus)
@function
class softplus(Policy):
    """ln(1 + e^(beta x)) / beta:  dx = g sigmoid(beta x).  Where beta x > threshold, x itself, and dx = g."""

    def forward(self, input: Any, beta: float = 1, threshold: float = 20) -> Any:
        self.ctx.save(input, beta, threshold)
        return F.softplus(input, beta, threshold)

    def backward(self, grad: Any) -> Any:
        return _softplus_backward(grad, *self.ctx.release)


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
    "g (P(x) + x p(x)), P the normal distribution and p its density", _gelu_curvature, _aten.gelu_backward.default
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
    """x where x > 0, else alpha (e^x - 1):  dx = g where x > 0, else alpha g e^x, also at 0."""

    def forward(self, input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
        if inplace:
            _refuse_inplace("elu")
        self.ctx.save(input, alpha, 1.0, 1.0)
        return F.elu(input, alpha)


@implements(torch.celu, F.celu)
@function
class celu(_Elu):
    """x where x > 0, else alpha (e^(x / alpha) - 1):  dx = g where x > 0, else g e^(x / alpha)."""

    def forward(self, input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
        if inplace:
            _refuse_inplace("celu")
        self.ctx.save(input, alpha, 1.0, 1.0 / alpha)
        return torch.celu(input, alpha)


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


# softmax -------------------------------------------------------------------------------------------------------------


@implements(torch._softmax_backward_data)
@function
class _softmax_backward(Policy):
    """k = y (g - <g, y>):  dg = k(h, y),  dy = h g - h <g, y> - g <h, y>,  <,> the sum over dim."""

    def forward(self, grad: Any, output: Any, dim: int, dtype: torch.dtype) -> Any:
        self.ctx.save(grad, output, dim, dtype)
        return torch._softmax_backward_data(grad, output, dim, dtype)

    def backward(self, cotangent: Any) -> Any:
        grad, output, dim, dtype = self.ctx.release
        sums = [torch.sum(each * output, dim, keepdim=True) for each in (grad, cotangent)]
        dy = cotangent * (grad - sums[0]) - grad * sums[1]
        return torch._softmax_backward_data(cotangent, output, dim, dtype), dy


@implements(torch._log_softmax_backward_data)
@function
class _log_softmax_backward(Policy):
    """k = g - e^y <g>:  dg = h - <h e^y>,  dy = -h e^y <g>,  <> the sum over dim."""

    def forward(self, grad: Any, output: Any, dim: int, dtype: torch.dtype) -> Any:
        self.ctx.save(grad, output, dim)
        return torch._log_softmax_backward_data(grad, output, dim, dtype)

    def backward(self, cotangent: Any) -> Any:
        grad, output, dim = self.ctx.release
        weighted = cotangent * torch.exp(output)
        return cotangent - torch.sum(weighted, dim, keepdim=True), -weighted * torch.sum(grad, dim, keepdim=True)


@implements(torch.softmax, torch.special.softmax, F.softmax)
@function
class softmax(Policy):
    """y = e^x / sum e^x over dim:  dx = y (g - <g, y>).  NaN where all of x is -inf.

    ``dtype`` is what x is converted to first.
    """

    def forward(self, input: Any, dim: int, dtype: torch.dtype | None = None) -> Any:
        out = torch.softmax(input, dim, dtype=dtype)
        self.ctx.save(out, dim)
        return out

    def backward(self, grad: Any) -> Any:
        out, dim = self.ctx.release
        return torch._softmax_backward_data(grad, out, dim, out.dtype)


@implements(torch.log_softmax, torch.special.log_softmax, F.log_softmax)
@function
class log_softmax(Policy):
    """y = x - ln sum e^x over dim:  dx = g - e^y <g>.  NaN where all of x is -inf.

    ``dtype`` is what x is converted to first.
    """

    def forward(self, input: Any, dim: int, dtype: torch.dtype | None = None) -> Any:
        out = torch.log_softmax(input, dim, dtype=dtype)
        self.ctx.save(out, dim)
        return out

    def backward(self, grad: Any) -> Any:
        out, dim = self.ctx.release
        return torch._log_softmax_backward_data(grad, out, dim, out.dtype)


@implements(F.softmin)
def softmin(input: Any, dim: int, dtype: torch.dtype | None = None) -> Any:
    """softmax(-x)."""
    return softmax(-input, dim, dtype)


# dropout -------------------------------------------------------------------------------------------------------------


@implements(torch.dropout, F.dropout)
@function
class dropout(Policy):
    """m x / (1 - p), where each m is 0 with probability p, else 1:  dx = m g / (1 - p).  x itself if not ``training``.

    m is drawn once, from ``generator`` (torch's default one without it), also when higher orders are taken.

    Raises:
        InputError: ``p`` is no probability, or ``inplace`` is asked for.
    """

    def forward(
        self,
        input: Any,
        p: float = 0.5,
        training: bool = True,
        inplace: bool = False,
        *,
        generator: Generator | None = None,
    ) -> Any:
        if inplace:
            _refuse_inplace("dropout")
        if not 0 <= p <= 1:
            raise InputError(message("p is no probability.", rule="dropout", expected="0 <= p <= 1", got=p))
        if not training or p == 0:
            self.ctx.save(None, 1)
            return input
        kept = torch.empty_like(input, dtype=torch.bool).bernoulli_(1 - p, generator=generator)
        scale = 1 / (1 - p) if p < 1 else 0.0
        self.ctx.save(kept, scale)
        return input * kept * scale

    def backward(self, grad: Any) -> Any:
        kept, scale = self.ctx.release
        return grad if kept is None else grad * kept * scale
