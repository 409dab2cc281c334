"""The product of a Hessian and a vector: an MLP 64-64-64-1 with tanh, on a batch of 32, mean squared error."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch.nn import functional

import nexnet

from .. import peers
from ..interleaved import Case
from ._by_hand import TANH, evaluate, hessian_product

BATCH = 32
SIZES = (64, 64, 64, 1)


def loss_of(linear: Callable[..., Any], tanh: Callable[..., Any], mse_loss: Callable[..., Any]) -> Callable[..., Any]:
    """Write the loss in a library's functions."""

    def loss(params: Any, x: Any, y: Any) -> Any:
        w1, b1, w2, b2, w3, b3 = params
        return mse_loss(linear(tanh(linear(tanh(linear(x, w1, b1)), w2, b2)), w3, b3), y)

    return loss


def make() -> dict[str, Callable[[], Any]]:
    """Make the contenders: the gradient, and the product, by each parameter."""
    generator = torch.Generator().manual_seed(0)
    start, vectors = [], []
    for size_in, size_out in pairwise(SIZES):
        for shape in ((size_out, size_in), (size_out,)):
            start.append(torch.randn(shape, generator=generator) / math.sqrt(size_in))
            vectors.append(torch.randn(shape, generator=generator))
    x, y = torch.randn(BATCH, SIZES[0], generator=generator), torch.randn(BATCH, 1, generator=generator)

    of_torch = loss_of(functional.linear, torch.tanh, functional.mse_loss)
    leaves = [each.clone().requires_grad_() for each in start]

    def double_backward() -> Any:
        grads = torch.autograd.grad(of_torch(leaves, x, y), leaves, create_graph=True)
        return grads, torch.autograd.grad(grads, leaves, vectors)

    def reverse_over_reverse() -> Any:
        grads, pullback = torch.func.vjp(lambda params: torch.func.grad(of_torch)(params, x, y), start)
        return grads, pullback(vectors)[0]

    of_nexnet = loss_of(nexnet.linear, nexnet.tanh, nexnet.mse_loss)
    params = [nexnet.LiteTensor(each) for each in start]
    along = [nexnet.LiteTensor(each) for each in vectors]
    fixed_x, fixed_y = nexnet.LiteTensor(x), nexnet.LiteTensor(y)

    def product() -> Any:
        (grads,), (products,) = nexnet.hvp(lambda params: of_nexnet(params, fixed_x, fixed_y), (params,), (along,))
        return grads, products

    @torch.inference_mode()
    def by_hand() -> Any:
        at = evaluate(start, x, y, TANH)
        return at.grads, hessian_product(at, start, vectors, TANH)

    made = {"PyTorch": double_backward, "nexnet": product, "torch.func": reverse_over_reverse}
    if peers.have("jax"):
        made["JAX jit"] = in_jax(start, vectors, x, y)
    if peers.have("autograd"):
        made["HIPS autograd"] = in_autograd(start, vectors, x, y)
    return made | {"by hand": by_hand}


def in_jax(start: list[torch.Tensor], vectors: list[torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> Any:
    """Make JAX's product, forward over reverse, compiled."""
    import jax

    data, target = jax.numpy.asarray(x.numpy()), jax.numpy.asarray(y.numpy())
    params, along = ([jax.numpy.asarray(each.numpy()) for each in tensors] for tensors in (start, vectors))
    loss = loss_of(lambda x, w, b: x @ w.T + b, jax.numpy.tanh, lambda out, y: jax.numpy.mean((out - y) ** 2))
    product = jax.jit(lambda params, along: jax.jvp(lambda p: jax.grad(loss)(p, data, target), (params,), (along,)))
    return lambda: jax.block_until_ready(product(params, along))


def in_autograd(start: list[torch.Tensor], vectors: list[torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> Any:
    """Make HIPS autograd's product, reverse over reverse."""
    import autograd
    import autograd.numpy as np

    data, target = x.numpy(), y.numpy()
    params, along = ([each.numpy() for each in tensors] for tensors in (start, vectors))
    loss = loss_of(lambda x, w, b: np.dot(x, w.T) + b, np.tanh, lambda out, y: np.mean((out - y) ** 2))
    gradient = autograd.grad(loss)
    vjp = autograd.make_vjp(lambda params: gradient(params, data, target))

    def product() -> Any:
        pullback, grads = vjp(params)
        return grads, pullback(along)

    return product


def cases() -> list[Case]:
    """Give the one case."""
    return [Case("Hessian-vector product", "MLP 64-64-64-1, batch 32", make, rtol=1e-4, aims={"nexnet": 0.60})]
