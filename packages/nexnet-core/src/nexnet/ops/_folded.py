"""Kernels that torch.vmap has no rule for, and that have a batch: the examples of a vmap are folded into it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ._vmap_kernels import is_mapped

__all__ = ["folded"]


def folded(kernel: Callable[..., Any], dims: tuple[int, ...], *args: Any) -> Any:
    """Call a kernel once for all examples of a vmap; where nothing is mapped, call it as it is.

    Args:
        kernel: what it gives, a tensor or several, has the batch in front.
        dims: how many dimensions the first arguments, tensors or None, have behind their batch.
        args: the arguments; what follows on those of ``dims`` is the same for every example.
    """
    if not is_mapped(*args[: len(dims)]):
        return kernel(*args)
    return _Folded.apply(kernel, dims, *args)  # type: ignore[no-untyped-call]


class _Folded(torch.autograd.Function):
    """By torch's own door for such rules: it asks once for each vmap around, the inmost first."""

    @staticmethod
    def forward(kernel: Callable[..., Any], _: tuple[int, ...], *args: Any) -> Any:
        return kernel(*args)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Keep nothing: torch takes no gradient of it."""

    @staticmethod
    def vmap(info: Any, in_dims: Any, kernel: Callable[..., Any], dims: tuple[int, ...], *args: Any) -> Any:
        tensors: list[Any] = [
            None if x is None else x.expand(info.batch_size, *x.shape) if place is None else x.movedim(place, 0)
            for x, place in zip(args[: len(dims)], in_dims[2:], strict=False)
        ]
        flat = [None if x is None else _flat(x, own) for x, own in zip(tensors, dims, strict=True)]
        batch = tensors[0].shape[: tensors[0].ndim - dims[0]]
        out = folded(kernel, dims, *flat, *args[len(dims) :])
        if isinstance(out, Tensor):
            return out.reshape(*batch, *out.shape[1:]), 0
        return tuple([each.reshape(*batch, *each.shape[1:]) for each in out]), (0,) * len(out)


def _flat(x: Tensor, own: int) -> Tensor:
    """Make all dimensions one but the last, its own ones; contiguous, which some kernels take for granted."""
    count = x.ndim - own
    return x.reshape(math.prod(x.shape[:count]), *x.shape[count:]).contiguous()
