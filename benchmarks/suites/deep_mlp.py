"""The memory that the gradient of an MLP of depth 200 and width 64 takes, on a batch of 1024, with checkpoints too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional
from torch.utils.checkpoint import checkpoint_sequential

import nexnet

from ..interleaved import Case
from ..memory import Weighed

DEPTH, WIDTH, BATCH = 200, 64, 1024
SEGMENTS = 20  # of 10 layers each: the kept inputs and one segment together are few
MEGABYTES = 20  # for segments that are kept all the same


def in_torch(model: torch.nn.Sequential, x: torch.Tensor, y: torch.Tensor, segments: int = 0) -> Callable[[], Any]:
    """Make PyTorch's gradient."""
    params = list(model.parameters())

    def call() -> Any:
        out = checkpoint_sequential(model, segments, x, use_reentrant=False) if segments else model(x)
        loss = functional.mse_loss(out, y)
        return loss.detach(), torch.autograd.grad(loss, params)

    return call


def in_torch_func(model: torch.nn.Sequential, x: torch.Tensor, y: torch.Tensor) -> Callable[[], Any]:
    """Make torch.func's gradient."""
    params = {name: each.detach() for name, each in model.named_parameters()}

    def loss(params: dict[str, torch.Tensor]) -> torch.Tensor:
        return functional.mse_loss(torch.func.functional_call(model, params, (x,)), y)

    def call() -> Any:
        grads, value = torch.func.grad_and_value(loss)(params)
        return value, list(grads.values())

    return call


def in_nexnet(
    model: torch.nn.Sequential, x: torch.Tensor, y: torch.Tensor, segments: int = 0, policy: Any = None
) -> Callable[[], Any]:
    """Make nexnet's gradient."""
    layers = [
        (nexnet.LiteTensor(each.weight.detach()), nexnet.LiteTensor(each.bias.detach()))
        for each in model
        if isinstance(each, torch.nn.Linear)
    ]
    data, target = nexnet.LiteTensor(x), nexnet.LiteTensor(y)

    def through(layers: Any, x: Any) -> Any:
        for weight, bias in layers:
            x = nexnet.relu(nexnet.linear(x, weight, bias))
        return x

    def loss(layers: Any) -> Any:
        h = data
        if not segments:
            h = through(layers, h)
        else:
            size = DEPTH // segments
            for i in range(segments):
                part = layers[i * size : (i + 1) * size if i < segments - 1 else None]
                h = nexnet.checkpoint(through, policy=policy)(part, h)
        return nexnet.mse_loss(h, target)

    both = nexnet.value_and_grad(loss)
    return lambda: both(layers)


def make() -> dict[str, Callable[[], Any]]:
    """Make the contenders: the loss, and its gradient by each parameter."""
    torch.manual_seed(0)
    model = torch.nn.Sequential()
    for _ in range(DEPTH):
        layer = torch.nn.Linear(WIDTH, WIDTH)
        torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        model.append(layer).append(torch.nn.ReLU())
    x, y = torch.randn(BATCH, WIDTH), torch.randn(BATCH, WIDTH)
    contenders = {
        "PyTorch": in_torch(model, x, y),
        "nexnet": in_nexnet(model, x, y),
        "torch.func": in_torch_func(model, x, y),
        "PyTorch, checkpointed": in_torch(model, x, y, SEGMENTS),
        "nexnet, checkpointed": in_nexnet(model, x, y, SEGMENTS),
        f"nexnet, within {MEGABYTES} MB": in_nexnet(model, x, y, SEGMENTS, nexnet.MemoryBudget(MEGABYTES)),
    }
    for call in contenders.values():
        call()  # what a library sets up once is not counted
    return {who: Weighed(call) for who, call in contenders.items()}


def cases() -> list[Case]:
    """Give the one case."""
    name = f"{DEPTH} layers, width {WIDTH}, batch {BATCH}"
    aims = {"nexnet": 1.0, "nexnet, checkpointed": 9 / 52}
    return [Case("memory of a deep MLP", name, make, rtol=1e-4, rounds=1, reads="bytes", aims=aims)]
