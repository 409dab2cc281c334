"""The judge: compares tensors, notes the errors in a report, and ends a check at the first that is too large."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy
import torch
from torch import Tensor

from .comparing import Gap, compare, hint
from .errors import Finding
from .problem import Problem
from .report import Comparison, GradientReport

__all__ = ["JAX_RTOL", "Judge", "Stop", "kind_of"]

JAX_RTOL = 1e-9  # two float64 programs that add in another order


class Stop(Exception):  # noqa: N818  not an error: what comes later would only repeat the failure
    """Ends a check at its first failure."""


class Judge:
    """What is checked, how closely, and what was found."""

    def __init__(
        self,
        problem: Problem,
        report: GradientReport,
        order: int,
        directions: int,
        rtol: float | None,
        atol: float | None,
        reproduce: str | None,
    ) -> None:
        self.problem, self.report, self.order, self.directions = problem, report, order, directions
        self.rtol, self.atol = rtol, atol
        self.torch_rtol: float | None = None
        self.reproduce = reproduce or _call(problem, order)

    def fail(self, problem: str, order: int, **facts: Any) -> None:
        """Note a failure and end the check."""
        self.report.findings.append(
            Finding(
                problem=problem,
                rule=self.problem.name,
                order=order,
                seed=self.problem.seed,
                reproduce=self.reproduce,
                **facts,
            )
        )
        raise Stop

    def note(self, order: int, reference: str, error: float, count: int, ok: bool = True) -> None:
        """Add to the report's row of an order and a reference."""
        rows = self.report.comparisons
        for i, row in enumerate(rows):
            if (row.order, row.reference) == (order, reference):
                error = row.error if math.isnan(error) else error if math.isnan(row.error) else max(error, row.error)
                rows[i] = Comparison(order, reference, error, ok and row.ok, count + row.count)
                return
        rows.append(Comparison(order, reference, error, ok, count))

    def same(
        self,
        order: int,
        reference: str,
        got: Sequence[Tensor],
        expected: Sequence[Tensor],
        rtol: float,
        text: tuple[str, str],
        place: int | None = None,
        names: Sequence[str] | None = None,
    ) -> None:
        """Compare the rule with itself. ``names`` says what the tensors are, where they are no gradients."""
        gaps = compare(got, expected, rtol, None if rtol else 0.0, self.scale(order))
        self.agree(order, reference, gaps, text, place, names)

    def agree(
        self,
        order: int,
        reference: str,
        gaps: Sequence[Gap],
        text: tuple[str, str],
        place: int | None = None,
        names: Sequence[str] | None = None,
    ) -> None:
        """Note a comparison of the rule with itself, and fail if an element is wrong."""
        ok = not any(gap.wrong.any() for gap in gaps)
        self.note(order, reference, max((gap.error for gap in gaps), default=0.0), sum(g.count for g in gaps), ok)
        for i, gap in enumerate(gaps):
            if gap.wrong.any():
                problem, remedy = text
                self.wrong_tensor(
                    problem.format(self.problem.name),
                    order,
                    reference,
                    gap,
                    i if place is None else place,
                    remedy,
                    None if names is None else names[i],
                )

    def gaps(self, order: int, got: Sequence[Tensor], expected: Sequence[Any], rtol: float | None = None) -> list[Gap]:
        """Compare values or derivatives with a reference's, leaving out where there is no derivative."""
        rtol = rtol or (JAX_RTOL if self.rtol is None else self.rtol)
        tensors = [each if isinstance(each, Tensor) else torch.as_tensor(numpy.array(each)) for each in expected]
        gaps = compare(got, tensors, rtol, self.atol, self.scale(order))
        return gaps if order == 0 else self.smooth(gaps)

    def smooth(self, gaps: list[Gap]) -> list[Gap]:
        """Leave out where there is no derivative."""
        for gap, mask in zip(gaps, self.problem.masks, strict=False):
            gap.leave_out(mask)
        return gaps

    def compared(self, reference: str, order: int, gaps: Sequence[Gap]) -> None:
        """Note a comparison, and fail if an element is wrong."""
        ok = not any(gap.wrong.any() for gap in gaps)
        self.note(order, reference, max((gap.error for gap in gaps), default=0.0), sum(g.count for g in gaps), ok)
        for i, gap in enumerate(gaps):
            if gap.wrong.any():
                what = "value" if order == 0 else "gradient"
                text = f"the {what} of {self.problem.name} is not {reference}'s at order {order}."
                self.wrong_tensor(text, order, reference, gap, i, None)

    def wrong_tensor(
        self, text: str, order: int, reference: str, gap: Gap, place: int, remedy: str | None, name: str | None = None
    ) -> None:
        """Fail, showing the worst element."""
        worst = gap.worst
        name = name or (f"output {place}" if order == 0 else self.problem.path(place))
        self.fail(
            text,
            order,
            reference=reference,
            argument=name,
            kind=kind_of(gap.expected),
            element=worst,
            got=float(gap.got[worst]),
            expected=float(gap.expected[worst]),
            allowed=float(gap.allowed[worst]),
            wrong=f"{int(gap.wrong.sum())} of {gap.wrong.numel()} elements",
            hint=remedy or hint(gap.got, gap.expected),
        )

    def scale(self, order: int) -> float:
        """Give the size of the order below, whose rounding may appear in this one."""
        return self.problem.size(order - 1) if order else 0.0


def kind_of(tensor: Tensor) -> str:
    """Say of what dtype and shape a tensor is."""
    return f"{str(tensor.dtype).removeprefix('torch.')} of shape {tuple(tensor.shape)}"


def _call(problem: Problem, order: int) -> str:
    """Write a call that checks the same again; small arguments are written out."""
    shown = []
    for leaf in problem.leaves:
        if leaf.numel() <= 12:
            shown.append(f"nexnet.tensor({leaf.tolist()}, dtype=torch.float64)")
        else:
            shown.append(f"<float64 of shape {tuple(leaf.shape)}>")
    meant = "" if problem.meant is None else f", expected={problem.meant.name}"
    return f"check_gradients({problem.name}, {', '.join(shown)}, order={order}, seed={problem.seed}{meant})"
