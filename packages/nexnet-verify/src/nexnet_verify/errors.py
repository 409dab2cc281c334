"""What a check says when a gradient is wrong, and when it can't be judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nexnet.errors import NexnetError

__all__ = ["Finding", "GradientMismatch", "NotDifferentiableWarning"]


class NotDifferentiableWarning(UserWarning):
    """Inputs at which the function has no derivative (a kink, a jump, a pole): they were left out of the check."""


@dataclass(frozen=True)
class Finding:
    """Everything known about one failure. The text of the error is this, one fact a line.

    Attributes:
        problem: what is wrong, in a sentence.
        rule: the function or rule that was checked.
        order: 0 for the value, 1 for the gradient, 2 for the gradient's gradient, ...
        reference: what it was compared with.
        argument: where, as Python: ``args[0]['w']``.
        kind: the argument's shape and dtype.
        element: the index of the worst element.
        got: the rule's value there.
        expected: the reference's value there.
        allowed: the difference that would have passed.
        wrong: how many elements are wrong, as "3 of 12".
        step: the finite-difference step, and the error that its extrapolation estimates.
        hint: what the pattern of the error suggests.
        seed: the seed of cotangents and directions.
        reproduce: a line of code, or a command, that shows it again.
    """

    problem: str
    rule: str
    order: int | None = None
    reference: str | None = None
    argument: str | None = None
    kind: str | None = None
    element: tuple[int, ...] | None = None
    got: float | None = None
    expected: float | None = None
    allowed: float | None = None
    wrong: str | None = None
    step: str | None = None
    hint: str | None = None
    seed: int | None = None
    reproduce: str | None = None

    def __str__(self) -> str:
        worst = None
        if self.got is not None and self.expected is not None:
            where = "the value" if self.element in (None, ()) else f"element {self.element}"
            worst = f"{where}: the rule gives {self.got:.10g}, the reference {self.expected:.10g}"
            if self.allowed is not None:
                worst += f" (difference {abs(self.got - self.expected):.3g}, allowed {self.allowed:.3g})"
        argument = self.argument if self.kind is None else f"{self.argument}, {self.kind}"
        facts: dict[str, Any] = {
            "rule": self.rule,
            "argument": argument,
            "order": self.order,
            "reference": self.reference,
            "worst": worst,
            "wrong": self.wrong,
            "step": self.step,
            "hint": self.hint,
            "seed": self.seed,
            "reproduce": self.reproduce,
        }
        lines = [f"  {name + ':':<10} {fact}" for name, fact in facts.items() if fact is not None]
        return "\n".join([self.problem, *lines])


class GradientMismatch(NexnetError, AssertionError):  # noqa: N818  it reads as what was found
    """A rule gives another derivative than its reference. ``finding`` holds the facts, ``str()`` shows them."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(str(finding))
        self.finding = finding
