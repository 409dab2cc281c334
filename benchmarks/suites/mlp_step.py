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

SIZES = [784, 256, 64, 10]
LR = 1e-3


def module() -> torch.nn.Module:
    """Make PyTorch's model, always with the same weights."""
    torch.manual_seed(0)
    layers: list[torch.nn.Module] = []
    for size_in, size_out in pairwise(SIZES):
        layers += [torch.nn.Linear(size_in, size_out), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def in_torch(x: torch.Tensor, y: torch.Tensor) -> Callable[[], Any]:
    """Make PyTorch's step, which gives the loss and the new parameters."""
    model = module()
    params = list(model.parameters())
    optimizer = torch.optim.SGD(params, lr=LR)

    def step() -> Any:
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss, params

    return step


def in_nexnet(x: torch.Tensor, y: torch.Tensor) -> Callable[[], Any]:
    """Make nexnet's step from the same weights."""
    model = nn.MLP(SIZES, activation=nexnet.relu)
    structure = optree.tree_structure(model, namespace="nexnet")
    model = optree.tree_unflatten(structure, [nexnet.LiteTensor(each.detach()) for each in module().parameters()])
    images, labels = nexnet.LiteTensor(x), nexnet.LiteTensor(y)
    sgd = nn.SGD(lr=LR)
    state = sgd.init(model)

    def loss(model: Any, x: Any, y: Any) -> Any:
        return nn.cross_entropy(model(x), y)

    both = nexnet.value_and_grad(loss)

    def step() -> Any:
        nonlocal model, state
        value, grads = both(model, images, labels)
        model, state = sgd.update_(model, grads, state)
        return value, model

    return step


def in_torch_func(x: torch.Tensor, y: torch.Tensor) -> Callable[[], Any]:
    """Make torch.func's step, with one kernel for all updates."""
    model = module()
    params = {name: each.detach() for name, each in model.named_parameters()}

    def loss(params: dict[str, torch.Tensor]) -> torch.Tensor:
        return functional.cross_entropy(torch.func.functional_call(model, params, (x,)), y)

    both = torch.func.grad_and_value(loss)

    def step() -> Any:
        grads, value = both(params)
        torch._foreach_add_(list(params.values()), list(grads.values()), alpha=-LR)
        return value, list(params.values())

    return step


def in_jax(x: torch.Tensor, y: torch.Tensor, blocking: bool) -> Callable[[], Any]:
    """Make JAX's step, compiled as a whole: waiting for each, or only for the last."""
    import jax

    images, labels = jax.numpy.asarray(x.numpy()), jax.numpy.asarray(y.numpy())
    params = [jax.numpy.array(each.detach().numpy()) for each in module().parameters()]

    def loss(params: list[jax.Array], x: jax.Array, y: jax.Array) -> jax.Array:
        for i in range(0, len(params), 2):
            x = (jax.nn.relu(x) if i else x) @ params[i].T + params[i + 1]
        return -jax.numpy.take_along_axis(jax.nn.log_softmax(x), y[:, None], axis=1).mean()

    @partial(jax.jit, donate_argnums=0)
    def update(params: list[jax.Array], x: jax.Array, y: jax.Array) -> Any:
        value, grads = jax.value_and_grad(loss)(params, x, y)
        return value, jax.tree.map(lambda p, g: p - LR * g, params, grads)

    def step() -> Any:
        nonlocal params
        value, params = update(params, images, labels)
        return jax.block_until_ready((value, params)) if blocking else (value, params)

    return step


def in_autograd(x: torch.Tensor, y: torch.Tensor) -> Callable[[], Any]:
    """Make HIPS autograd's step."""
    import autograd
    import autograd.numpy as np

    images, labels = x.numpy(), y.numpy()
    params = [each.detach().numpy().copy() for each in module().parameters()]
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
            p -= LR * g
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


def by_hand(x: torch.Tensor, y: torch.Tensor, linear: Callable[..., Any], product: Callable[..., Any]) -> Any:
    """Make the step in torch's kernels and nothing else, the gradients written out; the limit.

    ``linear`` and ``product`` compute the first layer, where the time is.
    """
    params = [each.detach().clone() for each in module().parameters()]
    w1, b1, w2, b2, w3, b3 = params
    index, minus_ones = y[:, None], -torch.ones(len(y), 1)

    @torch.inference_mode()
    def step() -> Any:
        h1 = linear(x, w1, b1)
        h2 = torch.addmm(b2, h1, w2.t()).relu_()
        log_p = torch.log_softmax(torch.addmm(b3, h2, w3.t()), 1)
        loss = functional.nll_loss(log_p, y)
        g3 = log_p.exp_().scatter_add_(1, index, minus_ones).div_(len(y))
        g2 = torch.ops.aten.threshold_backward(torch.mm(g3, w3), h2, 0)
        g1 = torch.ops.aten.threshold_backward(torch.mm(g2, w2), h1, 0)
        grads = [product(g1.t(), x), g1.sum(0), torch.mm(g2.t(), h1), g2.sum(0), torch.mm(g3.t(), h2), g3.sum(0)]
        torch._foreach_add_(params, grads, alpha=-LR)
        return loss, params

    return step


def data(batch: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw images and labels."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch, SIZES[0], generator=generator), torch.randint(SIZES[-1], (batch,), generator=generator)


def make(batch: int) -> dict[str, Callable[[], Any]]:
    """Make the contenders: the loss, and the parameters after the step."""
    x, y = data(batch)
    made = {"PyTorch": in_torch(x, y), "nexnet": in_nexnet(x, y), "torch.func": in_torch_func(x, y)}
    if peers.have("jax"):
        made |= {"JAX jit": in_jax(x, y, blocking=True), "JAX jit, pipelined": in_jax(x, y, blocking=False)}
    if peers.have("autograd"):
        made["HIPS autograd"] = in_autograd(x, y)
    made["by hand"] = by_hand(x, y, mkl_linear, torch.mm)
    if torch.backends.mkldnn.is_available():
        made["by hand, first layer in oneDNN"] = by_hand(x, y, onednn_linear, onednn_product)
    return made


def cases() -> list[Case]:
    """Give a case for each batch size."""
    aims = {8: 0.60, 64: 0.55, 512: 0.55}
    return [Case("MLP step", f"batch {batch}", partial(make, batch), aims={"nexnet": aims[batch]}) for batch in aims]
