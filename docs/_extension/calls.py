"""A call of every operator, made from its row of arguments in the core's tests: what it takes, and what comes out."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from typing import Any

import optree
import torch
from every_argument import ROWS
from every_argument.row import Fresh, Spread

import nexnet
from nexnet import LiteTensor

__all__ = ["example"]


def example(name: str, shown: str) -> str:
    """Give a call of the operator of this name, as it is ``shown``, with the shapes of what goes in and comes out."""
    operator = getattr(nexnet.ops, name)
    _, given = next(ROWS[name].calls(name, operator))
    call = f"``{shown}({', '.join(_spelt(ROWS[name].parameters(operator), given))})``"
    shapes = [f"``{key}`` {_kind(value)}" for key, value in given.items() if _tensors(value)]
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings(action="ignore"):  # torch's, about its defaults
        out = operator(*_positional(ROWS[name].parameters(operator), given), **_keywords(given))
    return f"{call}: {', '.join([*shapes, ''])}→ {_kind(out)}".replace(", →", " →")


def _spelt(parameters: list[inspect.Parameter], given: dict[str, Any]) -> Iterator[str]:
    """Write the arguments: tensors by their names, others with their values; what follows a keyword is one, too."""
    by_place = {each.name for each in parameters if each.kind is not each.KEYWORD_ONLY}
    for key, value in given.items():
        if isinstance(value, Spread):
            yield f"*{key}" if _tensors(value) else ", ".join(map(repr, value.values))
        elif key in by_place and _tensors(value):
            yield key
        else:
            by_place.clear()
            named = key if _tensors(value) or isinstance(value, Fresh) else getattr(value, "__name__", repr(value))
            yield f"{key}={named}"


def _positional(parameters: list[inspect.Parameter], given: dict[str, Any]) -> list[Any]:
    """Give what comes before ``*arguments``, and these."""
    if not any(isinstance(each, Spread) for each in given.values()):
        return []
    before = [each.name for each in parameters if each.kind is not each.KEYWORD_ONLY and each.name in given]
    flat = [given.pop(name) for name in before]
    return [_made(each) for value in flat for each in (value.values if isinstance(value, Spread) else (value,))]


def _keywords(given: dict[str, Any]) -> dict[str, Any]:
    return {key: _made(value) for key, value in given.items()}


def _made(value: Any) -> Any:
    """Make what a call gets."""
    if isinstance(value, Fresh):
        return value.make()
    return optree.tree_map(lambda each: LiteTensor(each) if _is_real(each) else each, value)


def _is_real(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and (value.is_floating_point() or value.is_complex())


def _tensors(value: Any) -> list[Any]:
    values = value.values if isinstance(value, Spread) else value
    return [each for each in optree.tree_leaves(values) if isinstance(each, torch.Tensor | LiteTensor)]


def _kind(value: Any) -> str:
    """Say what shapes there are in something."""
    shapes = [str(tuple(each.shape)) for each in _tensors(value)]
    if len(shapes) > 4:
        shapes[3:] = [f"... ({len(shapes)} of them)"]
    return ", ".join(shapes) if shapes else f"``{value!r}``"
