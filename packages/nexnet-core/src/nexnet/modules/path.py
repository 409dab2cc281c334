"""Where in a model the running code is: the modules that are being called, and their path.

Nothing is kept for that: torch's modules leave their mark on Python's stack, which is read when somebody asks. A model
that nobody asks about pays nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from types import CodeType, FrameType
from typing import Any, NamedTuple

from torch import nn

from ..engine.noted import register_modules

__all__ = ["Trail", "current_modules", "current_path"]


_Children = Callable[[Any], Iterable[tuple[str, Any]]]
_Places = tuple[tuple[str, Any, _Children], ...]  # a path, the module there, and how what is below it is found

_PAUSES = CO_ASYNC_GENERATOR | CO_COROUTINE | CO_GENERATOR  # of code: its frame may leave the stack, and come back

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

    @property
    def ends(self) -> bool:
        """Whether nothing above it is looked at."""
        return self.is_root or self.children is None


_MARKS: dict[int, _Mark] = {}  # by the code's identity, which is there as long as the mark: code is slow to hash


def _mark(mark: _Mark) -> None:
    _MARKS[id(mark.code)] = mark


_mark(_Mark(nn.Module.__call__.__code__, "self"))  # a ``forward`` may be called without it
_CALLER = nn.Module._call_impl.__code__  # what that calls, and what calls a ``forward``: it has many locals to be read


def current_path() -> str:
    """Give the path of the innermost module that is being called on this thread, as ``layer4.0.conv1``.

    It is ``""`` for the model itself, and where no module is being called. A path is told from the model that
    ``nexnet.functional_call`` was given, or else from the outermost module that is being called.

    Example::

        >>> class Told(torch.nn.Module):
        ...     def forward(self, x):
        ...         print(nexnet.modules.current_path())
        ...         return x
        ...
        >>> nexnet.functional_call(torch.nn.Sequential(Told()), {}, (nexnet.ones(2),))
        0
        LiteTensor([1., 1.])
    """
    found = current_modules()
    return found[-1][0] if found else ""


def current_modules(frame: FrameType | None = None) -> tuple[tuple[str, Any], ...]:
    """Give the modules that are being called on this thread, outermost first, as ``(path, module)``.

    A module that has several places in the model has the path of the place that it is called from, if its parent
    calls it, and else its first. With a frame they are those that were being called there.

    Example::

        >>> class Told(torch.nn.Module):
        ...     def forward(self, x):
        ...         print([path for path, module in nexnet.modules.current_modules()])
        ...         return x
        ...
        >>> nexnet.functional_call(torch.nn.Sequential(Told()), {}, (nexnet.ones(2),))
        ['', '0']
        LiteTensor([1., 1.])
    """
    places: _Places = ()
    for module, children in _running(frame or sys._getframe(1)):
        places = _added(places, module, children)
    return tuple((path, module) for path, module, _ in places)


class Trail:
    """Follows one thread's stack: asked again and again, it looks at those calls alone that are new since then.

    A frame that runs a plain function is on the stack without a break, with all that is above it, for as long as it is
    there at all. It keeps the frames of the calls that were going on when it was last asked.
    """

    def __init__(self) -> None:
        self._known: dict[FrameType, _Places] = {}  # of marked calls and of each ``forward``, the outermost first

    def innermost(self) -> tuple[str, Any] | None:
        """Give the path of the innermost module that is being called, and the module; None if there is none."""
        known, fresh = self._known, []
        places: _Places = ()
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            code = frame.f_code
            is_marked = id(code) in _MARKS
            if is_marked or code.co_name == "forward":
                if frame in known:
                    places = known[frame]
                    break
                fresh.append(frame)
                if is_marked and _MARKS[id(code)].ends:
                    break
            frame = frame.f_back
        while known and next(reversed(known)) is not frame:  # calls that are over
            known.popitem()
        for each in reversed(fresh):
            for module, children in _says(each):
                places = _added(places, module, children)
            if not each.f_code.co_flags & _PAUSES:
                known[each] = places
        return places[-1][:2] if places else None


def _added(places: _Places, module: Any, children: _Children) -> _Places:
    """Add a module that is called in the last of these."""
    if not places:
        return (("", module, children),)
    above, parent, below_parent = places[-1]
    if parent is module:
        return places
    below = _path_between(parent, module, below_parent)
    return (*places, (f"{above}.{below}" if above and below else above or below, module, children))


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
        if mark is not None or code.co_name == "forward":
            found += reversed(_says(frame))
            if mark is not None and mark.ends:
                break
        frame = frame.f_back
    return found[::-1]


def _says(frame: FrameType) -> Sequence[tuple[Any, _Children]]:
    """Give the modules that a frame tells of, outermost first."""
    mark = _MARKS.get(id(frame.f_code))
    if mark is not None:
        at_work = frame.f_locals[mark.variable]
        return at_work if mark.children is None else ((at_work, mark.children),)
    if not _is_called(frame) and frame.f_code.co_varnames[:1] == ("self",):
        at_work = frame.f_locals["self"]
        if isinstance(at_work, nn.Module):
            return ((at_work, _below_torchs),)
    return ()


def _is_called(forward: FrameType) -> bool:
    """Say whether it is a call of the module that runs this ``forward``: that is marked itself."""
    return forward.f_back is not None and forward.f_back.f_code is _CALLER
