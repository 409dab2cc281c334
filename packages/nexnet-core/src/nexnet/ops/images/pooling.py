"""Averages over windows, and power means. An average is linear: its rule is the transpose, whose rule it is in turn."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from ...engine import TensorBase
from ...errors import InputError, message
from ...policy import Operator, Policy, function, implements
from .._conventions import chosen
from .._formulas import operator
from .._transpose import transpose_kernel
from ..elementwise.arithmetic import mul, neg, pow
from ..elementwise.piecewise import abs
from .max_pooling import Sizes, max_pool1d, max_pool2d, max_pool3d, single, stride_or

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
]

_ATEN = torch.ops.aten

# ---------------------------------------------------------------------------------------------------------------------
# Windows of a size

_avg_pool2d_backward = transpose_kernel(
    _ATEN.avg_pool2d_backward.default,
    lambda h, _, *options: functional.avg_pool2d(h, *options),
    "the transpose of avg_pool2d:  dg = avg_pool2d(h)",
)
_avg_pool3d_backward = transpose_kernel(
    _ATEN.avg_pool3d_backward.default,
    lambda h, _, *options: functional.avg_pool3d(h, *options),
    "the transpose of avg_pool3d:  dg = avg_pool3d(h)",
)


class _avg_pool1d(Policy):
    def forward(
        self,
        input: Any,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> Any:
        stride = stride_or(stride, kernel_size)
        self.ctx.save(input, kernel_size, stride, padding, ceil_mode, count_include_pad)
        return torch.avg_pool1d(input, kernel_size, stride, padding, ceil_mode, count_include_pad)

    def backward(self, grad: Any) -> Any:
        """Call the kernel of two dimensions, of which the first has size 1; there is none of one dimension."""
        input, kernel_size, stride, padding, ceil_mode, count_include_pad = self.ctx.release
        sizes = [(1, single(kernel_size)), (1, single(stride)), (0, single(padding))]
        options = (*sizes, ceil_mode, count_include_pad, None)
        return _avg_pool2d_backward(grad.unsqueeze(-2), input.unsqueeze(-2), *options).squeeze(-2)


def _average(compute: Callable[..., Any], transpose: Callable[..., Any]) -> type[Policy]:
    class rule(Policy):
        def forward(
            self,
            input: Any,
            kernel_size: Sizes,
            stride: Sizes | None = None,
            padding: Sizes = 0,
            ceil_mode: bool = False,
            count_include_pad: bool = True,
            divisor_override: int | None = None,
        ) -> Any:
            stride = stride_or(stride, kernel_size)
            options = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
            self.ctx.save(input, options)
            return compute(input, *options)

        def backward(self, grad: Any) -> Any:
            input, options = self.ctx.release
            return transpose(grad, input, *options)

    return rule


_AVERAGE = "the average over each window:  dx = the sum, over the windows of which x is part, of g / size"

avg_pool1d = operator(_avg_pool1d, _AVERAGE, (torch.avg_pool1d,), __name__)
avg_pool2d = operator(
    _average(functional.avg_pool2d, _avg_pool2d_backward), _AVERAGE, (functional.avg_pool2d,), __name__
)
avg_pool3d = operator(
    _average(functional.avg_pool3d, _avg_pool3d_backward), _AVERAGE, (functional.avg_pool3d,), __name__
)

# ---------------------------------------------------------------------------------------------------------------------
# Windows of which there are as many as the output is to have elements

_adaptive_avg_pool2d_backward = transpose_kernel(
    _ATEN._adaptive_avg_pool2d_backward.default,
    lambda h, shape: functional.adaptive_avg_pool2d(h, tuple(shape[-2:])),
    "the transpose of adaptive_avg_pool2d:  dg = adaptive_avg_pool2d(h)",
)
_adaptive_avg_pool3d_backward = transpose_kernel(
    _ATEN._adaptive_avg_pool3d_backward.default,
    lambda h, shape: functional.adaptive_avg_pool3d(h, tuple(shape[-3:])),
    "the transpose of adaptive_avg_pool3d:  dg = adaptive_avg_pool3d(h)",
)


def _adaptive(compute: Callable[..., Any], dims: int) -> Operator:
    class rule(Policy):
        def forward(self, input: Any, output_size: Any) -> Any:
            self.ctx.save(input)
            return compute(input, output_size)

        def backward(self, grad: Any) -> Any:
            (input,) = self.ctx.release
            if all(size == 1 for size in grad.shape[-dims:]):  # the mean over all
                count = math.prod(input.shape[-dims:])
                return (grad / count).expand(input.shape) if count else grad.sum() * torch.zeros_like(input)
            if dims == 1:
                return _adaptive_avg_pool2d_backward(grad.unsqueeze(-2), input.unsqueeze(-2)).squeeze(-2)
            return (_adaptive_avg_pool2d_backward if dims == 2 else _adaptive_avg_pool3d_backward)(grad, input)

    formula = (
        "the average over each of as many windows as the output has elements, which share elements where these do not "
        "divide:  dx = the sum, over the windows of which x is part, of g / size. A size of None is that of the input"
    )
    return operator(rule, formula, (compute,), __name__)


adaptive_avg_pool1d = _adaptive(torch.adaptive_avg_pool1d, 1)
adaptive_avg_pool2d = _adaptive(functional.adaptive_avg_pool2d, 2)
adaptive_avg_pool3d = _adaptive(functional.adaptive_avg_pool3d, 3)

# ---------------------------------------------------------------------------------------------------------------------
# Power means without the division


def _power_pool(
    average: Callable[..., Any],
    greatest: Callable[..., Any],
    dims: int,
    input: Any,
    norm_type: float,
    kernel_size: Sizes,
    stride: Sizes | None,
    ceil_mode: bool,
) -> Any:
    if norm_type == math.inf:
        return greatest(abs(input), kernel_size, stride, 0, 1, ceil_mode)
    if norm_type == -math.inf:
        return neg(greatest(neg(abs(input)), kernel_size, stride, 0, 1, ceil_mode))
    if norm_type == 0:
        raise InputError(
            message(
                "there is no norm of order 0: its root would be divided by 0.",
                rule=f"lp_pool{dims}d",
                argument="norm_type",
                expected="a number other than 0",
                got=norm_type,
            )
        )
    count = kernel_size**dims if isinstance(kernel_size, int) else math.prod(kernel_size)
    out = average(pow(input, norm_type), kernel_size, stride, 0, ceil_mode)
    return (pow if isinstance(norm_type, TensorBase) else _root)(mul(out, count), 1.0 / norm_type)


@implements()
@function
class _root(Policy):
    """x^a:  dx = g a x^(a-1), and 0 at 0, a choice."""

    def forward(self, x: Any, a: float) -> Any:
        self.ctx.save(x, a)
        return torch.pow(x, a)

    def backward(self, grad: Any) -> Any:
        x, a = self.ctx.release
        zero = x == 0
        slope = (a * x.masked_fill(zero, 1) ** (a - 1)).masked_fill(zero, 0)
        return chosen(grad * slope, zero, x, always=True)


@implements(functional.lp_pool1d)
def lp_pool1d(
    input: Any, norm_type: float, kernel_size: Sizes, stride: Sizes | None = None, ceil_mode: bool = False
) -> Any:
    """(sum x^p)^(1/p) over each window; the greatest |x| for p = inf. Corner: 0 where the sum is 0."""
    return _power_pool(avg_pool1d, max_pool1d, 1, input, norm_type, kernel_size, stride, ceil_mode)


@implements(functional.lp_pool2d)
def lp_pool2d(
    input: Any, norm_type: float, kernel_size: Sizes, stride: Sizes | None = None, ceil_mode: bool = False
) -> Any:
    """(sum x^p)^(1/p) over each window; the greatest |x| for p = inf. Corner: 0 where the sum is 0."""
    return _power_pool(avg_pool2d, max_pool2d, 2, input, norm_type, kernel_size, stride, ceil_mode)


@implements(functional.lp_pool3d)
def lp_pool3d(
    input: Any, norm_type: float, kernel_size: Sizes, stride: Sizes | None = None, ceil_mode: bool = False
) -> Any:
    """(sum x^p)^(1/p) over each window; the greatest |x| for p = inf. Corner: 0 where the sum is 0."""
    return _power_pool(avg_pool3d, max_pool3d, 3, input, norm_type, kernel_size, stride, ceil_mode)
