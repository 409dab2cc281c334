"""Interpolation in every mode, to a size and by a factor."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._case import Case, Sample
from .._draw import Draw

LAYOUTS = ("plain", "plain", "plain", "strided", "expanded", "empty")
SPATIAL = {1: (5,), 2: (4, 5), 3: (3, 4, 2)}
LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


def image(d: Draw, dims: int) -> Any:
    return d.tensor((0 if d.layout == "empty" else 2, 2, *SPATIAL[dims]))


def sizing(d: Draw, dims: int) -> dict[str, Any]:
    options: tuple[dict[str, Any], ...] = (
        {"size": (3, 7, 4)[:dims]},
        {"scale_factor": 2},
        {"scale_factor": 1.7},
        {"scale_factor": (0.6, 1.3, 1.6)[:dims]},
        {"scale_factor": 1.7, "recompute_scale_factor": True},
        {"size": 4},
    )
    return d.choice(*options)


def any_mode(d: Draw) -> Sample:
    dims = d.choice(2, 1, 3)
    mode = d.choice("nearest", LINEAR[dims], "nearest-exact", "area", "bicubic" if dims == 2 else LINEAR[dims])
    options = sizing(d, dims)
    if mode in (*LINEAR.values(), "bicubic"):
        options["align_corners"] = d.choice(None, False, True)
        if dims == 2 and d.flag():
            options["antialias"] = True
            if mode == "bicubic" and not options["align_corners"]:
                mode = d.choice("bicubic", "lanczos")
    return Sample(image(d, dims), mode=mode, **options)


def one_mode(dims: int, *names: str) -> Callable[[Draw], Sample]:
    def inputs(d: Draw) -> Sample:
        options = sizing(d, dims)
        return Sample(image(d, dims), **{name: options[name] for name in names if name in options} or {"size": 6})

    return inputs


OTHER = "JAX resizes images by other conventions"
CASES = [
    Case(name="interpolate", inputs=any_mode, without_jax=OTHER, layouts=LAYOUTS),
    Case(name="upsample", inputs=one_mode(2, "size", "scale_factor"), without_jax=OTHER, layouts=LAYOUTS),
    Case(name="upsample_nearest", inputs=one_mode(3, "size", "scale_factor"), without_jax=OTHER, layouts=LAYOUTS),
    Case(name="upsample_bilinear", inputs=one_mode(2, "size", "scale_factor"), without_jax=OTHER, layouts=LAYOUTS),
]
