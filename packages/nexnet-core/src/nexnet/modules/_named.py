"""Operators learn that a block of ``override`` names them; so do functions that are made of several operators.

An operator counts the blocks, and looks for a replacement if there are any. A plain function can't: while a block names
it, its code is that of ``_entry``, which looks for one, and else does what the function did. So it is replaced by
whatever name it is called, and pays nothing when no block names it.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType
from typing import Any

from ..engine.tape import this_thread
from ..policy import Operator

__all__ = ["named"]

_lock = threading.Lock()
_gates: dict[FunctionType, _Gate] = {}


@contextmanager
def named(targets: Iterable[Any]) -> Iterator[None]:
    """Tell operators and functions that a block names them; at its end, that it no longer does."""
    targets = list(targets)
    _count(targets, 1)
    try:
        yield
    finally:
        _count(targets, -1)


def _count(targets: list[Any], by: int) -> None:
    with _lock:
        for target in targets:
            if isinstance(target, Operator):
                target.overridden += by
                continue
            gate = _gates.get(target)
            if gate is None:
                gate = _gates[target] = _Gate(target)
            gate.blocks += by
            if gate.blocks == 0:
                _gates.pop(target).open()


@functools.cache
def _entry(closed_over: int) -> CodeType:
    """Give the code that asks the gate, of a function that closes over so many variables, as the one it replaces does.

    It has them as its own: the interpreter, and whoever looks at a frame's variables, takes a cell for each.
    """

    def asks(*args: Any, **kwargs: Any) -> Any:
        gate: Any = "the gate"
        return gate(args, kwargs)

    if closed_over == 0:
        return asks.__code__
    names = ", ".join(f"closed_over_{i}" for i in range(closed_over))
    source = (
        f"def around({names}):\n"
        f"    def asks(*args, **kwargs):\n"
        f"        gate = 'the gate'\n"
        f"        if False: ({names},)\n"
        f"        return gate(args, kwargs)\n"
    )
    code = compile(source, __file__, "exec")
    for _ in range(2):  # that of around, and of asks in it
        code = next(each for each in code.co_consts if isinstance(each, CodeType))
    return code


class _Gate:
    """What stands in a function's code while a block names it."""

    def __init__(self, fn: FunctionType) -> None:
        self.fn, self.code, self.blocks = fn, fn.__code__, 0
        self.original = FunctionType(fn.__code__, fn.__globals__, fn.__name__, fn.__defaults__, fn.__closure__)
        self.original.__kwdefaults__ = fn.__kwdefaults__
        self.attributes = {**fn.__dict__}
        fn.__dict__["__signature__"] = inspect.signature(fn)
        entry = _entry(len(fn.__code__.co_freevars))
        constants = tuple(self if each == "the gate" else each for each in entry.co_consts)
        fn.__code__ = entry.replace(co_consts=constants)

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        overrides = this_thread().overrides
        replacement = None if overrides is None else overrides.replacement(self.fn)
        return self.original(*args, **kwargs) if replacement is None else replacement(args, kwargs)

    def open(self) -> None:
        """Give the function its own code again."""
        self.fn.__code__ = self.code
        self.fn.__dict__.pop("__signature__")
        self.fn.__dict__.update(self.attributes)
