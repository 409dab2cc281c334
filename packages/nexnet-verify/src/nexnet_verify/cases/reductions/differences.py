"""Differences and sums over steps."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy
import torch

from .._case import Case, Sample
from .._draw import DISTINCT, Draw

SOLID = ("plain", "strided", "expanded")


def differences(d: Draw) -> Sample:
    x = d.tensor((3, 4))
    return d.choice(
        Sample(x),
        Sample(x, 2, 1),
        Sample(x, dim=0),
        Sample(x, 1, -1, d.tensor((3, 1)), d.tensor((3, 2))),
        Sample(x, 3, 0),
    )


def differences_jax(x: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    return jnp.diff(x, n, dim, prepend, append)


def areas(d: Draw) -> Sample:
    """Values, in steps of 1, of another size, or at points that are differentiated by too."""
    y = d.tensor((3, 4))
    return d.choice(
        Sample(y),
        Sample(y, dx=0.5, dim=0),
        Sample(y, d.tensor((4,), DISTINCT)),
        Sample(y, d.tensor((3, 4))),
        Sample(y, d.tensor((3,), DISTINCT), dim=0),
    )


def areas_jax(y: Any, x: Any = None, dx: float = 1.0, dim: int = -1) -> Any:
    return jax.scipy.integrate.trapezoid(y, x, dx, dim)


def running_jax(y: Any, x: Any = None, dx: float = 1.0, dim: int = -1) -> Any:
    y = jnp.moveaxis(y, dim, -1)
    steps = dx if x is None else jnp.diff(x if x.ndim == 1 else jnp.moveaxis(x, dim, -1))
    return jnp.moveaxis(jnp.cumsum((y[..., 1:] + y[..., :-1]) / 2 * steps, -1), -1, dim)


def sampled(d: Draw) -> Sample:
    x = d.tensor((4, 3))
    return d.choice(
        Sample(x),
        Sample(x, dim=0, edge_order=2),
        Sample(x, spacing=0.5),
        Sample(x, spacing=(2.0, 0.5), edge_order=2),
        Sample(x, spacing=(torch.tensor([0.0, 1.0, 3.0, 3.5], dtype=torch.float64),), dim=0),
        Sample(x, spacing=(torch.tensor([0.0, 1.0, 2.5], dtype=torch.float64),), dim=(1,), edge_order=2),
    )


def sampled_jax(x: Any, spacing: Any = 1, dim: Any = None, edge_order: int = 1) -> Any:
    """By numpy, which is linear in x: the matrix of each derivative."""
    spacings: Any = spacing if isinstance(spacing, tuple) else (spacing,)
    spacings = [each.numpy() if isinstance(each, torch.Tensor) else each for each in spacings]
    size = int(numpy.prod(x.shape))
    by_numpy: Any = numpy.gradient
    columns = [by_numpy(unit.reshape(x.shape), *spacings, axis=dim, edge_order=edge_order) for unit in numpy.eye(size)]
    columns = [each if isinstance(each, (tuple, list)) else [each] for each in columns]
    matrices = [numpy.stack([c[k].reshape(-1) for c in columns], 1) for k in range(len(columns[0]))]
    return tuple((m @ x.reshape(-1)).reshape(x.shape) for m in matrices)


CASES = [
    Case(name="diff", inputs=differences, jax=differences_jax, layouts=SOLID),
    Case(name="trapezoid", inputs=areas, jax=areas_jax, layouts=SOLID, covers=("trapz",)),
    Case(name="trapz", inputs=areas, jax=areas_jax, layouts=SOLID),
    Case(name="cumulative_trapezoid", inputs=areas, jax=running_jax, layouts=SOLID),
    Case(name="gradient", inputs=sampled, jax=sampled_jax, layouts=SOLID),
]
