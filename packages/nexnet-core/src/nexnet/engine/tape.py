"""Tapes, and which of them are active on this thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

import torch

from .. import _complaints
from . import cpython
from .attributes import dtype_of
from .cpython import symbol
from .key import Key, key_of
from .rule import Node
from .tensor import TensorBase


class TapeBase:
    """The compiled base of ``nexnet.Tape``: the nodes of one evaluation, in order, and the keys that it tracks.

    ``observers`` are told what happens on it (see ``observed``); None, as a rule: nobody looks on.
    """

    nodes: list[Node]
    observers: Any
    token: Any  # the home of the keys that this tape was the first to track
    tracked: set[Key]  # all other keys that it tracks

    def __init__(self, observers: Any = None) -> None:
        self.nodes = []
        if observers is None:
            observers = _observers()
        elif not hasattr(observers, "go_back"):
            raise _complaints.no_observers(observers)
        self.observers = observers
        self.token = object()
        self.tracked = set()

    def watch(self, tensor: TensorBase) -> None:
        """Differentiate by this very tensor from now on."""
        if tensor.key is None:
            tensor.key = key_of(tensor.raw, dtype_of(tensor.raw), self.token)
        else:
            self.tracked.add(tensor.key)

    def track(self, keys: Iterable[Key]) -> None:
        """Differentiate by the tensors that have these keys from now on."""
        self.tracked.update(keys)

    def tracks(self, key: Key | None) -> bool:
        """Say whether this tape differentiates by the tensor that has the key."""
        return key is not None and tracks(self, key)

    def forget(self, length: int) -> None:
        """Drop the nodes beyond this length."""
        del self.nodes[length:]
        if self.observers is not None:
            self.observers.forgot(self, length)

    def __len__(self) -> int:
        return len(self.nodes)


def tracks(tape: TapeBase, key: Key) -> bool:
    """Say whether a tape differentiates by the tensor that has the key."""
    return key.home is tape.token or key in tape.tracked


class Thread:
    """A thread's active tapes, outermost first, and whether a rule's own code is being differentiated."""

    tapes: list[TapeBase]
    inside_rule: bool
    mapped: int  # how many vmaps are at work
    overrides: Any  # what replaces operators in the code that runs (see nexnet.override), or None
    observers: Any  # who is told what happens on a new tape
    hidden: Any  # the innermost block that hides tapes, see context
    model: Any  # the evaluation of a model of torch's, see nexnet.modules

    def __init__(self) -> None:
        self.tapes = []
        self.hidden = None
        self.inside_rule = False
        self.mapped = 0
        self.overrides = None
        self.observers = None
        self.model = None


class _Local(threading.local):
    def __init__(self) -> None:
        self.thread = Thread()
        _threads[:] = [*[each for each in _threads if each[0].is_alive()], (threading.current_thread(), self.thread)]


_threads: list[tuple[threading.Thread, Thread]] = []  # those that have computed anything, and are alive

_local = _Local()
_latest = _local.thread  # the one that was asked for last: threading.local takes longer than to record a node
_latest_number = cpython.thread_number()


def this_thread() -> Thread:
    """Give the running thread's own."""
    global _latest, _latest_number
    number = cpython.thread_number()
    if number != _latest_number:
        _latest = _local.thread
        _latest_number = number
    return _latest


grad_mode = torch.is_grad_enabled
_grad_mode_in_c = symbol("libc10.so", "_ZN3c108GradMode10is_enabledEv")


def active_tapes() -> list[TapeBase]:
    """Give this thread's active tapes: none in ``torch.no_grad()``, which makes constants here as it does in torch."""
    return tapes_of(this_thread())


def tapes_of(thread: Thread) -> list[TapeBase]:
    """Give those of the running thread, for who has it already."""
    tapes = thread.tapes
    return tapes if not tapes or cpython.torch_says(_grad_mode_in_c, grad_mode) else []


_anomalies: Callable[[], bool] = torch.is_anomaly_enabled
_when_anomalous: Any = None  # makes the observers that torch.autograd.detect_anomaly() asks for


def register_anomalies(make: Callable[[], Any]) -> None:
    """Name what makes the observers of a tape where torch looks for anomalies."""
    global _when_anomalous
    _when_anomalous = make


def _observers() -> Any:
    """Give those who are told what happens on a new tape; None if nobody looks on."""
    found = this_thread().observers
    return _when_anomalous() if found is None and _anomalies() else found


def is_recording() -> bool:
    """Say whether a tape is active on this thread."""
    return len(active_tapes()) > 0


def tracked_key(value: Any, tapes: list[TapeBase]) -> Key | None:
    """Give the key of a tensor that one of the tapes differentiates by, else None."""
    if isinstance(value, TensorBase):
        tensor: TensorBase = value
        key = tensor.key
        if key is not None:
            for i in range(len(tapes)):
                if tracks(tapes[i], key):
                    return key
            check_untracked(key)
    return None


def check_untracked(key: Key) -> None:
    """Refuse a tensor that is a constant here only because it came from where it is being differentiated.

    Another thread's tapes track it, or a block hides the tape that does and its code is not at work: see context.
    """
    thread = this_thread()
    if thread.hidden is not None:
        thread.hidden.check(key)
    if len(_threads) > 1:
        for _, other in _threads:
            if other is not thread and any([tracks(tape, key) for tape in list(other.tapes)]):  # noqa: C419
                raise _complaints.another_thread()


def tracked_keys(args: tuple[Any, ...], tapes: list[TapeBase]) -> tuple[Any, ...]:
    """Give for each argument the key of a tensor that one of the tapes differentiates by, else None."""
    return tuple([tracked_key(arg, tapes) for arg in args])


def those_tracking(parents: tuple[Any, ...], tapes: list[TapeBase]) -> list[TapeBase]:
    """Give the tapes that track one of the keys, each of which one of the tapes tracks."""
    if len(tapes) == 1:
        for key in parents:
            if key is not None:
                return tapes
    found = []
    for tape in tapes:
        for key in parents:
            if key is not None and tracks(tape, key):
                found.append(tape)
                break
    return found


def is_tracked(tensor: TensorBase) -> bool:
    """Say whether an active tape of this thread differentiates by the tensor."""
    return tracked_key(tensor, active_tapes()) is not None


def check_may_leave(tensor: TensorBase, method: str, only_in_rules: bool = False) -> None:
    """Refuse to hand a tracked tensor's values to code that nexnet can't see: its gradient would be cut silently.

    ``only_in_rules`` is for ``item()`` and its like, which a user may call freely (to print a loss), but which a rule
    that is itself being differentiated may not.
    """
    if (not only_in_rules or this_thread().inside_rule) and is_tracked(tensor):
        raise _complaints.leaves_nexnet(method)


def evaluate(
    tape: TapeBase, inputs: Any, fn: Callable[..., Any], args: Any = (), kwargs: dict[str, Any] | None = None
) -> Any:
    """Call a function with the tape active, which watches the inputs."""
    for each in inputs:
        tape.watch(each)
    thread = this_thread()
    tapes = thread.tapes
    hidden = thread.hidden
    inside_rule = thread.inside_rule
    depth = len(tapes)
    try:
        try:
            tapes.append(tape)
            return fn(*args, **kwargs) if kwargs else fn(*args)
        finally:
            del tapes[depth:]
    finally:
        del tapes[depth:]  # again: in plain Python an interrupt may come before the line above
        thread.inside_rule = inside_rule  # it may have come into a backward, too
        if thread.tapes is not tapes or thread.hidden is not hidden:
            _check_closed(tapes, hidden)


_check_closed: Callable[[list[TapeBase], Any], None]


def register_check(check: Callable[[list[TapeBase], Any], None]) -> None:
    """Say who is to look at blocks that are open when a function returns."""
    global _check_closed
    _check_closed = check


class mapping:
    """A block in which a vmap is at work on this thread, of which the backward loop and the operators want to know.

    Compiled, no interrupt comes between entering it and leaving it as it was.
    """

    thread: Thread
    before: int

    def __enter__(self) -> None:
        thread = this_thread()
        self.thread, self.before = thread, thread.mapped
        thread.mapped += 1

    def __exit__(self, *error: object) -> None:
        self.thread.mapped = self.before
