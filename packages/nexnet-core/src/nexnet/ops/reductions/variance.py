"""Variances and standard deviations, alone and with the mean.

The correction is that of torch: the sum of squares is divided by n - correction (1 unless said otherwise).
"""

from __future__ import annotations

import math
from typing import Any

import torch

from ...policy import Policy, function, implements
from .._conventions import chosen
from .._names import composite
from .sums import Dims, count_reduced, restore_dims

__all__ = ["std", "std_mean", "var", "var_mean"]


class _var(Policy):
    """y = sum_i (x_i - m)^2 / (n - c):  dx_i = 2 g (x_i - m) / (n - c).

    NaN for a single element with c = 1, as in PyTorch. Of complex numbers it is the mean of |x_i - m|^2.
    """

    complex_rule = "own"

    def forward(self, input: Any, dim: Dims, correction: float, keepdim: bool) -> Any:
        self.ctx.save(input, dim, correction, keepdim)
        return torch.var(input, dim, correction=correction, keepdim=keepdim)

    def backward(self, grad: Any) -> Any:
        input, dim, correction, keepdim = self.ctx.release
        return _variance_gradient(input, restore_dims(grad, input.shape, dim, keepdim), dim, correction)


class _std(Policy):
    """y = sqrt(variance):  dx_i = g (x_i - m) / (y (n - c)), and 0 where y = 0 (all x_i are equal), as in PyTorch."""

    complex_rule = "own"

    def forward(self, input: Any, dim: Dims, correction: float, keepdim: bool) -> Any:
        out = torch.std(input, dim, correction=correction, keepdim=keepdim)
        self.ctx.save(input, out, dim, correction, keepdim)
        return out

    def backward(self, grad: Any) -> Any:
        input, out, dim, correction, keepdim = self.ctx.release
        grad = grad / (2 * out.masked_fill(out == 0, math.inf))
        dx = _variance_gradient(input, restore_dims(grad, input.shape, dim, keepdim), dim, correction)
        return chosen(dx, restore_dims(out == 0, input.shape, dim, keepdim), input)


class _var_mean(Policy):
    """(y, m), the variance and the mean:  dx_i = 2 g (x_i - m) / (n - c) + h / n."""

    complex_rule = "own"
    materialize_grads = False
    kernel: Any = torch.var_mean

    def forward(self, input: Any, dim: Dims, correction: float, keepdim: bool) -> Any:
        out = type(self).kernel(input, dim, correction=correction, keepdim=keepdim)
        self.ctx.save(input, *out, dim, correction, keepdim)
        return out

    def backward(self, grad: Any, grad_mean: Any) -> Any:
        input, out, mean, dim, correction, keepdim = self.ctx.release
        shape, dx = input.shape, None
        if grad is not None:
            if type(self).kernel is torch.std_mean:
                grad = grad / (2 * out.masked_fill(out == 0, math.inf))
            grad = restore_dims(grad, shape, dim, keepdim)
            dx = _variance_gradient(input, grad, dim, correction, restore_dims(mean, shape, dim, keepdim))
            if type(self).kernel is torch.std_mean:
                dx = chosen(dx, restore_dims(out == 0, shape, dim, keepdim), input)
        if grad_mean is not None:
            by_mean = restore_dims(grad_mean, shape, dim, keepdim) / count_reduced(shape, dim)
            dx = by_mean.expand(shape) if dx is None else dx + by_mean
        return dx


class _std_mean(_var_mean):
    """(y, m), the standard deviation and the mean:  dx_i = g (x_i - m) / (y (n - c)) + h / n."""

    kernel = torch.std_mean


def _variance_gradient(input: Any, grad: Any, dim: Dims, correction: float, mean: Any = None) -> Any:
    freedom = count_reduced(input.shape, dim) - correction
    if mean is None:
        mean = input.mean() if dim is None else input.mean(dim, keepdim=True)
    return (input - mean) * (grad * (2 / freedom if freedom > 0 else math.inf))


_variance, _deviation = function(_var), function(_std)
_variance_and_mean, _deviation_and_mean = function(_var_mean), function(_std_mean)
_variance.leaf = _deviation.leaf = _variance_and_mean.leaf = _deviation_and_mean.leaf = True


@implements(torch.var)
@composite
def var(
    input: Any, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = None
) -> Any:
    """The variance over ``dim``, divided by ``n - correction``; ``unbiased=False`` is ``correction=0``.

    Corner: NaN for one element with correction 1.
    """
    return _variance(input, *_variance_arguments(dim, unbiased, correction), keepdim)


@implements(torch.std)
@composite
def std(
    input: Any, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = None
) -> Any:
    """The standard deviation over ``dim``, divided by ``n - correction``; ``unbiased=False`` is ``correction=0``.

    Corner: 0 for constants; NaN for one element with correction 1.
    """
    return _deviation(input, *_variance_arguments(dim, unbiased, correction), keepdim)


@implements(torch.var_mean)
@composite
def var_mean(
    input: Any, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = None
) -> tuple[Any, Any]:
    """The variance and the mean over ``dim``."""
    variance, mean = _variance_and_mean(input, *_variance_arguments(dim, unbiased, correction), keepdim)
    return variance, mean


@implements(torch.std_mean)
@composite
def std_mean(
    input: Any, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = None
) -> tuple[Any, Any]:
    """The standard deviation and the mean over ``dim``."""
    deviation, mean = _deviation_and_mean(input, *_variance_arguments(dim, unbiased, correction), keepdim)
    return deviation, mean


def _variance_arguments(dim: Any, unbiased: bool | None, correction: float | None) -> tuple[Dims, float]:
    """Undo torch's overloads: ``var(x, False)`` gives unbiased, not a dimension."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    return dim, correction if correction is not None else int(unbiased is not False)
