"""Samples at the points of a grid, in every mode, away from the lines on which they have kinks; affine grids."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy
import torch

import nexnet

from .._case import Case, Sample
from .._draw import Draw

LAYOUTS = ("plain", "plain", "plain", "strided", "expanded", "empty")


def points(d: Draw, batch: int, sizes: tuple[int, ...], align_corners: bool, reach: float) -> nexnet.LiteTensor:
    """A grid of points, of which none is near a line of elements, halfway between two of them, or on the edge."""
    columns = []
    for size in reversed(sizes):
        element = d.generator.integers(-1, size, (batch, 2, *(2,) * (len(sizes) - 1)))
        place = element + d.generator.choice([0.2, 0.3, 0.7, 0.8], element.shape) + d.generator.uniform(-0.05, 0.05)
        u = 2 * place / (size - 1) - 1 if align_corners else (2 * place + 1) / size - 1
        columns.append(numpy.clip(u, -reach, reach))
    grid = numpy.stack(columns, -1).astype(numpy.float32).astype(numpy.float64)
    return nexnet.LiteTensor(torch.from_numpy(grid))


def sampled(d: Draw) -> Sample:
    batch, sizes = 0 if d.layout == "empty" else 2, d.choice((3, 4), (2, 3), (2, 3, 3))
    mode = d.choice("bilinear", "bicubic" if len(sizes) == 2 else "bilinear", "nearest")
    align_corners = d.choice(False, True)
    grid = points(d, batch, sizes, align_corners, 3.0)
    return Sample(d.tensor((batch, 2, *sizes)), grid, mode, d.choice("zeros", "border", "reflection"), align_corners)


def by_number(d: Draw) -> Sample:
    *tensors, mode, padding, align_corners = sampled(d).args
    modes, paddings = ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")
    return Sample(*tensors, modes.index(mode), paddings.index(padding), align_corners)


def maps(d: Draw) -> Sample:
    size = d.choice((2, 3, 2, 3), (2, 1, 3, 2, 2))
    dims = len(size) - 2
    return Sample(d.tensor((2, dims, dims + 1)), size, d.choice(False, True))


def maps_jax(theta: Any, size: tuple[int, ...], align_corners: bool) -> Any:
    lines = [numpy.linspace(-1, 1, n) * (1 if align_corners else (n - 1) / n) for n in size[2:]]
    *coordinates, _ = [*numpy.meshgrid(*lines, indexing="ij")[::-1], None]
    base = numpy.stack([*coordinates, numpy.ones(size[2:])], -1)
    return jnp.einsum("...j,nij->n...i", base.astype(theta.dtype), theta)


NONE = "JAX has no sampling at a grid with torch's modes"
CASES = [
    Case(name="grid_sample", inputs=sampled, without_jax=NONE, layouts=LAYOUTS),
    Case(name="grid_sampler", inputs=by_number, without_jax=NONE, layouts=LAYOUTS, torch=torch.grid_sampler),
    Case(name="affine_grid", inputs=maps, jax=maps_jax, layouts=("plain", "strided", "expanded")),
    Case(name="affine_grid_generator", inputs=maps, jax=maps_jax, layouts=("plain", "strided", "expanded")),
]
