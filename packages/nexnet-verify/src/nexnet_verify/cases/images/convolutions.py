"""Convolutions: batched and not, with strides, dilation, groups and padding by number or by name."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import torch

from nexnet.ops.images import convolutions

from .._case import Case, Sample
from .._draw import Draw

LAYOUTS = ("plain", "plain", "strided", "expanded", "empty")
SPATIAL = {1: ((5,), (4,)), 2: ((4, 3), (3, 5)), 3: ((3, 2, 3), (2, 3, 2))}
KERNEL = {1: ((3,), (2,)), 2: ((2, 3), (1, 2)), 3: ((2, 1, 2), (1, 2, 2))}


def batch(d: Draw, channels: int, spatial: tuple[int, ...]) -> Any:
    """x, with a batch dimension or not."""
    front: tuple[int, ...] = (0,) if d.layout == "empty" else d.choice((2,), (1,), ())
    return d.tensor((*front, channels, *spatial))


def per_dim(d: Draw, dims: int, *options: int) -> Any:
    """A number for all dimensions, or one for each."""
    number = d.choice(*options)
    return d.choice(number, (number,) * (dims - 1) + (options[0],))


def direct(dims: int) -> Callable[[Draw], Sample]:
    def inputs(d: Draw) -> Sample:
        groups = d.choice(1, 2)
        x = batch(d, 2, d.choice(*SPATIAL[dims]))
        w = d.tensor((2, 2 // groups, *d.choice(*KERNEL[dims])))
        bias = d.choice(d.tensor((2,)), None)
        dilation = per_dim(d, dims, 1, 2) if dims < 3 else 1
        padding = d.choice("same", "valid", None, None)
        if padding is not None and not (padding == "valid" and dilation != 1):
            stride = 1 if padding == "same" else per_dim(d, dims, 1, 2)
            return Sample(x, w, bias, stride, padding, dilation, groups)
        return Sample(x, w, bias, per_dim(d, dims, 1, 2), per_dim(d, dims, 2, 1), dilation, groups)

    return inputs


def transposed(dims: int) -> Callable[[Draw], Sample]:
    def inputs(d: Draw) -> Sample:
        groups = d.choice(1, 2)
        x = batch(d, 2, tuple(max(size - 1, 2) for size in d.choice(*SPATIAL[dims])))
        w = d.tensor((2, 2 // groups, *d.choice(*KERNEL[dims])))
        bias = d.choice(d.tensor((2,)), None)
        stride = per_dim(d, dims, 2, 3) if dims < 3 else 2
        return Sample(x, w, bias, stride, d.choice(0, 1), d.choice(0, 1), groups, d.choice(1, 2))

    return inputs


def any_dims(d: Draw) -> Sample:
    dims, turned = d.choice(1, 2), d.choice(False, True)
    front = 0 if d.layout == "empty" else 2
    x = d.tensor((front, 2, *SPATIAL[dims][0]))
    w = d.tensor((2, 2, *KERNEL[dims][0]))
    bias = d.choice(d.tensor((2,)), None)
    return Sample(x, w, bias, (2,) * dims, (1,) * dims, (1,) * dims, turned, (0,) * dims, 1)


def quiet(name: str) -> Callable[..., Any]:
    """The operator without torch's remark that padding "same" may need a copy of x where the size is even."""
    operator = getattr(convolutions, name)

    def call(*args: Any) -> Any:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Using padding='same' with even kernel lengths")
            return operator(*args)

    return call


def numbers(value: Any, dims: int) -> tuple[int, ...]:
    return (value,) * dims if isinstance(value, int) else tuple(value)


def steps(start: int, count: int, stride: int) -> slice:
    return slice(start, start + (count - 1) * stride + 1, stride)


def in_groups(x: Any, groups: int) -> Any:
    """X of shape (batch, groups, channels of a group, ...)."""
    return x.reshape(x.shape[0], groups, x.shape[1] // groups, *x.shape[2:])


def by_element(product: str, x: Any, w: Any, groups: int) -> Any:
    """What one element of the kernel, of shape (groups, out, in) or (groups, in, out), makes of x's channels."""
    out = jnp.einsum(product, in_groups(x, groups), w.reshape(groups, w.shape[0] // groups, w.shape[1]))
    return out.reshape(out.shape[0], out.shape[1] * out.shape[2], *out.shape[3:])


def with_bias(out: Any, bias: Any, dims: int, single: bool) -> Any:
    out = out if bias is None else out + bias.reshape(-1, *[1] * dims)
    return out[0] if single else out


def direct_jax(x: Any, w: Any, bias: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1) -> Any:
    """The definition, an element of the kernel at a time (XLA aborts on some of the smallest convolutions)."""
    dims = w.ndim - 2
    sizes, stride, dilation = w.shape[2:], numbers(stride, dims), numbers(dilation, dims)
    single, x = x.ndim == dims + 1, x[None] if x.ndim == dims + 1 else x
    if padding == "same":
        total = [each * (size - 1) for each, size in zip(dilation, sizes, strict=True)]
        around = [(each // 2, each - each // 2) for each in total]
    else:
        around = [(0, 0)] * dims if padding == "valid" else [(each, each) for each in numbers(padding, dims)]
    x = jnp.pad(x, [(0, 0), (0, 0), *around])
    counts = [(n - d * (k - 1) - 1) // s + 1 for n, d, k, s in zip(x.shape[2:], dilation, sizes, stride, strict=True)]
    out: Any = 0.0
    for place in itertools.product(*map(range, sizes)):
        seen = [steps(o * d, n, s) for o, d, n, s in zip(place, dilation, counts, stride, strict=True)]
        out = out + by_element("bgi...,goi->bgo...", x[:, :, *seen], w[:, :, *place], groups)
    return with_bias(out, bias, dims, single)


def transposed_jax(
    x: Any,
    w: Any,
    bias: Any,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """The definition, an element of the kernel at a time."""
    dims = w.ndim - 2
    stride, padding, extra, dilation = [numbers(each, dims) for each in (stride, padding, output_padding, dilation)]
    single, x = x.ndim == dims + 1, x[None] if x.ndim == dims + 1 else x
    sizes, counts = w.shape[2:], x.shape[2:]
    full = [
        (n - 1) * s + d * (k - 1) + 1 + e for n, s, d, k, e in zip(counts, stride, dilation, sizes, extra, strict=True)
    ]
    out = jnp.zeros((x.shape[0], w.shape[1] * groups, *full), x.dtype)
    for place in itertools.product(*map(range, sizes)):
        reached = [steps(o * d, n, s) for o, d, n, s in zip(place, dilation, counts, stride, strict=True)]
        out = out.at[:, :, *reached].add(by_element("bgi...,gio->bgo...", x, w[:, :, *place], groups))
    inside = [slice(p, n - p) for p, n in zip(padding, full, strict=True)]
    return with_bias(out[:, :, *inside], bias, dims, single)


def any_jax(x: Any, w: Any, bias: Any, stride: Any, padding: Any, dilation: Any, turned: bool, *rest: Any) -> Any:
    if turned:
        return transposed_jax(x, w, bias, stride, padding, rest[0], rest[1], dilation)
    return direct_jax(x, w, bias, stride, padding, dilation, rest[1])


def over_time(d: Draw) -> Sample:
    x = d.tensor((4, 0 if d.layout == "empty" else 2, 2))
    return Sample(x, d.tensor((2, 2, 3)), d.tensor((3,)), d.choice(0, 1))


def over_time_jax(x: Any, w: Any, bias: Any, pad: int) -> Any:
    out = direct_jax(jnp.transpose(x, (1, 2, 0)), jnp.transpose(w, (2, 1, 0)), bias, 1, pad)
    return jnp.transpose(out, (2, 0, 1))


CASES = [
    *(
        Case(
            name=f"conv{n}d",
            call=quiet(f"conv{n}d"),
            inputs=direct(n),
            jax=direct_jax,
            torch=getattr(torch, f"conv{n}d"),
            layouts=LAYOUTS,
        )
        for n in (1, 2, 3)
    ),
    *(Case(name=f"conv_transpose{n}d", inputs=transposed(n), jax=transposed_jax, layouts=LAYOUTS) for n in (1, 2, 3)),
    Case(name="convolution", inputs=any_dims, jax=any_jax, layouts=LAYOUTS),
    Case(
        name="conv_tbc",
        inputs=over_time,
        jax=over_time_jax,
        torch=lambda x, w, *rest: torch.conv_tbc(x.contiguous(), w.contiguous(), *rest),  # its backward takes no others
        layouts=LAYOUTS,
    ),
]
