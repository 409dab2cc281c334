"""Second-order MAML: the gradient of the loss after some steps of gradient descent, by where the steps began.

C. Finn, P. Abbeel, S. Levine, "Model-agnostic meta-learning for fast adaptation of deep networks" (2017), section 5.1:
regression of sinusoids, 10 shots, an MLP 1-40-40-1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch.nn import functional

import nexnet

from ..interleaved import Case

SHOTS = 10
INNER_LR = 0.01
SIZES = (1, 40, 40, 1)

Task = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def sinusoids(count: int, generator: torch.Generator) -> list[Task]:
    """Draw tasks ``(x, y, x_query, y_query)``, each of shape (shots, 1)."""
    tasks = []
    for _ in range(count):
        amplitude, phase = torch.rand(2, generator=generator)
        x = torch.rand(2, SHOTS, 1, generator=generator) * 10 - 5
        y = (0.1 + 4.9 * amplitude) * torch.sin(x + math.pi * phase)
        tasks.append((x[0], y[0], x[1], y[1]))
    return tasks


def parameters(generator: torch.Generator) -> list[torch.Tensor]:
    """Draw the weights and biases of the MLP."""
    made = []
    for size_in, size_out in pairwise(SIZES):
        made.append(torch.randn(size_out, size_in, generator=generator) * math.sqrt(2 / size_in))
        made.append(torch.zeros(size_out))
    return made


def in_torch(start: list[torch.Tensor], tasks: list[Task], steps: int) -> Callable[[], Any]:
    """Make PyTorch's meta-gradient, with create_graph=True in the inner loop."""
    start = [each.clone().requires_grad_() for each in start]

    def call() -> Any:
        total = torch.zeros(())
        for x, y, x_query, y_query in tasks:
            params = start
            for _ in range(steps):
                grads = torch.autograd.grad(_loss_in_torch(params, x, y), params, create_graph=True)
                params = [p - INNER_LR * g for p, g in zip(params, grads, strict=True)]
            total = total + _loss_in_torch(params, x_query, y_query)
        return total, torch.autograd.grad(total, start)

    return call


def _loss_in_torch(params: list[torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    w1, b1, w2, b2, w3, b3 = params
    hidden = functional.relu(functional.linear(functional.relu(functional.linear(x, w1, b1)), w2, b2))
    return functional.mse_loss(functional.linear(hidden, w3, b3), y)


def in_nexnet(start: list[torch.Tensor], tasks: list[Task], steps: int, mapped: bool) -> Callable[[], Any]:
    """Make nexnet's meta-gradient, ``grad`` inside of ``value_and_grad``: over a Python loop, or a vmap."""
    params = [nexnet.LiteTensor(each.clone()) for each in start]
    inner = nexnet.grad(_loss_in_nexnet)

    def task_loss(params: list[Any], x: Any, y: Any, x_query: Any, y_query: Any) -> Any:
        for _ in range(steps):
            params = [p - INNER_LR * g for p, g in zip(params, inner(params, x, y), strict=True)]
        return _loss_in_nexnet(params, x_query, y_query)

    if mapped:
        every_task = nexnet.vmap(task_loss, in_dims=(None, 0, 0, 0, 0))
        batch = [nexnet.LiteTensor(torch.stack(parts)) for parts in zip(*tasks, strict=True)]
        meta_gradient = nexnet.value_and_grad(lambda params: every_task(params, *batch).sum())
    else:
        meta_gradient = nexnet.value_and_grad(lambda params: sum(task_loss(params, *task) for task in tasks))
    return lambda: meta_gradient(params)


def _loss_in_nexnet(params: list[Any], x: Any, y: Any) -> Any:
    w1, b1, w2, b2, w3, b3 = params
    hidden = nexnet.relu(nexnet.linear(nexnet.relu(nexnet.linear(x, w1, b1)), w2, b2))
    return nexnet.mse_loss(nexnet.linear(hidden, w3, b3), y)


def in_torch_func(start: list[torch.Tensor], tasks: list[Task], steps: int, mapped: bool) -> Callable[[], Any]:
    """Make torch.func's meta-gradient: over a Python loop, or a vmap."""
    inner = torch.func.grad(_loss_in_torch)

    def task_loss(params: list[Any], x: Any, y: Any, x_query: Any, y_query: Any) -> Any:
        for _ in range(steps):
            params = [p - INNER_LR * g for p, g in zip(params, inner(params, x, y), strict=True)]
        return _loss_in_torch(params, x_query, y_query)

    batch = [torch.stack(parts) for parts in zip(*tasks, strict=True)]

    def meta_loss(params: list[Any]) -> Any:
        if mapped:
            return torch.func.vmap(task_loss, in_dims=(None, 0, 0, 0, 0))(params, *batch).sum()
        return torch.stack([task_loss(params, *task) for task in tasks]).sum()

    meta_gradient = torch.func.grad_and_value(meta_loss)

    def call() -> Any:
        grads, value = meta_gradient(start)
        return value, grads

    return call


def make(tasks: int, steps: int) -> dict[str, Callable[[], Any]]:
    """Make the contenders: the meta-loss, and its gradient by each parameter."""
    generator = torch.Generator().manual_seed(0)
    start, drawn = parameters(generator), sinusoids(tasks, generator)
    return {
        "PyTorch": in_torch(start, drawn, steps),
        "nexnet": in_nexnet(start, drawn, steps, mapped=False),
        "nexnet vmap": in_nexnet(start, drawn, steps, mapped=True),
        "torch.func": in_torch_func(start, drawn, steps, mapped=False),
        "torch.func vmap": in_torch_func(start, drawn, steps, mapped=True),
    }


def cases() -> list[Case]:
    """Give a case for each number of tasks and of inner steps."""
    return [
        Case("MAML", f"{tasks} tasks, {steps} inner step{'s' * (steps > 1)}", partial(make, tasks, steps), rtol=1e-4)
        for tasks in (4, 25)
        for steps in (1, 5)
    ]
