"""Where two traces first part ways, and by how much."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..errors import InputError, message
from .of_torch import TorchTrace
from .operation import Operation

if TYPE_CHECKING:
    from .trace import Trace

__all__ = ["Difference", "Parted", "difference"]


@dataclass(frozen=True, slots=True)
class Parted:
    """Two operations that stand for each other, or one that has no counterpart, and how far they are apart.

    Attributes:
        ours: of the first trace; None if it has no such operation.
        theirs: of the other.
        what: "value", "gradient", or "missing".
        error: the largest absolute difference; NaN where the shapes differ or one of the two is missing.
        relative: that, by the largest absolute value of ours.
        agrees: whether it is within the tolerance.
    """

    ours: Operation | None
    theirs: Operation | None
    what: str
    error: float
    relative: float
    agrees: bool

    def __str__(self) -> str:
        one, other = self.ours, self.theirs
        if one is None or other is None:
            there = one or other
            assert there is not None
            return f"{there.label} {there.rule}: only in the {'first' if other is None else 'other'} trace"
        name = one.label if one.label == other.label else f"{one.label} / {other.label}"
        where = f" in {one.module}" if one.module else ""
        line = f" ({one.source})" if one.source else ""
        return f"{name} {one.rule}{where}{line}: {self.what} differs by {self.error:.3g} (relative {self.relative:.3g})"


class Difference:
    """What two traces differ in: a sequence of ``Parted``, those that agree too.

    Attributes:
        rows: values in the order of the tape, then gradients in the order of the backward.
    """

    def __init__(self, rows: list[Parted]) -> None:
        self.rows = rows

    @property
    def first(self) -> Parted | None:
        """The first that does not agree; None if all do."""
        return next((each for each in self.rows if not each.agrees), None)

    def __bool__(self) -> bool:
        return self.first is not None

    def __len__(self) -> int:
        return sum(not each.agrees for each in self.rows)

    def __iter__(self) -> Iterator[Parted]:
        return (each for each in self.rows if not each.agrees)

    def __str__(self) -> str:
        if not self:
            return f"the traces agree, in {len(self.rows)} values and gradients"
        shown = list(self)
        lines = [f"the traces part ways at {shown[0]}", *(f"  then {each}" for each in shown[1:10])]
        return "\n".join(lines + ([f"  and {len(shown) - 10} more"] if len(shown) > 10 else []))

    __repr__ = __str__


def difference(one: Trace, other: Trace, rtol: float, atol: float) -> Difference:
    """Compare two traces; operations stand for each other in the order of their rules, inputs by their names."""
    if not all(any(each.values for each in trace.operations) for trace in (one, other)):
        raise InputError(
            message(
                "traces are compared by their values.", got="a trace without", remedy="nexnet.trace(fn, values=True)"
            )
        )
    rows: list[Parted] = []
    same_rules = isinstance(one, TorchTrace) == isinstance(other, TorchTrace)  # or each divides the work in its own way
    pairs = list(_pairs(one, other) if same_rules else _common(one, other))
    for ours, theirs in pairs:
        if ours is None or theirs is None:
            rows.append(Parted(ours, theirs, "missing", math.nan, math.nan, False))
        else:
            rows.append(_compared(ours, theirs, "value", ours.value, theirs.value, rtol, atol))
    for ours, theirs in reversed(pairs):
        if ours is None or theirs is None or (ours.gradient is None and theirs.gradient is None):
            continue
        if same_rules or not (ours.gradient is None or theirs.gradient is None):
            rows.append(_compared(ours, theirs, "gradient", ours.gradient, theirs.gradient, rtol, atol))
    return Difference(rows)


def _pairs(one: Trace, other: Trace) -> Iterator[tuple[Operation | None, Operation | None]]:
    theirs_by_name = {each.label: each for each in other.leaves}
    yield from ((each, theirs_by_name.pop(each.label, None)) for each in one.leaves)
    yield from ((None, each) for each in theirs_by_name.values())
    for ours, theirs, _ in _aligned(list(one.operations), list(other.operations)):
        yield from zip_longest(ours, theirs)


def _common(one: Trace, other: Trace) -> Iterator[tuple[Operation, Operation]]:
    """Give the inputs and operations that are the same in both, and what they give out."""
    theirs_by_name = {each.label: each for each in other.leaves}
    yield from ((each, theirs_by_name[each.label]) for each in one.leaves if each.label in theirs_by_name)
    met: set[str] = set()
    for ours, theirs, same in _aligned(list(one.operations), list(other.operations)):
        if same:
            met.update(each.label for each in ours)
            yield from zip(ours, theirs, strict=True)
    for mine, others in zip(one.outputs, other.outputs, strict=False):
        if "·" not in (mine, others) and one[mine].label not in met:
            yield one[mine], other[others]


def _aligned(ours: list[Operation], theirs: list[Operation]) -> Iterator[tuple[list[Operation], list[Operation], bool]]:
    """Give stretches of the two in their order, and whether they are of the same rules and shapes, in the same modules.

    Where a model stands elsewhere in the other, no module is the same, and they are not asked for.
    """
    same_modules = bool({each.module for each in ours} & {each.module for each in theirs})
    mine, others = ([_kind(each, same_modules) for each in trace] for trace in (ours, theirs))
    matcher = SequenceMatcher(None, mine, others, autojunk=False)
    for tag, start, end, other_start, other_end in matcher.get_opcodes():
        yield ours[start:end], theirs[other_start:other_end], tag == "equal"


def _kind(operation: Operation, with_module: bool) -> tuple[str, tuple[int, ...], str]:
    return operation.rule.strip("_"), operation.shape, operation.module if with_module else ""


def _compared(
    ours: Operation, theirs: Operation, what: str, one: Tensor | None, other: Tensor | None, rtol: float, atol: float
) -> Parted:
    if one is None or other is None or one.shape != other.shape:
        return Parted(ours, theirs, what, math.nan, math.nan, False)
    if not one.numel():
        return Parted(ours, theirs, what, 0.0, 0.0, True)
    wide = torch.complex128 if one.is_complex() or other.is_complex() else torch.float64
    one, other = one.detach().cpu().to(wide), other.detach().cpu().to(wide)
    agrees = torch.allclose(other, one, rtol=rtol, atol=atol, equal_nan=True)
    same = (one == other) | (one.isnan() & other.isnan())
    apart = torch.where(same, 0.0, (one - other).abs())
    error = float(apart.max())
    size = float(one.abs().max())
    return Parted(ours, theirs, what, error, error / size if size else math.inf if error else 0.0, agrees)
