"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

import nexnet
from nexnet import LiteTensor, LowRank
from nexnet.errors import message
from nexnet.low_rank import storages

from ..errors import OptimizerError
from ._shared import (
    Hyperparameter,
    Model,
    add_scaled,
    as_number,
    as_scalar,
    check_hyperparameter,
    check_model,
    describe,
    flatten_gradients,
    flatten_like,
    is_used,
    refuse_tracking,
)

__all__ = ["SGD", "SGDState"]


class SGDState(NamedTuple):
    """What SGD keeps between steps: the momentum, a tree like the model, once there is one."""

    momentum_buffer: Any = None


class SGD:
    """Stochastic gradient descent, step for step that of ``torch.optim.SGD``.

    With gradient g of parameter p, and b the buffer of the step before (on the first step, b is g)::

        g = -g                                     if maximize
        g = g + weight_decay p
        b = momentum b + (1 - dampening) g         if momentum
        g = g + momentum b    if nesterov, else b  if momentum
        p = p - lr g

    Args:
        lr: the learning rate.
        momentum: the share of the buffer that each step keeps.
        dampening: the share of the gradient that does not enter the buffer.
        weight_decay: the factor of an L2 penalty.
        nesterov: whether to use Nesterov's momentum.
        maximize: whether to climb instead of descending.

    The first four may be LiteTensors of one element, and be differentiated by.

    Raises:
        OptimizerError: a hyper-parameter out of its range.
    """

    def __init__(
        self,
        lr: Hyperparameter = 1e-3,
        momentum: Hyperparameter = 0,
        dampening: Hyperparameter = 0,
        weight_decay: Hyperparameter = 0,
        *,
        nesterov: bool = False,
        maximize: bool = False,
    ) -> None:
        self.lr = check_hyperparameter("SGD", "lr", lr)
        self.momentum = check_hyperparameter("SGD", "momentum", momentum)
        self.dampening = check_hyperparameter("SGD", "dampening", dampening, negative=True)
        self.weight_decay = check_hyperparameter("SGD", "weight_decay", weight_decay)
        self.nesterov = nesterov
        self.maximize = maximize
        if nesterov and not (is_used(self.momentum) and not is_used(self.dampening)):
            raise OptimizerError(
                message(
                    "Nesterov momentum requires a momentum and zero dampening.",
                    rule="SGD",
                    got=f"momentum={momentum!r}, dampening={dampening!r}",
                )
            )

    def init(self, model: Any) -> SGDState:
        """Make the state for the first step.

        Raises:
            OptimizerError: a leaf of the model that is no LiteTensor, or a tensor that is two leaves at once: after a
                step these would be two tensors.
        """
        check_model("SGD", model)
        return SGDState()

    def update(self, model: Model, grads: Model, state: SGDState) -> tuple[Model, SGDState]:
        """Give the model and the state after a step. Pure, and differentiable by everything that goes in.

        Raises:
            OptimizerError: gradients, or a state, of another structure than the model.
        """
        params, treespec = nexnet.tree.flatten(model)
        slopes = flatten_gradients("SGD", grads, treespec)
        buffers = _buffers(state, treespec)
        lr, momentum, weight_decay = as_scalar(self.lr), as_scalar(self.momentum), as_scalar(self.weight_decay)
        keep = 1 - as_scalar(self.dampening)
        new: list[Any] = []
        new_buffers: list[Any] = []
        for i, (p, g) in enumerate(zip(params, slopes, strict=True)):
            if self.maximize:
                g = -g
            if is_used(weight_decay):
                g = add_scaled(g, p, weight_decay)
            if is_used(momentum):
                b = nexnet.clone(g) if buffers is None else add_scaled(buffers[i] * momentum, g, keep)
                g = add_scaled(g, b, momentum) if self.nesterov else b
                new_buffers.append(b)
            new.append(p - g * lr if isinstance(lr, LiteTensor) else nexnet.sub(p, g, alpha=lr))
        if is_used(momentum):
            state = SGDState(nexnet.tree.unflatten(treespec, new_buffers))
        return nexnet.tree.unflatten(treespec, new), state  # type: ignore[return-value]

    def update_(self, model: Model, grads: Model, state: SGDState) -> tuple[Model, SGDState]:
        """Make a step in the storage of the model's tensors and of the state; give this model and the state.

        Without momentum, a gradient of low rank (``value_and_grad(..., low_rank=True)``) is added to its parameter
        without being made.

        Raises:
            TrackedTensorError: something is being differentiated: what its rules have saved would be overwritten.
            OptimizerError: gradients, or a state, of another structure than the model.
        """
        refuse_tracking("SGD")
        params, treespec = nexnet.tree.flatten(model)
        buffers = _buffers(state, treespec)
        lr, momentum, weight_decay = as_number(self.lr), as_number(self.momentum), as_number(self.weight_decay)
        kept = 1 - lr * weight_decay  # of a parameter
        products: list[Any] = []
        if momentum or kept == 0:
            grads_ = flatten_gradients("SGD", grads, treespec)
        else:
            grads_ = flatten_like("SGD", "gradients", grads, treespec)
            params, grads_, products = _without_products(params, grads_)
        values = [each.data for each in params]
        slopes: Any = [each.data for each in grads_]
        if self.maximize and slopes:
            slopes = torch._foreach_neg(slopes)
        if weight_decay and slopes:
            slopes = torch._foreach_add(slopes, values, alpha=weight_decay)
        if momentum:
            if buffers is None:
                moving = [each.clone() for each in slopes]
                state = SGDState(nexnet.tree.unflatten(treespec, [LiteTensor(each) for each in moving]))
            else:
                moving = [each.data for each in buffers]
                torch._foreach_mul_(moving, momentum)
                torch._foreach_add_(moving, slopes, alpha=1 - as_number(self.dampening))
            slopes = torch._foreach_add(slopes, moving, alpha=momentum) if self.nesterov else moving
        if values:
            torch._foreach_add_(values, slopes, alpha=-lr)
        for p, left, right in products:
            p.addmm_(left, right, alpha=lr if self.maximize else -lr, beta=kept)
        return model, state

    __repr__ = describe


def _buffers(state: SGDState, treespec: Any) -> list[Any] | None:
    """Flatten the momentum, which must have the model's structure."""
    buffer = state.momentum_buffer
    return None if buffer is None else flatten_like("SGD", "state", buffer, treespec)


def _without_products(params: list[Any], grads: list[Any]) -> tuple[list[Any], list[Any], list[Any]]:
    """Give the parameters and gradients without those that are added as products: these as (parameter, left, right).

    One that the step itself would spoil is multiplied, and so added with the others: a factor in a parameter's memory
    is written into, and parameters in one memory would both keep their share of it.
    """
    if not any(isinstance(each, LowRank) for each in grads):
        return params, grads, []
    written = storages(params)
    apart = len(written) == len(params)
    left, dense, products = [], [], []
    for p, g in zip(params, grads, strict=True):
        if not isinstance(g, LowRank):
            left.append(p)
            dense.append(g)
        elif apart and g.suits(p) and not g.shares_memory(written):
            products.append((p.data, *g.factors()))
        else:
            left.append(p)
            dense.append(g.to_dense())
    return left, dense, products
