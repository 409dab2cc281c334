"""Signs, scales, and the replacement of what is not a number, away from the joints of their pieces."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

import jax.numpy as jnp
import torch

from .._case import Case, Sample, binary, unary
from .._draw import NONZERO, POSITIVE, REAL, Domain, Draw

SCALES = torch.tensor([0.1, 0.2, 0.05])
NO_COUNTERPART = "JAX has no such function"


def powers(d: Draw) -> Sample:
    """A tensor and a tensor, or a number on either side."""
    x, n = d.tensors(POSITIVE, REAL)
    return d.choice(Sample(x, n), Sample(x, 2.5), Sample(2, n))


def scaled(d: Draw) -> Sample:
    x, n = d.tensors(REAL, REAL)
    return d.choice(Sample(x, n), Sample(x, torch.ones(x.shape, dtype=torch.int64)))


def not_numbers(d: Draw) -> Sample:
    return d.choice(Sample(d.tensor()), Sample(d.tensor(), 1.0, posinf=3.0, neginf=-2.0))


CASES = [
    unary("abs", jnp.abs, NONZERO),
    unary("frac", lambda x: x - jnp.trunc(x), Domain(2.2, 2.8)),
    unary("deg2rad", jnp.deg2rad),
    unary("rad2deg", jnp.rad2deg),
    Case(name="ldexp", inputs=scaled, jax=lambda x, n: x * 2.0**n),
    unary("frexp", lambda x: jnp.frexp(x)[0], Domain(0.55, 0.95)),
    Case(
        name="float_power",
        inputs=powers,
        jax=jnp.float_power,
        float32_rtol=1.0,
        reason="it is computed in float64 by definition, and the float32 check compares dtypes",
    ),
    binary("copysign", jnp.copysign, NONZERO, NONZERO),
    binary("nextafter", None, NONZERO, POSITIVE, without_jax="JAX's has no gradient"),
    binary("heaviside", jnp.heaviside, NONZERO, REAL, without_torch="torch has no derivative of heaviside"),
    Case(name="nan_to_num", inputs=not_numbers, jax=jnp.nan_to_num),
    # Inside of the range the gradient is by design not the function's own: its tests are the operators'.
    Case(
        name="fake_quantize_per_tensor_affine",
        inputs=lambda d: Sample(d.tensor(domain=Domain(2.0, 4.0)), 0.1, 0, -10, 10),
        without_jax=NO_COUNTERPART,
    ),
    Case(
        name="fake_quantize_per_channel_affine",
        inputs=lambda d: Sample(
            d.tensor((3, 2), Domain(2.0, 4.0)),
            torch.tensor([0.1, 0.2, 0.05]),
            torch.zeros(3, dtype=torch.int32),
            0,
            -9,
            9,
        ),
        layouts=("plain", "strided"),
        without_jax=NO_COUNTERPART,
    ),
]
