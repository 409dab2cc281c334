"""MemoryBudget: so many megabytes for the intermediates that save the most time."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from typing import Any

from torch import UntypedStorage

from ..engine import TapeContext
from ..errors import InputError, message
from ._keeping import CheckpointCost

__all__ = ["MemoryBudget"]


class MemoryBudget:
    """A policy of ``checkpoint``: keep the intermediates that save the most time for their bytes, within a budget.

    What all calls keep that are made with one budget is at no time more than the budget, of whatever functions, in
    whatever threads and at whatever order they are. So one budget is made for a training, and given to each function.

    It learns from step to step. A step is one evaluation by the outermost transform (``value_and_grad``, ``vjp``,
    ``trace``); its calls are known by their order. In the first step calls are kept as they come, as long as there is
    room; in each later one those are which in the step before would have saved the most seconds for each byte. What
    was planned and finds no room, because something else is still kept, is not kept.

    Calls inside of another checkpointed function are kept wherever there is room, both when that one is called and
    when backward runs it again. Its own bytes contain theirs; where it is not kept they are free again.

    Args:
        megabytes: how much is kept, in millions of bytes. 0 keeps what takes no memory, ``math.inf`` everything.

    Attributes:
        nbytes: the budget in bytes.

    Raises:
        InputError: a number of megabytes that is negative or NaN, or no number.

    Example::

        >>> budget = nexnet.MemoryBudget(megabytes=0.004)
        >>> block = nexnet.checkpoint(lambda x: x.exp().sin().exp(), policy=budget)
        >>> y, pullback = nexnet.vjp(lambda x: block(block(x)), nexnet.ones(500))
        >>> budget.held  # two intermediates of the first call, 2000 bytes each; the second call is computed anew
        4000
        >>> del pullback
        >>> budget.held
        0
    """

    def __init__(self, megabytes: float) -> None:
        if isinstance(megabytes, bool) or not isinstance(megabytes, (int, float)) or not megabytes >= 0:
            raise InputError(
                message(
                    "a budget is a number of megabytes.",
                    argument="megabytes",
                    expected="0 or more",
                    got=repr(megabytes),
                )
            )
        self.nbytes = megabytes * 1e6
        self._lock = threading.Lock()
        self._known: weakref.WeakSet[UntypedStorage] = weakref.WeakSet()
        self._held = 0
        self._freed: deque[int] = deque()  # of what has died since it was counted, in whatever thread that was
        self._step = _Step()

    @property
    def held(self) -> int:
        """The bytes that are kept now."""
        with self._lock:
            return self._count()

    def __call__(self, cost: CheckpointCost) -> bool:
        """Say whether the intermediates of a call are kept."""
        if not (cost.inside or self._step.plans(cost, self.nbytes)):
            return False
        with self._lock:
            memory = [each for ref in cost.storages if (each := ref()) is not None]
            known = sum(each.nbytes() for each in memory if each in self._known)  # of inner calls that were kept
            if self._count() + cost.nbytes - known > self.nbytes:
                return False
            for each in memory:
                if each not in self._known:
                    self._known.add(each)
                    self._held += each.nbytes()
                    weakref.finalize(each, self._freed.append, each.nbytes()).atexit = False
            return True

    def _count(self) -> int:
        while self._freed:
            self._held -= self._freed.popleft()
        return self._held

    def __repr__(self) -> str:
        return f"MemoryBudget(megabytes={self.nbytes / 1e6:g})"


class _Step(threading.local):
    """The step at which a thread is: what its calls cost so far, and which of them the step before has chosen."""

    def __init__(self) -> None:
        self.tape: Any = None
        self.costs: list[CheckpointCost] = []
        self.count = 0  # of the calls in the step before
        self.chosen: set[int] = set()

    def plans(self, cost: CheckpointCost, budget: float) -> bool:
        """Note a call of the step; say whether it is to be kept if there is room.

        So is every call of which the step before knows nothing.
        """
        tape = next(iter(TapeContext.active()), None)
        if tape is not None and (self.tape is None or self.tape() is not tape):
            self.chosen, self.count = _best(self.costs, budget), len(self.costs)
            self.tape, self.costs = weakref.ref(tape), []
        place = len(self.costs)
        self.costs.append(cost)
        return place >= self.count or place in self.chosen


def _best(costs: list[CheckpointCost], budget: float) -> set[int]:
    """Choose the calls that save the most seconds for each byte, as far as the budget goes."""
    chosen = set()
    for place in sorted(range(len(costs)), key=lambda i: costs[i].bytes_per_second):
        if costs[place].nbytes <= budget:
            budget -= costs[place].nbytes
            chosen.add(place)
    return chosen
