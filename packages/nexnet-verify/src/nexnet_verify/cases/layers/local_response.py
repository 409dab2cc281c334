"""Local response normalisation."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from .._case import Case, Sample
from .._draw import Draw


def channels(d: Draw) -> Sample:
    return Sample(d.tensor(d.choice((2, 5, 3), (2, 4, 3, 2), (1, 3, 2, 1, 2))), d.choice(3, 2, 1), 0.3, 0.6, 0.9)


def local_response_norm(x: Any, size: int, alpha: float, beta: float, k: float) -> Any:
    count = x.shape[1]
    places = range(count)
    near = [[1.0 if c - size // 2 <= j <= c + (size - 1) // 2 else 0.0 for j in places] for c in places]
    means = jnp.moveaxis(jnp.tensordot(jnp.asarray(near) / size, x * x, ((1,), (1,))), 0, 1)
    return x / (k + alpha * means) ** beta


CASES = [
    Case(
        name="local_response_norm", inputs=channels, jax=local_response_norm, layouts=("plain", "strided", "expanded")
    ),
]
