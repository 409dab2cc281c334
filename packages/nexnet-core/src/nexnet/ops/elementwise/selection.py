"""Choices between elements: where, clamp, the greater and the lesser. Each states what it does at a tie."""

from __future__ import annotations

from collections.abc import Callable
from operator import ge, gt, le, lt
from typing import Any, ClassVar

import torch

from ...policy import Analytic, Policy, function, implements

__all__ = ["clamp", "clamp_max", "clamp_min", "clip", "fmax", "fmin", "maximum", "minimum", "where"]


@implements(torch.where)
@function
class where(Analytic):
    """x where c, else y:  dx = g where c, else 0,  dy = 0 where c, else g.  x and y may be numbers.

    What was not chosen gets a gradient of 0, but 0 times an infinite derivative is NaN: ``where(x > 0, sqrt(x), 0)``
    has gradient NaN at 0. The safe form hides the point from the function too:
    ``where(x > 0, sqrt(where(x > 0, x, 1)), 0)``.

    With c alone, the indices of its nonzero elements, one tensor per dimension (no gradient).

    Corner: where f'(x) is infinite outside of the condition, where(c, f(x), 0) is NaN; make f's argument safe by
    another where.
    """

    def forward(self, condition: Any, input: Any = None, other: Any = None) -> Any:
        self.ctx.save(condition)
        return torch.where(condition) if input is None else torch.where(condition, input, other)

    def backward(self, grad: Any) -> Any:
        (condition,) = self.ctx.release
        _, need_input, need_other = self.ctx.needs_input_grad
        return (
            None,
            torch.where(condition, grad, 0) if need_input else None,
            torch.where(condition, 0, grad) if need_other else None,
        )


@implements(torch.clamp, torch.clip)
@function
class clamp(Policy):
    """min(max(x, a), b):  dx = g where a <= x <= b,  da = g where x < a < b,  db = g where x > b or a > b.

    The bounds are numbers, tensors or None. At a bound x itself has the whole gradient.

    Corner: 1 at a scalar bound; where x ties with a tensor bound, x takes all of it.
    """

    def forward(self, input: Any, min: Any = None, max: Any = None) -> Any:
        self.ctx.save(input, min, max)
        if min is not None and max is not None and isinstance(min, torch.Tensor) is not isinstance(max, torch.Tensor):
            return torch.clamp(torch.clamp(input, min), None, max)
        return torch.clamp(input, min, max)

    def backward(self, grad: Any) -> Any:
        input, min, max = self.ctx.release
        need_input, need_min, need_max = (*self.ctx.needs_input_grad, False, False)[:3]
        dx = da = db = None
        if need_input:
            if min is None or max is None:
                inside = input <= max if min is None else input >= min
            else:
                inside = (input >= min) & (input <= max)
            dx = torch.where(inside, grad, 0)
        if need_min:
            da = torch.where(input < min if max is None else (input < min) & (min < max), grad, 0)
        if need_max:
            db = torch.where(input > max if min is None else (input > max) | (min > max), grad, 0)
        return dx, da, db


@implements(torch.clamp_min)
def clamp_min(input: Any, min: Any) -> Any:
    """The greater of x and ``min``; the gradient is 1 at the bound."""
    return clamp(input, min, None)


@implements(torch.clamp_max)
def clamp_max(input: Any, max: Any) -> Any:
    """The lesser of x and ``max``; the gradient is 1 at the bound."""
    return clamp(input, None, max)


clip = clamp


class _Extreme(Policy):
    """One of two, the gradient halved at a tie. ``loses(x, y)``: y is chosen."""

    kernel: ClassVar[Callable[..., Any]]
    loses: ClassVar[Callable[[Any, Any], Any]]

    def forward(self, input: Any, other: Any) -> Any:
        self.ctx.save(input, other)
        return type(self).kernel(input, other)

    def backward(self, grad: Any) -> Any:
        input, other = self.ctx.release
        need_input, need_other = self.ctx.needs_input_grad
        loses = type(self).loses
        shared = torch.where(input == other, grad / 2, grad)
        return (
            torch.where(loses(input, other), 0, shared) if need_input else None,
            torch.where(loses(other, input), 0, shared) if need_other else None,
        )


@implements(torch.maximum)
@function
class maximum(_Extreme):
    """max(x, y):  dx = g where x > y,  dy = g where y > x;  at a tie g/2 each.  Corner: a tie is halved."""

    kernel, loses = torch.maximum, lt


@implements(torch.minimum)
@function
class minimum(_Extreme):
    """min(x, y):  dx = g where x < y,  dy = g where y < x;  at a tie g/2 each.  Corner: a tie is halved."""

    kernel, loses = torch.minimum, gt


class _ExtremeNumber(Policy):
    """One of two, a number before NaN; the first at a tie. ``holds(x, y)``: x is chosen."""

    kernel: ClassVar[Callable[..., Any]]
    holds: ClassVar[Callable[[Any, Any], Any]]

    def forward(self, input: Any, other: Any) -> Any:
        self.ctx.save(input, other)
        return type(self).kernel(input, other)

    def backward(self, grad: Any) -> Any:
        input, other = self.ctx.release
        first = type(self).holds(input, other) | torch.isnan(other)
        return torch.where(first, grad, 0), torch.where(first, 0, grad)


@implements(torch.fmax)
@function
class fmax(_ExtremeNumber):
    """max(x, y), where a number beats NaN:  dx = g where x >= y or y is NaN,  dy = g elsewhere.

    Corner: a tie goes to x.
    """

    kernel, holds = torch.fmax, ge


@implements(torch.fmin)
@function
class fmin(_ExtremeNumber):
    """min(x, y), where a number beats NaN:  dx = g where x <= y or y is NaN,  dy = g elsewhere.

    Corner: a tie goes to x.
    """

    kernel, holds = torch.fmin, le
