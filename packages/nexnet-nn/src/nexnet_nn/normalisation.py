"""Normalisations as layers: weights start at 1, biases at 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

import nexnet
from nexnet import LiteTensor
from nexnet.errors import message

from . import init as initializers
from .buffers import buffer
from .errors import ModuleError
from .module import Module
from .operation import Operation

__all__ = [
    "BatchNorm",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "GroupNorm",
    "InstanceNorm",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LayerNorm",
    "LocalResponseNorm",
    "RMSNorm",
]


class LayerNorm(Module):
    """w z + b, z the last dimensions with mean 0 and variance 1; ``(..., *shape)`` keeps its shape.

    Args:
        shape: of these dimensions; a number for the last one only.
        eps: is added to the variance.
        bias: whether there is a b.
        dtype: of the parameters; torch's default by default.
        device: of the parameters; torch's default by default.

    Attributes:
        weight: w, of that shape.
        bias: b, of that shape, or None.

    Raises:
        InputError: when it is called: the input's last dimensions are of another shape.

    Example::

        >>> nn.LayerNorm(3)(nexnet.tensor([[1.0, 2.0, 3.0]]))
        LiteTensor([[-1.2247,  0.0000,  1.2247]])
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
    """w z, z the last dimensions divided by the root of their mean square; ``(..., *shape)`` keeps its shape.

    Args:
        shape: of these dimensions; a number for the last one only.
        eps: is added to the mean square; None: the smallest step of the dtype at 1.
        dtype: of the parameters; torch's default by default.
        device: of the parameters; torch's default by default.

    Attributes:
        weight: w, of that shape.

    Raises:
        InputError: when it is called: the input's last dimensions are of another shape.

    Example::

        >>> nn.RMSNorm(2)(nexnet.tensor([[3.0, 4.0]]))
        LiteTensor([[0.8485, 1.1314]])
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
        InputError: when it is called: another number of channels.

    Example::

        >>> nn.GroupNorm(2, 6)(nexnet.zeros(4, 6, 8)).shape
        torch.Size([4, 6, 8])
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


class InstanceNorm(Module):
    """w z + b, z the input ``(batch, channels, ...)`` with mean 0 and variance 1 in each channel of each example.

    Args:
        channels: how many there are.
        eps: is added to the variance.
        affine: whether there are a w and a b.
        dtype: of the parameters; torch's default by default.
        device: of the parameters; torch's default by default.

    Attributes:
        weight: w, of shape ``(channels,)``, or None.
        bias: b, of shape ``(channels,)``, or None.

    Raises:
        InputError: when it is called: an input without channels, or with another number of them, if ``affine``.
        ValueError: torch's, when it is called: channels of one element, whose variance is 0.

    Example::

        >>> nn.InstanceNorm(6)(nexnet.zeros(4, 6, 8)).shape
        torch.Size([4, 6, 8])
    """

    weight: LiteTensor | None
    bias: LiteTensor | None
    eps: float

    def __init__(
        self,
        channels: int,
        eps: float = 1e-5,
        *,
        affine: bool = False,
        dtype: torch.dtype | None = None,
        device: Any = None,
    ) -> None:
        self.weight = initializers.ones((channels,), dtype=dtype, device=device) if affine else None
        self.bias = initializers.zeros((channels,), dtype=dtype, device=device) if affine else None
        self.eps = eps

    def __call__(self, x: Any) -> LiteTensor:
        """Normalise ``x`` of shape ``(batch, channels, ...)``."""
        return nexnet.instance_norm(x, weight=self.weight, bias=self.bias, eps=self.eps)  # type: ignore[no-any-return]


class LocalResponseNorm(Operation):
    """x / (k + alpha m)^beta, m the mean square of neighbouring channels of ``(batch, channels, ...)``.

    Attributes:
        size: how many neighbours.
        alpha: their share.
        beta: the power.
        k: what is there without them.

    Raises:
        InputError: when it is called: an input of fewer than three dimensions.

    Example::

        >>> nn.LocalResponseNorm(2)(nexnet.zeros(4, 6, 8)).shape
        torch.Size([4, 6, 8])
    """

    size: int
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 1.0

    operator = nexnet.local_response_norm


class BatchNorm(Module):
    """w z + b, z the input ``(batch, channels, ...)`` with mean 0 and variance 1 in each channel.

    The form that trains takes the batch's mean and variance, and tells of new running statistics, which
    ``nn.with_buffers(loss)`` gives beside the loss; ``model.eval()`` takes the running statistics::

        model = nn.Sequential(nn.Dense(3, 4), nn.BatchNorm(4), nexnet.relu, nn.Dense(4, 2))
        state = adam.init(model)
        (value, buffers), grads = nexnet.value_and_grad(nn.with_buffers(loss), has_aux=True)(model, x, y)
        model, state = adam.update(model, grads, state)
        model = model.with_buffers(buffers)

    Args:
        channels: how many there are.
        eps: is added to the variance.
        momentum: the share of a batch in the new running statistics.
        affine: whether there are a w and a b.
        track_running_stats: whether there are running statistics; without, the batch's are always taken.
        dtype: of the tensors; torch's default by default.
        device: of the tensors; torch's default by default.

    Attributes:
        weight: w, of shape ``(channels,)``, or None.
        bias: b, of shape ``(channels,)``, or None.
        running_mean: of each channel, ``(channels,)``: a buffer, or None. It starts at 0.
        running_var: of each channel, ``(channels,)``: a buffer, or None. It starts at 1.
        training: whether this is the form that trains.

    Raises:
        ModuleError: when the form that trains is called, and nobody wants the new statistics.
        InputError: when it is called: another number of channels.
    """

    weight: LiteTensor | None
    bias: LiteTensor | None
    running_mean: LiteTensor | None
    running_var: LiteTensor | None
    eps: float
    momentum: float
    training: bool = True

    def __init__(
        self,
        channels: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        dtype: torch.dtype | None = None,
        device: Any = None,
    ) -> None:
        def ones() -> LiteTensor:
            return initializers.ones((channels,), dtype=dtype, device=device)

        def zeros() -> LiteTensor:
            return initializers.zeros((channels,), dtype=dtype, device=device)

        self.weight, self.bias = (ones(), zeros()) if affine else (None, None)
        self.running_mean = buffer(zeros()) if track_running_stats else None
        self.running_var = buffer(ones()) if track_running_stats else None
        self.eps = eps
        self.momentum = momentum

    def __call__(self, x: Any) -> LiteTensor:
        """Normalise ``x`` of shape ``(batch, channels, ...)``."""
        affine = self.weight, self.bias
        if self.running_mean is None:
            return nexnet.batch_norm(x, None, None, *affine, True, eps=self.eps)  # type: ignore[no-any-return]
        if not self.training:
            return nexnet.batch_norm(x, self.running_mean, self.running_var, *affine, eps=self.eps)  # type: ignore[no-any-return]
        statistics = self.newest("running_mean"), self.newest("running_var")
        out, mean, var = nexnet.batch_norm_with_statistics(x, *statistics, *affine, self.momentum, self.eps)
        self.renew(running_mean=mean, running_var=var)
        return out  # type: ignore[no-any-return]


def _shape(shape: int | Sequence[int]) -> tuple[int, ...]:
    return (shape,) if isinstance(shape, int) else tuple(shape)


BatchNorm1d = BatchNorm2d = BatchNorm3d = BatchNorm
InstanceNorm1d = InstanceNorm2d = InstanceNorm3d = InstanceNorm
