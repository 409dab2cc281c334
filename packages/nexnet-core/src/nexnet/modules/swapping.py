"""Which places of a module hold its parameters and buffers, and others put there for the time of a call."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from typing import Any, NamedTuple

from torch import nn

from ..errors import InputError, message

__all__ = ["Place", "Places", "places_of", "relist"]


class Place(NamedTuple):
    """One parameter or buffer of one module: ``owner[name]``."""

    owner: dict[str, Any]
    name: str
    path: str
    is_buffer: bool


class Places:
    """The places of a module and of all below it, by their path; and whether these are still all."""

    def __init__(self, module: nn.Module) -> None:
        self.by_path: dict[str, Place] = {}
        self._numbers: list[int] = []  # of the tensors in the places, when it was found which are tied
        self._tied: dict[str, list[Place]] = {}
        self.modules: list[tuple[Any, tuple[Any, ...], int]] = []
        for path, each in module.named_modules(remove_duplicate=False):
            prefix = f"{path}." if path else ""
            for owner, is_buffer in ((each._parameters, False), (each._buffers, True)):
                for name in owner:
                    self.by_path[prefix + name] = Place(owner, name, prefix + name, is_buffer)
            self.modules.append((weakref.ref(each), *_state(each)))

    def are_current(self) -> bool:
        """Say whether the module still has these submodules, and as many parameters and buffers."""
        return all(_state(reference()) == (children, count) for reference, children, count in self.modules)

    def tied(self) -> dict[str, list[Place]]:
        """Give for each path the places that hold the same tensor."""
        places = list(self.held())
        numbers = [id(place.owner[place.name]) for place in places]
        if numbers != self._numbers:
            groups: dict[int, list[Place]] = {}
            for number, place in zip(numbers, places, strict=True):
                groups.setdefault(number, []).append(place)
            self._tied = {place.path: group for group in groups.values() for place in group}
            self._numbers = numbers
        return self._tied

    def held(self) -> Iterator[Place]:
        """Give the places that hold a tensor."""
        return (place for place in self.by_path.values() if place.owner[place.name] is not None)


def _state(module: Any) -> tuple[tuple[int, ...], int]:
    children = tuple([id(each) for each in module._modules.values()])
    return children, len(module._parameters) + len(module._buffers)


_known: weakref.WeakKeyDictionary[nn.Module, Places] = weakref.WeakKeyDictionary()
_lock = threading.Lock()
_users: dict[int, int] = {}  # the owners of places that are swapped, and the thread that has done it


def places_of(module: nn.Module) -> Places:
    """Give the places of a module, found once unless it changes."""
    places = _known.get(module)
    if places is None or not places.are_current():
        places = _known[module] = Places(module)
    return places


def relist(places: Places) -> list[tuple[nn.RNNBase, list[Any]]]:
    """Let recurrent layers, which list their parameters too, call those that stand there now; give the old lists."""
    before = []
    for reference, _, _ in places.modules:
        module = reference()
        if isinstance(module, nn.RNNBase):
            old = module._flat_weights
            before.append((module, old))
            module._flat_weights = [
                module._parameters.get(name, each) for name, each in zip(module._flat_weights_names, old, strict=True)
            ]
    return before


def take(owners: set[int], name: str) -> set[int]:
    """Reserve the owners of places for this thread; give those that were not its own before."""
    thread = threading.get_ident()
    with _lock:
        if any(_users.get(each, thread) != thread for each in owners):
            raise InputError(
                message(
                    "two threads evaluate one module: each would see the other's parameters.",
                    got=name,
                    remedy="give each thread a copy of the module (copy.deepcopy), which nexnet.functional_call "
                    "calls with the same parameters",
                )
            )
        mine = {each for each in owners if each not in _users}
        _users.update(dict.fromkeys(mine, thread))
    return mine


def release(owners: set[int]) -> None:
    """Give the owners back."""
    with _lock:
        for each in owners:
            del _users[each]


__all__ += ["release", "take"]
