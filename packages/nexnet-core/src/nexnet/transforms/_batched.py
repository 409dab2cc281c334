"""What a vmap has recorded, as what a hand would have written for the batch: rules on tensors with the batch in front.

Where every rule that it called has such a form, its nodes go to the outer tapes as nodes of the batch. The vmap is gone
then: backward, at any order, takes what it takes without one. Where one rule has none, all are packed (``_mapped``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..engine.batched import append_batched, identify, key_of_batch
from ..engine.key import Key
from ..engine.rule import Node
from ..engine.tape import is_tracked
from ..engine.tensor import wrap
from ..ops.shapes.reshaping import reshape
from ..tensor import LiteTensor
from ._forms import Call, Form, form_of, shows_its_operands
from ._segment import Segment

__all__ = ["Batched"]

_reshape: Any = reshape


class Batched:
    """The nodes of a vmap's examples, each as the node of the batch, for the tapes that have recorded it."""

    level: Any
    segment: Segment
    size: int
    keys: dict[Key, Key]  # the batch's, by the example's
    entered: set[Key]
    tensors: dict[Key, Any]  # by the batch's key
    recorders: dict[Key, Any]  # the tapes that track it, by the batch's key
    shapes: dict[torch.Size, torch.Size]  # the batch's, by the example's
    plain: dict[int, Any]  # the batch of what was saved, by its id; None: it is the same for every example
    reshaped: dict[Any, Key]  # by a batch's key, and the dimensions that its examples have then
    calls: list[tuple[Any, ...]]  # what is to be appended to the tapes

    def __init__(
        self, level: Any, inputs: Sequence[LiteTensor], examples: Sequence[LiteTensor], segment: Segment
    ) -> None:
        self.level, self.size, self.segment = level, level.size, segment
        self.keys, self.tensors, self.recorders = {}, {}, {}
        self.shapes, self.plain, self.reshaped = {}, {}, {}
        self.entered, self.calls = set(), []
        for input, example in zip(inputs, examples, strict=True):
            if example.key is not None:
                self.entered.add(example.key)
                self.keys[example.key] = input.key
                self.tensors[input.key] = input
                self.recorders[input.key] = [each for each in segment.tapes if each.tracks(input.key)]

    def holds(self, nodes: list[Node], outs: Sequence[LiteTensor], results: Sequence[LiteTensor]) -> bool:
        """Take all nodes; say whether each has a form, and each output is one that they made."""
        for tape in self.segment.tapes:
            if tape.observers is not None:
                return False  # who looks on sees the vmap
        forms = [form_of(type(node)) for node in nodes]
        if None in forms:
            return False
        where = self.segment.recorders()
        for i in range(len(nodes)):
            if not self.take(nodes[i], forms[i], where[id(nodes[i])]):
                return False
        made = [(result, out.key) for out, result in zip(outs, results, strict=True) if is_tracked(out)]
        for _, key in made:
            if key not in self.keys or key in self.entered:
                return False
        for result, key in made:
            identify(result, self.keys[key])
        return True

    def record(self) -> None:
        """Append the nodes to the tapes."""
        for call in self.calls:
            append_batched(*call)

    def take(self, node: Node, form: Any, tapes: list[Any]) -> bool:
        """Take a node whose rule has a form; say whether this call has one."""
        saved, links, keys = node.saved, node.links, self.keys
        if links is not None and (type(links) is not tuple or len(links) != len(saved)):
            return False
        mapped = [key in keys for key in node.parents]
        values = [self.value(value) if isinstance(value, Tensor) else None for value in saved]
        differs = [value is not None for value in values]
        if type(form) is not Form:
            form = form(Call(node, self.size, saved, mapped, differs))
        if form is None:
            return False
        if True not in mapped and True not in differs:
            if not shows_its_operands(node, form):
                return False
            self.calls.append((node, type(node), saved, node.parents, links, node.output, node.exact, True, tapes))
            return True
        output = self.output(node, tapes)  # first: it may be among what was saved
        parents = [keys.get(key, key) for key in node.parents]
        ndim = 0
        if form.aligned:
            ndim = len(node.output.shape)
            parents = [self.parent(key, ndim) for key in node.parents]
            values = [None if each is None else self.aligned(each, ndim) for each in values]
        saved = tuple([saved[i] if values[i] is None else values[i] for i in range(len(saved))])
        if links is not None:
            links = tuple([self.link(links[i], saved[i], differs[i], ndim) for i in range(len(links))])
        if form.saved is not None:
            saved, links = form.saved(*saved), None if links is None else form.saved(*links)
        if form.order is not None:
            parents = [parents[i] if i < len(parents) else None for i in form.order]
        same = True
        for i in range(len(node.parents)):
            same = same and (node.parents[i] is None or mapped[i])
        self.calls.append((
            node, form.policy or type(node), saved, tuple(parents), links,
            output, node.exact and (same or form.fits), same, tapes,
        ))  # fmt: skip
        return True

    def output(self, node: Node, tapes: list[Any]) -> Any:
        """Give the key, or the keys, of what the call on the batch makes."""
        if type(node.output) is tuple:
            return tuple([None if key is None else self.batch_of(key, tapes) for key in node.output])
        return self.batch_of(node.output, tapes)

    def batch_of(self, key: Key, tapes: list[Any]) -> Key:
        """Give the key of the batch of what has the key."""
        shape = self.shapes.get(key.shape)
        if shape is None:
            shape = self.shapes[key.shape] = torch.Size((self.size, *key.shape))
        made = self.keys[key] = key_of_batch(key, shape, tapes[0])
        self.recorders[made] = tapes
        return made

    def parent(self, key: Key | None, ndim: Any) -> Key | None:
        """Give the key of an argument of the batch's call, whose examples have no fewer dimensions than is said."""
        if key is None or key not in self.keys:
            return key
        batch = self.keys[key]
        if len(key.shape) >= ndim:
            return batch
        if (batch, ndim) not in self.reshaped:
            tapes = self.recorders[batch]
            shape = torch.Size((self.size, *[1] * (ndim - len(key.shape)), *key.shape))
            made = self.reshaped[batch, ndim] = key_of_batch(key, shape, tapes[0])
            self.calls.append((None, _reshape.policy, (batch.shape,), (batch,), None, made, False, False, tapes))
        return self.reshaped[batch, ndim]

    def value(self, data: Any) -> Any:
        """Give the batch of what a call has saved; None if it is the same for every example."""
        found = self.plain.get(id(data), self)
        if found is self:
            found = self.plain[id(data)] = self.level.leave(data) if self.level.holds(data) else None
        return found

    def aligned(self, data: Any, ndim: Any) -> Any:
        """Give a batch whose examples have no fewer dimensions than is said: further ones, of size 1."""
        return data if data.ndim > ndim else data.reshape(self.size, *[1] * (ndim + 1 - data.ndim), *data.shape[1:])

    def link(self, link: Any, value: Any, differs: bool, ndim: Any) -> Any:
        """Give what the outer tapes know a saved value by."""
        key = link.key if isinstance(link, LiteTensor) else None
        if key is None or key not in self.keys:
            return wrap(value) if differs else link
        batch: Any = self.parent(key, ndim)
        if batch not in self.tensors:
            self.tensors[batch] = wrap(value)
            identify(self.tensors[batch], batch)
        return self.tensors[batch]
