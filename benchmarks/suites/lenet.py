"""One training step of LeNet-5 (Y. LeCun et al., 1998; with ReLU and max pooling) on 64 images of 28 x 28."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

import nexnet

from .. import peers
from ..interleaved import Case
from . import _step

BATCH = 64


def module() -> torch.nn.Module:
    """Make PyTorch's model, always with the same weights."""
    torch.manual_seed(0)
    layers = torch.nn
    return layers.Sequential(
        layers.Conv2d(1, 6, 5, padding=2), layers.ReLU(), layers.MaxPool2d(2),
        layers.Conv2d(6, 16, 5), layers.ReLU(), layers.MaxPool2d(2), layers.Flatten(),
        layers.Linear(400, 120), layers.ReLU(), layers.Linear(120, 84), layers.ReLU(), layers.Linear(84, 10),
    )  # fmt: skip


def nexnet_loss(params: list[Any], x: Any, y: Any) -> Any:
    """Compute the loss in nexnet."""
    k1, c1, k2, c2, w1, b1, w2, b2, w3, b3 = params
    x = nexnet.max_pool2d(nexnet.relu(nexnet.conv2d(x, k1, c1, padding=2)), 2)
    x = nexnet.max_pool2d(nexnet.relu(nexnet.conv2d(x, k2, c2)), 2)
    x = nexnet.relu(nexnet.linear(x.flatten(1), w1, b1))
    return nexnet.cross_entropy(nexnet.linear(nexnet.relu(nexnet.linear(x, w2, b2)), w3, b3), y)


def jax_loss(params: list[Any], x: Any, y: Any) -> Any:
    """Compute the loss in JAX."""
    import jax

    def convolved(x: Any, kernel: Any, bias: Any, padding: str) -> Any:
        out = jax.nn.relu(jax.lax.conv(x, kernel, (1, 1), padding) + bias[:, None, None])
        return jax.lax.reduce_window(out, -jax.numpy.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")

    k1, c1, k2, c2, w1, b1, w2, b2, w3, b3 = params
    x = convolved(convolved(x, k1, c1, "SAME"), k2, c2, "VALID").reshape(len(x), -1)
    x = jax.nn.relu(jax.nn.relu(x @ w1.T + b1) @ w2.T + b2)
    return _step.jax_cross_entropy(x @ w3.T + b3, y)


def by_hand(x: Tensor, y: Tensor) -> Callable[[], Any]:
    """Make the step in torch's kernels and nothing else, the gradients written out; the limit."""
    params = _step.copies(module())
    k1, c1, k2, c2, w1, b1, w2, b2, w3, b3 = params
    aten = torch.ops.aten
    pool, unpool = aten.max_pool2d_with_indices, aten.max_pool2d_with_indices_backward
    window = ([2, 2], [2, 2], [0, 0], [1, 1], False)

    def passed(grad: Tensor, h: Tensor, kernel: Tensor, padding: int, needs_input: bool) -> Any:
        more = ([1, 1], [padding, padding], [1, 1], False, [0, 0], 1, [needs_input, True, True])
        return aten.convolution_backward(grad, h, kernel, [len(kernel)], *more)

    @torch.inference_mode()
    def step() -> Any:
        h1 = torch.conv2d(x, k1, c1, padding=2).relu_()
        p1, i1 = pool(h1, *window[:4])
        h2 = torch.conv2d(p1, k2, c2).relu_()
        p2, i2 = pool(h2, *window[:4])
        flat = p2.flatten(1)
        h3 = torch.addmm(b1, flat, w1.t()).relu_()
        h4 = torch.addmm(b2, h3, w2.t()).relu_()
        loss, g5 = _step.cross_entropy_by_hand(torch.addmm(b3, h4, w3.t()), y)
        g4 = aten.threshold_backward(torch.mm(g5, w3), h4, 0)
        g3 = aten.threshold_backward(torch.mm(g4, w2), h3, 0)
        g2 = aten.threshold_backward(unpool(torch.mm(g3, w1).view_as(p2), h2, *window, i2), h2, 0)
        g_p1, g_k2, g_c2 = passed(g2, p1, k2, 0, True)
        g1 = aten.threshold_backward(unpool(g_p1, h1, *window, i1), h1, 0)
        _, g_k1, g_c1 = passed(g1, x, k1, 2, False)
        dense = [torch.mm(g3.t(), flat), g3.sum(0), torch.mm(g4.t(), h3), g4.sum(0), torch.mm(g5.t(), h4), g5.sum(0)]
        _step.descend(params, [g_k1, g_c1, g_k2, g_c2, *dense])
        return loss, params

    return step


def make() -> dict[str, Callable[[], Any]]:
    """Make the contenders: the loss, and the parameters after the step."""
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(BATCH, 1, 28, 28, generator=generator), torch.randint(10, (BATCH,), generator=generator)
    made = {
        "PyTorch": _step.in_torch(module(), functional.cross_entropy, x, y),
        "nexnet": _step.in_nexnet(_step.lite(module()), nexnet_loss, x, y),
        "torch.func": _step.in_torch_func(module(), functional.cross_entropy, x, y),
    }
    if peers.have("jax"):
        made["JAX jit"] = _step.in_jax(module(), jax_loss, x, y)
    return made | {"by hand": by_hand(x, y)}


def cases() -> list[Case]:
    """Give the one case."""
    return [Case("LeNet step", f"batch {BATCH}", make, _step.RTOL, aims={"nexnet": 0.90})]
