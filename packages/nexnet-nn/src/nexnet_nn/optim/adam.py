"""Adam: steps scaled by running means of the gradient and of its square."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch

import nexnet
from nexnet import LiteTensor
from nexnet.errors import message

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

__all__ = ["Adam", "AdamState"]


class AdamState(NamedTuple):
    """What Adam keeps between steps: the number of steps (a tensor of shape ()), and trees like the model."""

    step: LiteTensor
    exp_avg: Any
    exp_avg_sq: Any
    max_exp_avg_sq: Any = None


class Adam:
    """Adam (D. Kingma and J. Ba, 2015), step for step that of ``torch.optim.Adam``.

    With gradient g of parameter p, and m, v the running means, at step t::

        g = -g                                   if maximize
        g = g + weight_decay p
        m = beta1 m + (1 - beta1) g
        v = beta2 v + (1 - beta2) g^2
        s = max(s, v)    if amsgrad, else v
        p = p - lr / (1 - beta1^t)  m / (sqrt(s / (1 - beta2^t)) + eps)

    Args:
        lr: the learning rate.
        betas: the shares of the running means that each step keeps.
        eps: what keeps the denominator from 0.
        weight_decay: the factor of an L2 penalty.
        amsgrad: whether the denominator may only grow (S. Reddi et al., 2018).
        maximize: whether to climb instead of descending.
        capturable: whether the number of steps is kept where the parameters are, and the step's size computed there:
            what ``nexnet.replay`` can record. On a GPU that takes some small kernels more.

    All numbers may be LiteTensors of one element, and be differentiated by. Where v is 0 its root has no slope; there
    the gradient of the update is the one along m alone, not a nan.

    Raises:
        OptimizerError: a hyper-parameter out of its range.
    """

    def __init__(
        self,
        lr: Hyperparameter = 1e-3,
        betas: tuple[Hyperparameter, Hyperparameter] = (0.9, 0.999),
        eps: Hyperparameter = 1e-8,
        weight_decay: Hyperparameter = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        capturable: bool = False,
    ) -> None:
        self.lr = check_hyperparameter("Adam", "lr", lr)
        self.betas = tuple(check_hyperparameter("Adam", f"betas[{i}]", beta, below=1) for i, beta in enumerate(betas))
        self.eps = check_hyperparameter("Adam", "eps", eps)
        self.weight_decay = check_hyperparameter("Adam", "weight_decay", weight_decay)
        self.amsgrad = amsgrad
        self.maximize = maximize
        self.capturable = capturable

    def init(self, model: Any) -> AdamState:
        """Make the state for the first step: zeros.

        Raises:
            OptimizerError: a leaf of the model that is no LiteTensor, or is complex, or a tensor that is two leaves at
                once: after a step these would be two tensors.
        """
        params, treespec = check_model("Adam", model)
        if any(each.data.is_complex() for each in params):
            raise OptimizerError(
                message(
                    "Adam's running mean of squares is that of real parameters.",
                    rule="Adam",
                    got="a parameter of complex dtype",
                    remedy="keep real and imaginary parts as parameters, and use nexnet.view_as_complex of them",
                )
            )

        def zeros() -> Any:
            return nexnet.tree.unflatten(treespec, [LiteTensor(torch.zeros_like(each.data)) for each in params])

        device = params[0].device if self.capturable and params else "cpu"
        # As exact as the numbers that torch computes with.
        step = LiteTensor(torch.zeros((), dtype=torch.float64, device=device))
        return AdamState(step, zeros(), zeros(), zeros() if self.amsgrad else None)

    def update(self, model: Model, grads: Model, state: AdamState) -> tuple[Model, AdamState]:
        """Give the model and the state after a step. Pure, and differentiable by everything that goes in.

        Raises:
            OptimizerError: gradients, or a state, of another structure than the model.
        """
        params, slopes, means, squares, largest, treespec = _flatten(model, grads, state)
        beta1, beta2 = (as_scalar(beta) for beta in self.betas)
        eps, weight_decay = as_scalar(self.eps), as_scalar(self.weight_decay)
        step = state.step + 1
        size = as_scalar(self.lr) / (1 - beta1**step)
        correction = nexnet.rsqrt(1 - beta2**step)
        new: list[Any] = []
        for i, (p, g) in enumerate(zip(params, slopes, strict=True)):
            if self.maximize:
                g = -g
            if is_used(weight_decay):
                g = add_scaled(g, p, weight_decay)
            means[i] = add_scaled(means[i] * beta1, g, 1 - beta1)
            squares[i] = add_scaled(squares[i] * beta2, g * g, 1 - beta2)
            if largest is not None:
                largest[i] = nexnet.maximum(largest[i], squares[i])
            root = _root(squares[i] if largest is None else largest[i])
            new.append(p - means[i] * size / (root * correction + eps))
        trees = [None if each is None else nexnet.tree.unflatten(treespec, each) for each in (means, squares, largest)]
        return nexnet.tree.unflatten(treespec, new), AdamState(step, *trees)  # type: ignore[return-value]

    def update_(self, model: Model, grads: Model, state: AdamState) -> tuple[Model, AdamState]:
        """Make a step in the storage of the model's tensors and of the state; give this model and the state.

        Raises:
            TrackedTensorError: something is being differentiated: what its rules have saved would be overwritten.
            OptimizerError: gradients, or a state, of another structure than the model.
        """
        refuse_tracking("Adam")
        *lists, _ = _flatten(model, grads, state)
        data: list[Any] = [None if each is None else [tensor.data for tensor in each] for each in lists]
        values, slopes, means, squares, largest = data
        if not values:  # torch's kernels take no empty lists
            return model, state
        beta1, beta2 = (as_number(beta) for beta in self.betas)
        step: Any = state.step.data.add_(1)
        if not self.capturable:
            step = step.item()
        if self.maximize:
            slopes = torch._foreach_neg(slopes)
        if is_used(self.weight_decay):
            slopes = torch._foreach_add(slopes, values, alpha=as_number(self.weight_decay))
        torch._foreach_lerp_(means, slopes, 1 - beta1)
        torch._foreach_mul_(squares, beta2)
        torch._foreach_addcmul_(squares, slopes, slopes, 1 - beta2)
        if largest is not None:
            torch._foreach_maximum_(largest, squares)
        roots = torch._foreach_sqrt(squares if largest is None else largest)
        eps = as_number(self.eps)
        if self.capturable:  # the same, of tensors where the numbers are: nothing waits for a value
            torch._foreach_mul_(roots, torch.rsqrt(1 - beta2**step))
            torch._foreach_add_(roots, eps)
            moves = torch._foreach_div(means, roots)
            torch._foreach_mul_(
                moves, (self.lr.data if isinstance(self.lr, LiteTensor) else self.lr) / (beta1**step - 1)
            )
            torch._foreach_add_(values, moves)
        else:
            torch._foreach_div_(roots, math.sqrt(1 - beta2**step))
            torch._foreach_add_(roots, eps)
            torch._foreach_addcdiv_(values, means, roots, -as_number(self.lr) / (1 - beta1**step))
        return model, state

    __repr__ = describe


def _root(square: Any) -> Any:
    """Give the square root, of which the gradient at 0 is 0 and not infinite."""
    zero = square == 0
    return nexnet.where(zero, 0.0, nexnet.sqrt(nexnet.where(zero, 1.0, square)))


def _flatten(model: Any, grads: Any, state: AdamState) -> tuple[Any, ...]:
    """Flatten the model, and what must have the same structure: the gradients and the running means."""
    params, treespec = nexnet.tree.flatten(model)
    slopes = flatten_gradients("Adam", grads, treespec)
    means = flatten_like("Adam", "state", state.exp_avg, treespec)
    squares = flatten_like("Adam", "state", state.exp_avg_sq, treespec)
    largest = None
    if state.max_exp_avg_sq is not None:
        largest = flatten_like("Adam", "state", state.max_exp_avg_sq, treespec)
    return params, slopes, means, squares, largest, treespec
