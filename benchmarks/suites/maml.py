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

from .. import peers
from ..interleaved import Case
from ._by_hand import RELU, evaluate, hessian_product

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
    """Make nexnet's meta-gradient: over a Python loop, or a vmap."""
    return partial(meta_gradient(tasks, steps, mapped), [nexnet.LiteTensor(each.clone()) for each in start])


def meta_gradient(tasks: list[Task], steps: int, mapped: bool) -> Callable[..., Any]:
    """Make nexnet's meta-gradient as a function of the parameters: ``grad`` inside of ``value_and_grad``."""
    inner = nexnet.grad(_loss_in_nexnet)

    def task_loss(params: list[Any], x: Any, y: Any, x_query: Any, y_query: Any) -> Any:
        for _ in range(steps):
            params = [p - INNER_LR * g for p, g in zip(params, inner(params, x, y), strict=True)]
        return _loss_in_nexnet(params, x_query, y_query)

    if not mapped:
        return nexnet.value_and_grad(lambda params: sum(task_loss(params, *task) for task in tasks))
    every_task = nexnet.vmap(task_loss, in_dims=(None, 0, 0, 0, 0))
    batch = [nexnet.LiteTensor(torch.stack(parts)) for parts in zip(*tasks, strict=True)]
    return nexnet.value_and_grad(lambda params: every_task(params, *batch).sum())


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


def in_jax(start: list[torch.Tensor], tasks: list[Task], steps: int, mapped: bool) -> Callable[[], Any]:
    """Make JAX's meta-gradient, compiled: for one task, called in a Python loop, or for all of them, as a vmap."""
    import jax

    def loss(params: list[Any], x: Any, y: Any) -> Any:
        w1, b1, w2, b2, w3, b3 = params
        hidden = jax.nn.relu(jax.nn.relu(x @ w1.T + b1) @ w2.T + b2)
        return jax.numpy.mean((hidden @ w3.T + b3 - y) ** 2)

    def task_loss(params: list[Any], x: Any, y: Any, x_query: Any, y_query: Any) -> Any:
        for _ in range(steps):
            params = jax.tree.map(lambda p, g: p - INNER_LR * g, params, jax.grad(loss)(params, x, y))
        return loss(params, x_query, y_query)

    def of_all(params: list[Any], *batch: Any) -> Any:
        return jax.vmap(task_loss, in_axes=(None, 0, 0, 0, 0))(params, *batch).sum()

    @jax.jit
    def add_task(total: Any, params: list[Any], *task: Any) -> Any:
        return jax.tree.map(jax.numpy.add, total, jax.value_and_grad(task_loss)(params, *task))

    params = [jax.numpy.asarray(each.numpy()) for each in start]
    drawn = [[jax.numpy.asarray(part.numpy()) for part in task] for task in tasks]
    if mapped:
        batch = [jax.numpy.stack(parts) for parts in zip(*drawn, strict=True)]
        meta_gradient = jax.jit(jax.value_and_grad(of_all))
        return lambda: jax.block_until_ready(meta_gradient(params, *batch))
    nothing = (jax.numpy.zeros(()), jax.tree.map(jax.numpy.zeros_like, params))

    def call() -> Any:
        total = nothing
        for task in drawn:
            total = add_task(total, params, *task)
        return jax.block_until_ready(total)

    return call


@torch.inference_mode()
def by_hand(start: list[torch.Tensor], tasks: list[Task], steps: int) -> Any:
    """Compute it in torch's kernels and nothing else, over a Python loop; the limit.

    With parameters p_0 ... p_K along the inner steps, p_k+1 = p_k - lr grad(p_k), the gradient v by p_K goes back
    through each step as v - lr H(p_k) v.
    """
    total = torch.zeros(())
    summed = [torch.zeros_like(each) for each in start]
    for x, y, x_query, y_query in tasks:
        path = [(start, evaluate(start, x, y, RELU))]
        for step in range(steps):
            params, at = path[-1]
            params = torch._foreach_add(params, at.grads, alpha=-INNER_LR)
            inner = step < steps - 1
            path.append((params, evaluate(params, x if inner else x_query, y if inner else y_query, RELU)))
        _, at = path.pop()
        total.add_(at.loss)
        grads = at.grads
        for params, at in reversed(path):
            torch._foreach_add_(grads, hessian_product(at, params, grads, RELU), alpha=-INNER_LR)
        torch._foreach_add_(summed, grads)
    return total, summed


def make(tasks: int, steps: int) -> dict[str, Callable[[], Any]]:
    """Make the contenders: the meta-loss, and its gradient by each parameter."""
    generator = torch.Generator().manual_seed(0)
    start, drawn = parameters(generator), sinusoids(tasks, generator)
    made = {
        "PyTorch": in_torch(start, drawn, steps),
        "nexnet": in_nexnet(start, drawn, steps, mapped=False),
        "nexnet vmap": in_nexnet(start, drawn, steps, mapped=True),
        "torch.func": in_torch_func(start, drawn, steps, mapped=False),
        "torch.func vmap": in_torch_func(start, drawn, steps, mapped=True),
    }
    if peers.have("jax"):
        made["JAX jit"] = in_jax(start, drawn, steps, mapped=False)
        made["JAX jit vmap"] = in_jax(start, drawn, steps, mapped=True)
    return made | {"by hand": partial(by_hand, start, drawn, steps)}


def cases() -> list[Case]:
    """Give a case for each number of tasks and of inner steps."""
    return [
        Case(
            "MAML", f"{tasks} tasks, {steps} inner step{'s' * (steps > 1)}", partial(make, tasks, steps), rtol=1e-4,
            aims={"nexnet": 0.75, "nexnet vmap": 0.22} if (tasks, steps) == (25, 1) else {},
            long=(tasks, steps) == (4, 5),
        )
        for tasks in (4, 25)
        for steps in (1, 5)
    ]  # fmt: skip
