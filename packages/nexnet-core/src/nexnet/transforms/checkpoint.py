"""checkpoint: keep a function's arguments instead of its intermediates, and compute these anew in backward."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import optree
import torch
from torch import Tensor

from .._random_state import RandomState
from .._resuming import as_here
from ..engine import TapeContext, kernels_only, record_composite, wrap
from ..engine.tape import this_thread
from ..errors import GradientError, message
from ..ops._plain import is_plain
from ..policy import Policy
from ..tensor import LiteTensor
from ._evaluate import NAMESPACE, check_callable, check_outputs
from ._keeping import CheckpointCost, Weighed
from ._segment import Segment, inside, pull_back, sources

if TYPE_CHECKING:
    from ._signatures import P, R

__all__ = ["checkpoint"]


def checkpoint(
    fn: Callable[P, R], *, check: bool = True, policy: Callable[[CheckpointCost], bool] | None = None
) -> Callable[P, R]:
    """Make a function of the same values and gradients that keeps none of ``fn``'s intermediates for backward.

    Backward runs ``fn`` a second time (a third at second order, and so on), on the same random numbers. Memory then
    holds the intermediates of one checkpointed call at a time. It composes with every other transform, at any order.

    Inside of a model that ``functional_call`` evaluates it is the plain call, as torch's checkpoint is there: when
    backward runs, the module has its own parameters again. Checkpoint the call of the model, or of its parts.

    Args:
        fn: a function of pytrees that returns a pytree of floating tensors, of any shapes. It must be repeatable: what
            it computes may depend on its arguments, on what it closes over, and on torch's random state (its default
            generators, and generators passed as arguments).
        check: whether what ``fn`` gives the second time is compared with what it gave: its structure, its shapes and
            dtypes, and the sum of each output. It costs two sums of each.
        policy: what says of each call, once it has run, whether its intermediates are kept all the same (True), and
            the call is as if it were not checkpointed, or computed anew (False). It is given a ``CheckpointCost``:
            the bytes to be kept and the seconds to be saved. ``nexnet.MemoryBudget`` is one. Where nothing is recorded
            it is not asked; where ``fn`` is called inside of another checkpointed function it is, in each of that one's
            runs. Without a policy no call is kept.

    Raises:
        GradientError: in backward: ``fn`` has computed something else, as one does that draws from numpy's random
            state or counts its calls. Its gradient would be that of another function.
        InputError: no function; while something is being differentiated: ``fn`` has returned something else than
            floating tensors, or the policy something else than True or False.

    Example::

        >>> block = nexnet.checkpoint(lambda x: x.sin().exp())
        >>> nexnet.grad(lambda x: block(block(x)))(0.0)
        LiteTensor(1.2534)
    """
    check_callable(fn, "checkpoint")
    if policy is not None:
        check_callable(policy, "checkpoint", "policy")

    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if TapeContext.current() is None or this_thread().model is not None:
            return fn(*args, **kwargs)
        leaves, treespec = optree.tree_flatten((fn, args, kwargs), namespace=NAMESPACE)
        random_state = RandomState(tuple(leaves))
        again = as_here()
        weighed = None if policy is None else Weighed(fn, _name(fn), policy)
        with Segment() as segment, kernels_only():
            with inside():
                out = (weighed or fn)(*args, **kwargs)
            outs, out_spec = check_outputs(out, "checkpoint")
            random_state.keep_drawn()
            nodes = segment.nodes()
            concerned = [tape for tape in segment.tapes if any(tape.tracks(each.key) for each in outs)]
            if weighed is not None and concerned and weighed.is_kept(nodes, outs, leaves):
                segment.keep()
        if segment.kept or not concerned:
            return optree.tree_unflatten(out_spec, outs)
        inputs, closed_over = sources(nodes, outs, leaves)
        results = tuple(wrap(each.data) for each in outs)
        seen = _seen(outs) if check else None
        call = _Call(treespec, closed_over, random_state, again, seen)
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
        seen: list[_Seen] | None,
    ) -> None:
        self.treespec, self.closed_over, self.random_state = treespec, closed_over, random_state
        self.again, self.seen = again, seen

    def __call__(self, leaves: list[Any]) -> list[LiteTensor]:
        fn, args, kwargs = optree.tree_unflatten(self.treespec, leaves)
        with self.random_state.replayed():
            outs: list[LiteTensor] = optree.tree_leaves(self.again(fn, *args, **kwargs), namespace=NAMESPACE)
        if self.seen is not None:
            _compare(self.seen, _seen(outs), _name(fn))
        return outs


def _name(fn: Callable[..., Any]) -> str:
    while isinstance(fn, functools.partial):
        fn = fn.func
    return str(getattr(fn, "__name__", type(fn).__name__))


#: Of an output: what is said of it, its sum and that of its elements' sizes; None where nobody can look at it.
_Seen = tuple[str, Tensor | None, Tensor | None]


def _seen(outs: list[LiteTensor]) -> list[_Seen]:
    found: list[_Seen] = []
    for each in outs:
        x = each.data
        looks = is_plain(x) and not x.is_meta
        found.append((f"{tuple(x.shape)} of {x.dtype}", x.sum() if looks else None, x.abs().sum() if looks else None))
    return found


def _compare(before: list[_Seen], now: list[_Seen], name: str) -> None:
    """Compare what was seen of the outputs, sums to the rounding that another order of additions may bring."""
    words = [each[0] for each in before], [each[0] for each in now]
    same = words[0] == words[1]
    if same:
        for (_, old, size), (_, new, _) in zip(before, now, strict=True):
            if old is not None and new is not None and size is not None:
                allowed = 1e3 * torch.finfo(old.dtype).eps * size + torch.finfo(old.dtype).tiny
                same = same and bool(((new - old).abs() <= allowed) | ~old.isfinite())
    if not same:
        raise GradientError(
            message(
                "a checkpointed function has computed something else the second time: its gradient would be another's.",
                rule=name,
                expected=f"what it gave: {', '.join(words[0])}",
                got=", ".join(words[1]) + (", with other numbers" if words[0] == words[1] else ""),
                remedy="draw random numbers from torch's generators, or pass them as arguments; count no calls; "
                "or checkpoint(fn, check=False)",
            )
        )


class checkpointed(Policy):
    """What a checkpointed function did, as one node:  its gradient is that of the function, run again."""

    materialize_grads = False

    def forward(self, *args: Any) -> Any:
        raise NotImplementedError("a checkpointed call is recorded as a whole, after it has run")

    def backward(self, *grads: Any) -> Any:
        call, inputs, *leaves = self.ctx.release
        return pull_back(lambda: call(leaves), grads, inputs, call.closed_over)


checkpointed.__name__ = "checkpoint"
