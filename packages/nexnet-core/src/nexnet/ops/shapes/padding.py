"""Tensors made larger at their edges, or, by a negative amount, smaller."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from ...policy import Linear, function, implements
from .._transpose import transpose_kernel

__all__ = ["constant_pad_nd", "pad"]

_NN = torch._C._nn
_ATEN = torch.ops.aten


@implements(torch.constant_pad_nd)
@function
class constant_pad_nd(Linear):
    """x with a number around it, ``pad`` elements before and after the last dimension, the one before it, and so on.

    dx = g without them: g padded by as much less.
    """

    def forward(self, input: Any, pad: Sequence[int], value: float = 0) -> Any:
        self.ctx.save(pad)
        return torch.constant_pad_nd(input, pad, value)

    def backward(self, grad: Any) -> Any:
        (pad,) = self.ctx.release
        return torch.constant_pad_nd(grad, [-each for each in pad])


# Torch's kernels for the transposes, (g, x, pad), by mode and number of dimensions padded.
_TRANSPOSES = {
    (mode, dims): transpose_kernel(
        getattr(_ATEN, f"{kernel}{dims}d_backward").default,
        lambda h, _, pad, mode=mode: functional.pad(h, pad, mode),
        f"the transpose of pad(x, ..., mode={mode!r}):  dg = h padded",
    )
    for mode, kernel in (("reflect", "reflection_pad"), ("replicate", "replication_pad"))
    for dims in (1, 2, 3)
}


class _pad_by_values(Linear):
    """x with copies of its own elements around it:  dx = g inside, and around it added to where it was copied from."""

    def forward(self, input: Any, pad: Sequence[int], mode: str, value: float | None = None) -> Any:
        self.ctx.save(input, pad, mode)
        return _NN.pad(input, pad, mode, value)

    def backward(self, grad: Any) -> Any:
        input, pad, mode = self.ctx.release
        if mode == "circular":
            return _unwind(grad, input.shape, pad)
        return _TRANSPOSES[mode, len(pad) // 2](grad, input, pad)


_copied = function(_pad_by_values)
_copied.leaf = True


def _unwind(grad: Any, shape: Sequence[int], pad: Sequence[int]) -> Any:
    """Add what circular padding put before and after to the end and the start of what it kept of x."""
    for i in range(len(pad) // 2):
        dim = len(shape) - 1 - i
        before, after = pad[2 * i : 2 * i + 2]
        rest = (0, 0) * i
        left, right = max(before, 0), max(after, 0)
        kept = shape[dim] + min(before, 0) + min(after, 0)
        inside = grad.narrow(dim, left, kept)
        if left:
            inside = inside + torch.constant_pad_nd(grad.narrow(dim, 0, left), [*rest, kept - left, 0])
        if right:
            inside = inside + torch.constant_pad_nd(grad.narrow(dim, left + kept, right), [*rest, 0, kept - right])
        grad = torch.constant_pad_nd(inside, [*rest, max(-before, 0), max(-after, 0)]) if kept != shape[dim] else inside
    return grad


@implements(functional.pad)
def pad(input: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    """X made larger at its edges: by ``pad`` elements before and after its last dimension, the one before it, ...

    ``mode`` is "constant" (with ``value``, 0 by default), "reflect", "replicate" or "circular".
    """
    pad = [operator.index(each) for each in pad]  # torch takes numbers in tensors, too
    if mode == "constant":
        return constant_pad_nd(input, pad, 0 if value is None else value)
    return _copied(input, pad, mode, value)
