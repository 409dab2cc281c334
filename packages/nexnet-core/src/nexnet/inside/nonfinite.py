"""The error that tells of a number which is not finite: who made it, where, of what, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .._nested import leaves_of
from .._storage import unbatched
from ..engine import unwrap
from ..errors import NonFiniteError, message
from .reasons import Case, reason_for
from .source import source_of

__all__ = ["Event", "IsBad", "Where", "is_number", "nonfinite_error", "tensors_of"]

IsBad = Callable[[Tensor], Tensor]


class Where(NamedTuple):
    """Where something was called: the user's line, and the module that was at work."""

    place: tuple[CodeType, int] | None = None
    module: str = ""
    module_type: str = ""


class Event:
    """A kernel that made a number which is not finite."""

    def __init__(
        self, name: str, inputs: list[tuple[str, Tensor]], numbers: list[Any], out: Tensor, where: Where
    ) -> None:
        self.name, self.inputs, self.numbers, self.out, self.where = name, inputs, numbers, out, where


def tensors_of(value: Any) -> Iterator[Tensor]:
    """Give the tensors in a nest of lists, tuples and dicts."""
    for each in leaves_of(value):
        data = unwrap(each)
        if isinstance(data, Tensor):
            yield data


def is_number(value: Any) -> bool:
    """Say whether it is a tensor of which an element may be a NaN."""
    return isinstance(value, Tensor) and (value.is_floating_point() or value.is_complex()) and not value.is_meta


def nonfinite_error(
    rule: str,
    phase: str,
    where: Where,
    inputs: list[tuple[str, Tensor]],
    numbers: list[Any],
    out: Tensor,
    bad: IsBad,
    event: Event | None = None,
    reason: tuple[str, str] | None = None,
) -> NonFiniteError:
    """Make the error of a rule or kernel that has made such a number.

    Args:
        rule: its name.
        phase: "forward" or "backward".
        where: where it was called.
        inputs: the tensors that it was given, by name.
        numbers: the numbers that it was given.
        out: what it has made.
        bad: says of each element of a tensor whether it is one of those that are looked for.
        event: the kernel in it that made the first.
        reason: why, and the remedy, if that is known already.
    """
    with torch.no_grad():
        out = unbatched(out)
        inputs = [(name, unbatched(each)) for name, each in inputs if is_number(each)]
        found = bad(out)
        if not bool(found.any()):
            found = ~out.isfinite()
        if reason is None:
            reason = _reason(rule, phase, inputs, numbers, out, found, bad, event)
        indices = tuple(tuple(map(int, each)) for each in found.nonzero()[:3])
        source = source_of(where.place)
        what = "a NaN" if bool(out.isnan().any()) else "an infinity"
        inner = f", in its {event.name}" if event is not None and event.name != rule.strip("_") else ""
        text = message(
            f"{rule} made {what} out of numbers that have none.",
            rule=f"{rule} ({phase}{inner})",
            line=f"{source}, in {source.function}: {source.code}" if source else None,
            module=" ".join(filter(None, (where.module, where.module_type and f"({where.module_type})"))) or None,
            inputs="; ".join(f"{name} {_range(each)}" for name, each in inputs) or None,
            elements=_elements(indices, int(found.sum()), found.numel(), inputs, out),
            reason=reason[0] if reason else None,
            remedy=reason[1] if reason else None,
        )
    error = NonFiniteError(text)
    error.rule, error.phase, error.source, error.module = rule, phase, source, where.module
    error.indices, error.reason = indices, reason[0] if reason else ""
    return error


def _reason(
    rule: str,
    phase: str,
    inputs: list[tuple[str, Tensor]],
    numbers: list[Any],
    out: Tensor,
    found: Tensor,
    bad: IsBad,
    event: Event | None,
) -> tuple[str, str] | None:
    if phase == "forward":
        reason = reason_for(Case(rule.strip("_"), [each for _, each in inputs], numbers, out, found))
        if reason is not None:
            return reason
    if event is None:
        return None
    made = unbatched(event.out)
    tensors = [unbatched(each) for _, each in event.inputs]
    return reason_for(Case(event.name.strip("_"), tensors, event.numbers, made, bad(made)))


def _range(value: Tensor) -> str:
    kind = f"{list(value.shape)}"
    if not value.numel():
        return f"{kind} (empty)"
    real = value.abs() if value.is_complex() else value
    finite = real[real.isfinite()]
    if not finite.numel():
        return f"{kind} without a finite element"
    rest = value.numel() - finite.numel()
    return f"{kind} from {float(finite.min()):.4g} to {float(finite.max()):.4g}" + (
        f", {rest} not finite" if rest else ""
    )


def _elements(
    indices: tuple[tuple[int, ...], ...], count: int, total: int, inputs: list[tuple[str, Tensor]], out: Tensor
) -> str:
    shown = []
    for index in indices:
        beside = [
            f"{name} {_number(each.expand(out.shape)[index])}"
            for name, each in inputs
            if each.ndim <= out.ndim
            and all(a in (1, b) for a, b in zip(each.shape[::-1], out.shape[::-1], strict=False))
        ]
        made = f"{list(index)}: " if index else ""
        shown.append(f"{made}{', '.join(beside)}{' -> ' if beside else ''}{_number(out[index])}")
    return f"{count} of {total}; " + "; ".join(shown)


def _number(value: Tensor) -> str:
    number = value.item()
    return f"{number:.4g}" if isinstance(number, (float, complex)) else str(number)
