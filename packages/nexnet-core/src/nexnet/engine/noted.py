"""What is added to an error that comes out of an operator: its name, the shapes that it was given, and the module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
from torch import Tensor

from .. import _complaints
from .._nested import leaves_of
from ..errors import NexnetError
from .tensor import TensorBase

_Modules = tuple[tuple[str, Any], ...]

#: Gives the modules that are being called, outermost first, as ``(path, module)``.
_modules: Callable[[], _Modules] = tuple


def register_modules(current_modules: Callable[[], _Modules]) -> None:
    """Say how the modules are found that are being called."""
    global _modules
    _modules = current_modules


def note(error: Exception, operator: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Add to an error where it comes from; the innermost operator does so, and those that call it leave it at that.

    Raises:
        InputError: the operator has asked an argument for what tensors have, and it is none.
    """
    if isinstance(error, AttributeError):
        _complaints.look_for_no_tensor(operator, args, kwargs, error)
    own = [] if isinstance(error, NexnetError) else [f"{operator.lstrip('_')}{_shapes((*args, *kwargs.values()))}"]
    note_place(error, own, _modules())


def note_place(error: Exception, places: list[str], modules: _Modules) -> None:
    """Add to an error the innermost of these modules, after other places; but nothing to one that has such a note."""
    if any(each.startswith("(in ") for each in getattr(error, "__notes__", ())):
        return
    if modules:
        path, module = modules[-1]
        places = [*places, f"the {f'module {path}' if path else 'model'} ({type(module).__name__})"]
    if places:
        error.add_note(f"(in {', in '.join(places)})")


def _shapes(args: tuple[Any, ...]) -> str:
    tensors = [each for each in leaves_of(args) if isinstance(each, (TensorBase, Tensor, numpy.ndarray))]
    shapes = ", ".join(str(tuple(each.shape)) for each in tensors)
    return f" of shape{'s' if len(tensors) > 1 else ''} {shapes}" if tensors else ""
