"""Looking on: who is told what a tape records, and the backward loop one node at a time.

A tape that has observers tells them of each operation, and its backward loop is the plain algorithm, which this room
says again as an iterator: of each node that gets a gradient, one turn before its rule is asked and one after. Whoever
takes the turns may look at them, and change them. A tape without observers never comes here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .backward import incoming_of
from .fitting import call_backward, fitted
from .higher_orders import differentiable
from .rule import Node
from .tape import TapeBase, this_thread, tracks
from .tensor import TensorBase, wrap


class Turn:
    """One node's turn in the backward loop.

    Attributes:
        index: the node's place on the tape.
        node: the node.
        incoming: the gradient of its output, or a tuple of one per output. It may be replaced before the rule is asked.
        returned: None before; then what the rule's backward returned for each argument, made to fit it, None where
            nobody asks. An entry may be replaced before it is added to the argument's gradient.
        sums: the gradients that wait, by key: what is returned is added to them next.
    """

    __slots__ = ("incoming", "index", "node", "returned", "sums")

    def __init__(self, index: int, node: Node, incoming: Any, sums: dict[Any, Any]) -> None:
        self.index, self.node, self.incoming, self.sums = index, node, incoming, sums
        self.returned: list[Any] | None = None


def turns(tape: TapeBase, grads: dict[Any, Any], consume: bool = False, recorded: bool = False) -> Iterator[Turn]:
    """Go through the tape as ``backward`` does; give each node's turn twice, before and after its rule is asked."""
    nodes = tape.nodes
    for i in range(len(nodes) - 1, -1, -1):
        node = nodes.pop() if consume else nodes[i]
        incoming = incoming_of(node, grads, recorded)
        if incoming is None:
            continue
        turn = Turn(i, node, incoming, grads)
        yield turn
        asked = differentiable(node, tape) if recorded else node
        result = call_backward(asked, turn.incoming, False)
        keys = [key if key is not None and tracks(tape, key) else None for key in node.parents]
        turn.returned = [
            None if key is None or grad is None else fitted(grad, asked, key, recorded)
            for key, grad in zip(keys, result, strict=False)  # trailing Nones may have been left out
        ]
        yield turn
        for key, grad in zip(keys, turn.returned, strict=False):
            if key is not None and grad is not None:
                total = grads.get(key)
                grads[key] = grad if total is None else total + grad


class Observer:
    """Is told what happens on tapes. Each method does nothing; a subclass says what it wants to know."""

    def recorded(self, tape: TapeBase, node: Node, args: tuple[Any, ...], result: Any) -> None:
        """Learn of an operation that the tape has just recorded; of a composite one ``args`` is empty."""

    def given(self, tape: TapeBase, kwargs: dict[str, Any]) -> None:
        """Learn what the operation recorded last was given by keyword."""

    def ended(self, rule: str, args: tuple[Any, ...], result: Any) -> None:
        """Learn of an operation of which nothing carries a gradient on, as a comparison: no tape records it."""

    def forgot(self, tape: TapeBase, length: int) -> None:
        """Learn that the tape has dropped its nodes beyond this length: they are the inside of what comes next."""

    def turned(self, tape: TapeBase, turn: Turn) -> None:
        """Learn of a node's turn in the backward loop, before its rule is asked and after."""

    def stopped(self, tape: TapeBase) -> None:
        """Learn that a backward loop is over, by an error or at its end."""

    def left(self) -> None:
        """Learn that this thread's call of a model is over: what is kept of its frames keeps its tensors alive."""


class Observers(Observer):
    """Several observers as one, which is what a tape has."""

    def __init__(self, *each: Observer) -> None:
        self.each = each

    def recorded(self, tape: TapeBase, node: Node, args: tuple[Any, ...], result: Any) -> None:
        """Tell each."""
        for one in self.each:
            one.recorded(tape, node, args, result)

    def given(self, tape: TapeBase, kwargs: dict[str, Any]) -> None:
        """Tell each."""
        for one in self.each:
            one.given(tape, kwargs)

    def ended(self, rule: str, args: tuple[Any, ...], result: Any) -> None:
        """Tell each."""
        for one in self.each:
            one.ended(rule, args, result)

    def forgot(self, tape: TapeBase, length: int) -> None:
        """Tell each."""
        for one in self.each:
            one.forgot(tape, length)

    def left(self) -> None:
        """Tell each."""
        for one in self.each:
            one.left()

    def go_back(self, tape: TapeBase, grads: dict[Any, Any], consume: bool, recorded: bool) -> None:
        """Run the backward loop, and tell each of every turn."""
        try:
            for turn in turns(tape, grads, consume, recorded):
                for one in self.each:
                    one.turned(tape, turn)
        finally:
            for one in self.each:
                one.stopped(tape)


def also(observers: Observers | None, *more: Observer) -> Observers:
    """Give those who look on already, if any, and more of them."""
    return Observers(*(() if observers is None else observers.each), *more)


def cut_off(tensor: TensorBase, by: str) -> Any:
    """Give a tensor's values as a constant; ``by`` is what whoever looks on is told to have done that."""
    constant = wrap(tensor.data)
    observers = this_thread().observers
    if observers is not None:
        observers.ended(by, (tensor,), constant)
    return constant


class looking_on:
    """A block in which an observer is told of what new tapes of this thread do."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def __enter__(self) -> None:
        thread = this_thread()
        self._thread, self._before = thread, thread.observers
        thread.observers = also(thread.observers, *self._observers)

    def __exit__(self, *error: object) -> None:
        self._thread.observers = self._before
