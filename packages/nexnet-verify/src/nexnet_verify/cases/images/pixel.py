"""Channels and pixels rearranged, and patches."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

import itertools
from typing import Any

import jax.numpy as jnp
import torch

from .._case import Case, Sample
from .._draw import Draw

LAYOUTS = ("plain", "strided", "expanded", "empty")
SOME = LAYOUTS[:-1]  # torch's pixel_unshuffle leaves the shape of a tensor of no elements as it is


def front(d: Draw) -> tuple[int, ...]:
    return (0,) if d.layout == "empty" else d.choice((2,), (), (2, 1))


def to_shuffle(d: Draw) -> Sample:
    factor = d.choice(2, 1, 3)
    return Sample(d.tensor((*front(d), 2 * factor**2, 2, 3)), factor)


def to_unshuffle(d: Draw) -> Sample:
    factor = d.choice(2, 1, 3)
    return Sample(d.tensor((*front(d), 2, 2 * factor, factor)), factor)


def shuffle_jax(x: Any, r: int) -> Any:
    *rest, c, h, w = x.shape
    x = jnp.moveaxis(x.reshape(*rest, c // r**2, r, r, h, w), (-4, -3), (-3, -1))
    return x.reshape(*rest, c // r**2, h * r, w * r)


def unshuffle_jax(x: Any, r: int) -> Any:
    *rest, c, h, w = x.shape
    x = jnp.moveaxis(x.reshape(*rest, c, h // r, r, w // r, r), (-3, -1), (-4, -3))
    return x.reshape(*rest, c * r**2, h // r, w // r)


def channels(d: Draw) -> Sample:
    return Sample(d.tensor((0 if d.layout == "empty" else 2, 6, *d.choice((3,), (2, 2)))), d.choice(2, 3, 1, 6))


def channels_jax(x: Any, groups: int) -> Any:
    n, c, *rest = x.shape
    return jnp.swapaxes(x.reshape(n, groups, c // groups, *rest), 1, 2).reshape(x.shape)


def patches(d: Draw) -> tuple[Any, ...]:
    """The size of a patch, dilation, padding and stride."""
    return d.choice(2, (2, 3)), d.choice(1, (2, 1)), d.choice(0, 1), d.choice(1, 2, (2, 1))


def to_unfold(d: Draw) -> Sample:
    x = d.tensor((*d.choice((2, 2), (2,)), 4, 5)) if d.layout != "empty" else d.tensor((0, 2, 4, 5))
    return Sample(x, *patches(d))


def to_fold(d: Draw) -> Sample:
    options = patches(d)
    columns = torch.nn.functional.unfold(torch.zeros(2, 2, 4, 5), *options)
    shape = tuple(columns.shape)
    x = d.tensor((0, *shape[1:]) if d.layout == "empty" else d.choice(shape, shape[1:]))
    return Sample(x, (4, 5), *options)


def each_patch(size: Any, dilation: Any, padding: Any, stride: Any) -> tuple[list[tuple[slice, slice]], int, int]:
    """Where each element of a patch is in the padded image, and how many patches there are."""
    pair = [(each, each) if isinstance(each, int) else each for each in (size, dilation, padding, stride)]
    size, dilation, padding, stride = pair
    counts = [
        (n + 2 * p - e * (k - 1) - 1) // s + 1
        for n, p, e, k, s in zip((4, 5), padding, dilation, size, stride, strict=True)
    ]
    places = [
        tuple(slice(o * e, o * e + (n - 1) * s + 1, s) for o, e, n, s in zip(at, dilation, counts, stride, strict=True))
        for at in itertools.product(*map(range, size))
    ]
    return places, counts[0] * counts[1], padding[0]  # type: ignore[return-value]


def unfold_jax(x: Any, size: Any, dilation: Any, padding: Any, stride: Any) -> Any:
    single, x = x.ndim == 3, x[None] if x.ndim == 3 else x
    places, count, p = each_patch(size, dilation, padding, stride)
    x = jnp.pad(x, [(0, 0), (0, 0), (p, p), (p, p)])
    parts = [x[:, :, rows, columns].reshape(x.shape[0], x.shape[1], count) for rows, columns in places]
    out = jnp.stack(parts, axis=2).reshape(x.shape[0], x.shape[1] * len(places), count)
    return out[0] if single else out


def fold_jax(x: Any, shape: Any, size: Any, dilation: Any, padding: Any, stride: Any) -> Any:
    single, x = x.ndim == 2, x[None] if x.ndim == 2 else x
    places, count, p = each_patch(size, dilation, padding, stride)
    parts = x.reshape(x.shape[0], x.shape[1] // len(places), len(places), count)
    out = jnp.zeros((*parts.shape[:2], shape[0] + 2 * p, shape[1] + 2 * p), x.dtype)
    for i, (rows, columns) in enumerate(places):
        where = out[:, :, rows, columns]
        out = out.at[:, :, rows, columns].add(parts[:, :, i].reshape(where.shape))
    out = out[:, :, p : p + shape[0], p : p + shape[1]]
    return out[0] if single else out


CASES = [
    Case(name="pixel_shuffle", inputs=to_shuffle, jax=shuffle_jax, layouts=SOME),
    Case(name="pixel_unshuffle", inputs=to_unshuffle, jax=unshuffle_jax, layouts=SOME),
    Case(name="channel_shuffle", inputs=channels, jax=channels_jax, layouts=LAYOUTS),
    Case(name="unfold", inputs=to_unfold, jax=unfold_jax, layouts=LAYOUTS),
    Case(name="fold", inputs=to_fold, jax=fold_jax, layouts=LAYOUTS),
]
