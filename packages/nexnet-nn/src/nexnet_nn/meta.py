"""Meta-learning: gradient descent as a function, to be differentiated.

An inner loop needs no machinery: it is a loop over ``optimizer.update``. What ``adapt`` adds are the two switches that
are easily got wrong by hand: gradients taken as constants (first order), and steps that are recomputed instead of kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import nexnet
from nexnet import LiteTensor
from nexnet.errors import InputError, message

__all__ = ["Optimizer", "adapt"]

Model = TypeVar("Model")


class Optimizer(Protocol):
    """What an inner loop asks of an optimiser, and all of nexnet_nn have but LBFGS: see ``nexnet_nn.Optimizer``."""

    def init(self, model: Any) -> Any:
        """Make the state for the first step."""

    def update(self, model: Any, grads: Any, state: Any) -> tuple[Any, Any]:
        """Give the model and the state after a step; pure."""


def adapt(
    loss: Callable[..., LiteTensor],
    model: Model,
    *data: Any,
    optimizer: Optimizer,
    steps: int = 1,
    first_order: bool = False,
    checkpoint: bool = False,
) -> Model:
    """Give the model after some steps down the gradient of ``loss(model, *data)``.

    The result is differentiable by the model, by the data, and by the optimiser's hyper-parameters that are
    LiteTensors. Differentiated by the model it is MAML's inner loop (C. Finn, P. Abbeel and S. Levine, 2017)::

        def meta_loss(model, seen, judged):
            return loss(nn.meta.adapt(loss, model, *seen, optimizer=nn.SGD(0.01)), *judged)

        seen = judged = nexnet.ones(5, 8, 3), torch.zeros(5, 8, dtype=torch.long)  # of five tasks
        per_task = nexnet.vmap(meta_loss, in_dims=(None, 0, 0))
        value, grads = nexnet.value_and_grad(lambda model: per_task(model, seen, judged).mean())(model)

    Args:
        loss: what the steps go down, a function of the model and the data that gives a scalar.
        model: where they begin, a pytree of LiteTensors.
        data: the loss's further arguments, the same for every step.
        optimizer: what makes a step of a gradient, as ``nn.SGD(lr)``. It begins with a new state.
        steps: how many.
        first_order: take the inner gradients as constants: the result's derivative by the model leaves out the second
            derivatives of the loss, and costs little more than one gradient.
        checkpoint: keep the model and the state of each step instead of its intermediates, and compute these anew in
            backward: memory that hardly grows with ``steps``, for more time. (With ``first_order`` there is nothing
            to gain: no intermediates are kept.) Under ``vmap``, a hyper-parameter that is differentiated by can't be
            followed into a checkpointed step.

    Raises:
        InputError: a negative number of steps; a loss that is no function, or that ``grad`` can't differentiate.
    """
    if steps < 0:
        raise InputError(message("an inner loop can't have this many steps.", argument="steps", got=steps))
    slope = nexnet.grad(loss)

    def step(model: Any, state: Any, *data: Any) -> Any:
        if first_order:
            with nexnet.no_tape():
                grads = slope(model, *data)
        else:
            grads = slope(model, *data)
        return optimizer.update(model, grads, state)

    if checkpoint:
        step = nexnet.checkpoint(step)
    state = optimizer.init(model)
    for _ in range(steps):
        model, state = step(model, state, *data)
    return model
