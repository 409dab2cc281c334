"""The paths of a tree's leaves, as ``layers.0.weight``, and patterns of these."""

from __future__ import annotations

from fnmatch import fnmatchcase

__all__ = ["join", "matches"]


def join(start: str, path: str) -> str:
    """Give the path of what stands at a path in what stands at another one."""
    return f"{start}.{path}" if start and path else start or path


def matches(path: str, pattern: str) -> bool:
    """Say whether a path is one of a pattern's, as in file names: ``*.bias`` is any ``bias``, the model's own too."""
    return fnmatchcase(path, pattern) or fnmatchcase(f".{path}", pattern)
