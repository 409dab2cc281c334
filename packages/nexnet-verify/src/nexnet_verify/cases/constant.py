"""What nexnet.ops.constant has that is no constant after all."""

from __future__ import annotations

import jax.numpy as jnp
import torch

import nexnet

from ._case import Case, Sample
from ._draw import Draw


def filled(d: Draw) -> Sample:
    """A tensor that gives its shape and nothing else, and a value that is differentiated by."""
    return Sample(nexnet.LiteTensor(torch.zeros(d.shape(), dtype=torch.int64)), d.tensor(()))


CASES = [
    Case(
        name="full_like",
        call=lambda x, value: nexnet.full_like(x, value, dtype=value.dtype),
        inputs=filled,
        torch=lambda x, value: value.expand(x.shape),
        jax=lambda x, value: jnp.broadcast_to(value, x.shape),
        layouts=("plain", "scalar"),
    ),
]
