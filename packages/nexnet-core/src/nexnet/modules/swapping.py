"""Which places of a module hold its parameters and buffers, and others put there for the time of a call."""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..engine import wrap
from ..engine.tensor import TensorBase
from ..errors import InputError, message
from .tensors import Call, ModelTensor, Stand, new_stand, stand_in, value_of
from .writing import check_unsaved

__all__ = ["Place", "Places", "Swap", "places_of", "release", "take"]


class Place:
    """One parameter or buffer of one module: ``owner[name]``.

    ``spare`` stood there in an earlier call, and nobody refers to it any more: it takes longer to make another.
    """

    owner: dict[str, Any]
    name: str
    path: str
    is_buffer: bool
    spare: Any

    def __init__(self, owner: dict[str, Any], name: str, path: str, is_buffer: bool) -> None:
        self.owner, self.name, self.path, self.is_buffer = owner, name, path, is_buffer
        self.spare = None


class Places:
    """The places of a module and of all below it, by their path; and whether these are still all."""

    by_path: dict[str, Place]
    all: list[Place]
    owners: set[int]
    recurrent: list[Any]  # references to the layers that list their parameters too
    _modules: list[Any]
    _numbers: list[int]  # of the tensors in the places, when it was found which are tied
    _tied: dict[str, list[Place]]

    def __init__(self, module: nn.Module) -> None:
        self.by_path = {}
        self._numbers = []
        self._tied = {}
        self._modules = []
        self.recurrent = []
        for path, each in module.named_modules(remove_duplicate=False):
            prefix = f"{path}." if path else ""
            parameters, buffers = each._parameters, each._buffers
            for owner, is_buffer in ((parameters, False), (buffers, True)):
                for name in owner:
                    self.by_path[prefix + name] = Place(owner, name, prefix + name, is_buffer)
            reference = weakref.ref(each)
            children = [id(child) for child in each._modules.values()]
            self._modules.append((reference, children, parameters, buffers, len(parameters) + len(buffers)))
            if isinstance(each, nn.RNNBase):
                self.recurrent.append(reference)
        self.all = list(self.by_path.values())
        self.owners = {id(place.owner) for place in self.all}

    def are_current(self) -> bool:
        """Say whether the module still has these submodules, and as many parameters and buffers."""
        for reference, children, parameters, buffers, count in self._modules:
            module = reference()
            if module is None:
                return False
            state = module.__dict__  # an attribute of a module takes torch's __getattr__
            if state["_parameters"] is not parameters or state["_buffers"] is not buffers:
                return False
            modules = state["_modules"]
            if len(parameters) + len(buffers) != count or len(modules) != len(children):
                return False
            if modules and [id(each) for each in modules.values()] != children:
                return False
        return True

    def tied(self) -> dict[str, list[Place]]:
        """Give for each path whose tensor stands in other places too all of these."""
        numbers = [id(place.owner[place.name]) for place in self.all]
        if numbers != self._numbers:
            groups: dict[int, list[Place]] = {}
            for place in self.all:
                if place.owner[place.name] is not None:
                    groups.setdefault(id(place.owner[place.name]), []).append(place)
            self._tied = {place.path: group for group in groups.values() if len(group) > 1 for place in group}
            self._numbers = numbers
        return self._tied

    def given(self, values: Mapping[str, Any], tie_weights: bool) -> dict[str, Any]:
        """Give what is to stand in each place, by its path.

        Raises:
            KeyError: there is no place of this name.
            InputError: what is given is no tensor; two names of one parameter were given different tensors.
        """
        tied = self.tied() if tie_weights else {}
        found: dict[str, Any] = {}
        for name, value in values.items():
            if name not in self.by_path:
                raise KeyError(name)
            if not isinstance(value, TensorBase) and not isinstance(value, Tensor):
                raise _no_tensor(name, value)
            found[name] = value
            if name in tied:
                for place in tied[name]:
                    if values.get(place.path, value) is not value:
                        raise _tied_to_another(name, place.path)
                    found[place.path] = value
        return found

    def missing(self, given: dict[str, Any]) -> str | None:
        """Give the path of the first place that holds a tensor and is given none."""
        for place in self.all:
            if place.path not in given and place.owner[place.name] is not None:
                return place.path
        return None


def _no_tensor(name: str, value: Any) -> InputError:
    return InputError(
        message(
            "what is given for a parameter or buffer is no tensor.",
            argument=name,
            expected="a LiteTensor or a torch tensor",
            got=repr(value),
            remedy=f"leave {name!r} out: what is not given is the module's own" if value is None else None,
        )
    )


def _tied_to_another(name: str, other: str) -> InputError:
    return InputError(
        message(
            "two names of one parameter were given different tensors.",
            argument=f"{name}, {other}",
            remedy="give one of them, or the same tensor for both, or say tie_weights=False",
        )
    )


class Exchange:
    """One place during a call: what stood there, what stands there now, and for which tensor."""

    place: Place
    old: Any
    new: Any
    value: Any  # as it was given, or the module's own
    lite: Any  # the LiteTensor that it stood for at first

    def __init__(self, place: Any, old: Any, new: Any, value: Any, lite: Any) -> None:
        self.place, self.old, self.new, self.value, self.lite = place, old, new, value, lite


class Swap:
    """What stands in a module's places during a call, and what is to come back there."""

    places: Places
    call: Call
    with_buffers: bool
    exchanges: list[Exchange]
    _stands: dict[int, Any]  # by the identity of what it stands for: the same for the same
    _lists: list[Any]

    def __init__(self, places: Places, call: Call, with_buffers: bool) -> None:
        self.places, self.call, self.with_buffers = places, call, with_buffers
        self.exchanges = []
        self._stands = {}
        self._lists = []

    def standing(self, value: Any, place: Any = None) -> Any:
        """Give what stands for a tensor inside of the model, as an argument or in a place."""
        if type(value) is ModelTensor:
            return value
        found = self._stands.get(id(value))
        if found is None:
            lite = value if isinstance(value, TensorBase) else wrap(value.detach())
            if place is not None and place.is_buffer and self.with_buffers and lite.key is None:
                lite = wrap(lite.data.clone())
            found = self._stands[id(value)] = self._made(lite, place)
        return found

    def _made(self, lite: Any, place: Any) -> Any:
        if place is None or place.spare is None:
            return stand_in(lite, self.call)
        made = place.spare
        place.spare = None
        made._stand = new_stand(lite, self.call, None)
        return made

    def put(self, given: dict[str, Any]) -> None:
        """Put what is given, and the module's own parameters, into the places."""
        for place in self.places.all:
            old = place.owner[place.name]
            value = given.get(place.path)
            if value is None:
                if old is None or type(old) is ModelTensor or (place.is_buffer and not self.with_buffers):
                    continue
                value = old
            new = self.standing(value, place)
            if not place.is_buffer:
                new._is_param = True
            place.owner[place.name] = new
            stand: Stand = new._stand
            self.exchanges.append(Exchange(place, old, new, value, stand.value))
        for reference in self.places.recurrent:
            self._relist(reference())

    def _relist(self, module: nn.RNNBase) -> None:
        """Let a recurrent layer's own list have the parameters that stand there now."""
        old = module._flat_weights
        self._lists.append((module, old))
        module._flat_weights = [
            module._parameters.get(name, each) for name, each in zip(module._flat_weights_names, old, strict=True)
        ]

    def buffers(self) -> dict[str, Any]:
        """Give the buffers that stand in the places, by their paths."""
        return {
            place.path: place.owner[place.name]
            for place in self.places.all
            if place.is_buffer and place.owner[place.name] is not None
        }

    def write_back(self) -> None:
        """Write into the given tensors, and the module's own, what the module has written into what stood there."""
        done: set[int] = set()
        for each in self.exchanges:
            stand: Stand = each.new._stand
            if stand.value is each.lite or id(each.new) in done or type(each.value) is ModelTensor:
                continue
            done.add(id(each.new))
            home = each.value.data if isinstance(each.value, TensorBase) else each.value.detach()
            now = value_of(each.new).data
            if isinstance(home, Tensor) and not (now.data_ptr() == home.data_ptr() and now.shape == home.shape):
                check_unsaved(home, f"{each.place.path} of the model")
                with torch.no_grad():
                    home.copy_(now)

    def put_back(self) -> None:
        """Put the module's own tensors back into the places."""
        for module, weights in self._lists:
            module._flat_weights = weights
        self._stands = {}
        self._lists = []
        for each in self.exchanges:
            place: Place = each.place
            if place.owner.get(place.name) is each.new or self.with_buffers:
                place.owner[place.name] = each.old
            each.old = each.value = None
        for each in self.exchanges:
            _spare(each)


def _spare(exchange: Exchange) -> None:
    """Keep what stood in a place for the next call, if nobody else refers to it, and it has nothing of the model's."""
    place: Place = exchange.place
    if (
        isinstance(exchange.lite, TensorBase)
        and _references(exchange) == _ALONE
        and _weak_references(exchange.new) == 0
        and len(exchange.new.__dict__) == (1 if place.is_buffer else 2)
    ):
        exchange.new._stand = None
        place.spare = exchange.new
    exchange.new = None


def _references(exchange: Exchange) -> int:
    return _count(exchange.new)  # type: ignore[no-any-return]


_count: Any = sys.getrefcount
_weak_references: Any = weakref.getweakrefcount
_ALONE = _references(Exchange(None, None, stand_in(None, Call("nobody")), None, None))


_known: weakref.WeakKeyDictionary[nn.Module, Places] = weakref.WeakKeyDictionary()
_lock = threading.Lock()
_users: dict[int, int] = {}  # the owners of places that are swapped, and the thread that has done it


def places_of(module: nn.Module) -> Places:
    """Give the places of a module, found once unless it changes."""
    places = _known.get(module)
    if places is None or not places.are_current():
        places = _known[module] = Places(module)
    return places


def take(owners: set[int], name: str) -> set[int]:
    """Reserve the owners of places for this thread; give those that were not its own before."""
    thread = threading.get_ident()
    with _lock:
        mine = set()
        for each in owners:
            user = _users.get(each)
            if user is None:
                mine.add(each)
            elif user != thread:
                raise InputError(
                    message(
                        "two threads evaluate one module: each would see the other's parameters.",
                        got=name,
                        remedy="give each thread a copy of the module (copy.deepcopy), which nexnet.functional_call "
                        "calls with the same parameters",
                    )
                )
        for each in mine:
            _users[each] = thread
    return mine


def release(owners: set[int]) -> None:
    """Give the owners back."""
    with _lock:
        for each in owners:
            del _users[each]
