"""What the engine assumes of CPython, where that is faster than Python's own way.

This file is never compiled: it says what each thing means, and is what the uncompiled engine does. The compiled rooms
take the C of the same names from ``cpython.pxd``. Everything that touches a type's flags and slots, the garbage
collector's books or the number of a thread stands in these two files.

What they assume:

- A class made in Python is given to the garbage collector, whatever its base. One that adds no member to a compiled
  base which is none of the collector's has nothing for it to look at; taken from it again, its instances are made and
  freed in half the time, and are 16 bytes smaller (``uncollected``).
- A torch tensor that no code but torch's and the engine's has seen refers to nothing, and so can't be in a cycle. The
  collector would visit each one on a tape again and again as the tape grows; it is kept from it until other code is
  about to see it (``out_of_sight``, ``in_sight``). A mode of torch's, which sees everything, must not tie what it sees
  into a cycle: that would not be freed.
- Torch's grad mode is a flag of the thread, which a function without arguments in its C++ library reads; asked through
  Python it takes longer than an operator has to spare (``torch_says``). Where the name is not found, Python is asked.
- A subclass calls what its base has in C by looking the names up; slots that are its base's own go there at once
  (``take_slots``). So does its end: Python goes through the bases one by one, and at each takes the instance from the
  collector and gives it back, which is 0.9% of a chain of small products.
"""

from __future__ import annotations

import ctypes
import itertools
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

__all__ = [
    "answer",
    "blank",
    "compares",
    "count",
    "in_sight",
    "instance",
    "out_of_sight",
    "says",
    "symbol",
    "take_slots",
    "thread_number",
    "torch_says",
    "uncollected",
]


def instance(base: type[Any], cls: type[Any]) -> Any:
    """Make an instance of a subclass, without its ``__init__``: every member is None, 0 or False."""
    return base.__new__(cls)  # type: ignore[call-overload]


def blank(classes: tuple[type[Any], ...]) -> None:
    """Give the members of classes the value that C gives them before there is one (nothing, compiled)."""
    for cls in classes:
        for name in cls.__annotations__:
            setattr(cls, name, None)


def uncollected(cls: type[Any]) -> None:
    """Keep the instances of a Python class from the garbage collector, as those of its compiled base are."""


def out_of_sight(value: Any) -> Any:
    """Keep a torch tensor, or a tuple that only a node holds, from the garbage collector."""
    return value


def in_sight(value: Any) -> Any:
    """Give a torch tensor back to the garbage collector, as other code is about to see it; any other value as it is."""
    return value


def take_slots(cls: type[Any], base: type[Any]) -> None:
    """Let the signs (+, -, *, /, @), missing attributes and the end of a subclass go to its bases' C at once.

    It may have no members of its own, nor may the bases but the first.
    """


def symbol(library: str, name: str) -> int:
    """Give the address of a C++ function in one of torch's libraries by its mangled name, or 0."""
    try:
        found = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / library))  # torch itself has loaded it
        return ctypes.cast(getattr(found, name), ctypes.c_void_p).value or 0
    except (AttributeError, OSError):  # another platform's names, or a library that keeps its own
        return 0


def torch_says(address: int, ask: Callable[[], bool]) -> bool:  # noqa: ARG001  for C
    """Call a function of torch's, without arguments, that says yes or no; ``ask`` is the same for Python."""
    return ask()


def answer(address: int, value: Any, ask: Callable[[Any], Any]) -> Any:  # noqa: ARG001  for C
    """Call a function of C's, of an object; ``ask`` is the same for Python, and is called if there is none."""
    return ask(value)


def count(address: int, value: Any, ask: Callable[[Any], int]) -> int:  # noqa: ARG001  for C
    """Call a function of C's that counts something of an object; ``ask`` is, too, if it gives -1."""
    return ask(value)


def says(address: int, value: Any, ask: Callable[[Any], bool]) -> bool:  # noqa: ARG001  for C
    """Call a function of C's that says yes or no of an object; ``ask`` is, too, if it says neither."""
    return ask(value)


def compares(address: int, value: Any, first: Any, second: Any, ask: Callable[[Any, Any, Any], bool]) -> bool:  # noqa: ARG001  for C
    """Call such a one that looks at two more objects."""
    return ask(value, first, second)


class _Numbered(threading.local):
    def __init__(self) -> None:
        self.number = next(_numbers)


_numbers = itertools.count(1)
_numbered = _Numbered()


def thread_number() -> int:
    """Give the running thread's number, that no other thread is ever given."""
    return _numbered.number
