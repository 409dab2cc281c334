"""A stretch of the active tapes, to be taken off them and replaced by one node."""

from __future__ import annotations

from types import TracebackType

from .._engine import Key, Node, TapeContext

__all__ = ["Segment", "made_by"]


class Segment:
    """What the active tapes record inside of a ``with`` block; they forget it at its end, under any exception."""

    def __init__(self) -> None:
        self.tapes = TapeContext.active()
        self.marks = [len(tape) for tape in self.tapes]

    def __enter__(self) -> Segment:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for tape, mark in zip(self.tapes, self.marks, strict=True):
            tape.forget(mark)

    def nodes(self) -> list[Node]:
        """Give the nodes that any of the tapes has recorded since the block began, in the order of time."""
        merged: list[Node] = []
        for tape, mark in zip(self.tapes, self.marks, strict=True):
            merged = _merge(merged, tape.nodes[mark:])
        return merged


def made_by(nodes: list[Node]) -> set[Key]:
    """Give the keys of what the nodes made."""
    return {key for node in nodes for key in node.outputs if key is not None}


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
