"""Optimisers: objects with hyper-parameters and no state, which give a new model and a new state.

``update`` is pure and made of nexnet's operators: it can be differentiated through, also by a hyper-parameter that is a
LiteTensor. ``update_`` writes into the storage of the parameters and of the state, at the speed of torch's kernels.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import optree
import torch
from torch import Tensor

import nexnet
from nexnet import LiteTensor
from nexnet.errors import TrackedTensorError, message

from ._layout import NAMESPACE
from .errors import OptimizerError

__all__ = ["SGD", "SGDState"]

Model = TypeVar("Model")
Hyperparameter = float | LiteTensor | Tensor


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
        self.lr = _check("lr", lr)
        self.momentum = _check("momentum", momentum)
        self.dampening = _check("dampening", dampening, negative=True)
        self.weight_decay = _check("weight_decay", weight_decay)
        self.nesterov = nesterov
        self.maximize = maximize
        if nesterov and not (_is_used(self.momentum) and not _is_used(self.dampening)):
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
        seen: dict[int, int] = {}
        leaves, treespec = optree.tree_flatten(model, namespace=NAMESPACE)
        for i, leaf in enumerate(leaves):
            if not isinstance(leaf, LiteTensor) or id(leaf) in seen:
                paths = [accessor.codify("model") for accessor in treespec.accessors()]
                other = f"the tensor that is also {paths[seen[id(leaf)]]}" if id(leaf) in seen else type(leaf).__name__
                raise OptimizerError(
                    message(
                        "an optimiser takes a model whose leaves are LiteTensors, each of them once.",
                        rule="SGD",
                        argument=paths[i],
                        got=other,
                        remedy="keep a shared tensor in one place of the model, and use it from there",
                    )
                )
            seen[id(leaf)] = i
        return SGDState()

    def update(self, model: Model, grads: Model, state: SGDState) -> tuple[Model, SGDState]:
        """Give the model and the state after a step. Pure, and differentiable by everything that goes in.

        Raises:
            OptimizerError: gradients, or a state, of another structure than the model.
        """
        params, slopes, buffers, treespec = _flatten(model, grads, state)
        lr, momentum, weight_decay = _scalar(self.lr), _scalar(self.momentum), _scalar(self.weight_decay)
        keep = 1 - _scalar(self.dampening)
        new: list[Any] = []
        new_buffers: list[Any] = []
        for i, (p, g) in enumerate(zip(params, slopes, strict=True)):
            if self.maximize:
                g = -g
            if _is_used(weight_decay):
                g = _add(g, p, weight_decay)
            if _is_used(momentum):
                b = nexnet.clone(g) if buffers is None else _add(buffers[i] * momentum, g, keep)
                g = _add(g, b, momentum) if self.nesterov else b
                new_buffers.append(b)
            new.append(p - g * lr if isinstance(lr, LiteTensor) else nexnet.sub(p, g, alpha=lr))
        if _is_used(momentum):
            state = SGDState(optree.tree_unflatten(treespec, new_buffers))
        return optree.tree_unflatten(treespec, new), state  # type: ignore[return-value]

    def update_(self, model: Model, grads: Model, state: SGDState) -> tuple[Model, SGDState]:
        """Make a step in the storage of the model's tensors and of the state; give this model and the state.

        Raises:
            TrackedTensorError: something is being differentiated: what its rules have saved would be overwritten.
            OptimizerError: gradients, or a state, of another structure than the model.
        """
        if nexnet.TapeContext.current() is not None:
            raise TrackedTensorError(
                message(
                    "update_ writes into tensors while something is being differentiated: saved values would be lost.",
                    rule="SGD",
                    remedy="use update, which is pure, inside of a differentiated function",
                )
            )
        params, grads_, buffers, treespec = _flatten(model, grads, state)
        values = [each.data for each in params]
        slopes: Any = [each.data for each in grads_]
        momentum, weight_decay = _number(self.momentum), _number(self.weight_decay)
        if self.maximize:
            slopes = torch._foreach_neg(slopes)
        if weight_decay:
            slopes = torch._foreach_add(slopes, values, alpha=weight_decay)
        if momentum:
            if buffers is None:
                moving = [each.clone() for each in slopes]
                state = SGDState(optree.tree_unflatten(treespec, [LiteTensor(each) for each in moving]))
            else:
                moving = [each.data for each in buffers]
                torch._foreach_mul_(moving, momentum)
                torch._foreach_add_(moving, slopes, alpha=1 - _number(self.dampening))
            slopes = torch._foreach_add(slopes, moving, alpha=momentum) if self.nesterov else moving
        torch._foreach_add_(values, slopes, alpha=-_number(self.lr))
        return model, state

    def __repr__(self) -> str:
        return f"SGD({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


def _check(name: str, value: Any, negative: bool = False) -> Any:
    """Take a hyper-parameter: a number, or a tensor of one element, at least 0 unless ``negative`` is allowed."""
    if isinstance(value, Tensor):
        value = LiteTensor(value)
    if isinstance(value, LiteTensor):
        if value.data.numel() != 1:
            raise OptimizerError(
                message(f"a tensor {name} must have one element.", rule="SGD", got=f"shape {tuple(value.shape)}")
            )
        try:
            is_negative = bool(value.data < 0)
        except RuntimeError:  # inside of vmap a value can't be looked at
            is_negative = False
    else:
        is_negative = value < 0
    if is_negative and not negative:
        raise OptimizerError(
            message(f"invalid {name}.", rule="SGD", argument=name, expected="a number of at least 0", got=value)
        )
    return value


def _is_used(value: Any) -> bool:
    """Say whether a hyper-parameter has an effect: 0 has none, but a tensor of value 0 may be differentiated by."""
    return isinstance(value, LiteTensor) or value != 0


def _scalar(value: Any) -> Any:
    """Give a tensor of one element the shape (), in which it broadcasts without a trace."""
    return value.reshape(()) if isinstance(value, LiteTensor) and value.ndim > 0 else value


def _number(value: Any) -> float:
    return value.data.item() if isinstance(value, LiteTensor) else value  # type: ignore[no-any-return]


def _add(x: Any, y: Any, factor: Any) -> Any:
    """Give x + factor y, in one kernel where the factor is a number."""
    return x + y * factor if isinstance(factor, LiteTensor) else nexnet.add(x, y, alpha=factor)


def _flatten(model: Any, grads: Any, state: SGDState) -> tuple[list[Any], list[Any], list[Any] | None, Any]:
    """Flatten the model, and what must have the same structure: the gradients and the momentum."""
    params, treespec = optree.tree_flatten(model, namespace=NAMESPACE)
    slopes, other = optree.tree_flatten(grads, namespace=NAMESPACE)
    if other != treespec:
        raise _mismatch("gradients", treespec, other)
    if state.momentum_buffer is None:
        return params, slopes, None, treespec
    buffers, other = optree.tree_flatten(state.momentum_buffer, namespace=NAMESPACE)
    if other != treespec:
        raise _mismatch("state", treespec, other)
    return params, slopes, buffers, treespec


def _mismatch(what: str, expected: Any, got: Any) -> OptimizerError:
    return OptimizerError(
        message(
            f"the {what} and the model have different structures.",
            rule="SGD",
            expected=expected,
            got=got,
            remedy="pass the gradient by this very model, and the state that came with it",
        )
    )
