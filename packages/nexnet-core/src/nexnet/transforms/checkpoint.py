"""checkpoint: keep a function's arguments instead of its intermediates, and compute these anew in backward."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import optree

from .._random_state import RandomState
from .._resuming import as_here
from ..engine import TapeContext, kernels_only, record_composite, wrap
from ..policy import Policy
from ..tensor import LiteTensor
from ._evaluate import NAMESPACE, check_outputs
from ._segment import Segment, pull_back, sources

if TYPE_CHECKING:
    from ._signatures import P, R

__all__ = ["checkpoint"]


def checkpoint(fn: Callable[P, R]) -> Callable[P, R]:
    """Make a function of the same values and gradients that keeps none of ``fn``'s intermediates for backward.

    Backward runs ``fn`` a second time (a third at second order, and so on), on the same random numbers. Memory then
    holds the intermediates of one checkpointed call at a time. It composes with every other transform, at any order.

    Args:
        fn: a function of pytrees that returns a pytree of floating tensors. It must be repeatable: what it computes
            may depend on its arguments, on what it closes over, and on torch's random state (its default generators,
            and generators passed as arguments).
    """

    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if TapeContext.current() is None:
            return fn(*args, **kwargs)
        leaves, treespec = optree.tree_flatten((fn, args, kwargs), namespace=NAMESPACE)
        random_state = RandomState(tuple(leaves))
        again = as_here()
        with Segment() as segment, kernels_only():
            outs, out_spec = check_outputs(fn(*args, **kwargs), "checkpoint")
            random_state.keep_drawn()
            nodes = segment.nodes()
            concerned = [tape for tape in segment.tapes if any(tape.tracks(each.key) for each in outs)]
        if not concerned:
            return optree.tree_unflatten(out_spec, outs)
        inputs, closed_over = sources(nodes, outs, leaves)
        results = tuple(wrap(each.data) for each in outs)
        call = _Call(treespec, closed_over, random_state, again)
        saved = (call, tuple(inputs.values()), *leaves)
        record_composite(checkpointed, (*inputs, *closed_over), saved, None, results, concerned)
        return optree.tree_unflatten(out_spec, results)

    return wrapper


class _Call:
    """How a call is repeated: its structure, its random state, and what it takes from where nobody can look."""

    def __init__(
        self,
        treespec: optree.PyTreeSpec,
        closed_over: list[Any],
        random_state: RandomState,
        again: Callable[..., Any],
    ) -> None:
        self.treespec, self.closed_over, self.random_state, self.again = treespec, closed_over, random_state, again

    def __call__(self, leaves: list[Any]) -> list[LiteTensor]:
        fn, args, kwargs = optree.tree_unflatten(self.treespec, leaves)
        with self.random_state.replayed():
            outs: list[LiteTensor] = optree.tree_leaves(self.again(fn, *args, **kwargs), namespace=NAMESPACE)
        return outs


class checkpointed(Policy):
    """What a checkpointed function did, as one node:  its gradient is that of the function, run again."""

    materialize_grads = False

    def forward(self, *args: Any) -> Any:
        raise NotImplementedError("a checkpointed call is recorded as a whole, after it has run")

    def backward(self, *grads: Any) -> Any:
        call, inputs, *leaves = self.ctx.release
        return pull_back(lambda: call(leaves), grads, inputs, call.closed_over)


checkpointed.__name__ = "checkpoint"
