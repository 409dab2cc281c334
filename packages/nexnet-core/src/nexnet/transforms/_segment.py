"""A stretch of the active tapes, to be taken off them and replaced by one node, and run again by that node."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Any

import optree

from ..engine import Key, Node, TapeBase, TapeContext, backward, evaluate, kernels_only
from ..engine.tape import this_thread
from ..tape import Tape
from ..tensor import LiteTensor
from ._evaluate import NAMESPACE, by_key

__all__ = ["Segment", "inside", "is_inside", "made_by", "pull_back", "sources"]

_INSIDE: ContextVar[bool] = ContextVar("inside", default=False)


class Segment:
    """What the active tapes record inside of a ``with`` block; they forget it at its end, under any exception.

    After ``keep()`` they forget it under an exception alone.
    """

    def __init__(self) -> None:
        self.kept = False
        self.tapes = TapeContext.active()
        self.marks = [len(tape) for tape in self.tapes]

    def __enter__(self) -> Segment:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.kept and kind is None:
            return
        for tape, mark in zip(self.tapes, self.marks, strict=True):
            tape.forget(mark)

    def keep(self) -> None:
        """Leave on the tapes what they have recorded, as if there were no block."""
        self.kept = True

    def nodes(self) -> list[Node]:
        """Give the nodes that any of the tapes has recorded since the block began, in the order of time."""
        merged: list[Node] = []
        for tape, mark in zip(self.tapes, self.marks, strict=True):
            since = tape.nodes[mark:]
            merged = _merge(merged, since) if merged else since
        return merged

    def recorders(self) -> dict[int, list[TapeBase]]:
        """Give the tapes that have recorded each node since the block began, by the node's id."""
        found: dict[int, list[TapeBase]] = {}
        for tape, mark in zip(self.tapes, self.marks, strict=True):
            for node in tape.nodes[mark:]:
                found.setdefault(id(node), []).append(tape)
        return found


def made_by(nodes: list[Node]) -> set[Key]:
    """Give the keys of what the nodes made."""
    return {key for node in nodes for key in node.outputs if key is not None}


def sources(nodes: list[Node], outs: Sequence[LiteTensor], visible: Any) -> tuple[dict[Key, LiteTensor], list[Key]]:
    """Give what the nodes and the outputs take from outside: tensors of a visible tree, and keys of all others.

    Visible are also the tensors that functions in the tree close over.
    """
    inside = made_by(nodes)
    wanted = [key for node in nodes for key in node.parents] + [each.key for each in outs]
    outside = {key for key in wanted if key is not None and key not in inside}
    inputs = {x.key: x for x in _tensors_of(visible) if x.key in outside}
    return inputs, [key for key in outside if key not in inputs]


def pull_back(
    fn: Callable[[], Sequence[LiteTensor]], grads: Sequence[Any], inputs: Sequence[LiteTensor], closed_over: list[Key]
) -> tuple[Any, ...]:
    """Run ``fn()``, and give the gradients of its sources: of the inputs, and of what else it closes over."""
    tape = Tape()
    tape.track(closed_over)
    thread = this_thread()
    with kernels_only():
        before, thread.inside_rule = thread.inside_rule, False  # what runs is a user's function, and no rule's code
        try:
            with inside():
                outs = evaluate(tape, inputs, fn)
        finally:
            thread.inside_rule = before
        used = [(out.key, grad) for out, grad in zip(outs, grads, strict=True) if grad is not None]
        found = backward(tape, by_key((key, grad) for key, grad in used if tape.tracks(key)))
    return tuple(found.get(key) for key in (*(each.key for each in inputs), *closed_over))


@contextmanager
def inside() -> Iterator[None]:
    """Say for a ``with`` block that what runs in it is a part of what is run again for a backward, now or later."""
    token = _INSIDE.set(True)
    try:
        yield
    finally:
        _INSIDE.reset(token)


def is_inside() -> bool:
    """Say whether such a block is open."""
    return _INSIDE.get()


def _tensors_of(value: Any) -> list[LiteTensor]:
    found: list[LiteTensor] = []
    for leaf in optree.tree_leaves(value, namespace=NAMESPACE):
        if isinstance(leaf, LiteTensor):
            found.append(leaf)
        elif isinstance(leaf, types.FunctionType):
            cells = [cell.cell_contents for cell in leaf.__closure__ or ()]
            contents = (*cells, leaf.__defaults__, leaf.__kwdefaults__)
            found += _tensors_of([each for each in contents if each is not leaf])
    return found


def _merge(first: list[Node], second: list[Node]) -> list[Node]:
    """Merge two lists of nodes, each in the order of time, that have some nodes in common."""
    common = set(map(id, first)) & set(map(id, second))
    merged: list[Node] = []
    ahead = iter(first)
    for node in second:
        if id(node) in common:
            for other in ahead:
                if other is node:
                    break
                merged.append(other)
        merged.append(node)
    return [*merged, *ahead]
