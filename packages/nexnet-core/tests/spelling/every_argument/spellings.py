"""All ways to write one call: by position, by keyword, with its defaults written out or left out."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

from .row import Spread

Call = tuple[tuple[Any, ...], dict[str, Any]]


def spellings(parameters: Sequence[inspect.Parameter], given: dict[str, Any]) -> Iterator[tuple[str, Call]]:
    """Give, in words, the calls that mean the same arguments."""
    kinds = inspect.Parameter
    places = [each.name for each in parameters if each.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)]
    required = [each.name for each in parameters if each.default is each.empty and each.name in places]
    rest = next((each.name for each in parameters if each.kind is kinds.VAR_POSITIONAL), None)
    defaults = {each.name: each.default for each in parameters if each.default is not each.empty}
    everything = {each.name: given.get(each.name, defaults.get(each.name)) for each in parameters if _has(each, given)}
    if rest is not None:
        yield from _spread(places, rest, given, defaults)
        return
    last = max((i for i, name in enumerate(places) if name in given), default=-1)
    yield "by position", _call(places[: last + 1], given, everything)
    yield "the required by position", _call(required, given, given)
    yield "by keyword", _call([], given, dict(reversed(given.items())))
    yield "all by position", _call(places, everything, everything)
    yield "all by keyword", _call([], everything, everything)


def _has(parameter: inspect.Parameter, given: dict[str, Any]) -> bool:
    return parameter.name in given or parameter.default is not parameter.empty


def _call(places: Sequence[str], names: dict[str, Any], values: dict[str, Any]) -> Call:
    by_keyword = {name: value for name, value in values.items() if name in names and name not in places}
    return tuple(values[name] for name in places), by_keyword


def _spread(
    places: Sequence[str], rest: str, given: dict[str, Any], defaults: dict[str, Any]
) -> Iterator[tuple[str, Call]]:
    """Give those of a call with ``*arguments``."""
    first = tuple(given[name] for name in places)
    spread: Spread = given[rest]
    keywords = {name: value for name, value in given.items() if name not in (*places, rest)}
    written = {**defaults, **keywords}
    yield "by position", ((*first, *spread.values), keywords)
    yield "with the defaults", ((*first, *spread.values), written)
    if spread.keyword:
        yield "as one", ((*first, spread.values), keywords)
        yield "as one, by keyword", (first, {spread.keyword: spread.values, **keywords})
        yield (
            "all by keyword",
            ((), {**{name: given[name] for name in places}, spread.keyword: spread.values, **written}),
        )
