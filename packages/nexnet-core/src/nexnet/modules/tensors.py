"""What stands for a LiteTensor inside of a model: a torch tensor that code may write into, and ask what it is.

A LiteTensor never changes. Code that writes into tensors needs something that does: a ``ModelTensor`` has a ``Stand``,
which holds a LiteTensor, and another one after each write. So nothing that a tape, a checkpoint or a rule has kept is
ever changed. It is a ``torch.Tensor`` to ``isinstance``, and has no elements of its own: what does not ask nexnet finds
nothing.

A view of another one knows it, and the steps from there. What it shows is made anew when that has been written into::

    ModelTensor --> Stand --> value (a LiteTensor), call
                              of a view: the Stand of its base (no view), the steps, and the value of the base that
                              it was made of
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from .._complaints import left_by_a_call
from ..engine import TapeContext, is_tracked, wrap
from ..engine.tape import this_thread
from ..engine.tensor import TensorBase
from ..errors import ConstantWarning, InputError, message
from .scattering import Step, take_step

__all__ = [
    "Call",
    "Cut",
    "ModelTensor",
    "Stand",
    "View",
    "begin",
    "check_not_left",
    "is_constant",
    "left",
    "may_vary",
    "new_stand",
    "running",
    "seen",
    "shown",
    "stand_in",
    "value_of",
]

_NOTHING: Any = torch.empty(0, device="meta")


class Call:
    """One evaluation of a model on one thread: what it has made, and what it has to put back.

    What stands for a tensor refers to it, and nothing that lasts longer does: when it is gone, so are they all.
    """

    name: str
    ended: bool
    marks: list[Any]  # what the tapes held before
    modules: list[Any]  # that have been called
    adopted: list[Any]  # (reference, class) of torch's that are ModelTensors now
    homes: list[Any]  # those of them that are no view, in whose memory the others lie
    constants: list[Any]  # torch's tensors that rules were given: (reference, version, nodes)
    handed: list[Stand]  # whose memory numpy shares

    def __init__(self, name: str) -> None:
        self.name = name
        self.ended = False
        self.marks = [(tape, len(tape)) for tape in TapeContext.active()]
        self.modules = []
        self.adopted = []
        self.homes = []
        self.constants = []
        self.handed = []

    def recorded(self) -> int:
        """Say how many nodes the innermost tape has."""
        return len(self.marks[-1][0]) if self.marks else 0


def running() -> Call | None:
    """Give the call that is running on this thread; one inside of another is a part of that."""
    return this_thread().model  # type: ignore[no-any-return]


def begin(call: Call | None) -> None:
    """Say which call is running on this thread."""
    this_thread().model = call


class Stand:
    """What a ModelTensor stands for: a LiteTensor, and if it is a view, how that is made of another one's."""

    value: Any
    call: Call
    view: View | None
    is_viewed: bool


class Cut:
    """Where no gradient passes though the memory is shared: at ``detach``. The views behind it have it in common.

    ``written`` is by what a value that is being differentiated was written there: it has no gradient any more.
    """

    written: str | None = None
    in_place = False  # by detach_, after which torch's views of the tensor have its gradient or not


class View:
    """How what a ModelTensor stands for is made of another one's, which is no view itself: one step after the others.

    ``kept`` is what must not be freed before this view is.
    """

    base: Stand
    before: View | None
    function: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    pick: Any
    made_of: Any
    cut: Cut | None
    kept: Any

    def __init__(
        self,
        base: Stand,
        before: View | None,
        function: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        pick: Any,
        made_of: Any,
        cut: Cut | None,
        kept: Any = None,
    ) -> None:
        self.base, self.before, self.made_of, self.cut, self.kept = base, before, made_of, cut, kept
        self.function, self.args, self.kwargs, self.pick = function, args, kwargs, pick

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps from the base."""
        step = Step(self.function, self.args, self.kwargs, self.pick)
        return (step,) if self.before is None else (*self.before.steps, step)


class ModelTensor(Tensor):
    """A tensor inside of a model that ``nexnet.functional_call`` evaluates. Its methods: methods.py."""

    _stand: Stand


def stand_in(value: Any, call: Any, view: View | None = None) -> Any:
    """Make a ModelTensor of a LiteTensor."""
    made = _NOTHING.data  # a new one, in half the time that it takes to make one of a subclass
    made.__class__ = ModelTensor
    made._stand = new_stand(value, call, view)
    return made


def new_stand(value: Any, call: Any, view: View | None) -> Stand:
    """Make what a ModelTensor stands for."""
    stand: Stand = Stand()
    stand.value = value
    stand.call = call
    stand.view = view
    stand.is_viewed = False
    if view is not None:
        view.base.is_viewed = True
    return stand


def value_of(tensor: Any) -> Any:
    """Give the LiteTensor that a ModelTensor stands for now."""
    stand: Stand = tensor._stand
    if stand.call.ended:
        raise _too_late(stand.call)
    view = stand.view
    if view is None:
        return stand.value
    if view.cut is not None and view.cut.written is not None:
        raise _lost(view.cut.written)
    return shown(stand)


def shown(stand: Any) -> Any:
    """Give what a Stand stands for now, whatever was written behind a cut."""
    view = stand.view
    if view is not None and view.made_of is not view.base.value:
        value = view.base.value
        view.made_of = value
        for step in view.steps:
            value = take_step(value, step)
        stand.value = value if view.cut is None else wrap(value.data)
    return stand.value


def _too_late(call: Call) -> InputError:
    return InputError(
        message(
            "a tensor that was made inside of a model was used after the call.",
            got=f"a tensor that {call.name} keeps where nexnet can't reach it",
            remedy="let the model return it, in a tuple, list, dict or dataclass",
        )
    )


def _lost(function: str) -> InputError:
    return InputError(
        message(
            "a value that is being differentiated was written into what .detach() or .data gave, and is used: its "
            "gradient would be lost.",
            rule=function,
            remedy="write into x.detach().clone(), or into x itself",
        )
    )


def left(tensor: Tensor) -> Tensor:
    """Mark a tensor that a call leaves in a module, where it was being differentiated."""
    tensor._nexnet_left = True  # type: ignore[attr-defined]
    return tensor


def check_not_left(tensor: Tensor) -> None:
    """Warn of a constant that an earlier call has left: a gradient that passed through it there ends here."""
    if _is_left(tensor) or (tensor._base is not None and _is_left(tensor._base)):  # also by what is a view of it
        warnings.warn(left_by_a_call(tensor), ConstantWarning, stacklevel=2)


def _is_left(tensor: Tensor) -> bool:
    return getattr(tensor, "_nexnet_left", False)


def seen(value: Any) -> Any:
    """Give what an argument is to nexnet: for a ModelTensor its LiteTensor, in containers too."""
    kind = type(value)
    if kind is ModelTensor:
        return value_of(value)
    if value is None or kind is int or kind is float or kind is bool or kind is str or kind is Tensor:
        return value
    if kind is tuple:
        return tuple([seen(each) for each in value])
    if kind is list:
        return [seen(each) for each in value]
    if kind is dict:
        return {name: seen(each) for name, each in value.items()}
    if kind is slice:
        return slice(_whole(value.start), _whole(value.stop), _whole(value.step))
    return value_of(value) if isinstance(value, ModelTensor) else value


def _whole(value: Any) -> Any:
    return int(value) if type(value) is not int and isinstance(value, Tensor) else value


def may_vary(values: Iterable[Any]) -> bool:
    """Say whether a tape has tracked one of the values; it takes less time than to ask which tapes are active."""
    for value in values:
        if isinstance(value, TensorBase):
            tensor: TensorBase = value
            if tensor.key is not None:
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
