"""Makes operations, as they are read, of what the recorder has taken down."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .._storage import storage_of, tensors_in
from ..engine import Key, Node, TensorBase, unwrap
from ..tape import letters
from .flops import flops
from .operation import Input, Operation
from .recorder import End, Given, Note
from .source import source_of

__all__ = ["Leaf", "Reader", "parameters_of"]


class Leaf:
    """An input of the traced function: a tensor among its arguments."""

    __slots__ = ("gradient", "identity", "key", "name", "value")

    def __init__(self, name: str, tensor: Any) -> None:
        self.name, self.value = name, unwrap(tensor)
        self.key: Key | None = tensor.key if isinstance(tensor, TensorBase) else None
        self.identity = id(tensor)
        self.gradient: Tensor | None = None


class Reader:
    """Reads the notes of one trace, once."""

    def __init__(self, notes: Sequence[Note], leaves: Sequence[Leaf], ends: dict[int, End]) -> None:
        self._names: dict[Key, str] = {leaf.key: leaf.name for leaf in leaves if leaf.key is not None}
        self._constants = {leaf.identity: leaf.name for leaf in leaves}
        self._memory = {storage_of(leaf.value): leaf.name for leaf in leaves if leaf.key is not None}
        self._counted = {storage_of(leaf.value) for leaf in leaves}
        self._ends = ends
        self._labels: dict[int, str] = {}  # of nodes, by identity
        self._places: dict[str, Any] = {}  # of labels: the line and the module; a backward's are its forward's
        self._users: dict[str, list[str]] = {}
        self._unknown = 0
        self.leaves = [self._leaf(each) for each in leaves]
        self.operations = [self._operation(note, number, f"%{number}") for number, note in enumerate(notes)]
        self.ends = [end for end in map(self._end, ends.values()) if end is not None]
        for each in (*self.leaves, *self.operations):
            each.users = [user for label in each.outputs if label for user in self._users.get(label, [])]

    def name_of(self, key: Key | None) -> str:
        """Give the label of what has this key; a dot if nobody knows it."""
        return "·" if key is None else self._names.get(key, "·")

    def _leaf(self, leaf: Leaf) -> Operation:
        data = leaf.value
        return Operation(
            -1, leaf.name, "input", outputs=[leaf.name], shapes=[tuple(data.shape)], dtypes=[data.dtype],
            device=str(data.device), values=[data], gradients=[leaf.gradient],
        )  # fmt: skip

    def _operation(self, note: Note, number: int, label: str) -> Operation:
        node = note.node
        body = [self._operation(each, i, f"{label}/{i}") for i, each in enumerate(note.body)]
        self._labels[id(node)] = label
        inputs, static, every = self._arguments(note)
        for each in inputs:
            self._users.setdefault(each.name, []).append(label)
        outputs = self._outputs(node, label)
        for shared in (note.storage,):
            if shared and note.values and outputs[0] is not None:
                self._memory.setdefault(shared, outputs[0])
        shapes = [shape for shape, *_ in filter(None, note.shapes)]
        outs = [None if each is None else each[0] for each in note.shapes]
        wanted = [each.kind in ("operation", "argument") for each in inputs]
        rule = node.name
        forward, backward = flops(rule, type(node).__module__, [each.shape for each in inputs], wanted, outs, every)
        if body:
            forward, backward = sum(each.flops for each in body), sum(each.flops_backward for each in body)
        belongs = self._labels.get(id(note.during), "") if note.during is not None else ""
        place, module, module_type = where = self._places.get(belongs, (note.place, note.module, note.module_type))
        self._places[label] = where
        storages = [each.storage for each in note.given if isinstance(each, Given)]
        return Operation(
            number, label, rule, note.replaces, inputs, static, outputs, shapes,
            [dtype for _, dtype, _ in filter(None, note.shapes)], str(next(filter(None, note.shapes))[2]),
            source_of(place), module, module_type, note.storage in storages if note.storage else None,
            self._kept(node), forward, backward, note.seconds, note.seconds_backward, note.values, note.gradients,
            note.returned, body, belongs, _policy=type(node),
        )  # fmt: skip

    def _outputs(self, node: Node, label: str) -> list[str | None]:
        keys = node.outputs
        found: list[str | None] = []
        for j, key in enumerate(keys):
            name = label if len(keys) == 1 else f"{label}.{j}"
            found.append(None if key is None else name)
            if key is not None:
                self._names[key] = name
        return found

    def _arguments(self, note: Note) -> tuple[list[Input], dict[str, Any], dict[str, Any]]:
        """Give the tensors, the other arguments where they are not the defaults, and all of these."""
        inputs: list[Input] = []
        static: dict[str, Any] = {}
        every: dict[str, Any] = {}
        node = note.node
        if not note.given:  # a composite: what it depends on is its parents
            inputs = [self._input(f"{i}", None, key, note) for i, key in enumerate(node.parents) if key is not None]
        policy: Any = type(node)
        names, defaults, keywords = _signature(policy)
        for i, value in enumerate(note.given):
            name = names[i] if i < len(names) else f"{names[-1]}.{i - len(names) + 1}" if names else str(i)
            if isinstance(value, Given):
                inputs.append(self._input(name, value, node.parents[i] if i < len(node.parents) else None, note))
                continue
            every[name] = value
            if not (name in defaults and _same(defaults[name], value)):
                static[name] = value
        every |= keywords | note.kwargs
        return inputs, static | note.kwargs, every

    def _input(self, argument: str, given: Given | None, key: Key | None, note: Note) -> Input:
        if key is not None:
            if key not in self._names:  # an alias made by a transform, one example of a batch: known by its memory
                known = self._memory.get(given.storage) if given is not None else None
                self._names[key] = known or f"<{letters(self._unknown)}>"
                self._unknown += known is None
            name = self._names[key]
            kind = "operation" if name.startswith("%") else "argument"
            return Input(argument, name, kind, tuple(key.shape), key.dtype)
        assert given is not None  # what has no key was given
        known = self._constants.get(given.identity) or (note.own.get(given.storage) if given.storage else None)
        if known is not None:
            return Input(argument, known, "constant", given.shape, given.dtype)
        end = self._ends.get(given.storage)
        rule = end.rule if end is not None else ""
        origins = [] if end is None else [self._origin(each) for each in end.given]
        origin = next(filter(None, origins), "") or self._memory.get(given.storage, "")
        kind = "cut" if origin else "constant"
        name = f"{rule or 'stop_gradient'}({origin})" if origin else _constant(given.shape, given.dtype)
        return Input(argument, name, kind, given.shape, given.dtype, origin)

    def _origin(self, given: Given) -> str:
        return self._names.get(given.key, "") if given.key is not None else self._memory.get(given.storage, "")

    def _end(self, end: End) -> Operation | None:
        inputs = [
            Input(str(i), name, "operation" if name.startswith("%") else "argument", given.shape, given.dtype)
            for i, given in enumerate(end.given)
            if (name := self._origin(given))
        ]
        if not inputs:
            return None
        label = f"{end.rule}({inputs[0].name})"
        return Operation(
            -2, label, end.rule, inputs=inputs, outputs=[None], shapes=[tuple(end.value.shape)],
            dtypes=[end.value.dtype], device=str(end.value.device), source=source_of(end.place), values=[end.value],
        )  # fmt: skip

    def _kept(self, node: Node) -> int:
        total = 0
        for each in tensors_in(node.saved):
            storage = storage_of(each)
            if storage and storage not in self._counted:
                self._counted.add(storage)
                total += each.untyped_storage().nbytes()
        return total


def _constant(shape: tuple[int, ...], dtype: torch.dtype) -> str:
    return f"·{str(dtype).removeprefix('torch.')}{list(shape)}"


def _same(default: Any, value: Any) -> bool:
    return default is value or (type(default) is type(value) and bool(default == value))


def parameters_of(policy: Any) -> list[str]:
    """Give the names of the positional arguments of a rule's forward."""
    return _signature(policy)[0]


@functools.cache
def _signature(policy: Any) -> tuple[list[str], dict[str, Any], dict[str, Any]]:
    """Give the names of forward's positional arguments, their defaults, and those of the keyword-only ones."""
    _, *parameters = inspect.signature(policy.forward).parameters.values()
    positional = [each for each in parameters if each.kind is not each.KEYWORD_ONLY]
    defaults = {each.name: each.default for each in positional if each.default is not each.empty}
    keywords = {each.name: each.default for each in parameters if each.kind is each.KEYWORD_ONLY}
    return [each.name for each in positional], defaults, keywords
