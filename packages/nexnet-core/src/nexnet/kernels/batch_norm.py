"""Batch normalisation by its statistics, which torch's kernel adds up one element after the other, in float64.

Sums over each channel's rows, and norms of what is left of them without the mean, are vectorised, and as near to the
true values: for means of a million standard deviations, too.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .forms import Form, suits

__all__ = ["Normalised", "batch_norm", "by_rows"]

LARGE = 2**16  # elements from which it pays,
LONG = 16  # in rows of as many at least


class Normalised(NamedTuple):
    """The output, and of each channel m, r = 1 / sqrt(v + eps) and the unbiased variance."""

    out: Tensor
    mean: Tensor
    rstd: Tensor
    var: Tensor


def by_rows(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, *others: Tensor
) -> Normalised | None:
    """Normalise each channel over batch and places; None where torch's kernel is as fast.

    ``others`` are of the same dtype, or torch is to say what is wrong with them.
    """
    elements = input.numel()
    if elements < LARGE or elements < LONG * input.shape[0] * input.shape[1] or not input.is_contiguous():
        return None
    given = [each for each in (input, weight, bias, *others) if each is not None]
    dtypes = (input.dtype,) if input.dtype in (torch.float32, torch.float64) else ()
    return _FORM(input, weight, bias, eps) if suits(*given, dtypes=dtypes) and _FORM.is_taken() else None


def batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Give what torch.native_batch_norm gives of the batch's own statistics: y, m, r; the running ones are written."""
    running = [each for each in (running_mean, running_var) if each is not None]
    found = by_rows(input, weight, bias, eps, *running)
    if found is None:
        return torch.native_batch_norm(input, weight, bias, running_mean, running_var, True, momentum, eps)
    if running_mean is not None:
        running_mean.lerp_(found.mean, momentum)
    if running_var is not None:
        running_var.lerp_(found.var, momentum)
    return found[:3]


def _by_rows(input: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Normalised:
    n, c = input.shape[:2]
    count = input.numel() // c
    rows = input.view(n, c, -1)
    mean = rows.sum(2).sum(0).div_(count)
    out = rows - mean.unsqueeze(1)
    squares = torch.linalg.vector_norm(out, 2, 2).square_().sum(0)
    rstd = (squares / count).add_(eps).rsqrt_()
    out.mul_((rstd if weight is None else rstd * weight).unsqueeze(1))
    if bias is not None:
        out.add_(bias.unsqueeze(1))
    return Normalised(out.view(input.shape), mean, rstd, squares.div_(count - 1))


def _torchs(input: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    return torch.native_batch_norm(input, weight, bias, None, None, True, 0.0, eps)


_FORM = Form(
    "batch normalisation, by rows",
    _by_rows,
    _torchs,
    ((8, 64, 32, 32), (64,), (64,)),
    (1e-5,),
    atol=1e-2,  # of a channel of one value, or far from zero, all that is left is rounding, made large
)
