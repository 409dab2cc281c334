"""Cross entropy of logits and class indices, without the log probabilities ever being written to memory.

Of x, (N, C), the forward pass reads each row once and keeps its ln sum e^x, N numbers; the gradient computes the
probabilities anew from that. torch's two kernels write and read (N, C) numbers in between.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..engine import is_wrapped, unwrap
from ..errors import InputError, message
from ..ops import cross_entropy as ordinary
from ..policy import Policy, function, implements
from ._launch import gradient_rule, launch, takes, working_type
from ._rows import PART, block_of, rows_of, top_and_sum, warps_of

__all__ = ["cross_entropy", "cross_entropy_backward_kernel", "cross_entropy_kernel"]


@triton.jit
def _forward(
    x_ptr, target_ptr, loss_ptr, lse_ptr, step, target_step, n, ignored, BLOCK: tl.constexpr, DTYPE: tl.constexpr
):
    row = tl.program_id(0).to(tl.int64)
    x_ptr += row * step
    m, total = top_and_sum(x_ptr, n, BLOCK, DTYPE)
    lse = m + tl.log(total)
    target = tl.load(target_ptr + row * target_step)
    # What is no class must not be read: it gives NaN, which is seen, and not another row's element.
    picked = tl.load(x_ptr + target, mask=(target >= 0) & (target < n), other=float("nan")).to(DTYPE)
    tl.store(loss_ptr + row, tl.where(target == ignored, 0.0, lse - picked))
    tl.store(lse_ptr + row, lse)


@triton.jit
def _backward(
    g_ptr, x_ptr, target_ptr, lse_ptr, dx_ptr, g_step, step, target_step, n, ignored,
    BLOCK: tl.constexpr, DTYPE: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    target = tl.load(target_ptr + row * target_step)
    g = tl.load(g_ptr + row * g_step).to(DTYPE)
    g = tl.where((target >= 0) & (target < n), g, float("nan"))
    x = tl.load(x_ptr + row * step + at, mask=at < n, other=0.0).to(DTYPE)
    dx = g * (tl.exp(x - tl.load(lse_ptr + row)) - tl.where(at == target, 1.0, 0.0))
    tl.store(dx_ptr + row * n + at, tl.where(target == ignored, 0.0, dx), mask=at < n)


def cross_entropy_kernel(input: Tensor, target: Tensor, ignored: int, **options: Any) -> tuple[Tensor, Tensor]:
    """Run the forward kernel: the losses and ln sum e^x of (N, C) logits, both (N) and of the type it computes in."""
    rows, n = rows_of(input, input.shape[1]), input.shape[1]
    dtype = torch.float64 if input.dtype is torch.float64 else torch.float32
    losses, lse = (torch.empty(input.shape[0], dtype=dtype, device=input.device) for _ in range(2))
    block = min(block_of(n), PART)
    launch(
        _forward, (input.shape[0],), rows, target, losses, lse, rows.stride(0), target.stride(0), n, ignored,
        BLOCK=block, DTYPE=working_type(input), **{"num_warps": warps_of(block), **options},
    )  # fmt: skip
    return losses, lse


def cross_entropy_backward_kernel(
    grad: Tensor, input: Tensor, target: Tensor, lse: Tensor, ignored: int, **options: Any
) -> Tensor:
    """Run the gradient's kernel: ``grad`` is (N), one number for each loss."""
    rows, n = rows_of(input, input.shape[1]), input.shape[1]
    dx = torch.empty_like(rows, memory_format=torch.contiguous_format)
    block = min(block_of(n), PART)
    launch(
        _backward, (input.shape[0], triton.cdiv(n, block)), grad, rows, target, lse, dx,
        grad.stride(0), rows.stride(0), target.stride(0), n, ignored,
        BLOCK=block, DTYPE=working_type(input), **{"num_warps": warps_of(block), **options},
    )  # fmt: skip
    return dx


def _formula(grad: Any, input: Any, target: Any, lse: Any, ignored: int) -> Any:
    n = input.shape[1]
    target = target.unsqueeze(1)
    here = (torch.arange(n, device=input.device) == target).to(input.dtype)
    grad = torch.where((target >= 0) & (target < n), grad.unsqueeze(1), float("nan"))
    return torch.where(target == ignored, 0.0, grad) * (torch.softmax(input, 1) - here)


_gradient = gradient_rule("cross_entropy", 2, cross_entropy_backward_kernel, _formula)


@implements()
@function
class _losses(Policy):
    """-ln p[target], p = softmax(x), for each row:  dx = g (p - 1 at the target).  ln sum e^x comes beside it."""

    materialize_grads = False

    def forward(self, input: Any, target: Any, ignored: int) -> Any:
        losses, lse = cross_entropy_kernel(input, target, ignored)
        self.ctx.save(input, target, lse, ignored)
        return losses, lse

    def backward(self, grad: Any, _: Any) -> Any:
        return None if grad is None else _gradient(grad, *self.ctx.release)


def cross_entropy(input: Any, target: Any, *, ignore_index: int = -100, reduction: str = "mean") -> Any:
    """-ln p[target], p = softmax(input): of logits (N, C) and class indices (N), the loss ().

    Args:
        input: logits, of shape (N, C).
        target: class indices, int64, of shape (N).
        ignore_index: the class index whose losses, and gradients, are 0.
        reduction: "none" (the loss is of shape (N)), "mean" over the targets that are not ignored, or "sum".

    Corner: a target that is no class gives NaN, loss and gradient: on a GPU nothing can be raised without waiting.

    Raises:
        InputError: another shape, an unknown reduction. Weights, probabilities and smoothing are nexnet's own rule's.
    """
    given, classes = unwrap(input), unwrap(target)
    if reduction not in ("none", "mean", "sum"):
        raise InputError(
            message("there is no such reduction.", rule="cross_entropy", argument="reduction",
                    expected="none, mean or sum", got=reduction)
        )  # fmt: skip
    if given.ndim != 2 or classes.shape != given.shape[:1] or classes.dtype is not torch.int64:
        raise InputError(
            message(
                "nexnet.triton's cross_entropy is of logits (N, C) and class indices (N).",
                rule="cross_entropy",
                argument="target",
                expected=f"int64, of shape {tuple(given.shape[:1])}",
                got=f"{classes.dtype}, of shape {tuple(classes.shape)}, for logits of shape {tuple(given.shape)}",
                remedy="nexnet.cross_entropy takes all that torch's does",
            )
        )
    if not takes("cross_entropy", given) or is_wrapped(classes):  # a batch of vmap
        return ordinary(input, target, ignore_index=ignore_index, reduction=reduction)
    losses = _losses(input, target, ignore_index)[0]
    if reduction == "none":
        return losses.to(given.dtype)
    total = losses.sum()
    return (total / (classes != ignore_index).sum() if reduction == "mean" else total).to(given.dtype)
