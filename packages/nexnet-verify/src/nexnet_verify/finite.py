"""A problem's derivatives against finite differences: element by element where small, else in seeded directions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .differences import EPSILON, FIRST_STEP, OTHER_STEP, Estimate, Smoothness, derivative, judge
from .problem import Problem, unit
from .report import Singular

__all__ = ["Deviation", "FiniteDifferences"]

SMALL = 24  # this many elements or fewer: each is checked by itself
SAMPLED = 8  # elements that a hint is drawn from
SEARCHED = 4096  # this many or fewer: each is looked at to find the worst, or a kink

Element = tuple[int, int]  # which tensor of those followed, and which of its elements


@dataclass(frozen=True)
class Deviation:
    """A derivative along one direction, from the rule and from finite differences."""

    rule: float
    difference: Estimate
    allowed: float
    size: float

    @property
    def error(self) -> float:
        """The difference of the two, relative to the derivative's size."""
        gap = abs(self.rule - self.difference.value)
        return 0.0 if gap == 0 else gap / self.size if self.size else math.inf

    @property
    def wrong(self) -> bool:
        """Whether the difference is more than is allowed (or is not a number)."""
        return not abs(self.rule - self.difference.value) <= self.allowed


class FiniteDifferences:
    """The derivative of one order, compared along directions of the problem's inputs.

    Args:
        problem: the function and its point.
        order: of which the derivative is.
        gradient: what the rule gives, one tensor for each of ``problem.followed(order)``.
        rtol, atol: how much a derivative along a direction may differ, beyond the difference's own estimated error.
    """

    def __init__(self, problem: Problem, order: int, gradient: Sequence[Tensor], rtol: float, atol: float) -> None:
        self.problem, self.order, self.gradient = problem, order, gradient
        self.rtol, self.atol = rtol, atol
        self.followed = problem.followed(order)
        self.measure()
        self.units = [unit(each) for each in self.followed]

    def measure(self) -> None:
        """Estimate the size of F, and its rounding error."""
        measured = self.problem.meant or self.problem
        self.value_size = measured.size(self.order - 1)
        self.noise = 4 * EPSILON * measured.rounding_size(self.order - 1)

    def refresh(self) -> None:
        """Compute the gradient anew, after elements were masked."""
        self.gradient = self.problem.gradient(self.order)
        self.measure()

    # Directions ------------------------------------------------------------------------------------------------------

    def along(self, direction: Sequence[Tensor]) -> Deviation:
        """Compare along a direction, given in units of the inputs' sizes."""
        steps = [d * unit for d, unit in zip(direction, self.units, strict=True)]
        terms = [torch.where(step == 0, 0.0, g.double() * step) for g, step in zip(self.gradient, steps, strict=True)]
        rule = float(sum(term.sum() for term in terms))
        size = math.sqrt(float(sum(term.square().sum() for term in terms)))  # not of their sizes: one of many must show
        size = size if math.isfinite(size) else 1.0
        function = self._function(steps)
        for first_step in (FIRST_STEP, OTHER_STEP):
            estimate = derivative(function, self.noise, max(size, 1e-2 * self.value_size), first_step)
            deviation = self._deviation(rule, size, estimate)
            if not deviation.wrong:
                break
        return deviation

    def _deviation(self, rule: float, size: float, estimate: Estimate) -> Deviation:
        size = max(size, abs(estimate.value)) if math.isfinite(estimate.value) else size
        allowed = self.atol + self.rtol * size
        settled = 1e-2 * size + 1e-8 * self.value_size + 1e3 * self.noise
        if estimate.error <= settled:  # else nothing has converged, which is no excuse
            allowed += 10 * estimate.error
        return Deviation(rule, estimate, allowed, max(size, 1e-6 * self.value_size))

    def judge(self, direction: Sequence[Tensor]) -> Smoothness:
        """Say whether the function is differentiable along a direction."""
        steps = [d * unit for d, unit in zip(direction, self.units, strict=True)]
        terms = [(g.double() * step).abs() for g, step in zip(self.gradient, steps, strict=True)]
        size = float(sum(term[term.isfinite()].sum() for term in terms))
        return judge(self._function(steps), self.noise, max(size, 1e-2 * self.value_size, 1e5 * self.noise))

    def _function(self, steps: Sequence[Tensor]) -> Callable[[float], float]:
        def f(t: float) -> float:
            return self.problem.value(
                self.order - 1, [x + t * step for x, step in zip(self.followed, steps, strict=True)]
            )

        return f

    def random_directions(self, count: int) -> Iterator[list[Tensor]]:
        """Draw directions; they leave out what is masked."""
        for i in range(count):
            generator = torch.Generator().manual_seed(self.problem.seed * 7919 + i + 1)
            drawn = []
            for each in self.followed:
                size = 0.5 + torch.rand(each.shape, generator=generator, dtype=torch.float64)
                drawn.append(size * (torch.randint(0, 2, each.shape, generator=generator) * 2 - 1))
            yield self.unmasked(drawn)

    def unmasked(self, direction: list[Tensor]) -> list[Tensor]:
        """Give the direction with zeros where the function is not differentiable."""
        for i, mask in enumerate(self.problem.masks):
            direction[i] = direction[i].masked_fill(mask, 0.0)
        return direction

    def only(self, element: Element) -> list[Tensor]:
        """Give the direction of one element."""
        direction = [torch.zeros(each.shape, dtype=torch.float64) for each in self.followed]
        direction[element[0]].view(-1)[element[1]] = 1.0
        return direction

    # Elements --------------------------------------------------------------------------------------------------------

    def elements(self) -> list[Element]:
        """List every element that is not masked."""
        found = []
        for i, each in enumerate(self.followed):
            mask = self.problem.masks[i].reshape(-1) if i < len(self.problem.masks) else None
            found += [(i, j) for j in range(each.numel()) if mask is None or not mask[j]]
        return found

    def index(self, element: Element) -> tuple[int, ...]:
        """Give an element's index in its tensor."""
        return tuple(int(k) for k in torch.unravel_index(torch.tensor(element[1]), self.followed[element[0]].shape))

    def unit_of(self, element: Element) -> float:
        """Give the size of one element, by which its derivative was scaled."""
        return float(self.units[element[0]].reshape(-1)[element[1]])

    def singular(self, element: Element) -> Singular | None:
        """Say why the function is not differentiable by this element, and mask it; None if it is differentiable."""
        verdict = self.judge(self.only(element))
        if verdict.smooth:
            return None
        if element[0] < len(self.problem.masks):
            self.problem.masks[element[0]].view(-1)[element[1]] = True
        return Singular(self.problem.path(element[0]), self.index(element), self.order, verdict.reason)

    def neighbours(self, element: Element) -> tuple[Tensor, Tensor]:
        """Give the rule's derivatives and the differences at up to SAMPLED elements of one tensor, this one first."""
        place = element[0]
        count = self.followed[place].numel()
        others = range(0, count, -(-count // SAMPLED))
        chosen = [
            element,
            *(each for each in self.elements() if each[0] == place and each[1] in others and each != element),
        ]
        got = [self.gradient[place].reshape(-1)[j] for _, j in chosen]
        expected = [self.along(self.only(each)).difference.value / self.unit_of(each) for each in chosen]
        return torch.stack(got).double(), torch.tensor(expected, dtype=torch.float64)

    def narrow(self, direction: list[Tensor]) -> Element:
        """Find an element that is wrong, given a direction that is: halve its support, keep the worse half."""
        support = [(i, int(j)) for i, each in enumerate(direction) for j in torch.nonzero(each.reshape(-1)).reshape(-1)]
        while len(support) > 1:
            middle = len(support) // 2
            halves = [support[:middle], support[middle:]]
            gaps = [self._gap(direction, half) for half in halves]
            support = halves[0] if gaps[0] >= gaps[1] else halves[1]
        return support[0]

    def _gap(self, direction: list[Tensor], part: Sequence[Element]) -> float:
        chosen = [torch.zeros_like(each) for each in direction]
        for i, j in part:
            chosen[i].view(-1)[j] = direction[i].reshape(-1)[j]
        found = self.along(chosen)
        gap = abs(found.rule - found.difference.value) - found.allowed
        return gap if math.isfinite(gap) else math.inf
