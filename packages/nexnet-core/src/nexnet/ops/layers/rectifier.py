"""Activations that are linear piece by piece: the rectifiers, the shrinks, and the bounded ones.

As in ``activation``, torch's kernel gives the gradient and has a rule of its own. f'' = 0 wherever it exists.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Generator
from torch.nn import functional as F  # noqa: N812  torch's own name for it

from ...engine import TensorBase, directly, try_first
from ...errors import InputError, message
from ...policy import Policy, calls, function, implements
from .._kernels import kernel, kernel_or_rule, overload
from .._names import composite
from .._plain import is_plain
from .._vmap_kernels import is_mapped
from ..elementwise.arithmetic import mul
from ..elementwise.selection import where
from .activation import _activation, _refuse_inplace

__all__ = [
    "hardshrink",
    "hardsigmoid",
    "hardtanh",
    "leaky_relu",
    "prelu",
    "relu",
    "relu6",
    "rrelu",
    "softshrink",
    "threshold",
]

_aten = torch.ops.aten


_threshold_backward = kernel("g where x > threshold, else 0", None, _aten.threshold_backward.default)
_leaky_relu_backward = kernel("g where x > 0, else slope g", None, _aten.leaky_relu_backward.default)
_hardtanh_backward = kernel("g where a < x < b, else 0", None, _aten.hardtanh_backward.default)
_hardshrink_backward = kernel("g where |x| > lambd, else 0", None, _aten.hardshrink_backward.default)
_softshrink_backward = kernel("g where |x| > lambd, else 0", None, _aten.softshrink_backward.default)


@directly("t", "relu")
def _relu(input: Any, inplace: bool = False) -> Any:
    if inplace:
        _refuse_inplace("relu")
    return torch.relu(input)


@implements(torch.relu, F.relu)
@function
class relu(Policy):
    """y = max(x, 0):  dx = g where y > 0.  Corner: 0 at 0."""

    elementwise = True
    forward = calls(_relu, "input", "inplace=False", saves="output")

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
    """x where x > 0, else slope x:  dx = g where x > 0, else slope g.  Corner: the slope at 0."""

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
    """x between a and b, else the nearer bound:  dx = g where a < x < b.  Corner: 0 at both bounds."""

    def forward(self, input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Any:
        if inplace:
            _refuse_inplace("hardtanh")
        self.ctx.save(input, min_val, max_val)
        return F.hardtanh(input, min_val, max_val)

    def backward(self, grad: Any) -> Any:
        return _hardtanh_backward(grad, *self.ctx.release)


@implements(torch.hardshrink, F.hardshrink)
@function
class hardshrink(Policy):
    """x where |x| > lambd, else 0:  dx = g where |x| > lambd, else 0.

    Corner: 0 at |x| = lambd.
    """

    def forward(self, input: Any, lambd: float = 0.5) -> Any:
        self.ctx.save(input, lambd)
        return torch.hardshrink(input, lambd)

    def backward(self, grad: Any) -> Any:
        return _hardshrink_backward(grad, *self.ctx.release)


@implements(F.softshrink)
@function
class softshrink(Policy):
    """x - lambd sign x where |x| > lambd, else 0:  dx = g where |x| > lambd, else 0.

    Corner: 0 at |x| = lambd.
    """

    def forward(self, input: Any, lambd: float = 0.5) -> Any:
        self.ctx.save(input, lambd)
        return F.softshrink(input, lambd)

    def backward(self, grad: Any) -> Any:
        return _softshrink_backward(grad, *self.ctx.release)


relu6 = _activation(
    "min(max(x, 0), 6):  dx = g where 0 < x < 6.  Corner: 0 at both bounds.",
    lambda g, x: _hardtanh_backward(g, x, 0.0, 6.0),
    F.relu6,
    __name__,
)


def _sixth(own: Any) -> Any:
    """Divide a tensor that nobody else has by 6: in its place where it is torch's."""
    return own.div_(6) if isinstance(own, torch.Tensor) else own / 6


hardsigmoid = _activation(
    "min(max(x + 3, 0), 6) / 6:  dx = g / 6 where -3 < x < 3.  Corner: 0 at both bounds.",
    lambda g, x: _sixth(_hardtanh_backward(g, x, -3.0, 3.0)),  # torch's kernel for it has 1/6 in float32
    F.hardsigmoid,
    __name__,
)


# With a slope that is learned, or drawn ------------------------------------------------------------------------------

_prelu_backward: Callable[..., Any]


@implements(_aten._prelu_kernel_backward.default)
@function
class _prelu_backward_rule(Policy):
    """(g, 0) where x > 0, else (w g, x g):  dg = h where x > 0, else w h + x u,  dw = g h and dx = g u where x <= 0."""

    materialize_grads = False

    def forward(self, grad: Any, input: Any, weight: Any) -> Any:
        self.ctx.save(grad, input, weight)
        return _aten._prelu_kernel_backward.default(grad, input, weight)

    def backward(self, h: Any, u: Any) -> Any:
        grad, input, weight = self.ctx.release
        above = input > 0
        dg = dx = dw = None
        if h is not None:
            dg = torch.where(above, h, weight * h)
            dw = torch.where(above, 0, grad * h)
        if u is not None:
            through = torch.where(above, 0, input * u)
            dg = through if dg is None else dg + through
            dx = torch.where(above, 0, grad * u)
        return dg, dx, dw


_prelu_backward = kernel_or_rule(_aten._prelu_kernel_backward.default, _prelu_backward_rule)


_prelu_kernel = overload(_aten._prelu_kernel.default)


@implements()
@function
class _prelu(Policy):
    """x where x > 0, else w x:  dx = g where x > 0, else w g;  dw = x g where x <= 0, else 0. The weight broadcasts."""

    def forward(self, input: Any, weight: Any) -> Any:
        self.ctx.save(input, weight)
        return _prelu_kernel(input, _for_channels(weight, input.ndim))

    def backward(self, grad: Any) -> Any:
        input, weight = self.ctx.release
        dx, dw = _prelu_backward(grad, input, _for_channels(weight, input.ndim))
        if not self.ctx.needs_input_grad[1]:
            return dx
        if weight.ndim == 0 or weight.shape[0] == 1:
            return dx, dw.sum() if weight.ndim == 0 else dw.sum().reshape(1)
        return dx, dw.sum([i for i in range(input.ndim) if i != 1])


def _for_channels(weight: Any, ndim: int) -> Any:
    """Give the weight the input's dimensions, its own being the channels': the kernel's gradient is wrong otherwise."""
    if ndim == weight.ndim == 1:
        return weight
    if is_plain(weight) and (weight.ndim == 0 or (ndim and weight.shape[0] == 1)):
        return weight  # it broadcasts as it is
    return weight.reshape([-1 if i == 1 or ndim == 1 else 1 for i in range(ndim)])


@implements(torch.prelu, F.prelu)
@composite
def prelu(input: Any, weight: Any) -> Any:
    """X where x > 0, else w x, with one weight for all or one for each channel (dimension 1).

    Corner: at 0 the slope is w.

    Raises:
        InputError: a weight of another shape.
    """
    weight = torch.as_tensor(weight) if not isinstance(weight, TensorBase) else weight
    channels = input.shape[1] if input.ndim > 1 else 1
    if weight.ndim > 1 or math.prod(weight.shape) not in (1, channels):
        raise InputError(
            message(
                "prelu has one weight, or one for each channel.",
                rule="prelu",
                argument="weight",
                expected=f"shape (), (1,) or ({channels},)",
                got=tuple(weight.shape),
            )
        )
    if is_mapped(input, weight):  # torch's rule mistakes one's batch for another's dimension where vmaps are nested
        try_first(_prelu, (input, weight))
        return where(input > 0, input, mul(_for_channels(weight, input.ndim), input))
    return _prelu(input, weight)


@implements()
@function
class _rrelu(Policy):
    """n x, where n is 1 where x > 0, else drawn of U(lower, upper):  dx = n g. n is a further output, a constant."""

    materialize_grads = False

    def forward(self, input: Any, lower: float, upper: float, generator: Generator | None) -> Any:
        if is_mapped(input):  # torch.vmap has no rule for the kernel
            drawn = torch.rand(input.shape, dtype=input.dtype, device=input.device, generator=generator)
            slopes = torch.where(input > 0, 1, lower + (upper - lower) * drawn)
            self.ctx.save(slopes)
            return input * slopes, slopes
        slopes = torch.empty_like(input, memory_format=torch.contiguous_format)
        out = _aten.rrelu_with_noise.default(input, slopes, lower, upper, True, generator)
        self.ctx.save(slopes)
        return out, slopes

    def backward(self, grad: Any, _: Any) -> Any:
        (slopes,) = self.ctx.release
        return None if grad is None else grad * slopes


@implements(torch.rrelu, F.rrelu)
def rrelu(
    input: Any,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    inplace: bool = False,
    *,
    generator: Generator | None = None,
) -> Any:
    """X where x > 0, else a x: a drawn for each element of U(lower, upper) in training, else (lower + upper) / 2.

    The slopes are drawn once, from ``generator`` (torch's default one without it), also when higher orders are taken.

    Corner: at 0 the slope is a.

    Raises:
        InputError: a lower bound above the upper one.
    """
    if inplace:
        _refuse_inplace("rrelu")
    if lower > upper:
        raise InputError(
            message(
                "rrelu draws slopes from a lower bound to an upper one.",
                rule="rrelu",
                expected="lower <= upper",
                got=f"lower={lower}, upper={upper}",
            )
        )
    if not training:
        return leaky_relu(input, (lower + upper) / 2)
    return _rrelu(input, lower, upper, generator)[0]
