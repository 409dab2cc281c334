"""The source of rooms that are compiled: it lies beside what is loaded."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.pycode import ModuleAnalyzer

__all__ = ["beside", "by_packages"]


def beside(_: Sphinx, module: str) -> tuple[str, dict[str, Any]] | None:
    """Give a compiled module's source and where each name stands in it; None for others, which Sphinx finds itself."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None or spec.origin.endswith(".py"):
        return None
    path = Path(spec.origin)
    source = path.with_name(f"{path.name.partition('.')[0]}.py")
    analyzer = ModuleAnalyzer.for_string(source.read_text(encoding="utf-8"), module, str(source))
    analyzer.find_tags()
    return analyzer.code, analyzer.tags


def by_packages(_: Sphinx, env: BuildEnvironment) -> None:
    """Link each source back to entries by its package: else by who was first to show one, of pages read at once."""
    found: dict[str, Any] = getattr(env, "_viewcode_modules", {})
    for module, entry in found.items():
        if entry:
            found[module] = (*entry[:3], module.partition(".")[0])
