"""Negative log-likelihoods of distributions: Poisson's and the normal one."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812  torch's own name for it

from ...engine import unwrap
from ...policy import Policy, function, implements
from .._names import composite
from ._reduced import _answers, _reduce

__all__ = ["gaussian_nll_loss", "poisson_nll_loss"]


@implements()
@function
class _poisson(Policy):
    """e^x - t x, or x - t ln(x + eps):  dx = g (e^x - t), or g (1 - t / (x + eps));  dt = -g x, or -g ln(x + eps).

    ``full`` adds Stirling's t ln t - t + ln(2 pi t) / 2 where t > 1:  dt has g (ln t + 1 / (2 t)) more there.
    """

    def forward(self, input: Any, target: Any, log_input: bool, full: bool, eps: float) -> Any:
        self.ctx.save(input, target, log_input, full, eps)
        out = torch.exp(input) - target * input if log_input else input - target * torch.log(input + eps)
        if not full:
            return out
        stirling = target * torch.log(target) - target + 0.5 * torch.log(2 * math.pi * target)
        return out + stirling.masked_fill_(target <= 1, 0)

    def backward(self, grad: Any) -> Any:
        input, target, log_input, full, eps = self.ctx.release
        dx = dt = None
        if self.ctx.needs_input_grad[0]:
            target = target * 1 if target.dtype == torch.bool else target  # torch subtracts no bool
            dx = grad * ((torch.exp(input) - target) if log_input else (1 - target / (input + eps)))
        if self.ctx.needs_input_grad[1]:
            dt = -grad * (input if log_input else torch.log(input + eps))
            if full:
                large = target > 1
                t = torch.where(large, target, 1)
                dt = dt + torch.where(large, grad * (torch.log(t) + 0.5 / t), 0)
        return dx, dt


@_answers(torch.poisson_nll_loss, "input", "target", "log_input", "full", "eps", "reduction")
@implements(F.poisson_nll_loss)
def poisson_nll_loss(
    input: Any,
    target: Any,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Any:
    """e^x - t x, the negative log-likelihood of a count t of rate e^x; without ``log_input``, x - t ln(x + eps).

    ``full`` adds Stirling's approximation of ln(t!), t ln t - t + ln(2 pi t) / 2, where t > 1.
    """
    return _reduce(_poisson(input, target, log_input, full, eps), reduction, "poisson_nll_loss")


@implements()
@function
class _gaussian(Policy):
    """(ln v + d^2 / v) / 2,  d = x - t:  dx = g d / v = -dt,  dv = g (1 - d^2 / v) / (2 v).  v is at least eps."""

    def forward(self, input: Any, target: Any, var: Any, full: bool, eps: float) -> Any:
        self.ctx.save(input, target, var, eps)
        v = torch.clamp(var, min=eps)
        out = (torch.square(input - target) / v).add_(torch.log(v)).mul_(0.5)
        return out.add_(0.5 * math.log(2 * math.pi)) if full else out

    def backward(self, grad: Any) -> Any:
        input, target, var, eps = self.ctx.release
        need_input, need_target, need_var = self.ctx.needs_input_grad[:3]
        v = torch.clamp(var, min=eps)
        relative = (input - target) / v
        dx = grad * relative if need_input or need_target else None
        dv = grad * (0.5 / v - 0.5 * relative * relative) if need_var else None
        return dx, -dx if dx is not None and need_target else None, dv


@implements(F.gaussian_nll_loss)
@composite
def gaussian_nll_loss(
    input: Any, target: Any, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Any:
    """(ln v + (x - t)^2 / v) / 2, the negative log-likelihood of the target t under a normal distribution.

    Args:
        input: x, the mean.
        target: t, of x's shape or one that broadcasts.
        var: v, the variance: a number, or a tensor of x's shape, the last dimension of size 1 or left out.
        full: add ln(2 pi) / 2.
        eps: the least variance.
        reduction: "none", "mean" or "sum".

    Corner: a variance below ``eps`` counts as ``eps``, and its gradient is what that of ``eps`` is, as in PyTorch.

    Raises:
        ValueError: a negative variance, or one of another shape.
    """
    raw = unwrap(var)
    if not isinstance(raw, torch.Tensor):
        if raw < 0:
            raise ValueError("var has negative entry/entries")
        var = raw = torch.full((), raw, dtype=input.dtype, device=input.device).expand(input.shape)
    elif not raw.is_meta and not torch._C._functorch.is_batchedtensor(raw) and bool((raw < 0).any()):
        raise ValueError("var has negative entry/entries")
    shape, own = tuple(input.shape), tuple(raw.shape)
    if own != shape:
        if own == shape[:-1]:
            var = var.unsqueeze(-1)
        elif len(own) != len(shape) or [b for a, b in zip(shape, own, strict=True) if a != b] != [1]:
            raise ValueError(f"var is of incorrect size: {own} for an input of {shape}")
    return _reduce(_gaussian(input, target, var, full, eps), reduction, "gaussian_nll_loss")
