"""Where in a model the running code is: the modules that are being called, and their path.

Nothing is kept for that: torch's modules leave their mark on Python's stack, which is read when somebody asks. A model
that nobody asks about pays nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from types import CodeType, FrameType
from typing import Any

from torch import nn

from ..engine.noted import register_modules

__all__ = ["current_modules", "current_path"]


def _below_torchs(module: Any) -> Iterator[tuple[str, Any]]:
    yield from module._modules.items()
    yield from module.named_modules(remove_duplicate=False)


# What calls a module, and how what is below such a module is found; a ``forward`` may be called without it.
_CALLS: dict[CodeType, Callable[[Any], Iterable[tuple[str, Any]]]] = {nn.Module._call_impl.__code__: _below_torchs}
_ROOTS: dict[CodeType, str] = {}  # the functions in which a model's evaluation begins, and their name for the model
_CONTINUE: dict[CodeType, str] = {}  # the functions that go on elsewhere, and their name for where that is


def current_path() -> str:
    """Give the path of the innermost module that is being called on this thread, as ``layer4.0.conv1``.

    It is ``""`` for the model itself, and where no module is being called. A path is told from the model that
    ``nexnet.functional_call`` was given, or else from the outermost module that is being called.
    """
    found = current_modules()
    return found[-1][0] if found else ""


def current_modules(frame: FrameType | None = None) -> tuple[tuple[str, Any], ...]:
    """Give the modules that are being called on this thread, outermost first, as ``(path, module)``.

    A module that has several places in the model has the path of the place that it is called from, if its parent
    calls it, and else its first. With a frame they are those that were being called there.
    """
    found: list[tuple[str, Any]] = []
    children: Callable[[Any], Iterable[tuple[str, Any]]] = _below_torchs
    for module, next_children in _running(frame or sys._getframe(1)):
        path = ""
        if found:
            above, parent = found[-1]
            below = next((name for name, each in children(parent) if each is module), type(module).__name__)
            path = f"{above}.{below}" if above and below else above or below
        found.append((path, module))
        children = next_children
    return tuple(found)


register_modules(current_modules)


def begins(name: str) -> Callable[[Any], Any]:
    """Mark a function as one in which a model's evaluation begins; ``name`` is the variable that holds the model."""

    def mark(fn: Any) -> Any:
        _ROOTS[fn.__code__] = name
        return fn

    return mark


def here() -> Any:
    """Give what ``continues`` takes the running code's place from."""
    return tuple(_running(sys._getframe(1)))


def continues(name: str) -> Callable[[Any], Any]:
    """Mark a function that runs code again later; ``name`` is the variable that holds ``here()`` of the first time."""

    def mark(fn: Any) -> Any:
        _CONTINUE[fn.__code__] = name
        return fn

    return mark


def leaves_mark(code: CodeType, children: Callable[[Any], Iterable[tuple[str, Any]]]) -> None:
    """Say that a method's ``self`` is a module that is being called, for as long as it runs.

    ``children(module)`` gives all that is below such a module, with its path, near ones first.
    """
    _CALLS[code] = children


def _running(frame: FrameType | None) -> list[tuple[Any, Callable[[Any], Iterable[tuple[str, Any]]]]]:
    """Give the modules on the stack up to a frame, outermost first, from the model on in which the evaluation began."""
    found: list[tuple[Any, Callable[[Any], Iterable[tuple[str, Any]]]]] = []
    while frame is not None:
        code = frame.f_code
        module = None
        if code in _CALLS:
            module = frame.f_locals["self"]
        elif code in _ROOTS:
            module = frame.f_locals[_ROOTS[code]]
        elif code.co_name == "forward" and code.co_varnames[:1] == ("self",):
            module = frame.f_locals["self"]
            module = module if isinstance(module, nn.Module) else None
        if module is not None and not (found and found[-1][0] is module):
            found.append((module, _CALLS.get(code, _below_torchs)))
        if code in _CONTINUE:
            found += frame.f_locals[_CONTINUE[code]][::-1]
            break
        if code in _ROOTS:
            break
        frame = frame.f_back
    return found[::-1]
