"""What leaves a model at the end of a call: its result, as LiteTensors; its state, as plain tensors of torch's."""

from __future__ import annotations

import copy
import dataclasses
import types
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from .._nested import leaves_of, rebuild
from ..engine import is_tracked, wrap
from ..engine.tensor import TensorBase
from .tensors import Call, ModelTensor, left, shown, value_of
from .writing import storage_of, was_saved

__all__ = ["check_constants", "clean", "entered", "result", "return_adopted"]

_ATOMS = (
    str,
    bytes,
    int,
    float,
    complex,
    bool,
    type(None),
    type,
    types.ModuleType,
    torch.Size,
    torch.dtype,
    torch.device,
)
_KEPT = (*_ATOMS, nn.Module)
_MOST = frozenset(_ATOMS)  # of what is looked at; a set takes a tenth of the time that isinstance does


def entered(value: Any, convert: Callable[[Any], Any]) -> Any:
    """Give a model's arguments with its LiteTensors converted, in containers too."""
    return _converted(value, lambda each: convert(each) if isinstance(each, TensorBase) else each, {})


def result(value: Any) -> Any:
    """Give a model's result with LiteTensors for its tensors: in containers, dataclasses and other objects, copied."""
    return _converted(value, _as_lite, {})


def _as_lite(tensor: Any) -> Any:
    if isinstance(tensor, TensorBase):
        return tensor
    return value_of(tensor) if isinstance(tensor, ModelTensor) else wrap(tensor.detach())


def _as_plain(tensor: Any) -> Any:
    if not isinstance(tensor, ModelTensor):
        return tensor
    value = shown(tensor._stand)
    return left(value.data.detach()) if is_tracked(value) else value.data.detach()


def _converted(value: Any, convert: Callable[[Any], Any], memo: dict[int, Any]) -> Any:
    """Give a value with its tensors converted: itself, if there are none in it."""
    if isinstance(value, (Tensor, TensorBase)):
        return convert(value)
    if type(value) in _MOST or isinstance(value, _KEPT):
        return value
    if id(value) in memo:
        return memo[id(value)]
    memo[id(value)] = value
    if isinstance(value, (list, tuple)):
        made = _converted_items(value, convert, memo)
    elif isinstance(value, dict):
        made = _converted_dict(value, convert, memo)
    else:
        fields = _changes(getattr(value, "__dict__", {}), convert, memo)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            slots = {each.name: getattr(value, each.name, None) for each in dataclasses.fields(value)}
            fields |= _changes(slots, convert, memo)
        made = copy.copy(value) if fields else value
        for name, each in fields.items():
            object.__setattr__(made, name, each)
    memo[id(value)] = made
    return made


def _converted_items(value: Any, convert: Callable[[Any], Any], memo: dict[int, Any]) -> Any:
    parts = [_converted(each, convert, memo) for each in value]
    for i, old in enumerate(value):
        if parts[i] is not old:
            return rebuild(value, parts)
    return value


def _converted_dict(value: Any, convert: Callable[[Any], Any], memo: dict[int, Any]) -> Any:
    items = _changes(value, convert, memo)
    fields = _changes(getattr(value, "__dict__", {}), convert, memo)
    if not items and not fields:
        return value
    made = copy.copy(value)
    for key, each in items.items():
        dict.__setitem__(made, key, each)
    getattr(made, "__dict__", {}).update(fields)
    return made


def _changes(fields: Any, convert: Callable[[Any], Any], memo: dict[int, Any]) -> dict[Any, Any]:
    """Give those that convert to others."""
    found = {}
    for name, each in fields.items():
        new = _converted(each, convert, memo)
        if new is not each:
            found[name] = new
    return found


def clean(modules: list[nn.Module]) -> None:
    """Put plain tensors in the place of all ModelTensors that a call has left in the modules."""
    memo: dict[int, Any] = {}
    for each in dict.fromkeys(below for module in modules for below in module.modules()):
        state = each.__dict__
        for name, value in list(state.items()):
            if name in ("_parameters", "_buffers"):
                _clean_dict(value)
            elif name != "_modules" and not name.startswith(("_forward", "_backward", "_state_dict", "_load_state")):
                new = _converted_in_place(value, memo)
                if new is not value:
                    state[name] = new


def _clean_dict(values: dict[Any, Any]) -> None:
    for name, each in values.items():
        if isinstance(each, ModelTensor):
            values[name] = _as_plain(each)


def _converted_in_place(value: Any, memo: dict[int, Any]) -> Any:
    """Give a module's state with plain tensors; lists, dicts and objects in it stay the objects that they are."""
    if isinstance(value, Tensor):
        return _as_plain(value)
    if isinstance(value, (*_ATOMS, TensorBase, nn.Module)) or id(value) in memo:
        return value
    memo[id(value)] = value
    if isinstance(value, tuple):
        return _converted(value, _as_plain, {})
    if isinstance(value, dict):
        for key, each in list(value.items()):
            new = _converted_in_place(each, memo)
            if new is not each:
                dict.__setitem__(value, key, new)
    elif isinstance(value, list):
        for i, each in enumerate(value):
            value[i] = _converted_in_place(each, memo)
    fields = getattr(value, "__dict__", None)
    if isinstance(fields, dict) and not callable(value):
        for name, each in list(fields.items()):
            new = _converted_in_place(each, memo)
            if new is not each:
                fields[name] = new
    return value


def return_adopted(call: Call) -> None:
    """Make torch's tensors again of those that have become ModelTensors, and write into them what they stand for."""
    homes = [(home, shown(home._stand).data) for home in [each() for each in call.homes] if home is not None]
    for reference, kind in call.adopted:
        tensor = reference()
        if tensor is not None:
            del tensor._stand
            tensor.__class__ = kind
    for home, data in homes:
        home.copy_(data)


def check_constants(call: Call) -> None:
    """Refuse that a tensor was written into which a rule has kept for its backward."""
    for reference, version, first, last in call.constants:
        tensor = reference()
        if tensor is not None and tensor._version != version and call.marks:
            storage = storage_of(tensor)
            for node in call.marks[-1][0].nodes[first:last]:
                if any(isinstance(each, Tensor) and storage_of(each) == storage for each in leaves_of(node.saved)):
                    raise was_saved(node.name, "the model")
