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

from ..interleaved import Case

SIZES = [784, 256, 64, 10]
LR = 1e-3


def in_torch(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.nn.Module, Callable[[], Any]]:
    """Make PyTorch's model, and its step, which gives the loss and the new parameters."""
    torch.manual_seed(0)
    layers: list[torch.nn.Module] = []
    for size_in, size_out in pairwise(SIZES):
        layers += [torch.nn.Linear(size_in, size_out), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    params = list(model.parameters())
    optimizer = torch.optim.SGD(params, lr=LR)

    def step() -> Any:
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss, params

    return model, step


def in_nexnet(x: torch.Tensor, y: torch.Tensor, weights: list[torch.Tensor]) -> Callable[[], Any]:
    """Make nexnet's step from the same weights."""
    model = nn.MLP(SIZES, activation=nexnet.relu)
    structure = optree.tree_structure(model, namespace="nexnet")
    model = optree.tree_unflatten(structure, [nexnet.LiteTensor(each.detach().clone()) for each in weights])
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


def make(batch: int) -> dict[str, Callable[[], Any]]:
    """Make the contenders: the loss, and the parameters after the step."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(batch, SIZES[0], generator=generator)
    y = torch.randint(SIZES[-1], (batch,), generator=generator)
    model, step = in_torch(x, y)
    return {"PyTorch": step, "nexnet": in_nexnet(x, y, list(model.parameters()))}


def cases() -> list[Case]:
    """Give a case for each batch size."""
    return [Case("MLP step", f"batch {batch}", partial(make, batch)) for batch in (8, 64, 512)]
