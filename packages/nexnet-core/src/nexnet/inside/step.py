"""step: the backward loop, one node at a time, back and forth, and by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor

from ..engine import DIFFERENTIABLE, Turn, kernels_only, turns, unwrap
from ..errors import InputError, message
from .operation import Operation
from .tracing import TracedTape

__all__ = ["Event", "Stepper", "step"]


@dataclass(frozen=True, slots=True)
class Event:
    """What one node did in the backward.

    Attributes:
        operation: the operation that it belongs to.
        incoming: the gradient of its output, or one per output.
        returned: what its rule returned for each argument.
        added: for each of these, the label of what it was added to, and the sum as it is then.
    """

    operation: Operation
    incoming: tuple[Tensor | None, ...]
    returned: tuple[Tensor | None, ...]
    added: tuple[tuple[str, Tensor] | None, ...]

    @property
    def norm(self) -> float:
        """The largest norm of what was returned."""
        return max((_norm(each) for each in self.returned if each is not None), default=0.0)

    def __str__(self) -> str:
        lines = [f"{self.operation.label} {self.operation.called()}"]
        if self.operation.source is not None:
            lines[0] += f"    {self.operation.source}: {self.operation.source.code}"
        lines += [f"  in    {_told(each)}" for each in self.incoming if each is not None]
        for each, added in zip(self.returned, self.added, strict=True):
            if each is not None and added is not None:
                lines.append(f"  out   {_told(each)}  to {added[0]}, now {_told(added[1])}")
        return "\n".join(lines)


class Stepper:
    """The backward of one trace, to be gone through. Iterate over it for one ``Event`` after the other.

    Attributes:
        events: what has happened so far; ``back`` takes the last of it back.
    """

    def __init__(self, tape: TracedTape, seeds: Sequence[Tensor] | None = None) -> None:
        self._tape = tape
        self._seeds = seeds
        self._changes: dict[str, Tensor | Callable[[Tensor], Tensor]] = {}
        self.restart()

    def restart(self) -> None:
        """Begin again; what ``change`` has said stays."""
        self.events: list[Event] = []
        self._sums = self._tape.seeds(self._seeds)
        self._turns: Iterator[Turn] = turns(self._tape, self._sums)

    def __iter__(self) -> Iterator[Event]:
        while (event := self.forward()) is not None:
            yield event

    def forward(self) -> Event | None:
        """Do one node; None if there is none left."""
        with kernels_only():
            turn = next(self._turns, None)
            if turn is None:
                return None
            operation = self._tape.operations[turn.index]
            many = isinstance(turn.incoming, tuple)
            incoming = [
                self._changed(label, each)
                for label, each in zip(operation.outputs, turn.incoming if many else (turn.incoming,), strict=True)
            ]
            turn.incoming = tuple(incoming) if many else incoming[0]
            turn = next(self._turns)
            returned = tuple(turn.returned or ())
            labels = [self._tape.read().name_of(key) for key in turn.node.parents]
            added: list[tuple[str, Tensor] | None] = []
            sums: dict[Any, Tensor] = {}
            for key, label, each in zip(turn.node.parents, labels, returned, strict=False):
                if each is None:
                    added.append(None)
                    continue
                total = sums.get(key, turn.sums.get(key))
                sums[key] = each if total is None else total + each
                added.append((label, sums[key]))
        event = Event(operation, tuple(incoming), returned, tuple(added))
        self.events.append(event)
        return event

    def back(self, steps: int = 1) -> None:
        """Go back so many nodes: the loop is run again to there."""
        count = max(0, len(self.events) - steps)
        self.restart()
        for _ in range(count):
            self.forward()

    def until(
        self, *, rule: str | None = None, where: str | None = None, above: float | None = None, bad: bool = False
    ) -> Event | None:
        """Go on to the next node that fits one of these; None if there is none.

        Args:
            rule: a pattern of the rule's name.
            where: a pattern of the module's path.
            above: the norm of what it returned is above this.
            bad: what it returned is not finite.
        """
        for event in self:
            operation = event.operation
            norm = event.norm
            if (
                (rule is not None and fnmatchcase(operation.rule.lstrip("_"), rule))
                or (where is not None and fnmatchcase(operation.module, where))
                or (above is not None and norm > above)
                or (bad and not math.isfinite(norm))
            ):
                return event
        return None

    def change(self, label: str, gradient: Tensor | Callable[[Tensor], Tensor]) -> None:
        """Put another gradient in the place of an output's, from now on: a tensor, or a function of what came.

        Raises:
            InputError: there is no such label, or the tensor does not fit; the one that the function gives, when the
                walk comes there.
        """
        operation = self._tape[label]
        if not callable(gradient) or isinstance(gradient, Tensor):
            _check_fits(gradient, operation.shape)
        self._changes[operation.label if label == operation.label else label] = gradient

    def finish(self) -> dict[str, Tensor]:
        """Go to the end; give the gradients of the inputs, by name."""
        for _ in self:
            pass
        return {
            leaf.name: unwrap(self._sums[leaf.key]) for leaf in self._tape.inputs() if leaf.key in self._sums
        }  # fmt: skip

    def _changed(self, label: str | None, gradient: Any) -> Any:
        change = self._changes.get(label or "")
        if change is None or gradient is None:
            return gradient
        if callable(change) and not isinstance(change, Tensor):
            shape = tuple(gradient.shape)
            change = unwrap(change(gradient))
            _check_fits(change, shape)
        return change


def _check_fits(gradient: Any, shape: tuple[int, ...]) -> None:
    if not isinstance(gradient, Tensor) or tuple(gradient.shape) != shape:
        raise InputError(
            message(
                "a gradient has the shape of what it is the gradient of.",
                argument="gradient",
                expected=f"shape {shape}",
                got=f"shape {tuple(gradient.shape)}" if isinstance(gradient, Tensor) else repr(gradient),
            )
        )


def step(tape: TracedTape, seeds: Sequence[Tensor] | None = None) -> Stepper:
    """Go through the backward of a trace, one node at a time.

    Args:
        tape: what ``nexnet.trace(fn)(*args)`` has given.
        seeds: the gradient of each output, of its shape; ones by default.

    Raises:
        InputError: no tape of a trace, or one that was loaded from a file.
        RuntimeError: torch's, in the walk: a seed of another shape.

    Example::

        value, tape = nexnet.trace(loss)(model, x, y)
        for event in nexnet.step(tape):
            print(event)

        walk = nexnet.step(tape)
        walk.until(rule="linear")
        walk.change("%0", lambda grad: grad.clamp(-1, 1))
        gradients = walk.finish()
    """
    if not isinstance(tape, TracedTape):
        raise InputError(
            message(
                "step goes through the tape of a trace.",
                argument="tape",
                expected="what nexnet.trace(fn)(*args) gives",
                got=type(tape).__name__,
                remedy="a trace that was loaded from a file has no rules to ask",
            )
        )
    return Stepper(tape, seeds)


def _norm(value: Tensor) -> float:
    return float(torch.linalg.vector_norm(value.detach().to(torch.complex128 if value.is_complex() else torch.float64)))


def _told(value: Tensor) -> str:
    if value.numel() <= 4 and value.dtype in DIFFERENTIABLE:
        return (
            f"{[float(f'{each:.4g}') if not isinstance(each, complex) else each for each in value.flatten().tolist()]}"
        )
    return f"{list(value.shape)} of norm {_norm(value):.4g}"
