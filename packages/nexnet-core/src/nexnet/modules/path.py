"""Where in a model the running code is: the modules that are being called, and their path.

Nothing is kept for that: torch's modules leave their mark on Python's stack, which is read when somebody asks. A model
that nobody asks about pays nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from types import CodeType, FrameType
from typing import Any, NamedTuple

from torch import nn

from ..engine.noted import register_modules

__all__ = ["current_modules", "current_path"]


_Children = Callable[[Any], Iterable[tuple[str, Any]]]

_paths: dict[tuple[int, int], str] = {}  # of modules below others, as found last; true only if they are still there


def _below_torchs(module: Any) -> Iterator[tuple[str, Any]]:
    yield from module._modules.items()
    yield from module.named_modules(remove_duplicate=False)


class _Mark(NamedTuple):
    """What a frame that runs this code says of the modules that are being called."""

    code: CodeType
    variable: str  # what holds the module, or of code that goes on elsewhere, what ``here()`` gave there
    children: _Children | None = _below_torchs  # how what is below such a module is found; None where it goes on
    is_root: bool = False  # whether a model's evaluation begins here


_MARKS: dict[int, _Mark] = {}  # by the code's identity, which is there as long as the mark: code is slow to hash


def _mark(mark: _Mark) -> None:
    _MARKS[id(mark.code)] = mark


_mark(_Mark(nn.Module.__call__.__code__, "self"))  # a ``forward`` may be called without it
_CALLER = nn.Module._call_impl.__code__  # what that calls, and what calls a ``forward``: it has many locals to be read


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
    children: _Children = _below_torchs
    for module, next_children in _running(frame or sys._getframe(1)):
        path = ""
        if found:
            above, parent = found[-1]
            below = _path_between(parent, module, children)
            path = f"{above}.{below}" if above and below else above or below
        found.append((path, module))
        children = next_children
    return tuple(found)


def _path_between(parent: Any, module: Any, children: _Children) -> str:
    """Give the path of a module below another; where it is nowhere there, its class's name."""
    if children is not _below_torchs:
        return next((name for name, each in children(parent) if each is module), type(module).__name__)
    pair = id(parent), id(module)
    known = _paths.get(pair)
    if known is not None and _is_at(parent, known, module):
        return known
    if len(_paths) > 100_000:
        _paths.clear()
    names: dict[int, str] = {}
    for name, each in children(parent):  # all of them: one after the other they would be looked for again and again
        names.setdefault(id(each), name)
    _paths.update(((pair[0], each), name) for each, name in names.items())
    return names.get(pair[1], type(module).__name__)


def _is_at(parent: Any, path: str, module: Any) -> bool:
    for name in path.split(".") if path else ():
        parent = getattr(parent, "_modules", {}).get(name)
    return parent is module


register_modules(current_modules)


def begins(name: str) -> Callable[[Any], Any]:
    """Mark a function as one in which a model's evaluation begins; ``name`` is the variable that holds the model."""

    def mark(fn: Any) -> Any:
        _mark(_Mark(fn.__code__, name, is_root=True))
        return fn

    return mark


def here() -> Any:
    """Give what ``continues`` takes the running code's place from."""
    return tuple(_running(sys._getframe(1)))


def continues(name: str) -> Callable[[Any], Any]:
    """Mark a function that runs code again later; ``name`` is the variable that holds ``here()`` of the first time."""

    def mark(fn: Any) -> Any:
        _mark(_Mark(fn.__code__, name, None))
        return fn

    return mark


def leaves_mark(code: CodeType, children: _Children) -> None:
    """Say that a method's ``self`` is a module that is being called, for as long as it runs.

    ``children(module)`` gives all that is below such a module, with its path, near ones first.
    """
    _mark(_Mark(code, "self", children))


def _running(frame: FrameType | None) -> list[tuple[Any, _Children]]:
    """Give the modules on the stack up to a frame, outermost first, from the model on in which the evaluation began."""
    found: list[tuple[Any, _Children]] = []
    while frame is not None:
        code = frame.f_code
        mark = _MARKS.get(id(code))
        if mark is not None:
            at_work = frame.f_locals[mark.variable]
            if mark.children is None:
                found += at_work[::-1]
                break
            if not (found and found[-1][0] is at_work):
                found.append((at_work, mark.children))
            if mark.is_root:
                break
        elif code.co_name == "forward" and not _is_called(frame) and code.co_varnames[:1] == ("self",):
            at_work = frame.f_locals["self"]
            if isinstance(at_work, nn.Module) and not (found and found[-1][0] is at_work):
                found.append((at_work, _below_torchs))
        frame = frame.f_back
    return found[::-1]


def _is_called(forward: FrameType) -> bool:
    """Say whether it is a call of the module that runs this ``forward``: that is marked itself."""
    return forward.f_back is not None and forward.f_back.f_code is _CALLER
