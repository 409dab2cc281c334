"""Derivatives of a function of one real variable by finite differences, with a step that chooses itself.

Ridders' method: differences at steps h, h/2, h/4, ... are extrapolated to h = 0 (Richardson, Neville's tableau). The
entry of the tableau that differs least from its neighbours is the answer; that difference, and the rounding of the
values, are its estimated error. C. Ridders, "Accurate computation of F'(x) and F'(x) F''(x)", Adv. Eng. Software 4
(1982); Press et al., Numerical Recipes, 5.7.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

__all__ = [
    "EPSILON",
    "FIRST_STEP",
    "OTHER_STEP",
    "Estimate",
    "Smoothness",
    "central",
    "derivative",
    "judge",
    "one_sided",
]

EPSILON = 2.0**-52
FIRST_STEP = 2.0**-4
OTHER_STEP = (
    0.6180339887 * 2.0**-9
)  # in no simple ratio to the first: what alternates in step with one does not with both
LEVELS = 28
COLUMNS = 6
GOOD_ENOUGH = 1e-11

Function = Callable[[float], float]


@dataclass(frozen=True)
class Estimate:
    """A derivative, its estimated error, and the smallest step that went into it. Its error is inf if there is none."""

    value: float
    error: float
    step: float

    def __str__(self) -> str:
        return f"{self.step:.2g} of the input's size, extrapolated (estimated error {self.error:.1g})"


def central(f: Function, noise: float, scale: float, first_step: float = FIRST_STEP) -> Estimate:
    """Give f'(0) from (f(h) - f(-h)) / 2h.

    Args:
        f: may return nan or inf where it is not defined; the steps that reach there are left out.
        noise: the rounding error of one value of f.
        scale: the size of a derivative that would matter; once the error is far below it, the search ends.
        first_step: the largest.
    """
    return _extrapolate(lambda h: (f(h) - f(-h)) / (2 * h), noise, scale, 4.0, first_step)


def one_sided(f: Function, noise: float, scale: float, sign: int) -> Estimate:
    """Give the derivative at 0 from the right (sign 1) or from the left (sign -1)."""
    at_zero = f(0.0)
    return _extrapolate(lambda h: (f(sign * h) - at_zero) / (sign * h), noise, scale, 2.0, FIRST_STEP)


def derivative(f: Function, noise: float, scale: float, first_step: float = FIRST_STEP) -> Estimate:
    """Give f'(0): from central differences or, where these do not converge (x |x| at 0), from both sides."""
    estimate = central(f, noise, scale, first_step)
    if estimate.error <= 1e-9 * max(abs(estimate.value), scale):
        return estimate
    right, left = one_sided(f, noise, scale, 1), one_sided(f, noise, scale, -1)
    error = max(right.error, left.error)
    if error < estimate.error and _agree(left, right, scale):
        return Estimate((left.value + right.value) / 2, error, min(left.step, right.step))
    return estimate


def _extrapolate(difference: Function, noise: float, scale: float, ratio: float, first_step: float) -> Estimate:
    best = Estimate(math.nan, math.inf, math.nan)
    previous: list[float] = []
    step = first_step
    for _ in range(LEVELS):
        row = [difference(step)]
        rounding = noise / step
        for column, below in enumerate(previous[:COLUMNS]):
            factor = ratio ** (column + 1)
            row.append((factor * row[column] - below) / (factor - 1))
            error = max(abs(row[-1] - row[-2]), abs(row[-1] - below)) + rounding
            if math.isfinite(row[-1]) and error < best.error:
                best = Estimate(row[-1], error, step)
        if len(row) > 2 and best.error <= GOOD_ENOUGH * scale:
            break
        previous = row
        step /= 2
    return best


@dataclass(frozen=True)
class Smoothness:
    """What the two one-sided derivatives say about a point."""

    smooth: bool
    reason: str


def judge(f: Function, noise: float, scale: float) -> Smoothness:
    """Say whether f is differentiable at 0: whether both one-sided derivatives exist and agree."""
    right = one_sided(f, noise, scale, 1)
    left = one_sided(f, noise, scale, -1)
    for side, name in ((right, "right"), (left, "left")):
        if not side.error <= 1e-3 * max(abs(side.value), scale):
            return Smoothness(False, f"the derivative from the {name} does not exist (a jump, a pole, or noise)")
    if not _agree(left, right, scale):
        return Smoothness(False, f"a kink: {left.value:.6g} from the left, {right.value:.6g} from the right")
    return Smoothness(True, "")


def _agree(left: Estimate, right: Estimate, scale: float) -> bool:
    size = max(abs(right.value), abs(left.value), scale)
    return abs(right.value - left.value) <= 1e-5 * size + 10 * (right.error + left.error)
