"""What the kernels share that go along rows: how a tensor is seen as rows, and a row's sum of exponentials."""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from ._launch import launch, working_type

__all__ = ["PART", "WHOLE", "block_of", "by_row", "rows_of", "top_and_sum", "warps_of"]

WHOLE = 16384  # elements of the longest row that a program keeps in its registers: it is read once
PART = 4096  # of a longer one, which is read twice


def block_of(size: int, least: int = 1) -> int:
    """Give the power of two that holds ``size`` elements: Triton's blocks have such sizes."""
    return max(int(triton.next_power_of_2(size)), least)


def warps_of(block: int) -> int:
    """Give how many warps, of 32 threads, work on a row: 16 elements a thread, four loads of 16 bytes in float32."""
    return min(max(block // 512, 1), 16)


def rows_of(tensor: Tensor, columns: int) -> Tensor:
    """See a tensor as rows of ``columns`` elements that lie next to each other; copied where it does not lie so."""
    rows = tensor.numel() // columns if columns else 0
    seen = tensor.reshape(rows, columns)
    return seen if seen.stride(1) == 1 or columns == 1 else seen.contiguous()


def by_row(kernel: Any, inputs: tuple[Tensor, ...], dim: int, **options: Any) -> Tensor:
    """Run a kernel (inputs, output, steps from row to row, length, ...) along a dimension of tensors of one shape."""
    like = inputs[0]
    if like.ndim == 0:
        return by_row(kernel, tuple(each.reshape(1) for each in inputs), dim, **options).reshape(())
    moved = [each.movedim(dim, -1) for each in inputs]
    n = moved[0].shape[-1]
    rows = [rows_of(each, n) for each in moved]
    out = torch.empty(moved[0].shape, dtype=like.dtype, device=like.device)
    block = min(block_of(n), PART) if n > WHOLE else block_of(n)
    launch(
        kernel, (rows[0].shape[0],), *rows, out, *[each.stride(0) for each in rows], n,
        BLOCK=block, WHOLE=n <= WHOLE, DTYPE=working_type(like), **{"num_warps": warps_of(block), **options},
    )  # fmt: skip
    return out.movedim(-1, dim)


@triton.jit
def top_and_sum(x_ptr, n, BLOCK: tl.constexpr, DTYPE: tl.constexpr):
    """Give m = max x and the sum of e^(x - m).

    Written as two loops this would read the row twice. Each of BLOCK lanes keeps the largest element that it has seen,
    and a sum that is scaled down whenever a larger one comes: s <- s e^(m - m') + e^(x - m'). The lanes are merged
    likewise, once. Source: Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018.
    """
    lane = tl.arange(0, BLOCK)
    top = tl.full((BLOCK,), -float("inf"), DTYPE)
    total = tl.zeros((BLOCK,), DTYPE)
    for start in range(0, n, BLOCK):
        at = start + lane
        x = tl.load(x_ptr + at, mask=at < n, other=-float("inf")).to(DTYPE)
        new = tl.maximum(top, x)
        shift = tl.where(new == -float("inf"), 0.0, new)  # a lane that saw -inf only: -inf - -inf would be NaN
        total = total * tl.exp(top - shift) + tl.exp(x - shift)
        top = new
    m = tl.max(top, 0)
    shift = tl.where(m == -float("inf"), 0.0, m)
    return m, tl.sum(total * tl.exp(top - shift), 0)
