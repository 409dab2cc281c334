"""A learning rate that falls when training gets no further: what it knows is a value, which each epoch gives anew."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

from nexnet.errors import InputError, message

__all__ = ["PlateauState", "ReduceLROnPlateau"]


class PlateauState(NamedTuple):
    """What is kept between epochs: the learning rate, and torch's counters."""

    lr: float
    best: float
    num_bad_epochs: int = 0
    cooldown_counter: int = 0


@dataclass(frozen=True)
class ReduceLROnPlateau:
    """Times ``factor`` when a metric has not improved for ``patience`` epochs, step for step as torch's.

    Unlike a schedule it depends on how training goes, so it has a state, whose ``lr`` an optimiser is made of::

        plateau = nn.schedules.ReduceLROnPlateau(0.1, patience=5)
        plateau_state = plateau.init()
        for epoch in range(100):
            sgd = nn.SGD(plateau_state.lr, momentum=0.9)  # its own state, the momentum, goes on
            ...
            validation_loss = loss(model, x, y)
            plateau_state = plateau.update(plateau_state, validation_loss)

    Args:
        lr: what it begins with.
        mode: whether small metrics are good, "min", or large ones, "max".
        factor: below 1.
        patience: epochs without an improvement that are put up with.
        threshold: by how much a metric must be better than the best one.
        threshold_mode: whether the threshold is a part of the best one, "rel", or a difference, "abs".
        cooldown: epochs after a reduction in which none is counted.
        min_lr: it falls no further.
        eps: a smaller change is none.

    Raises:
        InputError: a factor of 1 or more, a mode that there isn't.
    """

    lr: float
    mode: Literal["min", "max"] = "min"
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    threshold_mode: Literal["rel", "abs"] = "rel"
    cooldown: int = 0
    min_lr: float = 0
    eps: float = 1e-8

    def __post_init__(self) -> None:
        for argument, known in (("mode", ("min", "max")), ("threshold_mode", ("rel", "abs"))):
            if getattr(self, argument) not in known:
                raise InputError(
                    message(f"invalid {argument}.", rule="ReduceLROnPlateau", argument=argument,
                            expected=" or ".join(map(repr, known)), got=repr(getattr(self, argument)))
                )  # fmt: skip
        if self.factor >= 1:
            raise InputError(
                message("the learning rate is to fall.", rule="ReduceLROnPlateau", argument="factor",
                        expected="below 1", got=self.factor)
            )  # fmt: skip

    def init(self) -> PlateauState:
        """Make the state for the first epoch."""
        return PlateauState(self.lr, math.inf if self.mode == "min" else -math.inf)

    def update(self, state: PlateauState, metric: float) -> PlateauState:
        """Give the state after an epoch with this metric (a number, or a tensor of one element)."""
        metric = float(metric)
        better = self._is_better(metric, state.best)
        bad = 0 if better else state.num_bad_epochs + 1
        cooling = state.cooldown_counter
        if cooling > 0:
            cooling, bad = cooling - 1, 0
        lr = state.lr
        if bad > self.patience:
            reduced = max(lr * self.factor, self.min_lr)
            lr = reduced if lr - reduced > self.eps else lr
            cooling, bad = self.cooldown, 0
        return PlateauState(lr, metric if better else state.best, bad, cooling)

    def _is_better(self, metric: float, best: float) -> bool:
        sign = 1 if self.mode == "min" else -1
        if self.threshold_mode == "abs":
            return sign * metric < sign * best - self.threshold
        return sign * metric < sign * best * (1 - sign * self.threshold)
