"""Functions that are linear, or a power, piece by piece: absolute values, signs, scales, quantization."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from ...policy import Analytic, Operator, Policy, function, implements
from .._conventions import chosen
from .._formulas import operator
from .._vmap_kernels import is_mapped
from .arithmetic import _slope_by_base, _slope_by_exponent, _with_mixed

__all__ = [
    "abs",
    "absolute",
    "copysign",
    "deg2rad",
    "fake_quantize_per_channel_affine",
    "fake_quantize_per_tensor_affine",
    "float_power",
    "frac",
    "frexp",
    "heaviside",
    "ldexp",
    "nan_to_num",
    "nextafter",
    "rad2deg",
]


# ---------------------------------------------------------------------------------------------------------------------
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
        dx = grad * torch.sgn(input)
        return chosen(dx, input == 0, input) if input.dtype.is_complex else dx


@implements(torch.frac)
@function
class frac(Policy):
    """x - trunc x:  dx = g."""

    elementwise = True

    def forward(self, input: Any) -> Any:
        return torch.frac(input)

    def backward(self, grad: Any) -> Any:
        return grad


absolute = abs


# ---------------------------------------------------------------------------------------------------------------------
# Scales


def scaling(factor: float, formula: str, torch_function: Callable[..., Any]) -> Operator:
    """Make the operator of a torch function that multiplies by a constant."""

    class rule(Policy):
        def forward(self, input: Any) -> Any:
            return torch_function(input)

        def backward(self, grad: Any) -> Any:
            return grad * factor

    return operator(rule, formula, (torch_function,), __name__)


deg2rad = scaling(math.pi / 180, "x pi / 180,  dx = g pi / 180.", torch.deg2rad)
rad2deg = scaling(180 / math.pi, "x 180 / pi,  dx = g 180 / pi.", torch.rad2deg)


@implements(torch.ldexp)
@function
class ldexp(Analytic):
    """y = x 2^n:  dx = g 2^n,  dn = g y ln 2.  Corner: right for negative integers n too (0 in PyTorch 2.13)."""

    def forward(self, input: Any, other: Any) -> Any:
        out = torch.ldexp(input, other)
        self.ctx.save(other, out if self.ctx.needs_input_grad[1] else None)
        return out

    def backward(self, grad: Any) -> Any:
        other, out = self.ctx.release
        need_input, need_other = self.ctx.needs_input_grad
        return (
            grad * torch.exp2(other.to(grad.dtype)) if need_input else None,
            grad * out * math.log(2) if need_other else None,
        )


@implements(torch.frexp)
@function
class frexp(Policy):
    """x as (m, n) with x = m 2^n and 1/2 <= |m| < 1:  dx = g_m / 2^n. The exponent is an integer tensor."""

    materialize_grads = False

    def forward(self, input: Any) -> Any:
        out = torch.frexp(input)
        self.ctx.save(out[1])
        return out

    def backward(self, grad: Any, _: Any) -> Any:
        (exponent,) = self.ctx.release
        return grad / torch.exp2(exponent.to(grad.dtype))


@implements(torch.float_power)
@function
class float_power(Analytic):
    """x^n in double precision, whatever the dtypes are: with the gradients of ``pow``, in double precision too."""

    def forward(self, input: Any, exponent: Any) -> Any:
        out = torch.float_power(input, exponent)
        self.ctx.save(input, exponent, out if self.ctx.needs_input_grad[1] else None)
        return out

    def backward(self, grad: Any) -> Any:
        input, exponent, out = self.ctx.release
        need_input, need_exponent = self.ctx.needs_input_grad
        x, n = _in_dtype(input, grad.dtype), _in_dtype(exponent, grad.dtype)
        return _with_mixed(
            grad * _slope_by_base(x, n) if need_input else None,
            grad * _slope_by_exponent(x, n, out) if need_exponent else None,
            x,
            n,
        )


def _in_dtype(value: Any, dtype: torch.dtype) -> Any:
    if isinstance(value, (bool, int, float, complex)):
        return complex(value) if dtype.is_complex else float(value)  # type: ignore[arg-type]
    return value if value.dtype is dtype else value.to(dtype)


# ---------------------------------------------------------------------------------------------------------------------
# Signs and steps


@implements(torch.copysign)
@function
class copysign(Policy):
    """|x| with the sign of y:  dx = g sign(x) sign(y),  dy = 0.  Corner: dx is 0 where x is 0."""

    def forward(self, input: Any, other: Any) -> Any:
        out = torch.copysign(input, other)
        self.ctx.save(input, out)
        return out

    def backward(self, grad: Any) -> Any:
        input, out = self.ctx.release
        return grad * (torch.sign(input) * torch.sign(out))


@implements(torch.nextafter)
@function
class nextafter(Policy):
    """The number that follows x in the direction of y:  dx = g,  dy = 0.  Corner: dx is 0 where x = y."""

    def forward(self, input: Any, other: Any) -> Any:
        self.ctx.save(input == other)
        return torch.nextafter(input, other)

    def backward(self, grad: Any) -> Any:
        (arrived,) = self.ctx.release
        return torch.where(arrived, 0, grad)


@implements(torch.heaviside)
@function
class heaviside(Policy):
    """0 where x < 0, 1 where x > 0, v where x = 0:  dx = 0,  dv = g where x = 0.  Corner: dx is 0 at the jump too."""

    def forward(self, input: Any, values: Any) -> Any:
        self.ctx.save(input == 0)
        return torch.heaviside(input, values)

    def backward(self, grad: Any) -> Any:
        (at_zero,) = self.ctx.release
        return None, torch.where(at_zero, grad, 0) if self.ctx.needs_input_grad[1] else None


# ---------------------------------------------------------------------------------------------------------------------
# What is not a number, and what is rounded to few


@implements(torch.nan_to_num)
@function
class nan_to_num(Policy):
    """x with numbers in place of NaN and the infinities:  dx = g.  Corner: 0 where x was replaced."""

    def forward(
        self, input: Any, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
    ) -> Any:
        self.ctx.save(input)
        return torch.nan_to_num(input, nan, posinf, neginf)

    def backward(self, grad: Any) -> Any:
        (input,) = self.ctx.release
        return grad * torch.isfinite(input)


class _Quantized(Policy):
    """x rounded to one of a few numbers:  dx = g, and 0 where x is beyond the least or the greatest of them."""

    in_float32 = True  # torch's kernel multiplies so, whatever the input's dtype

    def of_examples(self, input: Any, scale: Any, zero_point: Any, quant_min: int, quant_max: int) -> Any:
        """Compute what torch's kernels do, for which torch.vmap has no rule."""
        scale = torch.as_tensor(scale, dtype=torch.float32, device=input.device)  # as the kernels take it
        wide = input.to(torch.promote_types(input.dtype, torch.float32))
        steps = torch.round(wide * (1 / scale) + zero_point)
        self.ctx.save((steps >= quant_min) & (steps <= quant_max))
        levels = steps.clamp(quant_min, quant_max) - zero_point
        return ((levels.float() if self.in_float32 else levels) * scale).to(input.dtype)

    def backward(self, grad: Any) -> Any:
        (inside,) = self.ctx.release
        return grad * inside


@implements(torch.fake_quantize_per_tensor_affine)
@function
class fake_quantize_per_tensor_affine(_Quantized):
    """scale (clip(round(x / scale) + z) - z):  dx = g.  Corner: 0 where it clips.

    No gradient by the scale and the zero point, as in PyTorch.
    """

    def forward(self, input: Any, scale: Any, zero_point: Any, quant_min: int, quant_max: int) -> Any:
        aten = torch.ops.aten
        if is_mapped(input, scale, zero_point):
            return self.of_examples(input, scale, zero_point, quant_min, quant_max)
        if isinstance(scale, torch.Tensor) or isinstance(zero_point, torch.Tensor):
            scale, zero_point = (torch.as_tensor(each, device=input.device) for each in (scale, zero_point))
            on = torch.ones(1, dtype=torch.int64, device=input.device)
            kernel = aten._fake_quantize_per_tensor_affine_cachemask_tensor_qparams
            out, inside = kernel(input, scale, zero_point, on, quant_min, quant_max)
        else:
            kernel = aten.fake_quantize_per_tensor_affine_cachemask
            out, inside = kernel(input, scale, zero_point, quant_min, quant_max)
        self.ctx.save(inside)
        return out


@implements(torch.fake_quantize_per_channel_affine)
@function
class fake_quantize_per_channel_affine(_Quantized):
    """fake_quantize_per_tensor_affine with a scale and a zero point for each index of a dimension."""

    in_float32 = False

    def forward(self, input: Any, scale: Any, zero_point: Any, axis: int, quant_min: int, quant_max: int) -> Any:
        if is_mapped(input, scale, zero_point):
            shape = [-1 if i == axis % input.ndim else 1 for i in range(input.ndim)]
            return self.of_examples(input, scale.reshape(shape), zero_point.reshape(shape), quant_min, quant_max)
        kernel = torch.ops.aten.fake_quantize_per_channel_affine_cachemask
        out, inside = kernel(input, scale, zero_point, axis, quant_min, quant_max)
        self.ctx.save(inside)
        return out
