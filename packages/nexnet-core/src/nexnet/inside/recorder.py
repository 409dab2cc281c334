"""The observer behind ``trace``: takes down what an operation leaves behind, at once and in little time.

It keeps what can be had at that moment alone (the line, the module, the clock, and values if they are wanted); what can
be worked out later is worked out when somebody asks, in ``reading``.
"""

from __future__ import annotations

import time
from threading import get_ident
from types import CodeType
from typing import Any

from torch import Tensor

from .._storage import storage_of, unbatched
from ..engine import Node, Observer, TapeBase, TensorBase, Turn, make_node, unwrap
from ..modules._replacement import replaced
from ..modules.path import Trail
from ..modules.tensors import seen
from .source import here

__all__ = ["End", "Given", "Note", "Recorder"]


class Given:
    """A tensor among an operation's arguments: what it is like, and who it is."""

    __slots__ = ("dtype", "identity", "key", "shape", "storage")

    def __init__(self, tensor: Any) -> None:
        data: Tensor = unwrap(tensor)
        self.key = tensor.key if isinstance(tensor, TensorBase) else None
        self.identity = id(tensor)
        self.shape, self.dtype = tuple(data.shape), data.dtype
        self.storage = storage_of(data)


class End:
    """A result of which nothing carries a gradient on: an integer, a mask, a step function's."""

    __slots__ = ("given", "place", "rule", "value")

    def __init__(self, rule: str, given: list[Given], value: Tensor, place: tuple[CodeType, int] | None) -> None:
        self.rule, self.given, self.value, self.place = rule, given, value, place


class Note:
    """What was taken down of one operation."""

    __slots__ = (
        "body", "during", "given", "gradients", "kwargs", "module", "module_type", "node", "own", "place",
        "replaces", "returned", "seconds", "seconds_backward", "shapes", "storage", "values",
    )  # fmt: skip

    node: Node
    given: list[Any]  # a Given for each tensor, any other argument as it is
    kwargs: dict[str, Any]
    place: tuple[CodeType, int] | None
    module: str
    module_type: str
    own: dict[int, str]  # by their memory, the names of the constants that are the module's parameters and buffers
    replaces: str
    seconds: float
    shapes: list[Any]  # (shape, dtype, device) of each output
    storage: int
    values: list[Tensor | None]
    during: Node | None  # the node in whose backward it was done
    body: list[Note]
    gradients: list[Tensor | None]
    returned: list[Tensor | None]
    seconds_backward: float


class Recorder(Observer):
    """Takes down what one tape records.

    Attributes:
        notes: one for each node of the tape.
        ends: by their memory, results of which nothing carries a gradient on.
    """

    def __init__(self, values: bool = True, lines: bool = True) -> None:
        self.tape: TapeBase | None = None
        self.notes: list[Note] = []
        self.ends: dict[int, End] = {}
        self._values, self._lines = values, lines
        self._inside: list[Note] = []
        self._turns: list[Node] = []
        self._trails: dict[int, Trail] = {}  # by thread
        self._since = time.perf_counter()
        self._begun = 0.0

    def recorded(self, tape: TapeBase, node: Node, args: tuple[Any, ...], result: Any) -> None:
        """Take an operation down."""
        if tape is not self.tape:
            return
        note = Note()
        note.seconds = time.perf_counter() - self._since
        note.node, note.kwargs, note.returned, note.gradients, note.seconds_backward = node, {}, [], [], 0.0
        note.given = [Given(each) if isinstance(each, (TensorBase, Tensor)) else each for each in args]
        note.place = here(2) if self._lines else None
        module = self._trail().innermost() if self._lines else None
        note.module, at_work = module or ("", None)
        note.replaces = replaced()
        note.module_type = "" if at_work is None else type(at_work).__name__
        has_constants = at_work is not None and any(type(each) is Given and each.key is None for each in note.given)
        note.own = _own(note.module, at_work) if has_constants else {}
        outs = [
            None if each is None else unwrap(each)
            for each in (result if isinstance(result, (tuple, list)) else (result,))
        ]
        note.shapes = [None if each is None else (tuple(each.shape), each.dtype, each.device) for each in outs]
        note.storage = next((storage_of(each) for each in outs if each is not None), 0)
        note.values = [None if each is None else unbatched(each) for each in outs] if self._values else []
        note.during = self._turns[-1] if self._turns else None
        note.body = [] if args else self._inside
        self._inside = []
        self.notes.append(note)
        self._since = time.perf_counter()

    def given(self, tape: TapeBase, kwargs: dict[str, Any]) -> None:
        """Add what came by keyword."""
        if tape is self.tape and self.notes:
            self.notes[-1].kwargs = dict(kwargs)

    def ended(self, rule: str, args: tuple[Any, ...], result: Any) -> None:
        """Remember what an integer, a mask or a step function was made of, as long as values are kept."""
        if self._values and isinstance(result, TensorBase):
            given = [Given(each) for each in args if isinstance(each, TensorBase)]
            self.ends[storage_of(result.data)] = End(rule, given, result.data, here(3) if self._lines else None)

    def forgot(self, tape: TapeBase, length: int) -> None:
        """Put what the tape has dropped aside: it is the body of the composite operation that comes next, if any."""
        if tape is self.tape:
            self._inside = self.notes[length:]
            del self.notes[length:]
            instead: dict[int, Node] = {}
            for note in self._inside:  # what its rule saved is not the tape's any more, nor the trace's
                node = note.node
                note.node = instead[id(node)] = make_node(type(node), (), node.parents, None, node.output)
                note.during = instead.get(id(note.during), note.during)

    def turned(self, tape: TapeBase, turn: Turn) -> None:
        """Follow the backward: of the traced tape its gradients are taken down, of others whose turn it is."""
        now = time.perf_counter()
        if tape is not self.tape:
            if turn.returned is None:
                self._turns.append(turn.node)
            else:
                self._turns.pop()
        elif turn.returned is None:
            incoming = turn.incoming if isinstance(turn.incoming, tuple) else (turn.incoming,)
            self.notes[turn.index].gradients = [None if each is None else unwrap(each) for each in incoming]
            self._begun = time.perf_counter()
        else:
            note = self.notes[turn.index]
            note.seconds_backward = now - self._begun
            note.returned = [None if each is None else unwrap(each) for each in turn.returned]

    def stopped(self, tape: TapeBase) -> None:
        """Forget whose turn it was."""
        if tape is not self.tape and self._turns:
            nodes = set(map(id, tape.nodes))
            while self._turns and id(self._turns[-1]) in nodes:
                self._turns.pop()

    def left(self) -> None:
        """Forget the frames of a model's call."""
        self._trails.pop(get_ident(), None)

    def _trail(self) -> Trail:
        thread = get_ident()
        found = self._trails.get(thread)
        if found is None:
            found = self._trails[thread] = Trail()
        return found

    def finish(self) -> None:
        """Look on no more; a trace is freed when nobody refers to it."""
        self.tape = None
        self._inside, self._turns, self._trails = [], [], {}


def _own(path: str, module: Any) -> dict[int, str]:
    """Name the parameters and buffers of a module of torch's, by their memory."""
    own: dict[str, Any] = {**getattr(module, "_parameters", {}), **getattr(module, "_buffers", {})}
    return {
        storage_of(unwrap(seen(each))): f"{path}.{name}" if path else name
        for name, each in own.items()
        if each is not None
    }
