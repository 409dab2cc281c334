"""Whether the intermediates of a checkpointed call are kept: what it costs, and who is asked."""

from __future__ import annotations

import math
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import optree
import torch
from torch import Tensor, UntypedStorage

from .._nested import held_by
from .._storage import memory_of, tensors_in
from ..engine import Node, OperatorBase, unwrap
from ..errors import InputError, message
from ..tensor import LiteTensor
from ._evaluate import NAMESPACE
from ._segment import is_inside

__all__ = ["CheckpointCost", "Weighed"]


@dataclass(frozen=True)
class CheckpointCost:
    """What it costs to keep the intermediates of one call of a checkpointed function, and what it saves.

    Attributes:
        name: the function's, or that of the class of what is called.
        nbytes: the bytes that would be kept: of the tensors that its rules have saved, each memory once, and without
            what lives anyway, which are its arguments, its outputs, and what it closes over or takes from the globals
            or the object that it names. Under ``vmap`` they are those of the whole batch.
        seconds: how long the call took, which is what backward would take to compute it anew. Where torch has begun to
            use a GPU, the call is waited for.
        inside: whether it was called inside of another checkpointed function, when that one was called or when backward
            ran it again. What is kept of it is freed when that one is not kept, or once the gradients of that one are
            known.
        storages: weak references to the counted memory, by which it can be seen to be freed.

    Example::

        >>> costs = []
        >>> block = nexnet.checkpoint(lambda x: x.exp().sin(), policy=lambda cost: costs.append(cost) or False)
        >>> _ = nexnet.grad(lambda x: block(x).sum())(nexnet.ones(1000))
        >>> costs[0].name, costs[0].nbytes  # exp saves what it gives, and that is what sin saves, too
        ('<lambda>', 4000)
    """

    name: str
    nbytes: int
    seconds: float
    inside: bool = False
    storages: tuple[weakref.ref[UntypedStorage], ...] = field(default=(), repr=False, compare=False)

    @property
    def bytes_per_second(self) -> float:
        """The bytes kept for each second saved: the fewer, the better."""
        return self.nbytes / self.seconds if self.seconds > 0 else math.inf if self.nbytes else 0.0


class Weighed:
    """One call of a function, of which a policy says whether its intermediates are kept."""

    def __init__(self, fn: Callable[..., Any], name: str, policy: Callable[[CheckpointCost], bool]) -> None:
        self.fn, self.name, self.policy = fn, name, policy
        self.seconds, self.inside = 0.0, is_inside()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        began = _now()
        result = self.fn(*args, **kwargs)
        self.seconds = _now() - began
        return result

    def is_kept(self, nodes: list[Node], outs: Sequence[LiteTensor], visible: Any) -> bool:
        """Ask the policy, with what these nodes keep alive beside the outputs and what a visible tree reaches."""
        alive = {memory_of(each) for each in (*_reached(visible), *(each.data for each in outs))}
        saved = {memory_of(each) for node in nodes for each in tensors_in(node.saved)}
        kept = [each for each in saved if each is not None and each not in alive]
        nbytes, storages = sum(each.nbytes() for each in kept), tuple(map(weakref.ref, kept))
        answer = self.policy(CheckpointCost(self.name, nbytes, self.seconds, self.inside, storages))
        if type(answer) is not bool:
            raise InputError(
                message(
                    "a checkpoint's policy says whether the intermediates of a call are kept.",
                    argument="policy",
                    expected="True or False",
                    got=f"{answer!r} ({type(answer).__name__})",
                )
            )
        return answer


def _now() -> float:
    """Give the time once a GPU has done all that it was asked; a stream that is being captured can't be waited for."""
    if torch.cuda.is_initialized() and not torch.cuda.is_current_stream_capturing():
        torch.cuda.synchronize()
    return time.perf_counter()


# What lives anyway ----------------------------------------------------------------------------------------------------

_CODE = (FunctionType, BuiltinFunctionType, type, ModuleType, OperatorBase)


def _reached(value: Any, depth: int = 3) -> Iterator[Tensor]:
    """Give the tensors in a tree, and in what its functions and objects refer to."""
    for leaf in optree.tree_leaves(value, namespace=NAMESPACE):
        data = unwrap(leaf)
        if isinstance(data, Tensor):
            yield data
        elif isinstance(leaf, torch.nn.Module):
            yield from (*leaf.parameters(), *leaf.buffers())
        elif depth > 0:
            yield from _reached(_parts(leaf), depth - 1)


def _parts(value: Any) -> list[Any]:
    """List what a function closes over and which globals it names, or what an object has; no other code is followed."""
    if isinstance(value, FunctionType):
        named = [value.__globals__.get(name) for name in value.__code__.co_names]
        return [*held_by(value), *(each for each in named if not isinstance(each, _CODE))]
    return held_by(value) or ([] if isinstance(value, _CODE) else list(getattr(value, "__dict__", {}).values()))
