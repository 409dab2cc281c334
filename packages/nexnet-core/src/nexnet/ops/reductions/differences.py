"""Differences and sums over steps: diff, gradient, and the trapezoidal rule."""

from __future__ import annotations

from typing import Any

import torch

from ...engine import unwrap
from ...errors import InputError, message
from ...policy import Analytic, function, implements
from .._names import composite
from ..shapes.joining import cat
from ..shapes.views import movedim
from .cumulative import cumsum

__all__ = ["cumulative_trapezoid", "diff", "gradient", "trapezoid", "trapz"]


class _diff(Analytic):
    """y_i = x_{i+1} - x_i along a dimension:  dx_i = g_{i-1} - g_i, with no g beyond the ends."""

    def forward(self, input: Any, dim: int) -> Any:
        self.ctx.save(input.shape, dim)
        return torch.diff(input, dim=dim)

    def backward(self, grad: Any) -> Any:
        shape, dim = self.ctx.release
        size = shape[dim]
        if size < 2:
            return grad.new_zeros(shape)
        first, last = grad.narrow(dim, 0, 1), grad.narrow(dim, size - 2, 1)
        return torch.cat([-first, *([] if size == 2 else [-torch.diff(grad, dim=dim)]), last], dim)


_difference = implements()(function(_diff))


@implements(torch.diff)
@composite
def diff(input: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """The n-th differences of neighbours along a dimension, with further values before and after x, if given."""
    if n < 0 or input.ndim == 0:
        torch.diff(unwrap(input), n, dim)  # raises torch's own error
    parts = [each for each in (prepend, input, append) if each is not None]
    out = cat(parts, dim) if n and len(parts) > 1 else input
    for _ in range(n):
        out = _difference(out, dim)
    return out


# ---------------------------------------------------------------------------------------------------------------------
# The trapezoidal rule: the sum of (x_{i+1} - x_i) (y_i + y_{i+1}) / 2


@implements(torch.trapezoid)
@composite
def trapezoid(y: Any, x: Any = None, *, dx: Any = 1, dim: int = -1) -> Any:
    """The integral of y along a dimension, at the points x or in steps of ``dx`` (1)."""
    if y.shape[dim] == 0:
        return y.sum(dim)
    if x is None:
        total = y.sum(dim) - (y.select(dim, 0) + y.select(dim, -1)) / 2
        return total if isinstance(dx, (int, float)) and dx == 1 else total * dx
    return (_areas(y, x, dim)).sum(dim) / 2


@implements(torch.trapz)
@composite
def trapz(y: Any, x: Any = None, *, dx: Any = 1.0, dim: int = -1) -> Any:
    """``trapezoid``."""
    return trapezoid(y, x, dx=dx, dim=dim)


@implements(torch.cumulative_trapezoid)
@composite
def cumulative_trapezoid(y: Any, x: Any = None, *, dx: Any = 1, dim: int = -1) -> Any:
    """The integral of y from the first point to each of the others: see ``trapezoid``."""
    if x is not None:
        return cumsum(_areas(y, x, dim), dim) / 2
    size = max(y.shape[dim] - 1, 0)
    return cumsum(y.narrow(dim, min(1, y.shape[dim]), size) + y.narrow(dim, 0, size), dim) * (
        (1 if dx is None else dx) / 2
    )


def _areas(y: Any, x: Any, dim: int) -> Any:
    """Give twice the area between each two points. A vector x holds for every slice of y."""
    size = max(y.shape[dim] - 1, 0)
    steps = diff(x, dim=-1 if x.ndim == 1 else dim)
    if x.ndim == 1 and y.ndim > 1:
        steps = steps.reshape([-1 if i == dim % y.ndim else 1 for i in range(y.ndim)])
    return steps * (y.narrow(dim, 1, size) + y.narrow(dim, 0, size))


# ---------------------------------------------------------------------------------------------------------------------
# The gradient of sampled values, by central differences of the second order


@implements(torch.gradient)
@composite
def gradient(input: Any, *, spacing: Any = None, dim: Any = None, edge_order: int = 1) -> tuple[Any, ...]:
    """The derivatives of sampled values along each dimension, or those named.

    ``spacing`` is a step (1), a step or the coordinates (a vector) for each dimension; ``edge_order`` is 1 or 2.
    """
    spacing = 1 if spacing is None else spacing
    dims = list(range(input.ndim)) if dim is None else [dim] if isinstance(dim, int) else list(dim)
    dims = [each % input.ndim for each in dims]
    spacings = list(spacing) if isinstance(spacing, (tuple, list)) else [spacing] * len(dims)
    if len(spacings) != len(dims) or edge_order not in (1, 2) or any(input.shape[d] <= edge_order for d in dims):
        raise InputError(
            message(
                "there is no gradient of these.",
                rule="gradient",
                expected="one spacing for each dimension, edge_order 1 or 2, and more elements than that",
                got=f"shape {tuple(input.shape)}, dim {dim}, {len(spacings)} spacings, edge_order {edge_order}",
            )
        )
    if all(isinstance(each, (int, float)) for each in spacings):
        return tuple(_uniform(input, d, each, edge_order) for d, each in zip(dims, spacings, strict=True))
    return tuple(_along(movedim(input, d, -1), each, edge_order, d) for d, each in zip(dims, spacings, strict=True))


class _gradient_in_steps(Analytic):
    """y_i = (x_{i+1} - x_{i-1}) / 2h, and one-sided at the ends:  dx is the same sums turned round."""

    def forward(self, input: Any, dim: int, spacing: float, edge_order: int) -> Any:
        self.ctx.save(dim, spacing, edge_order)
        return torch.gradient(input, spacing=spacing, dim=dim, edge_order=edge_order)[0]

    def backward(self, grad: Any) -> Any:
        dim, spacing, edge_order = self.ctx.release
        size = grad.shape[dim]
        slopes = grad / spacing
        first, last = slopes.narrow(dim, 0, 1), slopes.narrow(dim, size - 1, 1)
        inner = slopes.narrow(dim, 1, size - 2) / 2
        weights = (-1.0, 1.0) if edge_order == 1 else (-1.5, 2.0, -0.5)
        none = grad.new_zeros((*grad.shape[:dim], size - len(weights), *grad.shape[dim:][1:]))
        two = torch.zeros_like(grad.narrow(dim, 0, 2))
        return (
            torch.cat([two, inner], dim)
            - torch.cat([inner, two], dim)
            + torch.cat([*[first * weight for weight in weights], none], dim)
            - torch.cat([none, *[last * weight for weight in reversed(weights)]], dim)
        )


_uniform = implements()(function(_gradient_in_steps))


def _along(f: Any, spacing: Any, edge_order: int, dim: int) -> Any:
    """Give the derivative along the last dimension, and move that back."""
    coordinates = getattr(spacing, "ndim", 0) > 0
    steps = diff(spacing) if coordinates else None

    def step(i: int) -> Any:
        return spacing if steps is None else steps[i]

    def edge(near: int, towards: int) -> Any:
        values = [f[..., near + k * towards : (near + k * towards + 1) or None] for k in range(edge_order + 1)]
        start = 0 if towards > 0 else -1
        h = step(start)
        if edge_order == 1:
            return (values[1] - values[0]) * towards / h
        k = step(start + towards)
        return towards * (
            -(2 * h + k) / (h * (h + k)) * values[0] + (h + k) / (h * k) * values[1] - h / (k * (h + k)) * values[2]
        )

    before, middle, after = f[..., :-2], f[..., 1:-1], f[..., 2:]
    if steps is None:
        inside = (after - before) / (2 * spacing)
    else:
        h, k = steps[:-1], steps[1:]
        inside = -k / (h * (h + k)) * before + (k - h) / (h * k) * middle + h / (k * (h + k)) * after
    return movedim(cat([edge(0, 1), inside, edge(-1, -1)], -1), -1, dim)
