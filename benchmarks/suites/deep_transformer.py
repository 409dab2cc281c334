"""The memory that the gradient of PyTorch's own transformer takes, 24 layers of width 128, with checkpoints too."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

import nexnet

from ..interleaved import Case
from ..memory import Weighed

DEPTH, WIDTH, HEADS, TOKENS = 24, 128, 8, 64
RTOL = 2e-3  # beside float64, PyTorch's own gradient by the first layer is off by 5e-4 in float32


def in_torch(layers: torch.nn.ModuleList, x: torch.Tensor, y: torch.Tensor, wrap: Any) -> Callable[[], Any]:
    """Make PyTorch's gradient."""
    params = list(layers.parameters())

    def call() -> Any:
        h = x
        for layer in layers:
            h = wrap(layer, h)
        loss = functional.mse_loss(h, y)
        return loss.detach(), torch.autograd.grad(loss, params)

    return call


def in_nexnet(layers: torch.nn.ModuleList, x: torch.Tensor, y: torch.Tensor, wrap: Any) -> Callable[[], Any]:
    """Make nexnet's gradient, of the same modules."""
    parameters = [nexnet.parameters_of(layer) for layer in layers]

    def block(layer: torch.nn.Module, parameters: Any, h: Any) -> Any:
        return nexnet.functional_call(layer, parameters, (h,))

    def loss(parameters: Any) -> Any:
        h = nexnet.LiteTensor(x)
        for layer, its in zip(layers, parameters, strict=True):
            h = wrap(partial(block, layer))(its, h)
        return nexnet.mse_loss(h, y)

    both = nexnet.value_and_grad(loss)

    def call() -> Any:
        value, grads = both(parameters)
        return value, [grad for each in grads for grad in each.values()]

    return call


def make(batch: int, megabytes: float) -> dict[str, Callable[[], Any]]:
    """Make the contenders: the loss, and its gradient by each parameter."""
    torch.manual_seed(0)
    layers = torch.nn.ModuleList(
        torch.nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, dropout=0.0, batch_first=True) for _ in range(DEPTH)
    )
    x, y = torch.randn(batch, TOKENS, WIDTH), torch.randn(batch, TOKENS, WIDTH)
    budget = nexnet.MemoryBudget(megabytes)
    contenders = {
        "PyTorch": in_torch(layers, x, y, lambda layer, h: layer(h)),
        "nexnet": in_nexnet(layers, x, y, lambda fn: fn),
        "PyTorch, checkpointed": in_torch(layers, x, y, partial(checkpoint, use_reentrant=False)),
        "nexnet, checkpointed": in_nexnet(layers, x, y, nexnet.checkpoint),
        "nexnet, within a budget": in_nexnet(layers, x, y, partial(nexnet.checkpoint, policy=budget)),
    }
    for call in contenders.values():
        call()  # what a library sets up once is not counted, and the budget sees what each layer costs
    return {who: Weighed(call) for who, call in contenders.items()}


def cases() -> list[Case]:
    """Give a case for two sizes of batch: in the smaller one the gradients are half of all memory."""
    aims = {"nexnet": 1.0}
    return [
        Case("memory of a transformer", f"{DEPTH} layers, batch {batch}, budget {megabytes} MB",
             partial(make, batch, megabytes), rtol=RTOL, rounds=1, reads="bytes", aims=aims)
        for batch, megabytes in ((4, 20), (32, 160))
    ]  # fmt: skip
