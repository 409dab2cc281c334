"""Batch normalisation, with what it keeps from batch to batch: the running mean and variance; and instance_norm.

The rule in training is that of ``_normalised``, in the layout of a batch's channels.
"""

# ruff: noqa: ARG001  torch's functions have parameters that only other devices use

from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812  torch's own name for it

from ...errors import InputError, message
from ...policy import Policy, function, implements
from .._kernels import overload
from .._layout import plain_layouts
from .._names import composite
from .._plain import is_plain
from .._vmap_kernels import is_mapped
from ._normalised import (
    _batch_norm,
    _batch_norm_gradient,
    _by_channel,
    _group_norm,
    _OverBatch,
    _through_statistics,
)
from .normalisation import _check_channels, _check_spread

__all__ = ["batch_norm", "batch_norm_with_statistics", "instance_norm"]

_by_statistics = overload(torch.ops.aten.native_batch_norm_backward.default)
_updating = overload(torch.ops.aten._native_batch_norm_legit_functional.default)


@implements()
@function
class _batch_norm_and_update(Policy):
    """batch_norm with the new statistics beside it:  s' = (1 - k) s + k t,  t the batch's mean or its variance.

    dx has k <g> of the mean's gradient and 2 k (x - m) g / (n - 1) of the variance's;  ds = (1 - k) g.
    """

    materialize_grads = False

    def forward(
        self, x: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, momentum: float, eps: float
    ) -> Any:
        if is_mapped(x, weight, bias, running_mean, running_var):  # torch.vmap has no rule for the kernel
            out, mean, rstd = torch.native_batch_norm(x, weight, bias, None, None, True, momentum, eps)
            var = torch.var(x, [0, *range(2, x.ndim)])
            new_mean, new_var = (s + momentum * (t - s) for s, t in ((running_mean, mean), (running_var, var)))
        else:
            out, mean, rstd, new_mean, new_var = _updating(
                x, weight, bias, running_mean, running_var, True, momentum, eps
            )
        self.ctx.save(x, weight, mean, rstd, momentum, eps)
        return out, mean, rstd, new_mean, new_var

    def backward(self, grad: Any, grad_mean: Any, grad_rstd: Any, grad_new_mean: Any, grad_new_var: Any) -> Any:
        x, weight, mean, rstd, momentum, eps = self.ctx.release
        need_x, need_weight, need_bias = self.ctx.needs_input_grad[:3]
        dx = dw = db = None
        if grad is not None:
            mask = (need_x, need_weight, need_bias)
            dx, dw, db = _batch_norm_gradient(grad, x, weight, mean, rstd, mask, eps)
        if grad_new_mean is not None:
            through_mean = grad_new_mean * momentum
            grad_mean = through_mean if grad_mean is None else grad_mean + through_mean
        terms = [] if dx is None else [dx]
        if grad_mean is not None or grad_rstd is not None:
            terms.append(_through_statistics(_OverBatch, x, mean, rstd, grad_mean, grad_rstd, (eps,)))
        if grad_new_var is not None:
            freedom = math.prod(x.shape) // x.shape[1] - 1
            terms.append((x - _by_channel(mean, x)) * (_by_channel(grad_new_var, x) * (2 * momentum / freedom)))
        dx = terms[0] if terms else None
        for term in terms[1:]:
            dx = dx + term
        return (
            dx,
            dw,
            db,
            None if grad_new_mean is None else grad_new_mean * (1 - momentum),
            None if grad_new_var is None else grad_new_var * (1 - momentum),
        )


@implements()
@function
class _batch_norm_by_statistics(Policy):
    """w z + b, z = (x - m) r, r = (v + eps)^(-1/2), m and v given:  dx = g w r,  dw = sum g z,  db = sum g.

    dm = -sum dx,  dv = -w r^2 dw / 2.
    """

    def forward(self, x: Any, weight: Any, bias: Any, mean: Any, var: Any, eps: float) -> Any:
        self.ctx.save(x, weight, mean, var, eps)
        return torch.native_batch_norm(x, weight, bias, mean, var, False, 0.0, eps)[0]

    def backward(self, grad: Any) -> Any:
        x, weight, mean, var, eps = self.ctx.release
        needs = self.ctx.needs_input_grad[:5]
        # Torch's kernel divides by the number of elements, and has no rule for vmap.
        plain = is_plain(*[each for each in (grad, x, weight, mean, var) if each is not None])
        if plain and not needs[3] and not needs[4] and x.numel():
            return _by_statistics(*plain_layouts(grad, x, weight, mean, var), None, None, False, eps, needs[:3])
        r = torch.rsqrt(var + eps)
        factor = r if weight is None else r * weight
        dx = grad * _by_channel(factor, x)
        db = _OverBatch.gather(grad)
        dw = _OverBatch.gather(grad * (x - _by_channel(mean, x))) * r if needs[1] or needs[4] else None
        dv = dw * (factor * r) * -0.5 if dw is not None and needs[4] else None
        return dx, dw, db, -db * factor, dv


@implements(F.batch_norm)
@composite
def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """W z + b, z the channels of the input (N, C, ...) with mean 0 and variance 1.

    The mean and variance are the batch's in training, and else the running statistics, by which it is differentiable
    too. In training, running statistics that are plain torch tensors are written into, as in PyTorch. A LiteTensor is
    never written into: for those, ``batch_norm_with_statistics`` returns the new ones.

    Source: Ioffe and Szegedy, "Batch Normalization", 2015.

    Raises:
        InputError: LiteTensors as running statistics in training; a shape that is not (C,).
        ValueError: one value per channel in training, whose variance is 0.
        RuntimeError: no running statistics, and not training.
    """
    _check_channels("batch_norm", input, weight=weight, bias=bias, running_mean=running_mean, running_var=running_var)
    if not training:
        if running_mean is None or running_var is None:
            raise RuntimeError(
                f"running_{'mean' if running_mean is None else 'var'} must be defined in evaluation mode"
            )
        return _batch_norm_by_statistics(input, weight, bias, running_mean, running_var, eps)
    shape = input.shape
    _check_spread(shape, math.prod(shape) // max(shape[1], 1), "batch_norm")
    for each in (running_mean, running_var):
        _refuse_to_write(each, "batch_norm")
    if 0 in shape:
        return _of_nothing(input, weight, bias, eps)
    return _batch_norm(input, weight, bias, eps, running_mean, running_var, momentum)[0]


@composite
def batch_norm_with_statistics(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> tuple[Any, Any, Any]:
    """batch_norm in training, without a side effect: ``(out, running_mean, running_var)``, the statistics new.

    They are ``(1 - momentum)`` of the old and ``momentum`` of the batch's (the variance with n - 1), and
    differentiable as the output is.

    Raises:
        InputError: a shape that is not (C,).
        ValueError: one value per channel, whose variance is 0.
    """
    name = "batch_norm_with_statistics"
    _check_channels(name, input, weight=weight, bias=bias, running_mean=running_mean, running_var=running_var)
    shape = input.shape
    _check_spread(shape, math.prod(shape) // max(shape[1], 1), name)
    if 0 in shape:
        return _of_nothing(input, weight, bias, eps), running_mean, running_var
    out, _, _, mean, var = _batch_norm_and_update(input, weight, bias, running_mean, running_var, momentum, eps)
    return out, mean, var


@implements(F.instance_norm)
@composite
def instance_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """W z + b, z the input (N, C, ...) with mean 0 and variance 1 in each channel of each example.

    Without ``use_input_stats`` the running statistics stand for them. With it, they become, where they are plain torch
    tensors, what PyTorch makes of them; see ``batch_norm``.

    Source: Ulyanov, Vedaldi and Lempitsky, "Instance Normalization", 2016.

    Raises:
        InputError, ValueError, RuntimeError: as batch_norm does.
    """
    _check_channels("instance_norm", input, weight=weight, bias=bias)
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    _check_spread(input.shape, math.prod(input.shape[2:]), "instance_norm")
    if running_mean is None and running_var is None:
        return _group_norm(input, weight, bias, input.shape[1], eps)[0]
    for each in (running_mean, running_var):
        _refuse_to_write(each, "instance_norm")
    # As in PyTorch: every example has channels of its own, and the new statistics are the mean of the examples'.
    n, c = input.shape[:2]
    repeated: list[Any] = [None if each is None else each.repeat(n) for each in (running_mean, running_var)]
    weight, bias = (None if each is None else each.repeat(n) for each in (weight, bias))
    out = _batch_norm(input.reshape(1, n * c, *input.shape[2:]), weight, bias, eps, *repeated, momentum)[0]
    for each, statistics in zip((running_mean, running_var), repeated, strict=True):
        if each is not None:
            each.copy_(statistics.reshape(n, c).mean(0))
    return out.reshape(input.shape)


def _of_nothing(input: Any, weight: Any, bias: Any, eps: float) -> Any:
    """Give the normalised input where it has no element, and so no statistics: those there are stay, as in torch."""
    zeros = torch.zeros(input.shape[1], dtype=input.dtype, device=input.device)
    return _batch_norm_by_statistics(input, weight, bias, zeros, zeros, eps)


def _refuse_to_write(statistic: Any, rule: str) -> None:
    if statistic is not None and type(statistic) is not torch.Tensor:
        raise InputError(
            message(
                "running statistics in training would be written into, and nexnet is functional.",
                rule=rule,
                got=f"a {type(statistic).__name__}",
                remedy="nexnet.batch_norm_with_statistics returns the new ones; or pass torch tensors, which are "
                "updated as PyTorch does",
            )
        )


# torch's own functions beneath those of torch.nn.functional, with another order of arguments


@implements(torch.batch_norm)
def _torch_batch_norm(
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Any:
    return batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


@implements(torch.instance_norm)
def _torch_instance_norm(
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Any:
    return instance_norm(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)
