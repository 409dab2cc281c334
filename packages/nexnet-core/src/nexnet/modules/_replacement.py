"""What is called in an operator's place, and with which of its arguments."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from ..policy import Operator

__all__ = ["Replacement", "replaced"]

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class _Thread(threading.local):
    """What one thread is at."""

    replaced = ""


_at = _Thread()


def replaced() -> str:
    """Give the name of the operator in whose place the running code is called; empty where nothing is replaced."""
    return _at.replaced


class Replacement:
    """A rule, or a function, that stands in for an operator.

    ``is_rule``: it is an operator itself. ``is_parts``: it calls the operators that the target is made of.
    """

    def __init__(self, target: Any, call: Callable[..., Any], is_parts: bool = False) -> None:
        self.call = call
        self.is_rule = isinstance(call, Operator)
        self.is_parts = is_parts
        self.name = getattr(call, "__name__", repr(call))
        self.target_name = getattr(target, "__name__", repr(target))
        self.signature = inspect.signature(target)
        takes = _parameters(call)
        kinds = [each.kind for each in takes]
        self.takes_all = inspect.Parameter.VAR_POSITIONAL in kinds
        self.count = sum(kind in _POSITIONAL for kind in kinds)
        self.takes_any_keyword = inspect.Parameter.VAR_KEYWORD in kinds
        self.keywords = {each.name for each in takes if each.kind is inspect.Parameter.KEYWORD_ONLY}
        self.asks_path = "module_path" in self.keywords and "module_path" not in self.signature.parameters

    def fit(self, args: tuple[Any, ...], kwargs: dict[str, Any], path: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Give the arguments of a call of the target as it takes them."""
        bound = self.signature.bind(*args, **kwargs)
        given = set(bound.arguments)
        bound.apply_defaults()
        positional, keywords = list(bound.args), {**bound.kwargs}
        parameters = self.signature.parameters
        places = [each for each in parameters.values() if each.kind in _POSITIONAL]
        while len(positional) > self.count and not self.takes_all and len(positional) <= len(places):
            last = places[len(positional) - 1]
            if last.name in given and not _same(positional[-1], last.default):
                by_name = last.name in self.keywords or self.takes_any_keyword
                if not by_name or last.kind is inspect.Parameter.POSITIONAL_ONLY:
                    break  # it means something: the function says that it does not take it
                keywords[last.name] = positional[-1]
            positional.pop()
        keywords = {
            name: value
            for name, value in keywords.items()
            if name in self.keywords
            or name not in parameters
            or (self.takes_any_keyword and name in given)
            or not _same(value, parameters[name].default)
        }
        if self.asks_path:
            keywords["module_path"] = path
        return tuple(positional), keywords

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it, in the operator's place."""
        before = _at.replaced
        _at.replaced = before if self.is_parts else self.target_name  # of parts the user does not know
        try:
            return self.call(*args, **kwargs)
        finally:
            _at.replaced = before


def _parameters(call: Callable[..., Any]) -> list[inspect.Parameter]:
    """Give the parameters that a caller sees of a function, a module of torch's, or a torch.autograd.Function."""
    if isinstance(call, nn.Module):
        return list(inspect.signature(call.forward).parameters.values())
    owner = getattr(call, "__self__", None)
    if isinstance(owner, type) and issubclass(owner, torch.autograd.Function) and call == owner.apply:
        takes = list(inspect.signature(owner.forward).parameters.values())
        has_context = owner.setup_context is torch.autograd.Function.setup_context
        return takes[1:] if has_context else takes
    return list(inspect.signature(call).parameters.values())


def _same(value: Any, default: Any) -> bool:
    """Say whether an argument is the default; 20 and 20.0 are one number, True and 1 are not."""
    if value is default:
        return True
    if type(value) in (int, float) and type(default) in (int, float):
        return bool(value == default)
    return type(value) is type(default) and isinstance(value, (bool, str)) and value == default
