"""Covariance and correlation of variables, observed in columns."""

from __future__ import annotations

from typing import Any

import torch

from ...errors import InputError, message
from ...policy import implements
from .._names import composite

__all__ = ["corrcoef", "cov"]


@implements(torch.cov)
@composite
def cov(input: Any, *, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Any:
    """The covariances of variables (rows) over observations (columns); of one variable, its variance.

    C = sum_k w_k (x_k - m) (x_k - m)^T / n,  m = sum_k w_k x_k / sum w,  w = fweights aweights; n = sum w - correction,
    where with aweights the correction is scaled by sum w aweights / sum w. ``fweights`` are integers, without gradient.
    """
    if input.ndim > 2:
        raise InputError(
            message("cov takes a vector or a matrix.", rule="cov", argument="input", got=f"shape {tuple(input.shape)}")
        )
    if input.dtype is torch.bool:
        raise InputError(message("a bool tensor has no covariance.", rule="cov", argument="input", got="torch.bool"))
    if not (input.dtype.is_floating_point or input.dtype.is_complex):
        input = input.to(torch.get_default_dtype())
    x = input.reshape(1, -1) if input.ndim < 2 else input
    count = x.shape[1]
    if fweights is not None and fweights.dtype.is_floating_point:
        raise InputError(message("fweights are counts.", rule="cov", argument="fweights", got=fweights.dtype))
    for name, weights in (("fweights", fweights), ("aweights", aweights)):
        if weights is not None and (weights.ndim > 1 or weights.numel() != count):
            raise InputError(
                message(
                    "there is one weight for each observation.",
                    rule="cov",
                    argument=name,
                    expected=f"shape ({count},)",
                    got=f"shape {tuple(weights.shape)}",
                )
            )
    if fweights is None and aweights is None:
        centred = x - x.mean(1, keepdim=True)
        norm: Any = max(count - correction, 0)
        c = centred.mm(centred.mH)
        c = c / norm if norm else c * (c.new_zeros(()) / 0 if not count else float("inf"))
    else:
        w = aweights if fweights is None else fweights if aweights is None else fweights * aweights
        total = w.sum()
        centred = x - (x * w).sum(1, keepdim=True) / total
        norm = total - (correction if aweights is None else correction * (w * aweights).sum() / total)
        c = (centred * w).mm(centred.mH) / norm.clamp_min(0)
    return c.reshape(()) if c.numel() == 1 else c


@implements(torch.corrcoef)
@composite
def corrcoef(input: Any) -> Any:
    """The correlations of variables (rows) over observations (columns): C_ij / sqrt(C_ii C_jj).

    Values are brought into [-1, 1] as in torch, without a gradient of that; a constant variable's are NaN.
    """
    c = cov(input)
    if c.ndim == 0:
        return c / c
    deviations = c.diagonal().sqrt()
    out = c / deviations.unsqueeze(1) / deviations.unsqueeze(0)
    if out.is_complex():
        inside = torch.complex(out.detach().real.clamp(-1, 1), out.detach().imag.clamp(-1, 1))
    else:
        inside = out.detach().clamp(-1, 1)
    return out - (out.detach() - inside)
