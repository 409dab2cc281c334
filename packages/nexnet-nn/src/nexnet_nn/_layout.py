"""How a module's fields are split into children and constants, once, when it is made; and how they are put together.

A module is flattened and unflattened at every training step, so nothing is decided there: flattening gives the tuple
of children that the module carries, unflattening fills a ``__dict__`` as the layout says.

A buffer, a tensor that is not learned, is no child: it belongs to the structure, as everything static does, and no
transform or optimiser sees it. Structures are equal whose buffers have the same shapes and dtypes.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any, Self

import numpy
import optree
from torch import Tensor

import nexnet
from nexnet.errors import message

from .errors import ModuleError

__all__ = ["NAMESPACE", "Buffer", "Entry", "Layout", "is_module", "split"]

NAMESPACE = "nexnet"

#: Where something stands in a module: a field, or an element of a tuple that is a field.
Entry = tuple[str] | tuple[str, int]


class Buffer:
    """What a field, or an element of its tuple, is set to for its tensors not to be learned."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class Layout:
    """What is static in a module: its class, which field holds which children, and the values of all other fields.

    It is the module's part of a treedef: modules have the same structure if their layouts are equal.

    Attributes:
        owner: the module's class.
        names: of all fields, in their order.
        entries: of the children, their field and, in a tuple, their index: ``("weight",)``, ``("layers", 0)``.
        constants: what stands among the children in a tuple, the ``relu`` of ``(dense, relu, dense)``; and buffers.
        buffers: which constants are buffers: where they stand in the module, and among the constants.
        places: where a field's value, or each element of the tuple that it is, stands in ``children + constants``.
        static: the other fields, as they go into a module's ``__dict__``.
        frozen: whether the children are tensors and modules alone, and theirs too.
        holding: the children that have buffers, in them or below: where they stand, and their paths, with a dot.
        told: who wants to know of new values for buffers, and this module's path for them: no part of the structure.
    """

    def __init__(
        self,
        owner: type[Any],
        names: tuple[str, ...],
        entries: tuple[Entry, ...],
        constants: tuple[Any, ...],
        buffers: dict[Entry, int],
        places: dict[str, int | tuple[int, ...]],
        static: dict[str, Any],
        frozen: bool,
    ) -> None:
        self.owner, self.names, self.entries, self.constants = owner, names, entries, constants
        self.frozen = frozen
        self.buffers = buffers
        self.holding: tuple[tuple[int, str], ...] = ()
        self.places = places
        self.told: Any = None
        self.stem = object()  # of layouts that are known to be equal
        self.static = static
        self.takes = tuple((name, _taker(place)) for name, place in places.items())
        self.in_order = not any(isinstance(place, tuple) for place in places.values())
        self.fields = tuple(sorted(places, key=places.__getitem__)) if self.in_order else ()  # type: ignore[arg-type]

    @property
    def holds(self) -> bool:
        """Whether there are buffers, here or below."""
        return bool(self.buffers or self.holding)

    def with_buffers(self, new: dict[Entry, Any]) -> Self:
        """Give this layout with other values for some of its buffers."""
        other = self._copy()
        constants = [*self.constants]
        for entry, value in new.items():
            place = self.buffers[entry]
            if not _are_alike(constants[place], value):
                other.stem = object()
            constants[place] = value
        other.constants = tuple(constants)
        return other

    def telling(self, told: Any) -> Self:
        """Give this layout with another who wants to know of new values for buffers."""
        other = self._copy()
        other.told = told
        return other

    def with_children(self, children: tuple[Any, ...]) -> Self:
        """Give the layout for other children, of the same kinds."""
        found = _holding(self.entries, children)
        if found == self.holding:
            return self
        other = self._copy()
        other.holding = found
        return other

    def _copy(self) -> Self:
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        return other

    def _identity(self) -> tuple[Any, ...]:
        constants = [*self.constants]
        for place in self.buffers.values():
            constants[place] = _kinds_in(constants[place])
        return self.owner, self.names, self.entries, self.places, self.buffers, constants, self.static

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Layout) and (self.stem is other.stem or self._identity() == other._identity())

    def __hash__(self) -> int:
        return hash((self.owner, self.names, self.entries))

    def __repr__(self) -> str:
        static = ", ".join(f"{name}={value!r}" for name, value in self.static.items())
        return f"{self.owner.__name__}({static})"


def split(owner: type[Any], fields: dict[str, Any], buffers: set[Entry]) -> tuple[Layout, tuple[Any, ...]]:
    """Split a module's fields into its layout and its children.

    LiteTensors, modules and containers of these are children, everything else is static. A list or tuple, and nothing
    else, may hold both. Lists become tuples, in ``fields`` itself. What is a ``Buffer``, or stands where ``buffers``
    says, is a constant.

    Raises:
        ModuleError: a torch tensor or an array; another container that holds both.
    """
    children: list[Any] = []
    constants: list[Any] = []
    entries: list[Entry] = []
    held: dict[Entry, int] = {}
    static: dict[str, Any] = {}
    single: dict[str, tuple[bool, int]] = {}
    spread: dict[str, list[tuple[bool, int]]] = {}
    for name, value in fields.items():
        where = f"{owner.__name__}.{name}"
        value, kept = _opened(_without_lists(value), (name,), buffers)
        fields[name] = value
        kinds = _kinds(value, where)
        if kept and True in kinds:
            _check_buffer(value, where)
            held[(name,)] = len(constants)
            single[name] = False, len(constants)
            constants.append(value)
        elif True not in kinds:
            static[name] = value
        elif type(value) is not tuple:
            _check_pure(kinds, value, where)
            single[name] = True, len(children)
            children.append(value)
            entries.append((name,))
        else:
            spread[name] = []
            elements = []
            for i, each in enumerate(value):
                each, kept = _opened(each, (name, i), buffers)
                elements.append(each)
                kinds = _kinds(each, f"{where}[{i}]")
                _check_pure(kinds, each, f"{where}[{i}]")
                pool = children if True in kinds and not kept else constants
                if kept and True in kinds:
                    _check_buffer(each, f"{where}[{i}]")
                    held[name, i] = len(constants)
                spread[name].append((pool is children, len(pool)))
                pool.append(each)
                if pool is children:
                    entries.append((name, i))
            fields[name] = tuple(elements)
    offset = len(children)
    places: dict[str, int | tuple[int, ...]] = {
        name: i if is_child else offset + i for name, (is_child, i) in single.items()
    }
    for name, found in spread.items():
        places[name] = tuple(i if is_child else offset + i for is_child, i in found)
    frozen = all(isinstance(each, nexnet.LiteTensor) or (is_module(each) and each._layout.frozen) for each in children)
    layout = Layout(owner, tuple(fields), tuple(entries), tuple(constants), held, places, static, frozen)
    layout.holding = _holding(layout.entries, children)
    return layout, tuple(children)


def _holding(entries: tuple[Entry, ...], children: Any) -> tuple[tuple[int, str], ...]:
    """Give the children that have buffers, in them or below: where they stand, and their paths."""
    paths = (".".join(map(str, entry)) + "." for entry in entries)
    return tuple((i, path) for i, (path, each) in enumerate(zip(paths, children, strict=True)) if _holds(each))


def _holds(child: Any) -> bool:
    if type(child) is nexnet.LiteTensor:
        return False
    if is_module(child):
        return child._layout.holds  # type: ignore[no-any-return]
    parts = optree.tree_leaves(child, is_module, namespace=NAMESPACE)
    return any(is_module(each) and each._layout.holds for each in parts)


def _opened(value: Any, entry: Entry, buffers: set[Entry]) -> tuple[Any, bool]:
    """Give what a Buffer holds, or a value itself; and whether it is a buffer."""
    return (_without_lists(value.value), True) if type(value) is Buffer else (value, entry in buffers)


def _are_alike(one: Any, other: Any) -> bool:
    """Say whether two buffers are the same to a structure."""
    if type(one) is type(other) is nexnet.LiteTensor:
        return one.shape == other.shape and one.dtype == other.dtype
    return bool(_kinds_in(one) == _kinds_in(other))


def _kinds_in(buffer: Any) -> Any:
    """Give what of a buffer belongs to the structure."""
    tensors, structure = optree.tree_flatten(buffer, namespace=NAMESPACE)
    return structure, [(each.shape, each.dtype) for each in tensors]


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
    for leaf in optree.tree_leaves(value, is_leaf=is_module, namespace=NAMESPACE):
        if isinstance(leaf, (Tensor, numpy.ndarray)):
            raise ModuleError(
                message(
                    "a module's tensors are LiteTensors.",
                    argument=where,
                    got=type(leaf).__name__,
                    remedy="make it nexnet.LiteTensor(value)",
                )
            )
        kinds.add(isinstance(leaf, (nexnet.LiteTensor, Buffer)) or is_module(leaf))
    return kinds


def is_module(value: Any) -> bool:
    """Say whether a value is a finished module."""
    return isinstance(getattr(value, "_layout", None), Layout)


def _check_buffer(value: Any, where: str) -> None:
    for leaf in optree.tree_leaves(value, is_leaf=is_module, namespace=NAMESPACE):
        if not isinstance(leaf, nexnet.LiteTensor):
            raise ModuleError(
                message(
                    "a buffer holds LiteTensors.",
                    argument=where,
                    got=type(leaf).__name__,
                    remedy="a module's tensors become buffers by nn.freeze(module)",
                )
            )


def _check_pure(kinds: set[bool], value: Any, where: str) -> None:
    if any(type(leaf) is Buffer for leaf in optree.tree_leaves(value, is_leaf=is_module, namespace=NAMESPACE)):
        raise ModuleError(
            message(
                "a buffer stands inside of a container that is no buffer.",
                argument=where,
                got=type(value).__name__,
                remedy="make the whole container the buffer, or a field of each",
            )
        )
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
