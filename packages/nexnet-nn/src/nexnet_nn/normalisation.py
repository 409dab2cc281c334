"""Normalisations as layers: weights start at 1, biases at 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

import nexnet
from nexnet import LiteTensor
from nexnet.errors import message

from . import init as initializers
from .errors import ModuleError
from .module import Module

__all__ = ["BatchNorm", "GroupNorm", "LayerNorm", "RMSNorm", "Statistics"]


class LayerNorm(Module):
    """w z + b, z the last dimensions with mean 0 and variance 1.

    Args:
        shape: of these dimensions; a number for the last one only.
        eps: is added to the variance.
        bias: whether there is a b.
        dtype: of the parameters; torch's default by default.
        device: of the parameters; torch's default by default.

    Attributes:
        weight: w, of that shape.
        bias: b, of that shape, or None.
    """

    weight: LiteTensor
    bias: LiteTensor | None
    eps: float

    def __init__(
        self,
        shape: int | Sequence[int],
        eps: float = 1e-5,
        bias: bool = True,
        *,
        dtype: torch.dtype | None = None,
        device: Any = None,
    ) -> None:
        size = _shape(shape)
        self.weight = initializers.ones(size, dtype=dtype, device=device)
        self.bias = initializers.zeros(size, dtype=dtype, device=device) if bias else None
        self.eps = eps

    def __call__(self, x: Any) -> LiteTensor:
        """Normalise ``x`` of shape ``(..., *shape)``."""
        return nexnet.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)  # type: ignore[no-any-return]


class RMSNorm(Module):
    """w z, z the last dimensions divided by the root of their mean square.

    Args:
        shape: of these dimensions; a number for the last one only.
        eps: is added to the mean square; None: the smallest step of the dtype at 1.
        dtype: of the parameters; torch's default by default.
        device: of the parameters; torch's default by default.

    Attributes:
        weight: w, of that shape.
    """

    weight: LiteTensor
    eps: float | None

    def __init__(
        self,
        shape: int | Sequence[int],
        eps: float | None = None,
        *,
        dtype: torch.dtype | None = None,
        device: Any = None,
    ) -> None:
        self.weight = initializers.ones(_shape(shape), dtype=dtype, device=device)
        self.eps = eps

    def __call__(self, x: Any) -> LiteTensor:
        """Normalise ``x`` of shape ``(..., *shape)``."""
        return nexnet.rms_norm(x, self.weight.shape, self.weight, self.eps)  # type: ignore[no-any-return]


class GroupNorm(Module):
    """w z + b, z the input ``(batch, channels, ...)`` with mean 0 and variance 1 in groups of an example's channels.

    Args:
        groups: how many there are.
        channels: how many channels, which the groups divide.
        eps: is added to the variance.
        dtype: of the parameters; torch's default by default.
        device: of the parameters; torch's default by default.

    Attributes:
        weight: w, of shape ``(channels,)``.
        bias: b, of shape ``(channels,)``.

    Raises:
        ModuleError: the groups do not divide the channels.
    """

    weight: LiteTensor
    bias: LiteTensor
    groups: int
    eps: float

    def __init__(
        self,
        groups: int,
        channels: int,
        eps: float = 1e-5,
        *,
        dtype: torch.dtype | None = None,
        device: Any = None,
    ) -> None:
        if groups <= 0 or channels % groups:
            raise ModuleError(
                message("the groups do not divide the channels.", argument="groups", got=f"{groups} of {channels}")
            )
        self.weight = initializers.ones((channels,), dtype=dtype, device=device)
        self.bias = initializers.zeros((channels,), dtype=dtype, device=device)
        self.groups = groups
        self.eps = eps

    def __call__(self, x: Any) -> LiteTensor:
        """Normalise ``x`` of shape ``(batch, channels, ...)``."""
        return nexnet.group_norm(x, self.groups, self.weight, self.bias, self.eps)  # type: ignore[no-any-return]


class Statistics(NamedTuple):
    """The running mean and variance of each channel: a pytree, which no optimiser changes."""

    mean: LiteTensor
    var: LiteTensor


class BatchNorm(Module):
    """w z + b, z the input ``(batch, channels, ...)`` with mean 0 and variance 1 in each channel.

    In training the mean and variance are the batch's, and new running statistics are returned; without training they
    are the running statistics. These are no part of the module: nothing learns them, so they go in and out::

        norm = nn.BatchNorm(8)
        statistics = norm.start()
        out, statistics = norm(x, statistics)            # training
        out, _ = norm(x, statistics, training=False)

    Args:
        channels: how many there are.
        eps: is added to the variance.
        momentum: the share of a batch in the new running statistics.
        dtype: of the parameters; torch's default by default.
        device: of the parameters; torch's default by default.

    Attributes:
        weight: w, of shape ``(channels,)``.
        bias: b, of shape ``(channels,)``.
    """

    weight: LiteTensor
    bias: LiteTensor
    eps: float
    momentum: float

    def __init__(
        self,
        channels: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        *,
        dtype: torch.dtype | None = None,
        device: Any = None,
    ) -> None:
        self.weight = initializers.ones((channels,), dtype=dtype, device=device)
        self.bias = initializers.zeros((channels,), dtype=dtype, device=device)
        self.eps = eps
        self.momentum = momentum

    def start(self) -> Statistics:
        """Give the running statistics before any batch: mean 0 and variance 1."""
        return Statistics(nexnet.zeros_like(self.weight), nexnet.ones_like(self.weight))

    def __call__(self, x: Any, statistics: Statistics, training: bool = True) -> tuple[LiteTensor, Statistics]:
        """Normalise ``x`` of shape ``(batch, channels, ...)``; give the output and the new running statistics."""
        mean, var = statistics
        if not training:
            return nexnet.batch_norm(x, mean, var, self.weight, self.bias, eps=self.eps), statistics
        out, mean, var = nexnet.batch_norm_with_statistics(
            x, mean, var, self.weight, self.bias, self.momentum, self.eps
        )
        return out, Statistics(mean, var)


def _shape(shape: int | Sequence[int]) -> tuple[int, ...]:
    return (shape,) if isinstance(shape, int) else tuple(shape)
