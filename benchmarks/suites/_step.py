"""A training step, forward, loss, backward and SGD in place, as each library has it: what the models' suites share.

Every step gives the loss and the new parameters, in the order of PyTorch's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy
import torch
from torch import Tensor

import nexnet
import nexnet_nn as nn

LR = 0.1  # so large that a wrong gradient shows in the parameters after one step

#: Rounding decides on which side of 0 some inputs of ReLUs are, and so on their share of a gradient.
RTOL = 1e-3

Step = Callable[[], Any]


def in_torch(model: torch.nn.Module, loss: Callable[..., Tensor], x: Tensor, y: Tensor) -> Step:
    """Make PyTorch's step; ``loss`` takes what the model returns, and y."""
    params = list(model.parameters())
    optimizer = torch.optim.SGD(params, lr=LR)

    def step() -> Any:
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
        return value.detach(), params

    return step


def in_torch_func(model: torch.nn.Module, loss: Callable[..., Tensor], x: Tensor, y: Tensor) -> Step:
    """Make torch.func's step, with one kernel for all updates."""
    params = {name: each.detach() for name, each in model.named_parameters()}

    def of_params(params: dict[str, Tensor]) -> Tensor:
        return loss(torch.func.functional_call(model, params, (x,)), y)

    both = torch.func.grad_and_value(of_params)

    def step() -> Any:
        grads, value = both(params)
        torch._foreach_add_(list(params.values()), list(grads.values()), alpha=-LR)
        return value, list(params.values())

    return step


def in_nexnet(model: Any, loss: Callable[..., Any], x: Tensor, y: Tensor, low_rank: bool = True) -> Step:
    """Make nexnet's step; ``loss`` takes the model, a pytree of LiteTensors, x and y."""
    data, target = nexnet.LiteTensor(x), nexnet.LiteTensor(y)
    sgd = nn.SGD(lr=LR)
    state = sgd.init(model)
    both = nexnet.value_and_grad(loss, low_rank=low_rank)

    def step() -> Any:
        nonlocal model, state
        value, grads = both(model, data, target)
        model, state = sgd.update_(model, grads, state)
        return value, model

    return step


def lite(model: torch.nn.Module) -> list[nexnet.LiteTensor]:
    """Take over a module's parameters as LiteTensors."""
    return [nexnet.LiteTensor(each.detach().clone()) for each in model.parameters()]


def in_jax(model: torch.nn.Module, loss: Callable[..., Any], x: Tensor, y: Tensor, blocking: bool = True) -> Step:
    """Make JAX's step, compiled as a whole: waiting for each, or only for the last.

    ``loss`` takes a list of the parameters, x and y.
    """
    import jax

    data, target = jax.numpy.asarray(x.numpy()), jax.numpy.asarray(y.numpy())
    params = [jax.numpy.array(each) for each in arrays(model)]

    @partial(jax.jit, donate_argnums=0)
    def update(params: list[Any], x: Any, y: Any) -> Any:
        value, grads = jax.value_and_grad(loss)(params, x, y)
        return value, jax.tree.map(lambda p, g: p - LR * g, params, grads)

    def step() -> Any:
        nonlocal params
        value, params = update(params, data, target)
        return jax.block_until_ready((value, params)) if blocking else (value, params)

    return step


def jax_cross_entropy(logits: Any, y: Any) -> Any:
    """Compute the mean cross-entropy in JAX."""
    import jax

    return -jax.numpy.take_along_axis(jax.nn.log_softmax(logits), y[:, None], axis=1).mean()


def arrays(model: torch.nn.Module) -> list[numpy.ndarray]:
    """Copy a module's parameters."""
    return [each.detach().numpy().copy() for each in model.parameters()]


def copies(model: torch.nn.Module) -> list[Tensor]:
    """Copy a module's parameters for a step by hand."""
    return [each.detach().clone() for each in model.parameters()]


def cross_entropy_by_hand(logits: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the mean cross-entropy, and its gradient by the logits."""
    log_p = torch.log_softmax(logits, 1)
    value = torch.nn.functional.nll_loss(log_p, y)
    return value, log_p.exp_().scatter_add_(1, y[:, None], log_p.new_full((len(y), 1), -1.0)).div_(len(y))


def descend(params: Sequence[Tensor], grads: Sequence[Tensor]) -> None:
    """Make a step of SGD by hand."""
    torch._foreach_add_(list(params), list(grads), alpha=-LR)
