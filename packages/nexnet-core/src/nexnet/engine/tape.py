"""Tapes, and which of them are active on this thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from .. import _complaints
from . import cpython
from .cpython import symbol
from .rule import Node
from .tensor import Key, TensorBase, key_of


class TapeBase:
    """The compiled base of ``nexnet.Tape``: the nodes of one evaluation, in order, and the keys that it tracks.

    With ``keep_values``, as ``trace`` makes it, the inputs and outputs of every operation stay alive beside its node.
    """

    nodes: list[Node]
    values: Any
    token: Any  # the home of the keys that this tape was the first to track
    tracked: set[Key]  # all other keys that it tracks

    def __init__(self, keep_values: bool = False) -> None:
        self.nodes = []
        self.values = [] if keep_values else None
        self.token = object()
        self.tracked = set()

    def watch(self, tensor: TensorBase) -> None:
        """Differentiate by this very tensor from now on."""
        if tensor.key is None:
            tensor.key = key_of(tensor.raw, tensor.raw.dtype, self.token)
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
        if self.values is not None:
            del self.values[length:]

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

    def __init__(self) -> None:
        self.tapes = []
        self.inside_rule = False
        self.mapped = 0
        self.overrides = None


class _Local(threading.local):
    def __init__(self) -> None:
        self.thread = Thread()


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


_grad_mode = torch.is_grad_enabled
_grad_mode_in_c = symbol("libc10.so", "_ZN3c108GradMode10is_enabledEv")


def active_tapes() -> list[TapeBase]:
    """Give this thread's active tapes: none in ``torch.no_grad()``, which makes constants here as it does in torch."""
    tapes = this_thread().tapes
    return tapes if not tapes or cpython.torch_says(_grad_mode_in_c, _grad_mode) else []


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
    return None


def tracked_keys(args: tuple[Any, ...], tapes: list[TapeBase]) -> tuple[Any, ...]:
    """Give for each argument the key of a tensor that one of the tapes differentiates by, else None."""
    if len(args) == 2:  # most calls have two operands: their tuple needs no list first
        return cpython.out_of_sight((tracked_key(args[0], tapes), tracked_key(args[1], tapes)))  # type: ignore[no-any-return]
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
    tapes = this_thread().tapes
    depth = len(tapes)
    tapes.append(tape)
    try:
        return fn(*args, **kwargs) if kwargs else fn(*args)
    finally:
        del tapes[depth:]


@contextmanager
def mapping() -> Iterator[None]:
    """Tell the backward loop that a vmap is at work on this thread."""
    thread = this_thread()
    thread.mapped += 1
    try:
        yield
    finally:
        thread.mapped -= 1


def _check_grad_mode() -> None:
    """Refuse to make a tape active where nothing would be recorded."""
    if not _grad_mode():
        raise _complaints.grad_mode_is_off()


class TapeContext:
    """The per-thread stack of active tapes."""

    @staticmethod
    def push(tape: TapeBase) -> None:
        """Make the tape this thread's innermost active one."""
        _check_grad_mode()
        this_thread().tapes.append(tape)

    @staticmethod
    def pop() -> TapeBase:
        """Deactivate this thread's innermost tape and give it."""
        return this_thread().tapes.pop()

    @staticmethod
    def current() -> TapeBase | None:
        """Give this thread's innermost active tape, or None."""
        tapes = active_tapes()
        return tapes[len(tapes) - 1] if tapes else None

    @staticmethod
    def active() -> tuple[TapeBase, ...]:
        """Give all of this thread's active tapes, outermost first."""
        return tuple(active_tapes())

    @staticmethod
    @contextmanager
    def recording(tape: TapeBase) -> Iterator[TapeBase]:
        """Push the tape for a ``with`` block; it is popped under any exception."""
        _check_grad_mode()
        tapes = this_thread().tapes
        depth = len(tapes)
        tapes.append(tape)
        try:
            yield tape
        finally:
            del tapes[depth:]

    @staticmethod
    @contextmanager
    def only(tapes: Iterable[TapeBase]) -> Iterator[None]:
        """Make these tapes the active ones for a ``with`` block."""
        wanted = list(tapes)
        for each in wanted:
            if not isinstance(each, TapeBase):
                raise _complaints.no_tape(each)
        before = this_thread().tapes
        this_thread().tapes = wanted
        try:
            yield
        finally:
            this_thread().tapes = before
