"""One training step of an MLP 784-256-64-10: forward, cross-entropy, backward, SGD in place."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import optree
import torch
from torch.nn import functional

import nexnet
import nexnet_nn as nn

from .. import peers
from ..interleaved import Case
from . import _step

SIZES = [784, 256, 64, 10]


def module() -> torch.nn.Module:
    """Make PyTorch's model, always with the same weights."""
    torch.manual_seed(0)
    layers: list[torch.nn.Module] = []
    for size_in, size_out in pairwise(SIZES):
        layers += [torch.nn.Linear(size_in, size_out), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def in_torch(x: torch.Tensor, y: torch.Tensor) -> _step.Step:
    """Make PyTorch's step."""
    return _step.in_torch(module(), functional.cross_entropy, x, y)


def in_nexnet(x: torch.Tensor, y: torch.Tensor, low_rank: bool = True) -> _step.Step:
    """Make nexnet's step from the same weights."""
    structure = optree.tree_structure(nn.MLP(SIZES, activation=nexnet.relu), namespace="nexnet")
    model = optree.tree_unflatten(structure, _step.lite(module()))
    return _step.in_nexnet(model, lambda model, x, y: nn.cross_entropy(model(x), y), x, y, low_rank)


def jax_loss(params: list[Any], x: Any, y: Any) -> Any:
    """Compute the loss in JAX."""
    import jax

    for i in range(0, len(params), 2):
        x = (jax.nn.relu(x) if i else x) @ params[i].T + params[i + 1]
    return _step.jax_cross_entropy(x, y)


def in_autograd(x: torch.Tensor, y: torch.Tensor) -> Callable[[], Any]:
    """Make HIPS autograd's step."""
    import autograd
    import autograd.numpy as np

    images, labels = x.numpy(), y.numpy()
    params = _step.arrays(module())
    rows = np.arange(len(labels))

    def loss(params: list[Any], x: Any, y: Any) -> Any:
        for i in range(0, len(params), 2):
            x = np.dot(np.maximum(x, 0) if i else x, params[i].T) + params[i + 1]
        x = x - np.max(x, axis=1, keepdims=True)
        return np.mean(np.log(np.sum(np.exp(x), axis=1)) - x[rows, y])

    both = autograd.value_and_grad(loss)

    def step() -> Any:
        value, grads = both(params, images, labels)
        for p, g in zip(params, grads, strict=True):
            p -= _step.LR * g
        return value, params

    return step


def mkl_linear(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Compute relu(x wᵀ + b)."""
    return torch.addmm(b, x, w.t()).relu_()


def onednn_linear(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Compute relu(x wᵀ + b) in one kernel."""
    return torch.ops.mkldnn._linear_pointwise(x, w, b, "relu", [], "")


def onednn_product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Compute a b."""
    return torch.ops.mkldnn._linear_pointwise(a, b.t(), None, "none", [], "")


def by_hand(
    x: torch.Tensor, y: torch.Tensor, linear: Callable[..., Any], product: Callable[..., Any] | None = None
) -> Any:
    """Make the step in torch's kernels and nothing else, the gradients written out; the limit.

    ``linear`` and ``product`` compute the first layer, where the time is. Without a ``product`` the weights' gradients
    are not made, but added to the weights as they are multiplied.
    """
    params = _step.copies(module())
    w1, b1, w2, b2, w3, b3 = params

    @torch.inference_mode()
    def step() -> Any:
        h1 = linear(x, w1, b1)
        h2 = torch.addmm(b2, h1, w2.t()).relu_()
        loss, g3 = _step.cross_entropy_by_hand(torch.addmm(b3, h2, w3.t()), y)
        g2 = torch.ops.aten.threshold_backward(torch.mm(g3, w3), h2, 0)
        g1 = torch.ops.aten.threshold_backward(torch.mm(g2, w2), h1, 0)
        biases = [g1.sum(0), g2.sum(0), g3.sum(0)]
        if product is None:
            _step.descend([b1, b2, b3], biases)
            for w, g, h in ((w1, g1, x), (w2, g2, h1), (w3, g3, h2)):
                w.addmm_(g.t(), h, alpha=-_step.LR)
        else:
            weights = [product(g1.t(), x), torch.mm(g2.t(), h1), torch.mm(g3.t(), h2)]
            _step.descend([w1, w2, w3, b1, b2, b3], [*weights, *biases])
        return loss, params

    return step


def data(batch: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw images and labels."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch, SIZES[0], generator=generator), torch.randint(SIZES[-1], (batch,), generator=generator)


def make(batch: int) -> dict[str, Callable[[], Any]]:
    """Make the contenders: the loss, and the parameters after the step."""
    x, y = data(batch)
    made = {
        "PyTorch": in_torch(x, y),
        "nexnet": in_nexnet(x, y),
        "nexnet, dense gradients": in_nexnet(x, y, low_rank=False),
        "torch.func": _step.in_torch_func(module(), functional.cross_entropy, x, y),
    }
    if peers.have("jax"):
        made["JAX jit"] = _step.in_jax(module(), jax_loss, x, y)
        made["JAX jit, pipelined"] = _step.in_jax(module(), jax_loss, x, y, blocking=False)
    if peers.have("autograd"):
        made["HIPS autograd"] = in_autograd(x, y)
    made["by hand"] = by_hand(x, y, mkl_linear, torch.mm)
    made["by hand, no gradients made"] = by_hand(x, y, mkl_linear)
    if torch.backends.mkldnn.is_available():
        made["by hand, first layer in oneDNN"] = by_hand(x, y, onednn_linear, onednn_product)
    return made


def cases() -> list[Case]:
    """Give a case for each batch size."""
    aims = {8: 0.60, 64: 0.55, 512: 0.55}
    return [
        Case("MLP step", f"batch {batch}", partial(make, batch), _step.RTOL, aims={"nexnet": aims[batch]})
        for batch in aims
    ]
