"""Code that is run again later, as ``checkpoint`` does in backward: with the overrides of the first time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .engine.tape import this_thread

__all__ = ["as_here", "has_overrides", "is_overridden", "with_overrides"]


def as_here() -> Callable[..., Any]:
    """Give what calls a function later, ``again(fn, *args, **kwargs)``, as it would be called here and now.

    The rules that ``nexnet.override`` has replaced are so then, and no others are.
    """
    overrides = this_thread().overrides
    return _without_overrides if overrides is None else overrides.continued()  # type: ignore[no-any-return]


def has_overrides() -> bool:
    """Say whether the running code is in a block of ``nexnet.override``: what is constant is nexnet's, too, then."""
    return this_thread().overrides is not None


def is_overridden(function: Any) -> bool:
    """Say whether a block of ``nexnet.override`` around the running code names a function of torch's."""
    overrides = this_thread().overrides
    return overrides is not None and overrides.names(function)


def with_overrides(overrides: Any, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Call a function with these overrides in force, and no others."""
    thread = this_thread()
    before, thread.overrides = thread.overrides, overrides
    try:
        return fn(*args, **kwargs)
    finally:
        thread.overrides = before


def _without_overrides(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return with_overrides(None, fn, args, kwargs)
