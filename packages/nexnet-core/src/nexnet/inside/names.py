"""What the inputs of a traced function are called."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import optree

from .._trees import steps_to_leaves

__all__ = ["names_of"]


def names_of(fn: Callable[..., Any], args: tuple[Any, ...], treespec: optree.PyTreeSpec) -> list[str]:
    """Name each leaf of a call's positional arguments.

    A tensor that is an argument has the argument's name. One in a module or a dict has its path in there,
    ``layers.0.weight``; where two have one path, and in lists and tuples, the argument's name stands before it.
    """
    parameters = _parameters(fn, len(args))
    short, full = [], []
    for first, *rest in steps_to_leaves(treespec):
        argument = parameters[first]
        below = ".".join(map(str, rest))
        full.append(f"{argument}.{below}" if below else argument)
        in_sequence = isinstance(args[first], (tuple, list))
        short.append(below if below and not in_sequence else full[-1])
    counts = Counter(short)
    return [name if counts[name] == 1 else long for name, long in zip(short, full, strict=True)]


def _parameters(fn: Callable[..., Any], count: int) -> list[str]:
    try:
        found = list(inspect.signature(fn).parameters.values())
    except (TypeError, ValueError):  # a builtin that does not tell
        found = []
    names: list[str] = []
    for each in found:
        if each.kind is each.VAR_POSITIONAL:
            names += [f"{each.name}.{i}" for i in range(count - len(names))]
        elif each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD):
            names.append(each.name)
    return (names + list(_letters(count)))[:count]


def _letters(count: int) -> Iterable[str]:
    return (f"args.{i}" for i in range(count))
