"""What one run of all cases found, as figures, JSON and a page."""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import torch

from .cases import Case
from .corner import CornerResult, check_corner
from .corners import CORNERS
from .discovery import compare_with_cases
from .page import page
from .runner import Result

__all__ = ["Summary", "number"]


def number(error: float) -> str:
    """Show an error; a dash where nothing was compared."""
    return "-" if math.isnan(error) else "0" if error == 0 else f"{error:.0e}"


@dataclass
class Summary:
    """Everything that one run of the command found.

    Attributes:
        results: one for each case.
        corners: the points that are compared with the table.
        problems: operators without a case, cases without an operator; a line each.
        exempt: inner operators, and why they have no case of their own.
    """

    results: list[Result]
    corners: list[CornerResult]
    problems: list[str]
    exempt: dict[str, str]
    seed: int
    examples: int
    seconds: float
    complete: bool
    versions: dict[str, str] = field(default_factory=lambda: {"torch": torch.__version__, "jax": jax.__version__})

    @classmethod
    def of(
        cls, results: list[Result], cases: Sequence[Case], everything: bool, seed: int, examples: int, seconds: float
    ) -> Summary:
        """Sum up; where everything was run, look for operators without a case too."""
        names = {case.name for case in cases} | {"at" if case.name.startswith("at.") else case.name for case in cases}
        corners = [check_corner(corner) for corner in CORNERS if everything or corner.operator in names]
        problems: list[str] = []
        exempt: dict[str, str] = {}
        if everything:
            reached = {rule: result.name for result in reversed(results) for rule in result.reached}
            coverage = compare_with_cases(cases, reached)
            problems = coverage.problems() + missing_layers(cases)
            problems += [
                f"{result.kind}.{result.name} has no figure for {name}, and gives no reason"
                for result in results
                if result.passed
                for name in result.unexplained()
            ]
            exempt = {name: why for name, why in coverage.inner.items() if why is not None}
        return cls(results, corners, problems, exempt, seed, examples, seconds, everything)

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong and nothing is missing."""
        wrong = any(not result.passed for result in self.results)
        return not wrong and not self.problems and all(corner.status != "WRONG" for corner in self.corners)

    def remarks(self) -> dict[str, dict[str, list[str]]]:
        """Say what was not compared, what has a tolerance of its own and what has no case: reasons, and whose."""
        titles = {
            "JAX": "not compared with JAX",
            "PyTorch": "not compared with PyTorch, in all orders or in some",
            "vmap": "vmap not applicable, to all inputs or to some",
            "forward mode": "forward mode not applicable",
            "tolerance": "looser than usual",
        }
        found: dict[str, dict[str, list[str]]] = {}
        for what, title in titles.items():
            for result in self.results:
                if what in result.remarks:
                    found.setdefault(title, {}).setdefault(result.remarks[what], []).append(result.name)
        for result in self.results:
            for note in result.notes:
                names = found.setdefault("left out for some inputs", {}).setdefault(note, [])
                names += [result.name] if result.name not in names else []
        for name, why in self.exempt.items():
            title = "inner operators without a case of their own, verified to second order with another"
            found.setdefault(title, {}).setdefault(why, []).append(name)
        return found

    def lines(self) -> list[str]:
        """Sum up in a few lines."""
        right = sum(result.passed for result in self.results)
        count = sum(result.examples for result in self.results)
        lines = [
            f"{right} of {len(self.results)} cases right, {count} examples, seed {self.seed}, {self.seconds:.0f} s"
        ]
        if self.corners:
            by_status = {
                status: [c for c in self.corners if c.status == status] for status in ("right", "WRONG", "not built")
            }
            line = f"{len(by_status['right'])} of {len(self.corners)} corners right"
            if by_status["not built"]:
                names = dict.fromkeys(c.corner.operator for c in by_status["not built"])
                line += f"; not built yet: {', '.join(names)}"
            lines.append(line)
        if self.complete and importlib.util.find_spec("nexnet_nn") is None:
            lines.append("nexnet_nn is not installed: its layers were not verified")
        return lines

    def to_json(self) -> dict[str, Any]:
        """Give everything as JSON takes it."""
        return {
            "passed": self.passed,
            "complete": self.complete,
            "seed": self.seed,
            "examples": self.examples,
            "seconds": round(self.seconds, 1),
            "versions": self.versions,
            "problems": self.problems,
            "exempt": self.exempt,
            "remarks": self.remarks(),
            "cases": [result.to_json() for result in self.results],
            "corners": [corner.to_json() for corner in self.corners],
        }

    def write_json(self, path: Path) -> None:
        """Write the figures."""
        path.write_text(json.dumps(self.to_json(), indent=1) + "\n", encoding="utf-8")

    def write_html(self, path: Path) -> None:
        """Write the page."""
        path.write_text(
            page(self.to_json(), self.lines(), [result.columns() for result in self.results]), encoding="utf-8"
        )


def missing_layers(cases: Sequence[Case]) -> list[str]:
    """Name the layers and losses of nexnet_nn that have no case."""
    if importlib.util.find_spec("nexnet_nn") is None:
        return []
    from .cases.nn import layers_and_losses

    missing = sorted(layers_and_losses() - {case.name for case in cases})
    return [f"nexnet_nn.{name} has no case: add one to nexnet_verify.cases.nn" for name in missing]
