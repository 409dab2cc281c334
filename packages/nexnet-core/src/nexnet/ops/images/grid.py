"""Images and volumes sampled at the points of a grid, and grids of affine maps.

A sample is the sum of a few of the image's elements, its taps, each times a weight for each dimension:

    S = sum over taps of w_1(x_1) w_2(x_2) ... I[tap]
    dI[tap] = the sum of g w_1 w_2 ...,    dx_1 = g times the sum over taps of w_1'(x_1) w_2(x_2) ... I[tap]

Torch has kernels for these gradients. Where a gradient is itself differentiated, it is computed as written here: by
operators, tap by tap, with the weights as polynomials of the place between taps. So every order is right.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch.nn import functional

from ...engine import TensorBase
from ...errors import InputError, message
from ...policy import Policy, function, implements
from .._folded import folded
from .._kernels import kernel_or_rule

__all__ = [
    "affine_grid",
    "affine_grid_generator",
    "grid_sample",
    "grid_sampler",
    "grid_sampler_2d",
    "grid_sampler_3d",
]

_MODES = ("bilinear", "nearest", "bicubic")
_PADDINGS = ("zeros", "border", "reflection")


@implements(functional.grid_sample)
@function
class grid_sample(Policy):
    """x, of shape (batch, channels, [depth,] h, w), at the points in [-1, 1] of a grid (batch, ..., 2 or 3): see above.

    ``mode`` is "bilinear", "nearest" or "bicubic", ``padding_mode`` "zeros", "border" or "reflection".

    Corner: by the grid the gradient is 0 for "nearest", and, with "border" or "reflection", for points on the edge or
    cut to it; on a line of elements it is the slope to its right.
    """

    def forward(
        self,
        input: Any,
        grid: Any,
        mode: str = "bilinear",
        padding_mode: str = "zeros",
        align_corners: bool | None = None,
    ) -> Any:
        self.ctx.save(input, grid, mode, padding_mode, bool(align_corners))
        return functional.grid_sample(input, grid, mode, padding_mode, align_corners)

    def backward(self, grad: Any) -> Any:
        input, grid, mode, padding_mode, align_corners = self.ctx.release
        if isinstance(grad, TensorBase):
            return _in_operators(grad, input, grid, mode, padding_mode, align_corners, self.ctx.needs_input_grad)
        kernel = torch.ops.aten.grid_sampler_2d_backward if input.ndim == 4 else torch.ops.aten.grid_sampler_3d_backward
        grid = _somewhere(grid, padding_mode)
        options = (_MODES.index(mode), _PADDINGS.index(padding_mode), align_corners)
        d_input, d_grid = kernel.default(grad, input, grid, *options, self.ctx.needs_input_grad[:2])
        return d_input, d_grid


@implements(torch.grid_sampler, torch.grid_sampler_2d, torch.grid_sampler_3d)
def grid_sampler(input: Any, grid: Any, interpolation_mode: int, padding_mode: int, align_corners: bool) -> Any:
    """``grid_sample`` with its modes by number, in the order in which they are named.

    Raises:
        InputError: there is no such number, at which torch's kernel reads outside of its memory.
    """
    mode = _by_number("interpolation_mode", _MODES, interpolation_mode)
    return grid_sample(input, grid, mode, _by_number("padding_mode", _PADDINGS, padding_mode), align_corners)


def _by_number(argument: str, names: tuple[str, ...], number: int) -> str:
    if number not in range(len(names)):
        raise InputError(
            message(
                "there is no such mode.",
                rule="grid_sampler",
                argument=argument,
                expected=", ".join(f"{i} ({name})" for i, name in enumerate(names)),
                got=repr(number),
            )
        )
    return names[number]


grid_sampler_2d = grid_sampler_3d = grid_sampler


# ---------------------------------------------------------------------------------------------------------------------
# The gradient in operators


class _Tap(NamedTuple):
    """One of the elements by which a point is sampled, along one dimension: where it is, its weight, and its slope."""

    place: Any
    weight: Any
    slope: Any


def _somewhere(grid: Any, padding: str) -> Any:
    """Give the grid for torch's kernel, which writes outside of its memory for points that no padding brings inside.

    They are sampled at the image's first element, as forward does.
    """
    if padding == "zeros":
        return grid
    lost = grid.isnan() if padding == "border" else ~grid.isfinite()
    return torch.where(lost, -1.0, grid)


def _in_operators(
    grad: Any,
    input: Any,
    grid: Any,
    mode: str,
    padding: str,
    align_corners: bool,
    needed: Sequence[bool],
) -> tuple[Any, Any]:
    sizes = input.shape[2:]
    batch, channels = input.shape[:2]
    taps = [
        _along(grid.select(-1, len(sizes) - 1 - dim), size, mode, padding, align_corners)
        for dim, size in enumerate(sizes)
    ]
    points = math.prod(grid.shape[1:-1])
    image, flat_grad = input.reshape(batch, channels, math.prod(sizes)), grad.reshape(batch, channels, points)
    d_image = torch.zeros_like(image)
    slopes: list[Any] = [0.0] * len(sizes)
    for chosen in itertools.product(*taps):
        place: Any = 0
        for tap, size in zip(chosen, sizes, strict=True):
            place = place * size + tap.place
        place = place.reshape(batch, 1, points).expand(batch, channels, points)
        if needed[0]:
            weight = _product([tap.weight for tap in chosen])
            d_image = d_image.scatter_add(-1, place, flat_grad * weight.reshape(batch, 1, points))
        if needed[1]:
            share = (flat_grad * image.gather(-1, place)).sum(1).reshape(grid.shape[:-1])
            for dim, tap in enumerate(chosen):
                others = [other.weight for other in (*chosen[:dim], *chosen[dim + 1 :])]
                slopes[dim] = slopes[dim] + share * tap.slope * _product(others)
    return d_image.reshape(input.shape) if needed[0] else None, torch.stack(slopes[::-1], -1) if needed[1] else None


def _product(factors: Sequence[Any]) -> Any:
    total = factors[0]
    for each in factors[1:]:
        total = total * each
    return total


def _along(u: Any, size: int, mode: str, padding: str, align_corners: bool) -> list[_Tap]:
    """Give the taps along a dimension for coordinates u, with the slopes of their weights by u."""
    x = (u + 1) / 2 * (size - 1) if align_corners else ((u + 1) * size - 1) / 2
    slope: Any = (size - 1) / 2 if align_corners else size / 2
    if mode == "bicubic":  # here it is the taps that are brought inside
        low = torch.floor(x)
        t = x - low
        return [
            _tap(_inside(low + i, None, size, padding, align_corners)[0], size, weight(t), slope * derivative(t))
            for i, (weight, derivative) in zip((-1, 0, 1, 2), _CUBIC, strict=True)
        ]
    x, slope = _inside(x, slope, size, padding, align_corners)
    if mode == "nearest":
        return [_tap(torch.round(x), size, torch.ones_like(x), torch.zeros_like(x))]
    low = torch.floor(x)
    t = x - low
    return [_tap(low, size, 1 - t, -slope * torch.ones_like(t)), _tap(low + 1, size, t, slope * torch.ones_like(t))]


def _tap(place: Any, size: int, weight: Any, slope: Any) -> _Tap:
    """Make a tap; what is outside of the image is 0."""
    inside = (place >= 0) & (place <= size - 1)
    place = torch.where(inside, place, 0).to(torch.int64)  # also for NaN, which is nowhere
    return _Tap(place, torch.where(inside, weight, 0), torch.where(inside, slope, 0))


def _inside(x: Any, slope: Any, size: int, padding: str, align_corners: bool) -> tuple[Any, Any]:
    """Bring places into the image, as the padding says; give them with their slopes, which are 0 on the edge."""
    if padding == "zeros":
        return x, slope
    slope = 1.0 if slope is None else slope
    if padding == "reflection":
        low, high = (0.0, size - 1.0) if align_corners else (-0.5, size - 0.5)
        if low == high:
            return torch.zeros_like(x), torch.zeros_like(x)
        sign = torch.where(x < low, -1.0, torch.ones_like(x))
        x = (x - low) * sign
        turns = torch.floor(x / (high - low))
        x = x - turns * (high - low)
        odd = turns % 2 == 1
        x, slope = torch.where(odd, high - x, low + x), torch.where(odd, -sign, sign) * slope
    between = (x > 0) & (x < size - 1)
    edge = torch.where(x > 0, torch.full_like(x, size - 1.0), 0.0)  # NaN comes to the first element, as in forward
    return torch.where(between, x, edge), torch.where(between, slope, torch.zeros_like(x))


# Keys' kernel with A = -3/4: the weights of the taps at -1, 0, 1 and 2 for a place t between 0 and 1, and their slopes.
_A = -0.75


def _near(t: Any) -> Any:
    return ((_A + 2) * t - (_A + 3)) * t * t + 1


def _near_slope(t: Any) -> Any:
    return (3 * (_A + 2) * t - 2 * (_A + 3)) * t


def _far(t: Any) -> Any:
    return ((_A * t - 5 * _A) * t + 8 * _A) * t - 4 * _A


def _far_slope(t: Any) -> Any:
    return (3 * _A * t - 10 * _A) * t + 8 * _A


_CUBIC: tuple[tuple[Callable[[Any], Any], Callable[[Any], Any]], ...] = (
    (lambda t: _far(t + 1), lambda t: _far_slope(t + 1)),
    (_near, _near_slope),
    (lambda t: _near(1 - t), lambda t: -_near_slope(1 - t)),
    (lambda t: _far(2 - t), lambda t: -_far_slope(2 - t)),
)


# ---------------------------------------------------------------------------------------------------------------------
# Grids of affine maps


@implements(functional.affine_grid)
@function
class affine_grid(Policy):
    """The points A p + b, p over a regular grid, for theta = (A b) of shape (batch, 2, 3) or (batch, 3, 4).

    Linear in theta:  dA = sum of g p^T,  db = sum of g.
    """

    def forward(self, theta: Any, size: Sequence[int], align_corners: bool | None = None) -> Any:
        self.ctx.save(size, bool(align_corners))
        return folded(_grid_of, (2,), theta, size, align_corners)

    def backward(self, grad: Any) -> Any:
        return _affine_grid_backward(grad, *self.ctx.release)


def _grid_of(theta: Any, size: Sequence[int], align_corners: bool | None) -> Any:
    return functional.affine_grid(theta, (len(theta), *size[1:]), align_corners)  # type: ignore[arg-type]


def _grid_backward(grad: Any, size: Sequence[int], align_corners: bool) -> Any:
    return folded(_grid_kernel, (len(size) - 1,), grad, size, align_corners)


def _grid_kernel(grad: Any, size: Sequence[int], align_corners: bool) -> Any:
    return torch.ops.aten.affine_grid_generator_backward.default(grad, (len(grad), *size[1:]), align_corners)


@implements(torch.ops.aten.affine_grid_generator_backward.default)
@function
class _affine_grid_transposed(Policy):
    """The transpose of affine_grid:  dg = affine_grid(h)."""

    def forward(self, grad: Any, size: Sequence[int], align_corners: bool) -> Any:
        self.ctx.save(size, align_corners)
        return _grid_backward(grad, size, align_corners)

    def backward(self, cotangent: Any) -> Any:
        return affine_grid(cotangent, *self.ctx.release)


_affine_grid_backward = kernel_or_rule(_grid_backward, _affine_grid_transposed)


@implements(torch.affine_grid_generator)
def affine_grid_generator(theta: Any, size: Sequence[int], align_corners: bool) -> Any:
    """``affine_grid``, under the name of torch's kernel."""
    return affine_grid(theta, size, align_corners)
