"""Several optimisers for one model, each for the parameters whose paths match its pattern."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import nexnet
from nexnet.errors import message

from .._succession import succeed
from ..errors import OptimizerError
from ._optimizer import Optimizer
from ._shared import Model, check_model, flatten_like, places_of

__all__ = ["ByPath"]


class ByPath:
    """Optimisers by the paths of the parameters: ``ByPath({"layers.*.weight": nn.Muon(0.02), "*": nn.AdamW(3e-4)})``.

    A parameter is the first optimiser's whose pattern (as in file names) its path matches. The state is a tuple of the
    optimisers' states, each for a list of parameters. For models, gradients and what ``update`` raises see
    ``Optimizer``.

    Raises:
        OptimizerError: no optimisers.

    Example::

        optimizer = nn.ByPath({"*.bias": nn.SGD(lr=0.1), "*": nn.AdamW(lr=1e-3)})
        state = optimizer.init(model)
        model, state = optimizer.update(model, nexnet.grad(loss)(model, x, y), state)
    """

    def __init__(self, optimizers: Mapping[str, Optimizer[Any]]) -> None:
        if not optimizers:
            raise OptimizerError(message("there is no optimiser to choose.", rule="ByPath", argument="optimizers"))
        self.optimizers = dict(optimizers)

    def init(self, model: Any) -> tuple[Any, ...]:
        """Make the states for the first step.

        Raises:
            OptimizerError: a parameter that no pattern matches, or that its optimiser does not take.
        """
        params, treespec = check_model("ByPath", model)
        places = self._places(treespec)
        each_has = zip(self.optimizers.values(), places, strict=True)
        return tuple(optimizer.init([params[i] for i in some]) for optimizer, some in each_has)

    def update(self, model: Model, grads: Model, state: tuple[Any, ...]) -> tuple[Model, tuple[Any, ...]]:
        """Give the model and the state after a step. Pure, and differentiable by everything that goes in."""
        return self._update("update", model, grads, state)

    def update_(self, model: Model, grads: Model, state: tuple[Any, ...]) -> tuple[Model, tuple[Any, ...]]:
        """Make a step in the storage of the model's tensors and of the state; the given model is spent."""
        _, state = self._update("update_", model, grads, state)
        return succeed(model), state

    def _update(self, method: str, model: Any, grads: Any, state: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
        params, treespec = nexnet.tree.flatten(model)
        slopes = flatten_like("ByPath", "gradients", grads, treespec)
        states = []
        places = self._places(treespec)
        if len(state) != len(places):
            raise OptimizerError(
                message(
                    "the state is not that of these optimisers.",
                    rule="ByPath",
                    expected=f"{len(places)} states",
                    got=f"{len(state)}",
                    remedy="begin with the init of this very ByPath",
                )
            )
        for optimizer, some, its in zip(self.optimizers.values(), places, state, strict=True):
            new, its = getattr(optimizer, method)([params[i] for i in some], [slopes[i] for i in some], its)
            states.append(its)
            for i, p in zip(some, new, strict=True):
                params[i] = p
        return nexnet.tree.unflatten(treespec, params), tuple(states)

    def _places(self, treespec: Any) -> list[list[int]]:
        """Give each optimiser's places among the leaves."""
        *places, rest = places_of(treespec, tuple(self.optimizers))
        if rest:
            raise OptimizerError(
                message(
                    "a parameter is no optimiser's.",
                    rule="ByPath",
                    argument=nexnet.tree.paths(treespec)[rest[0]],
                    expected=f"a path that one of {', '.join(map(repr, self.optimizers))} matches",
                    remedy='end with "*", and the optimiser of all others',
                )
            )
        return places

    def __repr__(self) -> str:
        return f"ByPath({self.optimizers!r})"
