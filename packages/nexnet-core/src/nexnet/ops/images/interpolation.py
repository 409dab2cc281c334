"""Images and volumes in another size. Interpolation is linear: its rule is the transpose, whose rule it is in turn."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from ...policy import Policy, function, implements
from .._kernels import kernel_or_rule, overload

__all__ = ["interpolate", "upsample", "upsample_bilinear", "upsample_nearest"]

_ATEN = torch.ops.aten
_KERNELS = {
    "nearest": "upsample_nearest",
    "nearest-exact": "_upsample_nearest_exact",
    "linear": "upsample_linear",
    "bilinear": "upsample_bilinear",
    "trilinear": "upsample_trilinear",
    "bicubic": "upsample_bicubic",
    "lanczos": "upsample_lanczos",
}


@implements(functional.interpolate)
@function
class interpolate(Policy):
    """x, of shape (batch, channels, ...), in another size:  dx = the transpose of g.

    ``mode`` is "nearest", "nearest-exact", "linear", "bilinear", "trilinear", "bicubic" or "area", in torch's sense;
    either ``size`` or ``scale_factor`` says how large.
    """

    def forward(
        self,
        input: Any,
        size: int | Sequence[int] | None = None,
        scale_factor: float | Sequence[float] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
        antialias: bool = False,
    ) -> Any:
        options = (size, scale_factor, mode, align_corners, recompute_scale_factor, antialias)
        self.ctx.save(input.shape, options)
        return functional.interpolate(input, *options)

    def backward(self, grad: Any) -> Any:
        shape, options = self.ctx.release
        return _transpose(grad, shape, *options)


def _kernel(
    grad: Any,
    shape: Sequence[int],
    size: Any,  # noqa: ARG001  it is that of g
    scale_factor: Any,
    mode: str,
    align_corners: bool | None,
    recompute_scale_factor: bool | None,
    antialias: bool,
) -> Any:
    """Call torch's kernel for the transpose of what ``interpolate`` does with these options to a tensor of a shape."""
    dims = len(shape) - 2
    if mode == "area":
        return _spread_areas(grad, shape, dims)
    scales: Sequence[Any] = (None,) * dims
    if scale_factor is not None and not recompute_scale_factor:
        scales = scale_factor if isinstance(scale_factor, (list, tuple)) else (scale_factor,) * dims
    corners = () if mode.startswith("nearest") else (bool(align_corners),)
    return _kernel_of(mode, dims, bool(antialias))(grad, grad.shape[2:], shape, *corners, *scales)


@functools.cache
def _kernel_of(mode: str, dims: int, antialias: bool) -> Any:
    name = f"_{_KERNELS[mode]}{dims}d_aa_backward" if antialias else f"{_KERNELS[mode]}{dims}d_backward"
    return overload(getattr(_ATEN, name).default)


def _spread_areas(grad: Any, shape: Sequence[int], dims: int) -> Any:
    like = grad.new_empty(()).expand(shape)
    if dims == 1:
        return _ATEN._adaptive_avg_pool2d_backward.default(grad.unsqueeze(-2), like.unsqueeze(-2)).squeeze(-2)
    kernel = _ATEN._adaptive_avg_pool2d_backward if dims == 2 else _ATEN._adaptive_avg_pool3d_backward
    return kernel.default(grad, like)


@function
class interpolate_backward(Policy):
    """The transpose of interpolate:  dg = interpolate(h)."""

    def forward(self, grad: Any, shape: Sequence[int], *options: Any) -> Any:
        self.ctx.save(options)
        return _kernel(grad, shape, *options)

    def backward(self, cotangent: Any) -> Any:
        (options,) = self.ctx.release
        return interpolate(cotangent, *options)


interpolate_backward.leaf = True
_transpose = kernel_or_rule(_kernel, interpolate_backward)


@implements(functional.upsample)
def upsample(
    input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None
) -> Any:
    """``interpolate``, under torch's earlier name."""
    return interpolate(input, size, scale_factor, mode, align_corners)


@implements(functional.upsample_nearest)
def upsample_nearest(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """``interpolate`` with mode "nearest", under torch's earlier name."""
    return interpolate(input, size, scale_factor)


@implements(functional.upsample_bilinear)
def upsample_bilinear(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """``interpolate`` with mode "bilinear" and the corners aligned, under torch's earlier name."""
    return interpolate(input, size, scale_factor, "bilinear", True)
