"""Pseudo-inverses and least squares, of full rank."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import torch

from nexnet.ops.matrices import least_squares

from .._case import Case, Sample
from .._draw import Draw
from .._matrices import LAYOUTS, batch, maybe_complex, tall


def any_form(d: Draw) -> Sample:
    m, n = d.choice((3, 2), (2, 3), (2, 2), (3, 1), (1, 2))
    return Sample(maybe_complex(d, tall(d, *batch(d), m, n)))


def least(d: Draw) -> Sample:
    m, n = d.choice((4, 2), (3, 2), (2, 3), (2, 2))
    front = d.choice((), (2,))
    return Sample(tall(d, *front, m, n), d.tensor((*front, m, d.choice(2, 1))), d.choice(None, "gels", "gelsd"))


def least_jax(a: Any, b: Any, driver: str | None) -> Any:
    x = jnp.linalg.pinv(a) @ b
    m, n = a.shape[-2:]
    return x, ((b - a @ x) ** 2).sum(-2) if m > n and driver else jnp.zeros((0,))


CASES = [
    Case(name="linalg_pinv", inputs=any_form, jax=jnp.linalg.pinv, layouts=LAYOUTS),
    Case(name="pinverse", inputs=any_form, jax=jnp.linalg.pinv, layouts=LAYOUTS),
    Case(
        name="linalg_lstsq",
        call=lambda a, b, driver: tuple(least_squares.linalg_lstsq(a, b, driver=driver)[:2]),
        inputs=least,
        torch=lambda a, b, driver: tuple(torch.linalg.lstsq(a, b, driver=driver)[:2]),
        jax=least_jax,
        layouts=("plain", "strided"),
    ),
]
