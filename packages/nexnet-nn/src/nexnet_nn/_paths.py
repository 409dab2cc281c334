"""The paths of a tree's leaves, as ``layers.0.weight``, and patterns of these."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

__all__ = ["matches", "paths_of"]


def paths_of(treespec: Any) -> list[str]:
    """Give the path of each leaf of a structure: fields, keys and places, with dots between them."""
    return [
        ".".join(str(step) for entry in path for step in (entry if type(entry) is tuple else (entry,)))
        for path in treespec.paths()
    ]


def matches(path: str, pattern: str) -> bool:
    """Say whether a path is one of a pattern's, as in file names: ``*.bias`` is any ``bias``, the model's own too."""
    return fnmatchcase(path, pattern) or fnmatchcase(f".{path}", pattern)
