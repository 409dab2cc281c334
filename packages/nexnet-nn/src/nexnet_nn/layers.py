"""Layers: Dense, Linear, Bilinear, Sequential and MLP."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import torch

import nexnet
from nexnet import LiteTensor
from nexnet.errors import message

from . import init as initializers
from ._checks import check_function
from .errors import ModuleError
from .init import Initializer
from .module import Module

__all__ = ["MLP", "Bilinear", "Dense", "Linear", "Sequential"]


class Dense(Module):
    """x W^T + b: a linear map of the last dimension, ``(..., in_features)`` to ``(..., out_features)``.

    Args:
        in_features: size of the input's last dimension.
        out_features: size of the output's last dimension.
        bias: whether there is a b; it starts at 0.
        init: what fills the weight.
        generator: where random numbers come from; torch's global generator by default.
        dtype: of the parameters; torch's default by default.
        device: of the parameters; torch's default by default.

    Attributes:
        weight: W, of shape ``(out_features, in_features)`` as in torch.
        bias: b, of shape ``(out_features,)``, or None.

    Raises:
        TypeError: a size that is no integer; or torch's, when it is called: the input is no tensor.
        RuntimeError: torch's: a negative size; or, when it is called, an input of other features or another dtype.

    Example::

        >>> nn.Dense(3, 2)(nexnet.zeros(8, 3)).shape
        torch.Size([8, 2])
    """

    weight: LiteTensor
    bias: LiteTensor | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        init: Initializer = initializers.xavier_uniform,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: Any = None,
    ) -> None:
        self.weight = init((out_features, in_features), generator=generator, dtype=dtype, device=device)
        self.bias = initializers.zeros((out_features,), dtype=dtype, device=device) if bias else None

    def __call__(self, x: Any) -> LiteTensor:
        """Map ``x`` of shape ``(..., in_features)``."""
        return nexnet.linear(x, self.weight, self.bias)  # type: ignore[no-any-return]

    def rectified(self, x: Any) -> LiteTensor:
        """Map ``x`` of shape ``(..., in_features)``, and take the ReLU, in one operation."""
        return nexnet.linear_relu(x, self.weight, self.bias)  # type: ignore[no-any-return]


class Linear(Dense):
    """Dense, filled as torch.nn.Linear is: weight and bias are U(-k, k), k = 1 / sqrt(in_features).

    For arguments, attributes and errors see ``Dense``; with an ``init`` the bias starts at 0, as there.

    Example::

        >>> nn.Linear(3, 2)(nexnet.zeros(8, 3)).shape
        torch.Size([8, 2])
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        init: Initializer | None = None,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: Any = None,
    ) -> None:
        bound = in_features**-0.5 if in_features else 0.0
        options: dict[str, Any] = {"generator": generator, "dtype": dtype, "device": device}
        weight = initializers.torchs_own if init is None else init
        super().__init__(in_features, out_features, bias, init=weight, **options)
        if bias and init is None:
            self.bias = initializers.uniform((out_features,), -bound, bound, **options)


class Bilinear(Module):
    """y_k = x1^T W_k x2 + b_k of the last dimensions, filled as torch.nn.Bilinear is.

    ``(..., in1_features)`` and ``(..., in2_features)`` become ``(..., out_features)``; what is before is the same.

    Args:
        in1_features: size of the first input's last dimension.
        in2_features: size of the second input's last dimension.
        out_features: size of the output's last dimension.
        bias: whether there is a b.
        generator: where random numbers come from; torch's global generator by default.
        dtype: of the parameters; torch's default by default.
        device: of the parameters; torch's default by default.

    Attributes:
        weight: W, of shape ``(out_features, in1_features, in2_features)``.
        bias: b, of shape ``(out_features,)``, or None.

    Raises:
        ModuleError: no features of the first input.
        RuntimeError: torch's, when it is called: inputs of other features, or of other shapes before these.

    Example::

        >>> nn.Bilinear(3, 4, 2)(nexnet.zeros(8, 3), nexnet.zeros(8, 4)).shape
        torch.Size([8, 2])
    """

    weight: LiteTensor
    bias: LiteTensor | None

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        *,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: Any = None,
    ) -> None:
        if in1_features <= 0:
            raise ModuleError(
                message("the first input has no features.", argument="in1_features", expected=">= 1", got=in1_features)
            )
        bound = in1_features**-0.5
        shape = (out_features, in1_features, in2_features)
        options: dict[str, Any] = {"generator": generator, "dtype": dtype, "device": device}
        self.weight = initializers.uniform(shape, -bound, bound, **options)
        self.bias = initializers.uniform((out_features,), -bound, bound, **options) if bias else None

    def __call__(self, x1: Any, x2: Any) -> LiteTensor:
        """Map ``x1`` of shape ``(..., in1_features)`` and ``x2`` of shape ``(..., in2_features)``."""
        return nexnet.bilinear(x1, x2, self.weight, self.bias)  # type: ignore[no-any-return]


class Sequential(Module):
    """Layers, each called with what the one before it returned. Plain functions (``nexnet.relu``) are layers too.

    The input has the shape that the first layer takes, the output that which the last one gives.

    Raises:
        ModuleError: a layer that can't be called: a list of layers, say.

    Example::

        >>> nn.Sequential(nn.Dense(3, 4), nexnet.relu, nn.Dense(4, 2))(nexnet.zeros(8, 3)).shape
        torch.Size([8, 2])
    """

    layers: tuple[Callable[[Any], Any], ...]

    def __init__(self, *layers: Callable[[Any], Any]) -> None:
        for i, layer in enumerate(layers):
            if not callable(layer):
                raise ModuleError(
                    message(
                        "a layer must be callable.",
                        argument=f"layers[{i}]",
                        got=f"{layer!r} ({type(layer).__name__})",
                        remedy="pass the layers one by one: Sequential(*layers)",
                    )
                )
        self.layers = layers

    def __call__(self, x: Any, generator: torch.Generator | None = None) -> Any:
        """Call the layers, one after the other; those that take a generator, as dropout does, draw from this one."""
        for layer in self.layers:
            x = layer(x) if generator is None or not _takes_generator(type(layer)) else layer(x, generator=generator)  # type: ignore
        return x

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Callable[[Any], Any]]:
        return iter(self.layers)

    def __getitem__(self, index: int) -> Callable[[Any], Any]:
        return self.layers[index]


@lru_cache
def _takes_generator(kind: type) -> bool:
    return issubclass(kind, Module) and "generator" in inspect.signature(kind.__call__).parameters


class MLP(Module):
    """A multilayer perceptron: dense layers with an activation between them, and none after the last.

    Args:
        sizes: of the features, from input to output: ``[784, 256, 64, 10]`` makes three layers.
        activation: a function of a tensor.
        bias: whether the layers have a bias; it starts at 0.
        init: what fills the weights.
        generator: where random numbers come from; torch's global generator by default.
        dtype: of the parameters; torch's default by default.
        device: of the parameters; torch's default by default.

    Raises:
        ModuleError: fewer than two sizes; an activation that is no function.

    Example::

        >>> nn.MLP([3, 16, 2], activation=nexnet.tanh)(nexnet.zeros(8, 3)).shape
        torch.Size([8, 2])
    """

    layers: tuple[Dense, ...]
    activation: Callable[[Any], Any]

    def __init__(
        self,
        sizes: Sequence[int],
        activation: Callable[[Any], Any] = nexnet.relu,
        bias: bool = True,
        *,
        init: Initializer = initializers.xavier_uniform,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: Any = None,
    ) -> None:
        if len(sizes) < 2:
            raise ModuleError(
                message("an MLP needs the sizes of its input and output.", argument="sizes", got=list(sizes))
            )
        check_function("activation", activation)
        self.layers = tuple(
            Dense(before, after, bias, init=init, generator=generator, dtype=dtype, device=device)
            for before, after in pairwise(sizes)
        )
        self.activation = activation

    def __call__(self, x: Any) -> LiteTensor:
        """Map ``x`` of shape ``(..., sizes[0])`` to shape ``(..., sizes[-1])``."""
        *hidden, last = self.layers
        in_one = self.activation is nexnet.relu and all(type(layer) is Dense for layer in hidden)
        for layer in hidden:
            x = layer.rectified(x) if in_one else self.activation(layer(x))
        return last(x)
