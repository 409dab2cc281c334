"""What a check found: one Comparison per order and reference, the failures, and the points that could not be judged."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from .errors import Finding, GradientMismatch

__all__ = ["Comparison", "GradientReport", "Obstacle", "Singular"]


@dataclass(frozen=True)
class Comparison:
    """The largest relative error of one order against one reference.

    Attributes:
        order: 0 for the value, 1 for the gradient, ...
        reference: "finite differences", "JAX", "float32" or the name of a self-consistency check.
        error: the largest difference, relative to the size of the derivative; nan where nothing was compared.
        ok: whether it is allowed.
        count: how many numbers were compared.
    """

    order: int
    reference: str
    error: float
    ok: bool
    count: int


@dataclass(frozen=True)
class Singular:
    """An element of the inputs at which the function was found not to be differentiable."""

    argument: str
    element: tuple[int, ...]
    order: int
    reason: str

    def __str__(self) -> str:
        return f"{self.argument} at {self.element}, order {self.order}: {self.reason}"


@dataclass(frozen=True)
class Obstacle:
    """Why something could not be run: "vmap", "forward mode", or a derivative that PyTorch does not have.

    Attributes:
        what: that was to be run.
        order: at which.
        reason: in a line.
        torchs: whether torch could not do it (or the function looks at values), and no code of a rule's went wrong.
    """

    what: str
    order: int
    reason: str
    torchs: bool

    def __str__(self) -> str:
        return f"{self.what} is not applicable at order {self.order}: {self.reason}"


@dataclass
class GradientReport:
    """Everything that one ``check_gradients`` compared. ``print(report)`` shows a table.

    Attributes:
        rule: the function that was checked.
        comparisons: one for each order and reference.
        findings: what is wrong: the first failure ends a check.
        singular: where there is no derivative to compare with.
        notes: what was left out, and why.
        obstacles: what could not be run, and why: it is not judged, and not passed over in silence either.
    """

    rule: str
    comparisons: list[Comparison] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    singular: list[Singular] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    obstacles: list[Obstacle] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether nothing was found wrong."""
        return not self.findings

    def worst(self, reference: str, order: int) -> float:
        """Give the largest error against a reference at an order; nan if they were not compared."""
        errors = [c.error for c in self.comparisons if c.reference == reference and c.order == order]
        errors = [error for error in errors if not math.isnan(error)]
        return max(errors, default=math.nan)

    def raise_for_mismatch(self) -> None:
        """Raise the first failure, if there is one."""
        if self.findings:
            raise GradientMismatch(self.findings[0])

    def __str__(self) -> str:
        rows = [("order", "reference", "largest error", "compared", "verdict")]
        rows += [
            (str(c.order), c.reference, f"{c.error:.1e}", str(c.count), "right" if c.ok else "WRONG")
            for c in self.comparisons
        ]
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = [f"gradients of {self.rule}: {'right' if self.passed else 'WRONG'}"]
        lines += [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
        ]
        lines += [f"not differentiable: {each}" for each in self.singular]
        lines += [f"note: {each}" for each in (*self.obstacles, *self.notes)]
        lines += [str(each) for each in self.findings]
        return "\n".join(lines)
