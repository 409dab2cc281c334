"""debug_nans: the first operation that makes a NaN, or an infinity, out of numbers that have none.

Two look on. A mode of torch's sees each kernel that runs on this thread, within rules and without; an observer sees
what tapes record and each turn of a backward loop, and so which rule a kernel belongs to, and the line of its call.
What a rule computes on its way and does not give out (one branch of a ``where`` of its own, say) is nobody's fault: a
kernel's NaN inside of a rule counts when the rule is done and has given it out.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor

from .._storage import unbatched
from ..engine import (
    Key,
    Node,
    Observer,
    Observers,
    TapeBase,
    Turn,
    also,
    looking_on,
    register_anomalies,
    this_thread,
    unwrap,
)
from ..errors import NonFiniteError
from ..modules.path import current_modules
from .kernels import Kernels, rule_at_work
from .nonfinite import Event, Where, is_number, nonfinite_error, tensors_of
from .reading import parameters_of
from .reasons import reason_in_backward
from .source import here

__all__ = ["debug_nans"]


def debug_nans(*, infinities: bool = False) -> AbstractContextManager[None]:
    """Make a block, or a decorator, in which the first operation that makes a NaN of numbers is an error.

    Forward or backward, at any order, in rules of nexnet's and of users', and in torch's kernels beside them. Each
    result is looked at, so it takes time: it is there to find a fault. ``NEXNET_DEBUG_NANS=1`` in the environment
    does it for the whole process, and ``torch.autograd.detect_anomaly()`` for what is differentiated inside of it.

    Args:
        infinities: whether an infinity, made of finite numbers, is one as well. (A mask is filled with -inf on
            purpose; that is none.)

    Raises:
        NonFiniteError: names the rule, the user's line, the module, the ranges of what went in, the elements, and,
            where it is known, the reason and the remedy.

    Example::

        with nexnet.debug_nans():
            nexnet.grad(lambda x: nexnet.sqrt(x).sum())(nexnet.zeros(2))
    """
    return _debugging(infinities)


@contextmanager
def _debugging(infinities: bool) -> Iterator[None]:
    watch = Watch(infinities)
    with looking_on(watch), watch.kernels():
        yield
        watch.settle()


class _Thread(threading.local):
    """What one thread is at."""

    def __init__(self) -> None:
        self.turns: list[tuple[TapeBase, Turn]] = []
        self.event: Event | None = None  # the first in a rule that is not done
        self.rule: tuple[str, int] | None = None  # that rule
        self.carriers: list[weakref.ref[Tensor]] = []  # the tensors that have it since
        self.watched = False  # whether the mode sees this thread's kernels


class _Line:
    """Where an operation was called, and what it is connected with: for its backward."""

    __slots__ = ("name", "node_output", "parents", "where")

    def __init__(self, node: Node, where: Where) -> None:
        self.name, self.parents, self.node_output, self.where = node.name, node.parents, node.outputs, where


class Watch(Observer):
    """Looks on for numbers that are not finite."""

    def __init__(self, infinities: bool) -> None:
        self.infinities = infinities
        self._lines: weakref.WeakKeyDictionary[TapeBase, list[_Line]] = weakref.WeakKeyDictionary()
        self._at = _Thread()

    # The observer

    def recorded(self, tape: TapeBase, node: Node, args: tuple[Any, ...], result: Any) -> None:
        """Look at the result of an operation that a tape has recorded."""
        at = self._at
        where = self._where(3)
        self._lines.setdefault(tape, []).append(_Line(node, where))
        if at.turns:  # what a backward does on its way is looked at when it is done
            return
        event, at.event, at.carriers = at.event, None, []
        if (event is None and at.watched) or not args:
            return
        for out in tensors_of(result):
            inputs = [(name, each) for name, each in zip(parameters_of(type(node)), map(unwrap, args), strict=False)]
            tensors = [(name, each) for name, each in inputs if isinstance(each, Tensor)]
            if self._is_born(out, [each for _, each in tensors]):
                numbers = [each for _, each in inputs if isinstance(each, (int, float))]
                raise nonfinite_error(node.name, "forward", where, tensors, numbers, out, self._is_bad, event)

    def forgot(self, tape: TapeBase, length: int) -> None:
        """Forget the lines of what the tape has dropped."""
        if tape in self._lines:
            del self._lines[tape][length:]

    def turned(self, tape: TapeBase, turn: Turn) -> None:
        """Look at what a rule's backward has returned."""
        at = self._at
        if turn.returned is None:
            self.settle()
            at.turns.append((tape, turn))
            return
        at.turns.pop()
        event, at.event, at.carriers = at.event, None, []
        grads = list(tensors_of(turn.incoming))
        for grad in turn.returned:
            for out in tensors_of(grad):
                if self._is_born(out, grads):
                    raise self._backward_error(tape, turn, out, event)

    def stopped(self, tape: TapeBase) -> None:
        """Forget the turns of a loop that has ended."""
        at = self._at
        while at.turns and at.turns[-1][0] is tape:
            at.turns.pop()
            at.event = None

    # The mode

    @contextmanager
    def kernels(self) -> Iterator[None]:
        """Make a block in which the kernels of this thread are looked at."""
        at = self._at
        with Kernels(self.saw):
            before, at.watched = at.watched, True
            try:
                yield
            finally:
                at.watched = before

    def saw(self, name: str, inputs: list[tuple[str, Tensor]], numbers: list[Any], outs: list[Tensor]) -> None:
        """Look at what a kernel has done."""
        at = self._at
        rule = ("", 0) if at.turns else rule_at_work(4)
        if at.event is not None and rule != at.rule:
            self.settle()
        for out in outs:
            if at.event is not None:
                if self._is_bad(out).any():
                    at.carriers.append(weakref.ref(out))
            elif self._is_born(out, [each for _, each in inputs], numbers):
                event = Event(name, inputs, numbers, out, self._where(4))
                if rule is None:
                    raise nonfinite_error(name, "forward", event.where, inputs, numbers, out, self._is_bad)
                at.event, at.rule, at.carriers = event, rule, [weakref.ref(out)]
                event.out = out.detach().clone() if rule[0] else out

    def settle(self) -> None:
        """See whether a rule that is done has given out what was found in it."""
        at = self._at
        event, rule, at.event = at.event, at.rule, None
        if event is None or rule is None or not rule[0]:
            return
        if any(each() is not None for each in at.carriers):
            raise nonfinite_error(
                rule[0], "forward", event.where, event.inputs, event.numbers, event.out, self._is_bad, event
            )

    # What is found

    def _where(self, depth: int) -> Where:
        """Give the user's line and the module: within a backward, those of the operation that it belongs to."""
        at = self._at
        if at.turns:
            tape, turn = at.turns[-1]
            lines = self._lines.get(tape, [])
            if turn.index < len(lines):
                return lines[turn.index].where
        modules = current_modules()
        return Where(here(depth), modules[-1][0], type(modules[-1][1]).__name__) if modules else Where(here(depth))

    def _is_bad(self, value: Tensor) -> Tensor:
        return ~value.isfinite() if self.infinities else value.isnan()

    def _is_born(self, out: Tensor, inputs: list[Tensor], numbers: Iterable[Any] = ()) -> bool:
        """Say whether what is not finite in a result was not so in what it was made of."""
        if not is_number(out):
            return False
        out = unbatched(out)
        given = [unbatched(each) for each in inputs if is_number(each)]
        if bool(out.isnan().any()):
            return not any(bool(each.isnan().any()) for each in given) and not any(each != each for each in numbers)
        if not self.infinities or not bool(out.isinf().any()):
            return False
        scalars = [each for each in numbers if isinstance(each, float)]
        return all(bool(each.isfinite().all()) for each in given) and all(abs(each) < float("inf") for each in scalars)

    def _backward_error(self, tape: TapeBase, turn: Turn, out: Tensor, event: Event | None) -> NonFiniteError:
        lines = self._lines.get(tape, [])
        line = lines[turn.index] if turn.index < len(lines) else None
        grads = [("gradient", each) for each in tensors_of(turn.incoming)]
        saved = [("saved", each) for each in tensors_of(turn.node.saved) if is_number(each)]
        masked = line is not None and _leads_to_choice(lines, turn.index)
        found = reason_in_backward(
            turn.node.name, [unbatched(each) for _, each in grads], [unbatched(each) for _, each in saved], masked
        )
        where = Where() if line is None else line.where
        return nonfinite_error(
            turn.node.name, "backward", where, [*grads, *saved], [], out, self._is_bad, event, found
        )  # fmt: skip


def _leads_to_choice(lines: list[_Line], index: int, steps: int = 4) -> bool:
    """Say whether what an operation made goes, in a few steps, into a ``where`` or a mask."""
    keys: set[Key] = {key for key in lines[index].node_output if key is not None}
    for line in lines[index + 1 :]:
        if steps and not keys.isdisjoint([key for key in line.parents if key is not None]):
            if line.name.strip("_") in ("where", "masked_fill", "masked_select", "nan_to_num", "clamp"):
                return True
            keys |= {key for key in line.node_output if key is not None}
            steps -= 1
    return False


# Torch's own switch, and the environment's ----------------------------------------------------------------------------


def anomalies() -> tuple[Watch, ...]:
    """Give who is to look on inside of ``torch.autograd.detect_anomaly()``: nobody elsewhere."""
    wanted = torch.is_anomaly_enabled() and torch.is_anomaly_check_nan_enabled()
    return (Watch(False),) if wanted else ()


def _observers() -> Observers | None:
    watching = anomalies()
    return also(this_thread().observers, *watching) if watching else None


register_anomalies(_observers)


def debug_process() -> None:
    """Look on for NaNs from now on, on this thread's kernels and on all tapes that it makes."""
    block = _debugging(os.environ.get("NEXNET_DEBUG_NANS") == "infinities")
    block.__enter__()
    _kept.append(block)


_kept: list[Any] = []  # a block that is never left: at its collection it would end
