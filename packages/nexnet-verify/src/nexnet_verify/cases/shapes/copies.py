"""The views as copies."""

# ruff: noqa: ARG005  a counterpart takes what the function takes

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from .._case import Case, Sample
from .._draw import Draw

ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "alias_copy": (),
    "as_strided_copy": ((2, 2), (1, 2)),
    "diagonal_copy": (1,),
    "expand_copy": ((2, 3, 4),),
    "narrow_copy": (1, 1, 2),
    "permute_copy": ((1, 0),),
    "select_copy": (1, -1),
    "slice_copy": (1, 0, 4, 2),
    "split_copy": (2, 1),
    "split_with_sizes_copy": ((1, 3), 1),
    "squeeze_copy": (),
    "t_copy": (),
    "transpose_copy": (0, 1),
    "unbind_copy": (0,),
    "unsqueeze_copy": (1,),
    "view_copy": ((2, 6),),
}

COUNTERPARTS: dict[str, Any] = {
    "alias_copy": jnp.positive,
    "as_strided_copy": lambda x, size, stride: x.reshape(-1)[jnp.array([[0, 2], [1, 3]])],
    "diagonal_copy": jnp.diagonal,
    "expand_copy": jnp.broadcast_to,
    "narrow_copy": lambda x, dim, start, length: x[:, start : start + length],
    "permute_copy": jnp.transpose,
    "select_copy": lambda x, dim, index: x[:, index],
    "slice_copy": lambda x, dim, start, end, step: x[:, start:end:step],
    "split_copy": lambda x, size, dim: jnp.split(x, size, dim),
    "split_with_sizes_copy": lambda x, sizes, dim: jnp.split(x, [sizes[0]], dim),
    "squeeze_copy": jnp.squeeze,
    "t_copy": jnp.transpose,
    "transpose_copy": jnp.swapaxes,
    "unbind_copy": lambda x, dim: tuple(x),
    "unsqueeze_copy": jnp.expand_dims,
    "view_copy": jnp.reshape,
}


def called_with(arguments: tuple[Any, ...]) -> Callable[[Draw], Sample]:
    """A matrix, and these."""
    return lambda d: Sample(d.tensor((3, 4)), *arguments)


CASES = [
    Case(
        name=name,
        inputs=called_with(arguments),
        jax=COUNTERPARTS[name],
        layouts=("plain",),
        strided=not name.startswith(("as_strided", "view")),
        reason="its arguments are for contiguous tensors" if name.startswith(("as_strided", "view")) else "",
    )
    for name, arguments in ARGUMENTS.items()
]
