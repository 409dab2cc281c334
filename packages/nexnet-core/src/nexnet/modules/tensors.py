"""What stands for a LiteTensor inside of a model: a torch tensor that code may write into, and ask what it is.

A LiteTensor never changes. Code that writes into tensors needs something that does: a ``ModelTensor`` holds a
LiteTensor, and another one after each write. So nothing that a tape, a checkpoint or a rule has kept is ever changed.
It is a ``torch.Tensor`` to ``isinstance``, and has no elements of its own: what does not ask nexnet finds nothing.

A view of another one knows it, and the steps from there. What it shows is made anew when that has been written into::

    ModelTensor  --> value (a LiteTensor), call
    a view       --> its base (no view), the steps, and the value of the base that it was made of
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from ..engine import TapeContext, TensorBase, is_tracked
from ..errors import InputError, message
from .scattering import Step, take_step

__all__ = ["Call", "ModelTensor", "View", "begin", "is_constant", "may_vary", "running", "seen", "stand_in", "value_of"]

_NOTHING = torch.empty(0, device="meta")
_make = Tensor._make_subclass


class Call:
    """One evaluation of a model on one thread: what it has made, and what it has to put back."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ended = False
        self.marks = [(tape, len(tape)) for tape in TapeContext.active()]  # what the tapes held before
        self.modules: list[Any] = []  # that have been called
        self.made: list[weakref.ref[Any]] = []  # all ModelTensors
        self.adopted: list[Any] = []  # (reference, class) of torch's that are ModelTensors now
        self.homes: list[Any] = []  # those of them that are no view, in whose memory the others lie
        self.constants: list[Any] = []  # torch's tensors that rules were given: (reference, version, nodes)

    def recorded(self) -> int:
        """Say how many nodes the innermost tape has."""
        return len(self.marks[-1][0]) if self.marks else 0


class _Local(threading.local):
    call: Call | None = None


_local = _Local()


def running() -> Call | None:
    """Give the call that is running on this thread; one inside of another is a part of that."""
    return _local.call


def begin(call: Call | None) -> None:
    """Say which call is running on this thread."""
    _local.call = call


class View:
    """How a ModelTensor is made of another one, which is no view itself."""

    __slots__ = ("base", "detached", "made_of", "steps")

    def __init__(self, base: Any, steps: tuple[Step, ...], made_of: Any, detached: bool) -> None:
        self.base, self.steps, self.made_of, self.detached = base, steps, made_of, detached


class ModelTensor(Tensor):
    """A tensor inside of a model that ``nexnet.functional_call`` evaluates. Its methods: methods.py."""

    _value: Any
    _view: View | None = None
    _call: Call
    _is_viewed = False


def stand_in(value: Any, call: Any, view: View | None = None) -> Any:
    """Make a ModelTensor of a LiteTensor."""
    made = _make(ModelTensor, _NOTHING)
    made._value = value
    made._call = call
    if view is not None:
        made._view = view
        view.base._is_viewed = True
    call.made.append(weakref.ref(made))
    return made


def value_of(tensor: Any) -> Any:
    """Give the LiteTensor that a ModelTensor stands for now."""
    if tensor._call.ended:
        raise InputError(
            message(
                "a tensor that was made inside of a model was used after the call.",
                got=f"a tensor that {tensor._call.name} keeps where nexnet can't reach it",
                remedy="let the model return it, in a tuple, list, dict or dataclass",
            )
        )
    view = tensor._view
    if view is not None and view.made_of is not view.base._value:
        value = view.base._value
        view.made_of = value
        for step in view.steps:
            value = take_step(value, step)
        tensor._value = value
    return tensor._value


def seen(value: Any) -> Any:
    """Give what an argument is to nexnet: for a ModelTensor its LiteTensor, in containers too."""
    kind = type(value)
    if kind is ModelTensor:
        return value_of(value)
    if kind is tuple or kind is list:
        return kind([seen(each) for each in value])
    if kind is dict:
        return {name: seen(each) for name, each in value.items()}
    if isinstance(value, ModelTensor):
        return value_of(value)
    if kind is slice:
        return slice(*[_whole(each) for each in (value.start, value.stop, value.step)])
    return value


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, Tensor) else value


def may_vary(values: Iterable[Any]) -> bool:
    """Say whether a tape has tracked one of the values; it takes less time than to ask which tapes are active."""
    for value in values:
        if isinstance(value, TensorBase):
            if value.key is not None:
                return True
        elif isinstance(value, (tuple, list)) and may_vary(value):
            return True
    return False


def is_constant(value: Any) -> bool:
    """Say whether no tape differentiates by the LiteTensors in a value."""
    if isinstance(value, TensorBase):
        return value.key is None or not is_tracked(value)
    if isinstance(value, (tuple, list)):
        return all(is_constant(each) for each in value)
    return not isinstance(value, dict) or all(is_constant(each) for each in value.values())
