"""Normalisation by the mean and variance of a layer's features, or of groups of its channels: see ``_normalised``."""

# ruff: noqa: ARG001  torch's functions share signatures of which each uses a part

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812  torch's own name for it

from ...errors import InputError, message
from ...policy import Analytic, function, implements
from .._names import composite
from ._normalised import _group_norm, _layer_norm, _rms_norm, count_normalised

__all__ = ["group_norm", "layer_norm", "rms_norm"]


@implements(F.layer_norm)
@composite
def layer_norm(
    input: Any, normalized_shape: Sequence[int], weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    """W z + b, z the last dimensions (``normalized_shape``) with mean 0 and variance 1.

    Source: Ba, Kiros and Hinton, "Layer Normalization", 2016.
    """
    return _layer_norm(input, weight, bias, count_normalised(input, normalized_shape, weight, bias, "layer_norm"), eps)[
        0
    ]


@implements(F.rms_norm, torch.rms_norm)
@composite
def rms_norm(input: Any, normalized_shape: Sequence[int], weight: Any = None, eps: float | None = None) -> Any:
    """W z, z the last dimensions (``normalized_shape``) divided by the root of their mean square plus eps.

    ``eps`` is by default the smallest step of the dtype at 1. Source: Zhang and Sennrich, "Root Mean Square Layer
    Normalization", 2019.
    """
    count = count_normalised(input, normalized_shape, weight, None, "rms_norm")
    if weight is not None and weight.dtype.is_complex and not input.dtype.is_complex:
        raise InputError(
            message(
                "a complex weight of a real input: torch would drop its imaginary part.",
                rule="rms_norm",
                argument="weight",
                expected=input.dtype,
                got=weight.dtype,
                remedy="make the input complex, or multiply by the weight afterwards",
            )
        )
    if input.dtype.is_complex:
        eps = torch.finfo(input.dtype).eps if eps is None else eps
        return _complex_rms_norm(input, weight, tuple(range(-count, 0)), eps)
    return _rms_norm(input, weight, None, count, eps)[0]


@function
class _complex_rms_norm(Analytic):
    """W z, z = r x, r = 1 / sqrt(<x^2> + eps), as torch has it: the squares are complex themselves. dx as of real x."""

    def forward(self, input: Any, weight: Any, dims: tuple[int, ...], eps: float) -> Any:
        rstd = torch.rsqrt(torch.mean(input * input, dims, keepdim=True) + eps)
        z = input * rstd
        self.ctx.save(z, rstd, weight, dims)
        return z if weight is None else z * weight

    def backward(self, grad: Any) -> Any:
        z, rstd, weight, dims = self.ctx.release
        need_input, need_weight = self.ctx.needs_input_grad[:2]
        dx = None
        if need_input:
            c = grad if weight is None else grad * weight
            dx = (c - z * (c * z).mean(dims, keepdim=True)) * rstd
        return dx, grad * z if need_weight else None


@implements(F.group_norm)
@composite
def group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """W z + b, z the input (N, C, ...) with mean 0 and variance 1 in each of the groups of an example's channels.

    Source: Wu and He, "Group Normalization", 2018.

    Raises:
        InputError: fewer than two dimensions, or channels that the groups do not divide.
    """
    if input.ndim < 2 or num_groups <= 0 or input.shape[1] % num_groups:
        raise InputError(
            message(
                "group_norm wants an input (N, C, ...) whose channels the groups divide.",
                rule="group_norm",
                argument="num_groups",
                got=f"{num_groups}, and an input of shape {tuple(input.shape)}",
            )
        )
    _check_spread(input.shape, math.prod(input.shape[2:]) * input.shape[0] * input.shape[1] // num_groups, "group_norm")
    _check_channels("group_norm", input, weight=weight, bias=bias)
    return _group_norm(input, weight, bias, num_groups, eps)[0]


# torch's own functions beneath those of torch.nn.functional, with another order of arguments


@implements(torch.layer_norm)
def _torch_layer_norm(
    input: Any,
    normalized_shape: Sequence[int],
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Any:
    return layer_norm(input, normalized_shape, weight, bias, eps)


@implements(torch.group_norm)
def _torch_group_norm(
    input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5, cudnn_enabled: bool = True
) -> Any:
    return group_norm(input, num_groups, weight, bias, eps)


@implements(torch.native_layer_norm)
def _native_layer_norm(
    input: Any, normalized_shape: Sequence[int], weight: Any, bias: Any, eps: float
) -> tuple[Any, Any, Any]:
    count = count_normalised(input, normalized_shape, weight, bias, "native_layer_norm")
    return _layer_norm(input, weight, bias, count, eps)  # type: ignore[return-value]


@implements(torch.native_group_norm)
def _native_group_norm(
    input: Any,
    weight: Any,
    bias: Any,
    N: int,  # noqa: N803  torch's name
    C: int,  # noqa: N803
    HxW: int,  # noqa: N803
    group: int,
    eps: float,
) -> tuple[Any, Any, Any]:
    _check_channels("native_group_norm", input, weight=weight, bias=bias)
    return _group_norm(input, weight, bias, group, eps)  # type: ignore[return-value]


# What is refused ------------------------------------------------------------------------------------------------------


def _check_spread(shape: Sequence[int], values: int, rule: str) -> None:
    if values == 1:
        raise ValueError(f"{rule}: expected more than 1 value per channel when training, got input size {tuple(shape)}")


def _check_channels(rule: str, input: Any, **by_channel: Any) -> None:
    """Refuse what torch's kernels would read beyond its end."""
    shape = input.shape
    if len(shape) < 2:
        raise InputError(message("the input has no channels.", rule=rule, expected="(N, C, ...)", got=tuple(shape)))
    wanted = shape[1:2]
    for name, each in by_channel.items():
        if each is not None and each.shape != wanted:
            raise InputError(
                message(
                    "this wants one value per channel.",
                    rule=rule,
                    argument=name,
                    expected=tuple(wanted),
                    got=tuple(each.shape),
                )
            )
