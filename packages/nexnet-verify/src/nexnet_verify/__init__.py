"""nexnet_verify: is a gradient right, to which order, and where is it not.

``check_gradients`` is for any function or rule; ``nexnet_verify.cases`` holds a case for every operator of nexnet, and
``python -m nexnet_verify`` runs them. ``nexnet_verify.pytest_plugin`` is found by pytest.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .checker import check_gradients
    from .errors import Finding, GradientMismatch, NotDifferentiableWarning
    from .report import Comparison, GradientReport, Obstacle, Singular

__all__ = [
    "Comparison",
    "Finding",
    "GradientMismatch",
    "GradientReport",
    "NotDifferentiableWarning",
    "Obstacle",
    "Singular",
    "check_gradients",
]

__version__ = "0.1.0"

_HOMES = {
    "check_gradients": "checker",
    **dict.fromkeys(("Finding", "GradientMismatch", "NotDifferentiableWarning"), "errors"),
    **dict.fromkeys(("Comparison", "GradientReport", "Obstacle", "Singular"), "report"),
}


def __getattr__(name: str) -> object:
    """Import nexnet and torch when they are needed: pytest loads this package for its plugin, at every start."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
