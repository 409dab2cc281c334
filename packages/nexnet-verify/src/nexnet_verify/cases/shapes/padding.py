"""Padding in all modes, also by negative amounts."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
from torch.nn import functional as F  # noqa: N812  torch's own name for it

import nexnet

from .._case import Case, Sample
from .._draw import Draw

JAX_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def amounts(d: Draw, dims: int) -> tuple[int, ...]:
    """How much before and after each of the last dimensions."""
    return tuple(d.choice(1, 0, 2, -1) for _ in range(2 * dims))


def by_number(d: Draw) -> Sample:
    x = d.tensor(d.choice((2, 3), (4,), (2, 1, 3))) if d.layout != "empty" else d.tensor((2, 0))
    pad = (1, 2) if d.layout == "empty" else amounts(d, d.choice(1, min(2, x.ndim)))
    pad = tuple(max(each, 0) if x.shape[-1 - i // 2] < 3 else each for i, each in enumerate(pad))
    return Sample(x, pad, d.choice(0, 1.5))


def by_mode(d: Draw) -> Sample:
    mode = d.choice("constant", "reflect", "replicate", "circular")
    if mode == "constant":
        return Sample(*by_number(d).args[:2])
    dims = d.choice(1, 2, 3)
    front: tuple[int, ...] = (0, 2) if d.layout == "empty" else d.choice((2,), (1, 2))
    x = d.tensor((*front, *(5, 4, 4)[:dims]))
    return Sample(x, amounts(d, dims), mode=mode)


def at_the_borders(mode: str, dims: int) -> Callable[[Draw], Sample]:
    return lambda d: Sample(d.tensor((2, *(5, 4, 4)[:dims])), amounts(d, dims), mode=mode)


def by_number_jax(x: Any, pad: Sequence[int], value: float = 0) -> Any:
    wide = jnp.pad(x, widths(x, pad), constant_values=value)
    return cut(x, wide, pad)


def by_mode_jax(x: Any, pad: Sequence[int], mode: str = "constant") -> Any:
    if mode == "constant":
        return by_number_jax(x, pad)
    if mode == "circular":  # of what is left where the other side is cut
        x, pad = cut(x, x, pad), [max(each, 0) for each in pad]
    return cut(x, jnp.pad(x, widths(x, pad), mode=JAX_MODES[mode]), pad)


def widths(x: Any, pad: Sequence[int]) -> list[tuple[int, int]]:
    pairs = [(max(pad[i], 0), max(pad[i + 1], 0)) for i in range(0, len(pad), 2)]
    return [(0, 0)] * (x.ndim - len(pairs)) + pairs[::-1]


def cut(x: Any, wide: Any, pad: Sequence[int]) -> Any:
    """Without what negative amounts take away."""
    for i in range(len(pad) // 2):
        dim = x.ndim - 1 - i
        start, stop = max(-pad[2 * i], 0), wide.shape[dim] - max(-pad[2 * i + 1], 0)
        wide = wide[(slice(None),) * dim + (slice(start, stop),)]
    return wide


LAYOUTS = ("plain", "strided", "expanded", "empty")
CASES = [
    Case(name="constant_pad_nd", inputs=by_number, jax=by_number_jax, layouts=LAYOUTS),
    Case(name="pad", inputs=by_mode, jax=by_mode_jax, layouts=(*LAYOUTS, "plain")),
    *(
        Case(
            name=f"pad.{mode}{dims}d",
            call=nexnet.ops.pad,
            inputs=at_the_borders(mode, dims),
            jax=by_mode_jax,
            torch=F.pad,
            layouts=("plain", "strided"),
        )
        for mode in ("reflect", "replicate")
        for dims in (1, 2, 3)
    ),
]
