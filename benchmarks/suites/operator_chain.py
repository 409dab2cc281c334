"""A chain of 400 tiny operators, ``h * w`` and ``h + w`` in turn, and its gradients: what the tape itself costs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

import nexnet

from .. import peers
from ..interleaved import Case

LENGTH = 400


def chain(x: Any, w: Any) -> Any:
    """Compute the chain: the same lines for everyone's tensors."""
    for _ in range(LENGTH // 2):
        x = x * w + w
    return x.sum()


def in_torch(x: torch.Tensor, w: torch.Tensor) -> Callable[[], Any]:
    """Make PyTorch's."""
    inputs = (x.clone().requires_grad_(), w.clone().requires_grad_())

    def call() -> Any:
        out = chain(*inputs)
        return out.detach(), torch.autograd.grad(out, inputs)

    return call


def in_nexnet(x: torch.Tensor, w: torch.Tensor) -> Callable[[], Any]:
    """Make nexnet's."""
    both = nexnet.value_and_grad(chain, argnums=(0, 1))
    x_nexnet, w_nexnet = nexnet.LiteTensor(x), nexnet.LiteTensor(w)
    return lambda: both(x_nexnet, w_nexnet)


def in_torch_func(x: torch.Tensor, w: torch.Tensor) -> Callable[[], Any]:
    """Make torch.func's."""
    both = torch.func.grad_and_value(chain, argnums=(0, 1))

    def call() -> Any:
        grads, value = both(x, w)
        return value, grads

    return call


def in_jax(x: torch.Tensor, w: torch.Tensor) -> Callable[[], Any]:
    """Make JAX's, compiled."""
    import jax

    both = jax.jit(jax.value_and_grad(chain, argnums=(0, 1)))
    x_jax, w_jax = jax.numpy.asarray(x.numpy()), jax.numpy.asarray(w.numpy())
    return lambda: jax.block_until_ready(both(x_jax, w_jax))


def in_autograd(x: torch.Tensor, w: torch.Tensor) -> Callable[[], Any]:
    """Make HIPS autograd's."""
    import autograd
    import autograd.numpy as np

    def summed(both: Any) -> Any:
        x, w = both
        for _ in range(LENGTH // 2):
            x = x * w + w
        return np.sum(x)

    both = autograd.value_and_grad(summed)
    data = (x.numpy(), w.numpy())
    return lambda: both(data)


@torch.inference_mode()
def by_hand(x: torch.Tensor, w: torch.Tensor) -> Any:
    """Compute it in torch's kernels and nothing else, what is accumulated in place; the limit."""
    saved = []
    for _ in range(LENGTH // 2):
        saved.append(x)
        x = (x * w).add_(w)
    grad, grad_w = torch.ones_like(x), torch.zeros_like(w)
    for h in reversed(saved):
        grad_w.add_(grad)
        grad_w.addcmul_(grad, h)
        grad.mul_(w)
    return x.sum(), (grad, grad_w)


def data(shape: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw x, and a w below 1."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(shape, generator=generator), torch.rand(shape, generator=generator) * 0.1 + 0.85


def make(shape: tuple[int, ...]) -> dict[str, Callable[[], Any]]:
    """Make the contenders: the value, and the gradients by x and w."""
    x, w = data(shape)
    made = {"PyTorch": in_torch(x, w), "nexnet": in_nexnet(x, w), "torch.func": in_torch_func(x, w)}
    if peers.have("jax"):
        made["JAX jit"] = in_jax(x, w)
    if peers.have("autograd"):
        made["HIPS autograd"] = in_autograd(x, w)
    return made | {"by hand": partial(by_hand, x, w)}


def cases() -> list[Case]:
    """Give a case for each shape."""
    return [
        Case(f"chain of {LENGTH} operators", str(shape), partial(make, shape), aims={"nexnet": 0.55})
        for shape in ((), (64,), (64, 64))
    ]
