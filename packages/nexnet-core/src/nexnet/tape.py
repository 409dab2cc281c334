"""Tape: what one evaluation recorded, as an object that you can print."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Sequence
from typing import Any

from .engine import Key, TapeBase

__all__ = ["Row", "Tape", "as_table", "letters"]

#: What a table shows of one output: its name, the rule, the inputs' names, the shape and the dtype.
Row = tuple[str, str, str, str, str]


class Tape(TapeBase):
    """The nodes of one evaluation, in order, and the tensors that it tracks. ``print(tape)`` shows a table.

    ``tape.nodes`` is the list of ``Node``; ``len(tape)`` is their number. ``tape.watch(x)`` tracks a tensor, of any
    shape.

    Raises:
        InputError: it was given an argument.
        TypeError: ``watch`` of what is no LiteTensor.

    Example::

        >>> value, tape = nexnet.trace(lambda x: (x * x).sum())(nexnet.ones(3))
        >>> isinstance(tape, nexnet.Tape), len(tape.nodes)
        (True, 2)
    """

    was_read = False  # a tensor that it tracks was read as a Python number

    def rows(self) -> list[Row]:
        """Give a row per output of each node: its name, the rule, the inputs' names, the shape and the dtype.

        A tensor that was given from outside of the tape is named by a letter, one that a node made by its number.
        """
        names: dict[Key, str] = {}
        rows = []

        def name_of(key: Key | None) -> str:
            if key is None:
                return "·"
            if key not in names:
                names[key] = letters(sum(not each.startswith("%") for each in names.values()))
            return names[key]

        for i, node in enumerate(self.nodes):
            parents = list(node.parents)
            while len(parents) > _required(type(node)) and parents[-1] is None:  # type: ignore[arg-type]
                parents.pop()
            inputs = ", ".join(name_of(key) for key in parents)
            for j, key in enumerate(node.outputs):
                if key is not None:
                    names[key] = f"%{i}" if len(node.outputs) == 1 else f"%{i}.{j}"
                    rows.append((names[key], node.name, inputs, _shape(key), str(key.dtype).removeprefix("torch.")))
        return rows

    def __str__(self) -> str:
        return as_table(self.rows())

    def __repr__(self) -> str:
        return f"<nexnet Tape: {len(self.nodes)} nodes>"


def as_table(rows: Sequence[Row]) -> str:
    """Give the rows of a tape or a trace as a table."""
    header = ("output", "rule", "inputs", "shape", "dtype")
    rows = [header, *rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def letters(number: int) -> str:
    """Give a, b, ..., z, aa, ab, ... for 0, 1, ..."""
    name = ""
    number += 1
    while number:
        number, letter = divmod(number - 1, 26)
        name = chr(ord("a") + letter) + name
    return name


def _shape(key: Key) -> str:
    return "(" + ", ".join(map(str, key.shape)) + ("," if len(key.shape) == 1 else "") + ")"


@functools.cache
def _required(policy: type[Any]) -> int:
    """Count the positional arguments that a call of the rule can't leave out."""
    _, *parameters = inspect.signature(policy.forward).parameters.values()
    return sum(each.kind is each.POSITIONAL_OR_KEYWORD and each.default is each.empty for each in parameters)
