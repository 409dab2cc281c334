"""How functions of several operators are called: as operators are."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import torch

from ..engine.autocast import cast_for, is_on
from ..engine.noted import note
from ..engine.spelling import own_name

_Function = TypeVar("_Function", bound=Callable[..., Any])


def composite(fn: _Function) -> _Function:
    """Let a function that is made of operators be called as they are.

    It takes numpy's names for its arguments, and torch's other ones, says so where it was given no tensor, and under
    torch's autocast gets its arguments as torch's function does.
    """
    parameters = inspect.signature(fn).parameters
    known = frozenset(parameters)
    places = [each.name for each in parameters.values() if each.kind is each.POSITIONAL_OR_KEYWORD]
    rest = next((each.name for each in parameters.values() if each.kind is each.VAR_POSITIONAL), "")

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            if is_on():
                args, kwargs = cast_for(call, args, kwargs)
            if not kwargs:
                return fn(*args)
            if not known.issuperset(kwargs):
                kwargs = {own_name(name, known): value for name, value in kwargs.items()}
            if rest in kwargs:  # what takes any number of arguments: one keyword gives them all
                first = [kwargs.pop(name) for name in places[len(args) :] if name in kwargs]
                args = (*args, *first, kwargs.pop(rest))
            return fn(*args, **kwargs)
        except Exception as error:
            note(error, fn.__name__, args, kwargs)
            raise

    return call  # type: ignore[return-value]


#: torch's named tuples, of which its annotations know a part.
return_types: Any = torch.return_types


def place_of(dim: int, ndim: int) -> int:
    """Count a dimension from the front.

    Raises:
        IndexError: there is no such dimension, with torch's words.
    """
    try:
        return range(max(ndim, 1))[dim]
    except IndexError:
        low, high = -max(ndim, 1), max(ndim, 1) - 1
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{low}, {high}], but got {dim})"
        ) from None
