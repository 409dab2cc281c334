"""What nexnet-verify found when the listing was last gone through: what the reference says of each operator.

``python docs/_extension/verified.py`` takes it out of reports/verify.json, which ``nox -s verify`` writes, for clones
in which that has not run.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
REPORT, KEPT = ROOT / "reports" / "verify.json", Path(__file__).with_name("verified.json")

__all__ = ["Verdict", "kept", "verdicts"]


class Verdict(NamedTuple):
    """What was found of one case: whether it is right, in how many examples, and the largest relative error."""

    right: bool
    examples: int
    error: float

    def __str__(self) -> str:
        if not self.right:
            return "wrong"
        error = "" if math.isnan(self.error) else f", the largest relative error {self.error:.0e}"
        return f"right in {self.examples} examples{error}"


def verdicts() -> Mapping[str, Verdict]:
    """Give what was found by operator: in this clone, or else what is kept."""
    return _of_report(REPORT) if REPORT.exists() else kept()


def kept() -> Mapping[str, Verdict]:
    """Give what is kept."""
    found: Mapping[str, Any] = json.loads(KEPT.read_text(encoding="utf-8"))
    return {name: Verdict(*case) for name, case in found["cases"].items()}


def _of_report(path: Path) -> dict[str, Verdict]:
    cases = json.loads(path.read_text(encoding="utf-8"))["cases"]
    return {case["name"]: Verdict(case["passed"], case["examples"], _largest(case["errors"])) for case in cases}


def _largest(errors: Mapping[str, float | None]) -> float:
    found = [each for name, each in errors.items() if not name.startswith("float32") and each is not None]
    return float(f"{max(found, default=math.nan):.0e}")


if __name__ == "__main__":
    rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(case)}" for name, case in sorted(_of_report(REPORT).items()))
    date = datetime.fromtimestamp(REPORT.stat().st_mtime, UTC).date()
    KEPT.write_text(f'{{"date": "{date}", "cases": {{\n{rows}\n}}}}\n', encoding="utf-8")
