"""Nested tuples, lists and dicts of what a rule returned or saved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


def map_leaves(value: Any, fn: Callable[[Any], Any]) -> Any:
    """Apply ``fn`` to every leaf, except to None and to shapes."""
    if value is None or type(value) is torch.Size:
        return value
    if isinstance(value, (tuple, list)):
        return rebuild(value, [map_leaves(each, fn) for each in value])
    if isinstance(value, dict):
        return {name: map_leaves(each, fn) for name, each in value.items()}
    return fn(value)


def leaves_of(value: Any) -> list[Any]:
    """List the leaves, in the order of ``map_leaves``."""
    found: list[Any] = []
    map_leaves(value, found.append)
    return found


def rebuild(like: Any, parts: list[Any]) -> Any:
    """Make a tuple or list like another; named ones (torch's, as (values, indices), and collections') stay named."""
    return type(like)(*parts) if hasattr(like, "_fields") else type(like)(parts)
