"""How a module's fields are split into children and constants, once, when it is made; and how they are put together.

A module is flattened and unflattened at every training step, so nothing is decided there: flattening gives the tuple
of children that the module carries, unflattening fills a ``__dict__`` as the layout says.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any

import numpy
import optree
from torch import Tensor

import nexnet
from nexnet.errors import message

from .errors import ModuleError

__all__ = ["NAMESPACE", "Layout", "split"]

NAMESPACE = "nexnet"


class Layout:
    """What is static in a module: its class, which field holds which children, and the values of all other fields.

    It is the module's part of a treedef: modules have the same structure if their layouts are equal.

    Attributes:
        owner: the module's class.
        names: of all fields, in their order.
        entries: of the children, their field and, in a tuple, their index: ``("weight",)``, ``("layers", 0)``.
        constants: what stands among the children in a tuple: the ``relu`` of ``(dense, relu, dense)``.
        places: where a field's value, or each element of the tuple that it is, stands in ``children + constants``.
        static: the other fields, and this layout itself, as they go into a module's ``__dict__``.
        frozen: whether the children are tensors and modules alone, and theirs too.
    """

    __slots__ = ("constants", "entries", "frozen", "names", "owner", "places", "static", "takes")

    def __init__(
        self,
        owner: type[Any],
        names: tuple[str, ...],
        entries: tuple[tuple[str] | tuple[str, int], ...],
        constants: tuple[Any, ...],
        places: dict[str, int | tuple[int, ...]],
        static: dict[str, Any],
        frozen: bool,
    ) -> None:
        self.owner, self.names, self.entries, self.constants = owner, names, entries, constants
        self.frozen = frozen
        self.places = places
        self.static = {**static, "_layout": self}
        self.takes = tuple((name, _taker(place)) for name, place in places.items())

    def _identity(self) -> tuple[Any, ...]:
        static = {name: value for name, value in self.static.items() if value is not self}
        return self.owner, self.names, self.entries, self.places, self.constants, static

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Layout) and self._identity() == other._identity())

    def __hash__(self) -> int:
        return hash((self.owner, self.names, self.entries))

    def __repr__(self) -> str:
        static = ", ".join(f"{name}={value!r}" for name, value in self.static.items() if value is not self)
        return f"{self.owner.__name__}({static})"


def split(owner: type[Any], fields: dict[str, Any]) -> tuple[Layout, tuple[Any, ...]]:
    """Split a module's fields into its layout and its children.

    LiteTensors, modules and containers of these are children, everything else is static. A list or tuple, and nothing
    else, may hold both. Lists become tuples, in ``fields`` itself.

    Raises:
        ModuleError: a torch tensor or an array; another container that holds both.
    """
    children: list[Any] = []
    constants: list[Any] = []
    entries: list[tuple[str] | tuple[str, int]] = []
    static: dict[str, Any] = {}
    single: dict[str, int] = {}
    spread: dict[str, list[tuple[bool, int]]] = {}
    for name, value in fields.items():
        where = f"{owner.__name__}.{name}"
        fields[name] = value = _without_lists(value)
        kinds = _kinds(value, where)
        if True not in kinds:
            static[name] = value
        elif type(value) is not tuple:
            _check_pure(kinds, value, where)
            single[name] = len(children)
            children.append(value)
            entries.append((name,))
        else:
            spread[name] = []
            for i, each in enumerate(value):
                kinds = _kinds(each, f"{where}[{i}]")
                _check_pure(kinds, each, f"{where}[{i}]")
                pool = children if True in kinds else constants
                spread[name].append((pool is children, len(pool)))
                pool.append(each)
                if pool is children:
                    entries.append((name, i))
    offset = len(children)
    places: dict[str, int | tuple[int, ...]] = dict(single)
    for name, elements in spread.items():
        places[name] = tuple(i if is_child else offset + i for is_child, i in elements)
    frozen = all(isinstance(each, nexnet.LiteTensor) or (_is_module(each) and each._layout.frozen) for each in children)
    layout = Layout(owner, tuple(fields), tuple(entries), tuple(constants), places, static, frozen)
    return layout, tuple(children)


def _taker(place: int | tuple[int, ...]) -> Callable[[tuple[Any, ...]], Any]:
    """Make what takes a field's value out of ``children + constants``."""
    if isinstance(place, int):
        return itemgetter(place)
    if len(place) > 1:
        return itemgetter(*place)
    return itemgetter(slice(place[0], place[0] + 1))  # itemgetter(i) would give the element, not a tuple of it


def _without_lists(value: Any) -> Any:
    """Turn lists into tuples, also those in tuples: a module is immutable, and so are its sequences."""
    return tuple([_without_lists(each) for each in value]) if type(value) in (list, tuple) else value


def _kinds(value: Any, where: str) -> set[bool]:
    """Say of the leaves in a value whether they are children: all of them, none, or both."""
    kinds = set()
    for leaf in optree.tree_leaves(value, is_leaf=_is_module, namespace=NAMESPACE):
        if isinstance(leaf, (Tensor, numpy.ndarray)):
            raise ModuleError(
                message(
                    "a module's tensors are LiteTensors.",
                    argument=where,
                    got=type(leaf).__name__,
                    remedy="make it nexnet.LiteTensor(value)",
                )
            )
        kinds.add(isinstance(leaf, nexnet.LiteTensor) or _is_module(leaf))
    return kinds


def _is_module(value: Any) -> bool:
    return isinstance(getattr(value, "_layout", None), Layout)


def _check_pure(kinds: set[bool], value: Any, where: str) -> None:
    if len(kinds) > 1:
        raise ModuleError(
            message(
                "tensors and other things stand in one container; only a list or tuple that is itself a field may "
                "hold both.",
                argument=where,
                got=type(value).__name__,
                remedy="make it a Module with a field for each",
            )
        )
