"""Who makes tapes active and who hides them: context that follows the code.

A block belongs to the code that opened it. What is opened and closed in other orders, as generators and tasks do that
give up control inside of a block, takes nobody else's tape away; and who computes meanwhile with a tensor of a hidden
tape is told so, since its gradient would be lost. (Nothing here is on the way of an operator that is recorded.)
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

import torch

from .. import _complaints
from . import tape as _tape
from .tape import TapeBase, active_tapes, this_thread

_GIVES_UP_CONTROL = (
    inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE
)


class Block:
    """An open ``with`` block that hides the tapes that were active before it."""

    def __init__(self, tapes: list[TapeBase]) -> None:
        self.tapes, self.thread = tapes, this_thread()
        self.count = len(tapes)
        self.before: list[TapeBase] = self.thread.tapes
        self.outer: Block | None = self.thread.hidden
        self.closed = False
        self.frame = _opener()
        self.thread.tapes, self.thread.hidden = tapes, self

    def close(self) -> None:
        """End the block, or, if others were opened inside of it and are open still, with the last of them."""
        self.closed, self.frame = True, None
        settle(self.thread)

    def check(self, key: Any) -> None:
        """Refuse a tensor of a hidden tape where the code that has hidden it is not at work."""
        if self.frame is not None and any(_tape.tracks(each, key) for each in self.before):
            frame: FrameType | None = sys._getframe()
            while frame is not None and frame is not self.frame:
                frame = frame.f_back
            if frame is None:
                raise _complaints.left_open(self.frame.f_code.co_name)
        if self.outer is not None:
            self.outer.check(key)


def settle(thread: Any) -> None:
    """Give back the tapes that closed blocks have hidden."""
    block: Block | None = thread.hidden
    while block is not None and block.closed and len(block.tapes) <= block.count:
        thread.tapes, thread.hidden = block.before, block.outer
        block = block.outer


def check_closed(tapes: list[TapeBase], hidden: Any) -> None:
    """Refuse blocks that were opened in a differentiated function and are open when it returns; end them first."""
    thread = this_thread()
    name = "a function"
    block: Block | None = thread.hidden
    while block is not None and block is not hidden:
        name = block.frame.f_code.co_name if block.frame is not None else name
        block.closed, block.frame = True, None
        block = block.outer
    was_open = thread.tapes is not tapes
    thread.tapes, thread.hidden = tapes, hidden
    if was_open:
        raise _complaints.left_open(name)


_tape.register_check(check_closed)


def _opener() -> FrameType | None:
    """Give the frame of the ``with`` statement that is being entered, if it can give up control inside of the block."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        caller = frame.f_back
        if frame.f_code.co_filename in _PASSING:
            frame = caller
        elif caller is not None and frame.f_code.co_flags & inspect.CO_GENERATOR and _is_entering(caller):
            frame = caller  # of a @contextmanager: the block is its caller's
        else:
            return frame if frame.f_code.co_flags & _GIVES_UP_CONTROL else None
    return None


_CONTEXTLIB: str = contextmanager.__code__.co_filename
_PASSING = {_CONTEXTLIB, __file__}


def _is_entering(frame: FrameType) -> bool:
    return frame.f_code.co_filename == _CONTEXTLIB and frame.f_code.co_name == "__enter__"


class Only:
    """A context, or a decorator, in which these tapes are the active ones.

    Of a generator or a coroutine that it decorates it holds in each step, and not while others are at work.
    """

    def __init__(self, tapes: Iterable[TapeBase]) -> None:
        self._wanted = list(tapes)
        for each in self._wanted:
            if not isinstance(each, TapeBase):
                raise _complaints.no_tape(each)
        self._blocks: list[Block] = []

    def __enter__(self) -> None:
        self._blocks.append(Block(list(self._wanted)))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._blocks.pop().close()

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """Decorate a function, a generator function or a coroutine function, or one of asynchronous generators."""
        wanted = self._wanted

        if inspect.isasyncgenfunction(fn):

            @functools.wraps(fn)
            async def generates(*args: Any, **kwargs: Any) -> Any:
                steps = fn(*args, **kwargs)
                try:
                    value = await _awaited(steps.asend(None), wanted)
                    while True:
                        try:
                            sent = yield value
                        except GeneratorExit:
                            raise
                        except BaseException as error:
                            value = await _awaited(steps.athrow(error), wanted)
                        else:
                            value = await _awaited(steps.asend(sent), wanted)
                except StopAsyncIteration:
                    return
                finally:
                    await _awaited(steps.aclose(), wanted)

            return generates

        if inspect.iscoroutinefunction(fn):

            @functools.wraps(fn)
            async def awaits(*args: Any, **kwargs: Any) -> Any:
                return await _awaited(fn(*args, **kwargs), wanted)

            return awaits

        if inspect.isgeneratorfunction(fn):

            @functools.wraps(fn)
            def yields(*args: Any, **kwargs: Any) -> Any:
                return (yield from _stepped(fn(*args, **kwargs), wanted))

            return yields

        @functools.wraps(fn)
        def runs(*args: Any, **kwargs: Any) -> Any:
            with Only(wanted):
                return fn(*args, **kwargs)

        return runs


def _stepped(steps: Any, wanted: list[TapeBase]) -> Any:
    """Go through a generator, or what else has its ``send`` and ``throw``, with the tapes active in each step."""
    advance, value = steps.send, None
    while True:
        try:
            with Only(wanted):
                item = advance(value)
        except StopIteration as stop:
            return stop.value
        try:
            value = yield item
            advance = steps.send
        except GeneratorExit:
            with Only(wanted):
                steps.close()
            raise
        except BaseException as error:
            advance, value = steps.throw, error


_awaited: Callable[..., Any] = types.coroutine(_stepped)


def _check_tape(tape: Any) -> None:
    """Refuse to make active what is no tape, or a tape where nothing would be recorded."""
    if not isinstance(tape, TapeBase):
        raise _complaints.not_a_tape(tape)
    if not torch.is_grad_enabled():
        raise _complaints.grad_mode_is_off()


class TapeContext:
    """The per-thread stack of active tapes.

    Raises:
        InputError: ``push`` or ``recording`` of what is no tape, or where torch's grad mode is off, and nothing would
            be recorded.
        IndexError: ``pop`` without an active tape.

    Example::

        >>> x = nexnet.ones(3)
        >>> tape = nexnet.Tape()
        >>> tape.watch(x)
        >>> with nexnet.TapeContext.recording(tape):
        ...     y = x * x
        ...
        >>> print(tape)
        output  rule  inputs  shape  dtype
        ------  ----  ------  -----  -------
        %0      mul   a, a    (3,)   float32
    """

    @staticmethod
    def push(tape: TapeBase) -> None:
        """Make the tape this thread's innermost active one."""
        _check_tape(tape)
        this_thread().tapes.append(tape)

    @staticmethod
    def pop() -> TapeBase:
        """Deactivate this thread's innermost tape and give it."""
        return this_thread().tapes.pop()

    @staticmethod
    def current() -> TapeBase | None:
        """Give this thread's innermost active tape, or None."""
        tapes = active_tapes()
        return tapes[-1] if tapes else None

    @staticmethod
    def active() -> tuple[TapeBase, ...]:
        """Give all of this thread's active tapes, outermost first."""
        return tuple(active_tapes())

    @staticmethod
    @contextmanager
    def recording(tape: TapeBase) -> Iterator[TapeBase]:
        """Push the tape for a ``with`` block; it, and no other's, is taken off under any exception."""
        _check_tape(tape)
        tapes = this_thread().tapes
        try:
            tapes.append(tape)
            yield tape
        finally:
            for i in range(len(tapes) - 1, -1, -1):
                if tapes[i] is tape:
                    del tapes[i]
                    break
            settle(this_thread())

    @staticmethod
    def only(tapes: Iterable[TapeBase]) -> Only:
        """Make these tapes the active ones for a ``with`` block, or for the function that it decorates."""
        return Only(tapes)
