"""A chain of 400 tiny operators, ``h * w`` and ``h + w`` in turn, and its gradients: what the tape itself costs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

import nexnet

from ..interleaved import Case

LENGTH = 400


def chain(x: Any, w: Any) -> Any:
    """Compute the chain: the same lines for torch's tensors and nexnet's."""
    for _ in range(LENGTH // 2):
        x = x * w + w
    return x.sum()


def make(shape: tuple[int, ...]) -> dict[str, Callable[[], Any]]:
    """Make the contenders: the value, and the gradients by x and w."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(shape, generator=generator)
    w = torch.rand(shape, generator=generator) * 0.1 + 0.85
    x_torch, w_torch = x.clone().requires_grad_(), w.clone().requires_grad_()
    x_nexnet, w_nexnet = nexnet.LiteTensor(x), nexnet.LiteTensor(w)
    both = nexnet.value_and_grad(chain, argnums=(0, 1))

    def in_torch() -> Any:
        out = chain(x_torch, w_torch)
        return out, torch.autograd.grad(out, (x_torch, w_torch))

    return {"PyTorch": in_torch, "nexnet": lambda: both(x_nexnet, w_nexnet)}


def cases() -> list[Case]:
    """Give a case for each shape."""
    return [Case(f"chain of {LENGTH} operators", str(shape), partial(make, shape)) for shape in ((), (64,), (64, 64))]
