"""The layers of nexnet_nn: differentiated by their input and by each of their parameters."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import optree
import torch

import nexnet
import nexnet.ops.activation
import nexnet_nn as nn

from ..problem import NAMESPACE
from ._case import Case, Sample
from ._draw import DISTINCT, REAL, Domain, Draw
from ._windows import adaptive
from .convolutions import direct_jax, transposed_jax
from .max_pooling import greatest
from .padding import by_mode_jax
from .pooling import average

SOLID = ("plain", "strided", "expanded")
ACTIVATIONS = {nexnet.ops.tanh: jnp.tanh, nexnet.ops.activation.silu: lambda x: x / (1 + jnp.exp(-x))}


def filled(d: Draw, module: nn.Module) -> Any:
    """The module with float64 parameters, none of them zero."""
    return optree.tree_map(lambda leaf: d.tensor(tuple(leaf.shape)), module, namespace=NAMESPACE)


def batch(d: Draw, features: int) -> nexnet.LiteTensor:
    return d.tensor((*d.choice((4,), (), (2, 3)), features))


def apply(layer: Any, x: Any) -> Any:
    return layer(x)


def dense(d: Draw) -> Sample:
    layer = nn.Dense(3, 2, bias=d.choice(True, False), generator=torch.Generator().manual_seed(0))
    return Sample(filled(d, layer), batch(d, 3))


def sequential(d: Draw) -> Sample:
    layers = nn.Sequential(nn.Dense(3, 4), nexnet.ops.tanh, nn.Dense(4, 2, bias=False))
    return Sample(filled(d, layers), batch(d, 3))


def mlp(d: Draw) -> Sample:
    model = nn.MLP([3, 4, 2], activation=d.choice(*ACTIVATIONS), bias=d.choice(True, False))
    return Sample(filled(d, model), batch(d, 3))


def dense_jax(layer: Any, x: Any) -> Any:
    return x @ layer.weight.T + (0.0 if layer.bias is None else layer.bias)


def mlp_jax(model: Any, x: Any) -> Any:
    *hidden, last = model.layers
    for layer in hidden:
        x = ACTIVATIONS[model.activation](dense_jax(layer, x))  # type: ignore[no-untyped-call]
    return dense_jax(last, x)


def sequential_jax(model: Any, x: Any) -> Any:
    first, _, last = model.layers
    return dense_jax(last, jnp.tanh(dense_jax(first, x)))


# Convolutions and pooling


def convolution(dims: int) -> Callable[[Draw], Sample]:
    def inputs(d: Draw) -> Sample:
        layer = getattr(nn, f"Conv{dims}d")(
            2,
            4,
            d.choice(2, (1, 3, 2)[:dims]),
            padding=d.choice(1, "valid", "same"),
            groups=d.choice(1, 2),
            bias=d.choice(True, False),
            padding_mode=d.choice("zeros", "zeros", "circular", "replicate"),
        )
        return Sample(filled(d, layer), images(d, dims))

    return inputs


def convolution_call(layer: Any, x: Any) -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Using padding='same' with even kernel lengths")
        return layer(x)


def convolution_jax(layer: Any, x: Any) -> Any:
    padding: Any = layer.padding
    if layer.padding_mode != "zeros":
        if padding == "same":
            ends = [((size - 1) // 2, size // 2) for size in layer.weight.shape[2:]]
        else:
            ends = [(each, each) for each in (padding if padding != "valid" else [0] * layer.dims)]
        x, padding = by_mode_jax(x, [side for pair in reversed(ends) for side in pair], layer.padding_mode), 0
    return direct_jax(x, layer.weight, layer.bias, layer.stride, padding, layer.dilation, layer.groups)


def transposed(dims: int) -> Callable[[Draw], Sample]:
    def inputs(d: Draw) -> Sample:
        options = {
            "stride": 2,
            "output_padding": d.choice(0, 1),
            "groups": d.choice(1, 2),
            "bias": d.choice(True, False),
        }
        layer = getattr(nn, f"ConvTranspose{dims}d")(2, 4, d.choice(2, (1, 3, 2)[:dims]), **options)
        return Sample(filled(d, layer), images(d, dims))

    return inputs


def transposed_layer_jax(layer: Any, x: Any) -> Any:
    options = (layer.stride, layer.padding, layer.output_padding, layer.groups, layer.dilation)
    return transposed_jax(x, layer.weight, layer.bias, *options)


def images(d: Draw, dims: int, domain: Domain = REAL) -> nexnet.LiteTensor:
    return d.tensor((*d.choice((2, 2), (2,)), *(4, 3, 3)[:dims]), domain)


def pooled(name: str, dims: int) -> Callable[[Draw], Sample]:
    def inputs(d: Draw) -> Sample:
        layer = getattr(nn, f"{name}{dims}d")
        if name.startswith("Adaptive"):
            return Sample(layer(d.choice(2, (2, None, 1)[:dims])), images(d, dims, DISTINCT))
        options = {"stride": d.choice(None, 1), "padding": d.choice(0, 1), "ceil_mode": d.flag()}
        return Sample(layer(d.choice(2, (2, 3, 2)[:dims]), **options), images(d, dims, DISTINCT))

    return inputs


def pooled_jax(name: str, dims: int) -> Callable[..., Any]:
    if name.startswith("Adaptive"):
        pool = adaptive(dims, jnp.mean if "Avg" in name else jnp.max)
        return lambda layer, x: pool(x, layer.output_size)
    if name == "MaxPool":
        return lambda m, x: greatest(dims)(x, m.kernel_size, m.stride, m.padding, m.dilation, m.ceil_mode)
    return lambda m, x: average(dims)(x, m.kernel_size, m.stride, m.padding, m.ceil_mode, m.count_include_pad)


def flattened(d: Draw) -> Sample:
    return Sample(d.choice(nn.Flatten(), nn.Flatten(0, 1)), d.tensor((2, 3, 2)))


def flattened_jax(layer: Any, x: Any) -> Any:
    return x.reshape(2, 6) if layer.start_dim else x.reshape(6, 2)


OPERATORS = "its operators are compared with PyTorch, each by itself"

CASES = [
    Case(name="Dense", call=apply, inputs=dense, jax=dense_jax, layouts=(*SOLID, "plain"), without_torch=OPERATORS),
    Case(
        name="Sequential",
        call=apply,
        inputs=sequential,
        jax=sequential_jax,
        layouts=SOLID,
        without_torch=OPERATORS,
    ),
    Case(name="MLP", call=apply, inputs=mlp, jax=mlp_jax, layouts=SOLID, without_torch=OPERATORS),
    *(
        Case(
            name=f"Conv{n}d",
            call=convolution_call,
            inputs=convolution(n),
            jax=convolution_jax,
            layouts=SOLID,
            without_torch=OPERATORS,
        )
        for n in (1, 2, 3)
    ),
    *(
        Case(
            name=f"ConvTranspose{n}d",
            call=apply,
            inputs=transposed(n),
            jax=transposed_layer_jax,
            layouts=SOLID,
            without_torch=OPERATORS,
        )
        for n in (1, 2, 3)
    ),
    *(
        Case(
            name=f"{name}{n}d",
            call=apply,
            inputs=pooled(name, n),
            jax=pooled_jax(name, n),
            layouts=("plain", "strided"),
            without_torch=OPERATORS,
        )
        for name in ("MaxPool", "AvgPool", "AdaptiveAvgPool", "AdaptiveMaxPool")
        for n in (1, 2, 3)
    ),
    Case(name="Flatten", call=apply, inputs=flattened, jax=flattened_jax, layouts=SOLID, without_torch=OPERATORS),
]


def layers_and_losses() -> set[str]:
    """Name what nexnet_nn has of its own: its modules, and losses that are no operators of nexnet."""
    modules = {
        name
        for name in nn.__all__
        if isinstance(value := getattr(nn, name), type) and issubclass(value, nn.Module) and value is not nn.Module
    }
    operators = {id(value) for value in vars(nexnet.ops).values()}
    losses = {name for name in nn.losses.__all__ if id(getattr(nn.losses, name)) not in operators}
    return modules | losses
