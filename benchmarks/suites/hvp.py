"""The product of a Hessian and a vector: an MLP 64-64-64-1 with tanh, on a batch of 32, mean squared error."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch.nn import functional

import nexnet

from ..interleaved import Case

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

    return {"PyTorch": double_backward, "nexnet": product, "torch.func": reverse_over_reverse}


def cases() -> list[Case]:
    """Give the one case."""
    return [Case("Hessian-vector product", "MLP 64-64-64-1, batch 32", make, rtol=1e-4)]
