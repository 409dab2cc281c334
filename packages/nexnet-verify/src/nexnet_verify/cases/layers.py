"""The layers of nexnet_nn: differentiated by their input and by each of their parameters."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import optree
import torch

import nexnet
import nexnet.ops.activation
import nexnet_nn as nn

from ..problem import NAMESPACE
from ._case import Case, Sample
from ._draw import Draw

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
