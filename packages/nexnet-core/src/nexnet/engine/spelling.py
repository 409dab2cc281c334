"""How a call is spelled: what stands by position, by keyword or left out comes to forward in the same places."""

from __future__ import annotations

import inspect
from collections.abc import Container
from typing import Any

from numpy import ndarray
from torch import Tensor

from .. import _complaints
from .operands import PLAIN, constant
from .tape import is_tracked
from .tensor import TensorBase

#: Numpy's names, and the names that torch's parser and its documentation give to one argument: each stands for the
#: first of these that a rule has.
ALIASES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("input", "x", "a", "x1"), ("input", "A", "tensor", "B", "L", "b", "x")),
    "axis": ("dim",), "axis0": ("dim0",), "axis1": ("dim1",), "dim0": ("axis0",), "dim1": ("axis1",),
    "input2": ("tau", "L"), "input3": ("other",), "keepdims": ("keepdim",),
    "other": ("B",), "train": ("training",),
    **dict.fromkeys(("x2", "mat2", "vec", "tensor"), ("other", "B")),
    **dict.fromkeys(("indices", "sections", "tensor_indices_or_sections"), ("indices_or_sections",)),
    "split_size": ("split_size_or_sections",),
}  # fmt: skip


def own_name(name: str, known: Container[str]) -> str:
    """Give what a rule with these parameters calls an argument."""
    if name not in known:
        for each in ALIASES.get(name, ()):
            if each in known:
                return each
    return name


_EMPTY = inspect.Parameter.empty
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Spelling:
    """The parameters of a rule's forward, and where the arguments of a call belong."""

    count: int  # of positional parameters
    names: dict[str, int]  # the place of each that may be given by keyword
    defaults: tuple[Any, ...]  # of the positional parameters; empty where there is none
    rest: str  # the name of what takes any number of arguments, as sizes are: one keyword gives them all
    known: frozenset[str]
    numbers: tuple[int, ...]  # the places of nexnet's own that have no gradient, as their annotations say
    parameters: tuple[str, ...]
    own: bool

    def __init__(self, signature: inspect.Signature, own: bool) -> None:
        parameters = list(signature.parameters.values())
        positional = [each for each in parameters if each.kind in _POSITIONAL]
        self.count = len(positional)
        self.names = {
            each.name: i for i, each in enumerate(positional) if each.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        }
        self.defaults = tuple([each.default for each in positional])
        self.known = frozenset(signature.parameters)
        self.numbers = tuple([i for i, each in enumerate(positional) if own and _is_number(each.annotation)])
        self.parameters = tuple(signature.parameters)
        self.own = own
        self.rest = next((each.name for each in parameters if each.kind is inspect.Parameter.VAR_POSITIONAL), "")

    def positional(self, args: tuple[Any, ...], kwargs: dict[str, Any] | None, rule: str) -> tuple[Any, ...]:
        """Give every positional argument, defaults too; take those that came by keyword out of ``kwargs``.

        A call that lacks an argument, or has one twice, is left to forward, which says so.
        """
        if kwargs:
            self._rename(kwargs, rule)
            if self.rest and self.rest in kwargs and len(args) <= self.count:
                rest = kwargs.pop(self.rest)
                args = (*self.positional(args, kwargs, rule), rest)
        given = len(args)
        values = [*args, *self.defaults[given:]]
        moved = []
        if kwargs:
            for name, value in kwargs.items():
                place = self.names.get(name, -1)
                if place >= given:
                    values[place] = value
                    moved.append(name)
        for i in range(given, self.count):
            if values[i] is _EMPTY:
                return args
        if kwargs:
            for name in moved:
                del kwargs[name]
            self._static(kwargs, rule, args)
        return tuple(values)

    def with_numbers(self, args: tuple[Any, ...], rule: str) -> tuple[Any, ...]:
        """Give the arguments with a tensor that stands for a number as the number in it.

        Raises:
            InputError: it is being differentiated, and would get no gradient.
        """
        changed = None
        for i in self.numbers:
            if i >= len(args) or type(args[i]) in PLAIN:
                continue
            if isinstance(args[i], (TensorBase, Tensor, ndarray)):
                changed = list(args) if changed is None else changed
                changed[i] = number(args[i], rule, self.parameters[i])
        return args if changed is None else tuple(changed)

    def _rename(self, kwargs: dict[str, Any], rule: str) -> None:
        """Rename numpy's keywords, and torch's second names, to forward's own."""
        for name in list(kwargs):
            if name not in self.known:
                other = own_name(name, self.known)
                if other is not name and other not in kwargs:
                    kwargs[other] = kwargs.pop(name)
                elif name == "out" and kwargs.pop("out") is not None:  # None is what numpy passes
                    raise _complaints.writes_into_out(rule)

    def _static(self, kwargs: dict[str, Any], rule: str, args: tuple[Any, ...]) -> None:
        """Look at what is left: the keyword-only arguments, which get no gradient."""
        for name, value in kwargs.items():
            if name in self.names:
                continue  # given twice: forward says so
            if isinstance(value, TensorBase):
                if not self.own:
                    raise _complaints.static_tensor(rule, name)
                kwargs[name] = number(value, rule, name)
            elif type(value) not in PLAIN:
                constant(value, rule, args)


def number(value: Any, rule: str, parameter: str) -> Any:
    """Give the number in a tensor of shape (), any other value as it is: of what nexnet has no gradient for.

    Raises:
        InputError: it is being differentiated.
    """
    if isinstance(value, TensorBase):
        if is_tracked(value):
            raise _complaints.not_by_number(rule, parameter)
        value = value.data
    if isinstance(value, (Tensor, ndarray)) and value.ndim == 0 and not getattr(value, "requires_grad", False):
        return value.item()  # one that requires grad is refused for itself
    return value


def _is_number(annotation: Any) -> bool:
    """Say whether no tensor is meant: of what is annotated, what names neither a tensor nor ``Any``."""
    return annotation is not _EMPTY and "Any" not in str(annotation) and "Tensor" not in str(annotation)
