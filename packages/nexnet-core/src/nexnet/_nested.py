"""Nested tuples, lists, dicts and modules of what a rule was given, returned or saved."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import FunctionType, MethodType
from typing import Any

import torch

_nodes: list[tuple[type, Callable[..., Any]]] = []


def register_nodes(kind: type, mapped: Callable[[Any, Callable[[Any], Any]], Any]) -> None:
    """Say how a function is applied to the leaves of a kind of node, such as modules."""
    _nodes.append((kind, mapped))


def map_leaves(value: Any, fn: Callable[[Any], Any]) -> Any:
    """Apply ``fn`` to every leaf, except to None and to shapes."""
    if value is None or type(value) is torch.Size:
        return value
    if isinstance(value, (tuple, list)):
        return rebuild(value, [map_leaves(each, fn) for each in value])
    if isinstance(value, dict):
        return {name: map_leaves(each, fn) for name, each in value.items()}
    for kind, mapped in _nodes:
        if isinstance(value, kind):
            return mapped(value, fn)
    return fn(value)


def leaves_of(value: Any) -> list[Any]:
    """List the leaves, in the order of ``map_leaves``."""
    found: list[Any] = []
    map_leaves(value, found.append)
    return found


def rebuild(like: Any, parts: list[Any]) -> Any:
    """Make a tuple or list like another; named ones (torch's, as (values, indices), and collections') stay named."""
    return type(like)(*parts) if hasattr(like, "_fields") else type(like)(parts)


def refers_to(value: Any, target: object, depth: int = 4) -> bool:
    """Say whether a value is an object, or a function, method or container that refers to it."""
    if value is target:
        return True
    kind = type(value)
    if kind is tuple or kind is list:
        parts = value
    else:
        parts = value.values() if kind is dict else held_by(value)
    return depth > 0 and any(refers_to(each, target, depth - 1) for each in parts)


def held_by(fn: Any) -> list[Any]:
    """List what a function, a method or a partial function refers to; of anything else, nothing."""
    kind = type(fn)
    if kind is FunctionType:
        return [*_contents(fn), *(fn.__defaults__ or ()), *(fn.__kwdefaults__ or {}).values()]
    if kind is MethodType:
        return [fn.__self__]
    if kind is partial:
        return [fn.func, *fn.args, *fn.keywords.values()]
    return []


def _contents(fn: FunctionType) -> list[Any]:
    """Give what a function closes over, of what has a value by now."""
    found = []
    for cell in fn.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:
            continue
    return found
