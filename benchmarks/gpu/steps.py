"""A training step as each contender has it: eager, replayed, recorded by torch, compiled."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

import nexnet
import nexnet_nn as nn

from .. import peers
from ..suites._step import LR
from .timing import Call, Timed, time_case

__all__ = ["recorded", "training"]


def training(
    name: str,
    module: Callable[[], torch.nn.Module],
    torch_loss: Callable[[torch.nn.Module, Tensor, Tensor], Tensor],
    model: Callable[[list[nexnet.LiteTensor]], Any],
    nexnet_loss: Callable[[Any, Any, Any], Any],
    jax_loss: Callable[..., Any] | None,
    data: Callable[[], tuple[Tensor, Tensor]],
    *,
    rtol: float,
    aims: dict[str, float],
    dtype: torch.dtype = torch.float32,
    compiled: bool = False,
    rounds: int = 15,
) -> Timed:
    """Time a step of plain SGD: the loss and its gradient, and the new parameters in the place of the old.

    Args:
        name: of the case.
        module: makes PyTorch's model, always with the same weights.
        torch_loss: of the model, x and y.
        model: makes nexnet's model of the parameters, in PyTorch's order.
        nexnet_loss: of that model, x and y.
        jax_loss: of a list of the parameters, x and y.
        data: makes x and y.
        rtol: how far results may differ after three steps, relative to the largest element.
        aims: what the ratios to PyTorch are to be.
        dtype: of the parameters and of x, if that is floating.
        compiled: whether torch.compile takes part.
        rounds: how often each takes its turn.
    """
    x, y = (each.to("cuda") for each in data())
    x = x.to(dtype) if x.is_floating_point() else x
    y = y.to(dtype) if y.is_floating_point() else y

    def on_gpu() -> torch.nn.Module:
        return module().to("cuda", dtype)

    def lite() -> Any:
        return model([nexnet.LiteTensor(each.detach().clone()) for each in on_gpu().parameters()])

    contenders: dict[str, Callable[[], Call]] = {
        "PyTorch": lambda: in_torch(on_gpu(), torch_loss, x, y)[0],
        "nexnet": lambda: in_nexnet(lite(), nexnet_loss, x, y, replayed=False),
        "nexnet replayed": lambda: in_nexnet(lite(), nexnet_loss, x, y, replayed=True),
        "PyTorch, its graph": lambda: recorded(*in_torch(on_gpu(), torch_loss, x, y)),
    }
    if compiled:
        contenders["torch.compile"] = lambda: in_torch(on_gpu(), torch.compile(torch_loss), x, y)[0]
    if jax_loss is not None and peers.have("jax"):
        contenders["JAX jit"] = lambda: in_jax(list(on_gpu().parameters()), jax_loss, x, y)
    return time_case(name, contenders, rtol, aims=aims, rounds=rounds)


def in_torch(model: torch.nn.Module, loss: Callable[..., Tensor], x: Tensor, y: Tensor) -> tuple[Call, list[Tensor]]:
    """Make PyTorch's step, and give the tensors that it writes into."""
    params = list(model.parameters())
    optimizer = torch.optim.SGD(params, lr=LR)

    def step() -> Any:
        optimizer.zero_grad()
        value = loss(model, x, y)
        value.backward()
        optimizer.step()
        return value.detach(), params

    return step, params


def recorded(step: Call, written: list[Tensor]) -> Call:
    """Make a call that replays what torch has recorded of a whole step, from the values that are there now."""
    before = [each.detach().clone() for each in written]
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = step()
    with torch.no_grad():
        for each, value in zip(written, before, strict=True):
            each.copy_(value)

    def call() -> Any:
        graph.replay()
        return result

    return call


def in_nexnet(model: Any, loss: Callable[..., Any], x: Tensor, y: Tensor, replayed: bool) -> Call:
    """Make nexnet's step, as it is or replayed."""
    sgd = nn.SGD(lr=LR)
    state = sgd.init(model)
    both = nexnet.value_and_grad(loss, low_rank=True)

    def step(model: Any, state: Any, x: Any, y: Any) -> Any:
        value, grads = both(model, x, y)
        return value, *sgd.update_(model, grads, state)

    run = nexnet.replay(step) if replayed else step
    data, target = nexnet.LiteTensor(x), nexnet.LiteTensor(y)

    def call() -> Any:
        nonlocal model, state
        value, model, state = run(model, state, data, target)
        return value, model

    return call


def in_jax(params: list[Tensor], loss: Callable[..., Any], x: Tensor, y: Tensor) -> Call:
    """Make JAX's step, compiled as a whole, in the arithmetic of torch: no TF32."""
    import jax

    jax.config.update("jax_default_matmul_precision", "highest")
    arrays = [jax_array(each) for each in params]
    data, target = jax_array(x), jax_array(y)

    @partial(jax.jit, donate_argnums=0)
    def update(params: list[Any], x: Any, y: Any) -> Any:
        value, grads = jax.value_and_grad(loss)(params, x, y)
        return value, jax.tree.map(lambda p, g: p - LR * g, params, grads)

    def call() -> Any:
        nonlocal arrays
        value, arrays = update(arrays, data, target)
        return value, arrays

    return call


def jax_array(tensor: Tensor) -> Any:
    """Copy a tensor of torch's to JAX, on its GPU, through the host."""
    import jax

    data = tensor.detach().cpu()
    if data.dtype is torch.bfloat16:
        return jax.numpy.asarray(data.float().numpy()).astype(jax.numpy.bfloat16)
    return jax.numpy.array(data.numpy())


def median_ratio(timed: Timed, who: str, other: str) -> float:
    """Give the median of the paired ratios of two contenders."""
    return statistics.median(a / b for a, b in zip(timed.seconds[who], timed.seconds[other], strict=True))
