"""The windows of a tensor along a dimension."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from .._case import Case, Sample
from .._draw import Draw


def windows(d: Draw) -> Sample:
    if d.layout == "empty":
        return Sample(d.tensor((0, 4)), 1, 2, 1)
    x = d.tensor(d.choice((5,), (2, 4), (4, 1, 3)))
    return Sample(x, d.choice(0, -x.ndim), d.choice(2, 1) if x.shape[0] == 2 else d.choice(3, 2), d.choice(1, 2))


def windows_jax(x: Any, dim: int, size: int, step: int) -> Any:
    count = (x.shape[dim] - size) // step + 1
    parts = [jnp.moveaxis(x, dim, 0)[i * step : i * step + size] for i in range(count)]
    return jnp.moveaxis(jnp.stack(parts), (0, 1), (dim % x.ndim, -1))


CASES = [
    Case(name="unfold_copy", inputs=windows, jax=windows_jax, layouts=("plain", "strided", "expanded", "empty")),
]
