"""Schedules: functions of the number of steps made, that any number of an optimiser may be: ``nn.SGD(lr=schedule)``.

Names, arguments and values are those of ``torch.optim.lr_scheduler``, with the learning rate where torch has the
optimiser. A schedule has no state: the optimiser's counts the steps. Any function will do, as ``lambda step: 0.1``; it
gets a Python number, or a LiteTensor where the count can't be read (in ``update`` and with ``capturable=True``), and
these take both. Their numbers may be LiteTensors, and be differentiated by.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

import nexnet
from nexnet import LiteTensor
from nexnet.errors import InputError, message

from .plateau import ReduceLROnPlateau

__all__ = [
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LinearLR",
    "MultiStepLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
    "WarmupLR",
]

Schedule = Callable[[Any], Any]


@dataclass(frozen=True, eq=False)
class ConstantLR:
    """``lr factor`` for ``total_iters`` steps, then lr.

    Example::

        >>> schedule = nn.schedules.ConstantLR(0.3, factor=0.5, total_iters=2)
        >>> [round(schedule(step), 4) for step in range(5)]
        [0.15, 0.15, 0.3, 0.3, 0.3]
    """

    lr: Any
    factor: Any = 1 / 3
    total_iters: int = 5

    def __call__(self, step: Any) -> Any:
        return _where(step < self.total_iters, self.lr * self.factor, self.lr)


@dataclass(frozen=True, eq=False)
class LinearLR:
    """From ``lr start_factor`` to ``lr end_factor`` in ``total_iters`` equal steps.

    Example::

        >>> schedule = nn.schedules.LinearLR(0.1, start_factor=0.5, total_iters=4)
        >>> [round(schedule(step), 4) for step in range(5)]
        [0.05, 0.0625, 0.075, 0.0875, 0.1]
    """

    lr: Any
    start_factor: Any = 1 / 3
    end_factor: Any = 1.0
    total_iters: int = 5

    def __call__(self, step: Any) -> Any:
        part = _least(step, self.total_iters) / self.total_iters
        return self.lr * (self.start_factor + (self.end_factor - self.start_factor) * part)


@dataclass(frozen=True, eq=False)
class ExponentialLR:
    """``lr gamma^step``.

    Example::

        >>> schedule = nn.schedules.ExponentialLR(0.1, gamma=0.5)
        >>> [round(schedule(step), 4) for step in range(5)]
        [0.1, 0.05, 0.025, 0.0125, 0.0063]
    """

    lr: Any
    gamma: Any

    def __call__(self, step: Any) -> Any:
        return self.lr * self.gamma**step


@dataclass(frozen=True, eq=False)
class StepLR:
    """Times gamma every ``step_size`` steps.

    Example::

        >>> schedule = nn.schedules.StepLR(0.1, step_size=2)
        >>> [round(schedule(step), 4) for step in range(5)]
        [0.1, 0.1, 0.01, 0.01, 0.001]
    """

    lr: Any
    step_size: int
    gamma: Any = 0.1

    def __call__(self, step: Any) -> Any:
        return self.lr * self.gamma ** (step // self.step_size)


@dataclass(frozen=True, eq=False)
class MultiStepLR:
    """Times gamma at each of the milestones.

    Example::

        >>> schedule = nn.schedules.MultiStepLR(0.1, milestones=[2, 3])
        >>> [round(schedule(step), 4) for step in range(5)]
        [0.1, 0.1, 0.01, 0.001, 0.001]
    """

    lr: Any
    milestones: Sequence[int]
    gamma: Any = 0.1

    def __call__(self, step: Any) -> Any:
        return self.lr * self.gamma ** sum(_where(step >= each, 1, 0) for each in self.milestones)


@dataclass(frozen=True, eq=False)
class PolynomialLR:
    """``lr (1 - step / total_iters)^power``, and then 0.

    Example::

        >>> schedule = nn.schedules.PolynomialLR(0.1, total_iters=4)
        >>> [round(schedule(step), 4) for step in range(5)]
        [0.1, 0.075, 0.05, 0.025, 0.0]
    """

    lr: Any
    total_iters: int = 5
    power: float = 1.0

    def __call__(self, step: Any) -> Any:
        return self.lr * (1 - _least(step, self.total_iters) / self.total_iters) ** self.power


@dataclass(frozen=True, eq=False)
class CosineAnnealingLR:
    """``eta_min + (lr - eta_min) (1 + cos(pi step / T_max)) / 2`` (I. Loshchilov and F. Hutter, 2017).

    Example::

        >>> schedule = nn.schedules.CosineAnnealingLR(0.1, T_max=4)
        >>> [round(schedule(step), 4) for step in range(5)]
        [0.1, 0.0854, 0.05, 0.0146, 0.0]
    """

    lr: Any
    T_max: float
    eta_min: Any = 0.0

    def __call__(self, step: Any) -> Any:
        return _anneal(self.lr, self.eta_min, step / self.T_max)


@dataclass(frozen=True, eq=False)
class CosineAnnealingWarmRestarts:
    """Half a cosine from lr to ``eta_min`` in ``T_0`` steps, again and again, each ``T_mult`` times as long.

    Example::

        >>> schedule = nn.schedules.CosineAnnealingWarmRestarts(0.1, T_0=2)
        >>> [round(schedule(step), 4) for step in range(5)]
        [0.1, 0.05, 0.1, 0.05, 0.1]
    """

    lr: Any
    T_0: int
    T_mult: int = 1
    eta_min: Any = 0.0

    def __call__(self, step: Any) -> Any:
        if self.T_mult == 1:
            return _anneal(self.lr, self.eta_min, step % self.T_0 / self.T_0)
        # Restart n is at T_0 (T_mult^n - 1) / (T_mult - 1). A logarithm may fall short of a whole number by rounding.
        times = _log(step * ((self.T_mult - 1) / self.T_0) + 1) / math.log(self.T_mult)
        length = self.T_0 * self.T_mult ** ((times + 1e-9) // 1)
        return _anneal(self.lr, self.eta_min, (step - (length - self.T_0) / (self.T_mult - 1)) / length)


@dataclass(frozen=True, eq=False)
class OneCycleLR:
    """Up from ``max_lr / div_factor`` to ``max_lr``, and down to the first over ``final_div_factor`` (L. Smith, 2018).

    After ``total_steps`` it stays where it is. ``momentum()`` is what torch cycles the other way: as an optimiser's
    momentum, ``nn.SGD(cycle, momentum=cycle.momentum())``.

    Raises:
        InputError: an ``anneal_strategy`` that there isn't.

    Example::

        >>> schedule = nn.schedules.OneCycleLR(0.1, total_steps=5)
        >>> [round(schedule(step), 4) for step in range(5)]
        [0.004, 0.095, 0.0611, 0.0188, 0.0]
    """

    max_lr: Any
    total_steps: int
    pct_start: float = 0.3
    anneal_strategy: Literal["cos", "linear"] = "cos"
    div_factor: float = 25.0
    final_div_factor: float = 1e4
    three_phase: bool = False

    def __post_init__(self) -> None:
        if self.anneal_strategy not in ("cos", "linear"):
            raise InputError(
                message(
                    "invalid anneal_strategy.",
                    rule="OneCycleLR",
                    expected="'cos' or 'linear'",
                    got=self.anneal_strategy,
                )
            )

    def __call__(self, step: Any) -> Any:
        first = self.max_lr / self.div_factor
        return self._through(step, first, self.max_lr, first / self.final_div_factor)

    def momentum(self, base_momentum: Any = 0.85, max_momentum: Any = 0.95) -> Schedule:
        """Give the schedule of the momentum: small where the learning rate is large."""
        return lambda step: self._through(step, max_momentum, base_momentum, max_momentum)

    def _through(self, step: Any, first: Any, top: Any, last: Any) -> Any:
        """Give the value on the way from the first by the top to the last."""
        up, end = self.pct_start * self.total_steps - 1, self.total_steps - 1
        down = 2 * self.pct_start * self.total_steps - 2
        phases = [(0, up, first, top), (up, down, top, first), (down, end, first, last)]
        if not self.three_phase:
            phases[1:] = [(up, end, top, last)]
        anneal = _anneal if self.anneal_strategy == "cos" else _line
        *earlier, (begin, stop, a, b) = phases
        value = anneal(a, b, (_least(step, stop) - begin) / (stop - begin))
        for begin, stop, a, b in reversed(earlier):
            value = _where(step <= stop, anneal(a, b, (step - begin) / (stop - begin)), value)
        return value


@dataclass(frozen=True, eq=False)
class CyclicLR:
    """Up from ``base_lr`` to ``max_lr`` and down again, in equal steps, over and over (L. Smith, 2017).

    The height of a cycle is that of the first in mode "triangular", half of the one before in "triangular2", and falls
    with ``gamma^step`` in "exp_range". ``momentum()`` is what torch cycles the other way.

    Raises:
        InputError: a ``mode`` that there isn't.

    Example::

        >>> schedule = nn.schedules.CyclicLR(0.1, 0.3, step_size_up=2)
        >>> [round(schedule(step), 4) for step in range(5)]
        [0.1, 0.2, 0.3, 0.2, 0.1]
    """

    base_lr: Any
    max_lr: Any
    step_size_up: int = 2000
    step_size_down: int | None = None
    mode: Literal["triangular", "triangular2", "exp_range"] = "triangular"
    gamma: Any = 1.0

    def __post_init__(self) -> None:
        if self.mode not in ("triangular", "triangular2", "exp_range"):
            raise InputError(
                message(
                    "invalid mode.",
                    rule="CyclicLR",
                    expected="'triangular', 'triangular2' or 'exp_range'",
                    got=self.mode,
                )
            )

    def __call__(self, step: Any) -> Any:
        return self.base_lr + (self.max_lr - self.base_lr) * self._height(step)

    def momentum(self, base_momentum: Any = 0.8, max_momentum: Any = 0.9) -> Schedule:
        """Give the schedule of the momentum: small where the learning rate is large."""
        return lambda step: max_momentum - (max_momentum - base_momentum) * self._height(step)

    def _height(self, step: Any) -> Any:
        down = self.step_size_up if self.step_size_down is None else self.step_size_down
        total = self.step_size_up + down
        at = step % total
        height = _where(at <= self.step_size_up, at / self.step_size_up, (total - at) / down)
        if self.mode == "triangular2":
            return height * 0.5 ** (step // total)
        return height * self.gamma**step if self.mode == "exp_range" else height


@dataclass(frozen=True, eq=False)
class SequentialLR:
    """One schedule after the other: each begins at its milestone, and counts from there.

    Raises:
        InputError: not one milestone less than there are schedules, or milestones that are not in order.

    Example::

        >>> first, then = nn.schedules.ConstantLR(0.1, 1.0), nn.schedules.ConstantLR(0.01, 1.0)
        >>> schedule = nn.schedules.SequentialLR([first, then], milestones=[2])
        >>> [schedule(step) for step in range(4)]
        [0.1, 0.1, 0.01, 0.01]
    """

    schedules: Sequence[Schedule]
    milestones: Sequence[int]

    def __post_init__(self) -> None:
        if len(self.milestones) != len(self.schedules) - 1 or list(self.milestones) != sorted(self.milestones):
            raise InputError(
                message(
                    "between schedules there are milestones, in their order.",
                    rule="SequentialLR",
                    expected=f"{len(self.schedules) - 1} milestones",
                    got=self.milestones,
                )
            )

    def __call__(self, step: Any) -> Any:
        value = self.schedules[0](step)
        for begin, schedule in zip(self.milestones, self.schedules[1:], strict=True):
            value = _where(step >= begin, schedule(_least(begin - step, 0) * -1), value)
        return value


@dataclass(frozen=True, eq=False)
class WarmupLR:
    """In ``steps`` equal steps from ``start_factor`` times what another schedule begins with, and then that schedule.

    Example::

        adam = nn.AdamW(nn.schedules.WarmupLR(500, nn.schedules.CosineAnnealingLR(3e-4, 10_000)), weight_decay=0.1)
    """

    steps: int
    then: Schedule
    start_factor: Any = 0.0

    def __call__(self, step: Any) -> Any:
        return SequentialLR([LinearLR(self.then(0), self.start_factor, 1.0, self.steps), self.then], [self.steps])(step)


def _anneal(first: Any, last: Any, part: Any) -> Any:
    return last + (first - last) * (1 + _cos(math.pi * part)) / 2


def _line(first: Any, last: Any, part: Any) -> Any:
    return first + (last - first) * part


# What takes numbers and tensors


def _cos(x: Any) -> Any:
    return x.cos() if isinstance(x, LiteTensor) else math.cos(x)


def _log(x: Any) -> Any:
    return x.log() if isinstance(x, LiteTensor) else math.log(x)


def _least(x: Any, bound: Any) -> Any:
    return x.clamp(max=bound) if isinstance(x, LiteTensor) else min(x, bound)


def _where(condition: Any, x: Any, y: Any) -> Any:
    if not isinstance(condition, LiteTensor):
        return x if condition else y
    exact = torch.zeros((), dtype=torch.float64, device=condition.device)
    return nexnet.where(condition, exact + x, exact + y)
