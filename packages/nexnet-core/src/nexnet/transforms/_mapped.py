"""How vmap is recorded: what a batch of examples did becomes nodes of the batch on the outer tapes, or one node.

Nodes of the batch, where each rule has a form for it: see ``_batched``. All else is packed, as follows.

Inside of a vmap torch's tensors are batched: they look like one example, and are of use only there. When the vmap
ends, the nodes that the outer tapes recorded inside of it are taken off and packed into one composite node, with what
they had saved unbatched. Its backward enters a vmap again and goes through the packed nodes. If that is itself
recorded, for a higher order, it is packed in the same way: nothing else is needed for any order and any nesting.

Gradients of a tensor that was the same for every example (closed over, or not mapped) are summed over the batch.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Sequence
from typing import Any

import optree
import torch
from torch import Tensor
from torch._functorch.vmap import (  # type: ignore[attr-defined]
    lazy_load_decompositions,
    vmap_increment_nesting,
)

from .._nested import map_leaves
from ..engine import (
    Key,
    Node,
    TapeBase,
    TapeContext,
    backward,
    is_tracked,
    kernels_only,
    make_node,
    mapping,
    record_composite,
    unwrap,
    wrap,
)
from ..errors import InputError, message
from ..policy import Policy
from ..tape import Tape
from ..tensor import LiteTensor
from ._batched import Batched
from ._evaluate import NAMESPACE, by_key
from ._segment import Segment, made_by
from ._shares import sharing

_functorch = torch._C._functorch


class _Level:
    """One vmap at work: puts tensors with the batch in front into it, and takes them out of it."""

    def __init__(self, level: int, size: int) -> None:
        self.level, self.size = level, size

    def enter(self, data: Tensor) -> Tensor:
        return _functorch._add_batch_dim(data, 0, self.level)

    def leave(self, data: Tensor) -> Tensor:
        return _functorch._remove_batch_dim(data, self.level, self.size, 0)

    def holds(self, data: Tensor) -> bool:
        return _functorch.maybe_get_level(data) == self.level  # type: ignore[no-any-return]


def run_mapped(
    body: Callable[[list[LiteTensor]], Sequence[LiteTensor]], inputs: Sequence[LiteTensor], size: int, randomness: str
) -> list[LiteTensor]:
    """Run ``body`` on one example of the inputs, for all at once; give its outputs with the batch in front.

    The inputs have the batch in front; what ``body`` closes over is the same for every example.
    """
    lazy_load_decompositions()
    record: Callable[[], None] = _nothing
    with Segment() as segment, kernels_only(), mapping(), vmap_increment_nesting(size, randomness) as number:
        level = _Level(number, size)
        examples = [wrap(level.enter(each.data)) for each in inputs]
        for each, example in zip(inputs, examples, strict=True):
            for tape in segment.tapes:
                if tape.tracks(each.key):
                    tape.watch(example)
        outs = body(examples)
        results = [wrap(level.leave(each.data)) for each in outs]
        concerned = [tape for tape in segment.tapes if any(tape.tracks(each.key) for each in outs)]
        if concerned:
            nodes = segment.nodes()
            batched = Batched(level, inputs, examples, segment)
            if batched.holds(nodes, outs, results):
                record = batched.record
            else:
                packed = _Packing(level, inputs, examples, nodes, outs, results, randomness)
                record = functools.partial(packed.record, concerned)
    record()
    return results


def _nothing() -> None:
    pass


class _Slot:
    """The place of a tensor in what a node had saved."""

    def __init__(self, index: int, as_tensor: bool) -> None:
        self.index = index
        self.as_tensor = as_tensor  # it was a LiteTensor itself: in the closure of a traced custom_grad


_ATOMS = frozenset({int, float, bool, str, type(None), torch.dtype, torch.device})
_SAVED, _FLAT = _ATOMS | {Tensor}, _ATOMS | {_Slot}  # what a rule has mostly saved, and what is packed of it


class _Closure:
    """A saved function (a custom_grad's backward, say), with slots for the tensors that it closes over."""

    def __init__(self, fn: types.FunctionType, pack: Callable[[Any], Any]) -> None:
        self.fn = fn
        self.trees = []
        for content in (fn.__defaults__, fn.__kwdefaults__, *(cell.cell_contents for cell in fn.__closure__ or ())):
            leaves, treespec = optree.tree_flatten(content, namespace=NAMESPACE)
            self.trees.append((treespec, [pack(leaf) if leaf is not fn else leaf for leaf in leaves]))

    def rebuild(self, fill: Callable[[Any], Any]) -> types.FunctionType:
        fn = self.fn
        defaults, keyword_defaults, *contents = [
            optree.tree_unflatten(spec, [fill(x) for x in leaves]) for spec, leaves in self.trees
        ]
        cells = tuple(types.CellType(content) for content in contents)
        made = types.FunctionType(fn.__code__, fn.__globals__, fn.__name__, defaults, cells)
        made.__kwdefaults__ = keyword_defaults
        return made


def _attributes(value: Any) -> list[Tensor]:
    """Give the tensors that an object, the object of a method, or a partial function holds."""
    if isinstance(value, functools.partial):
        held: Any = (value.args, value.keywords)
    else:
        owner = value.__self__ if isinstance(value, types.MethodType) else value
        held = (owner if owner is not value else None, getattr(owner, "__dict__", None))
    leaves = optree.tree_leaves(held, namespace=NAMESPACE)
    return [unwrap(leaf) for leaf in leaves if isinstance(leaf, (LiteTensor, Tensor))]


class _Packing:
    """Nodes that were recorded inside of a vmap, with nothing batched left in them."""

    def __init__(
        self,
        level: _Level,
        inputs: Sequence[LiteTensor],
        examples: Sequence[LiteTensor],
        nodes: list[Node],
        outs: Sequence[LiteTensor],
        results: Sequence[LiteTensor],
        randomness: str,
    ) -> None:
        self.level, self.inputs, self.randomness = level, inputs, randomness
        self.entered = {each.key: i for i, each in enumerate(examples) if each.key is not None}
        self.inside = made_by(nodes)
        self.slots: list[Tensor] = []
        self.mapped: list[bool] = []  # for each slot, whether it has the batch in front
        self.links: list[Any] = []  # for each slot, the LiteTensor that it is to the outer tapes
        self.linked = False  # whether anything is more than a constant to them
        self.obstacle: Any = None  # why what was saved can't be differentiated again
        self.places: dict[int, int] = {}
        self.alive: list[Any] = []  # what `places` knows by id
        self.outputs: list[tuple[Key, bool, LiteTensor]] = [
            (out.key, True, result) for out, result in zip(outs, results, strict=True) if is_tracked(out)
        ]
        self.hidden: dict[Key, LiteTensor] = {}
        self.nodes = [(type(node), node.parents, node.output, node.exact, self.pack(node)) for node in nodes]
        wanted = [key for node in nodes for key in node.parents]
        wanted += [key for key, *_ in self.outputs]
        self.outside = [k for k in dict.fromkeys(wanted) if k is not None and k not in self.inside]

    def pack(self, node: Node) -> Any:
        """Give what a node saved with slots for its tensors."""
        links = node.links
        if links is not None and not isinstance(links, tuple):
            self.obstacle, links = links, None
        return self.pack_values(node.saved, links)

    def pack_values(self, values: Any, links: Any) -> Any:
        counterparts: list[Any] = []
        if links is not None:
            self.linked = True
            map_leaves(links, counterparts.append)
        ahead = iter(counterparts)
        if type(values) is tuple and _SAVED.issuperset(map(type, values)):
            return tuple([None if each is None else self.pack_leaf(each, next(ahead, None)) for each in values])
        return map_leaves(values, lambda value: self.pack_leaf(value, next(ahead, None)))

    def pack_leaf(self, value: Any, link: Any = None) -> Any:
        if isinstance(value, Tensor):
            return _Slot(self.place(value, link), False)
        if type(value) in _ATOMS:
            return value
        if isinstance(value, types.FunctionType) and (value.__closure__ or value.__defaults__ or value.__kwdefaults__):
            return _Closure(value, self.pack_leaf)
        if isinstance(value, LiteTensor):
            self.linked = True
            return _Slot(self.place(value.data, value), True)
        unreachable = [key for key in getattr(value, "closed_over", ()) if key in self.inside or key in self.entered]
        unreachable += [data for data in _attributes(value) if self.level.holds(data)]
        if unreachable:
            raise InputError(
                message(
                    "vmap can't follow a tensor that a function given to checkpoint, custom_root or custom_fixed_point "
                    "takes from a global or an object.",
                    got=f"a tensor of shape {tuple(unreachable[0].shape)}",
                    remedy="pass it to that function as an argument",
                )
            )
        return value

    def place(self, data: Tensor, link: Any) -> int:
        """Give the slot of a tensor, out of the vmap, beside the LiteTensor that it is to the outer tapes."""
        identity = id(data if link is None else link)
        if identity not in self.places:
            self.places[identity] = len(self.slots)
            self.alive.append((data, link))
            mapped = self.level.holds(data)
            plain = self.level.leave(data) if mapped else data
            self.slots.append(plain)
            self.mapped.append(mapped)
            if self.obstacle is None:
                self.links.append(self.link(plain, mapped, link))
        return self.places[identity]

    def link(self, plain: Tensor, mapped: bool, link: Any) -> Any:
        key = link.key if isinstance(link, LiteTensor) else None
        if key is None:
            return wrap(plain)
        if key in self.entered:
            return self.inputs[self.entered[key]]
        if key not in self.inside:
            return wrap(plain) if mapped else link
        if key not in self.hidden:  # made inside: the node gives it as a further output
            self.hidden[key] = wrap(plain)
            self.outputs.append((key, mapped, self.hidden[key]))
        return self.hidden[key]

    def record(self, tapes: list[TapeBase]) -> None:
        """Append the composite node to the tapes."""
        parents = tuple(self.inputs[self.entered[k]].key if k in self.entered else k for k in self.outside)
        program = _Program(self)
        links = self.obstacle
        if links is None and self.linked:
            links = (program, *self.links)
        outputs = tuple(each for *_, each in self.outputs)
        record_composite(mapped_nodes, parents, (program, *self.slots), links, outputs, tapes)


class _Program:
    """What a composite node needs beside its tensors: the packed nodes, and where gradients come from and go to."""

    def __init__(self, packing: _Packing) -> None:
        self.size, self.randomness = packing.level.size, packing.randomness
        self.nodes, self.mapped = packing.nodes, packing.mapped
        self.outputs = [(key, mapped) for key, mapped, _ in packing.outputs]
        self.outside = packing.outside
        self.is_mapped = [key in packing.entered for key in packing.outside]
        self.same = {key for key, mapped in zip(self.outside, self.is_mapped, strict=True) if not mapped}
        self.tracked = {*packing.inside, *packing.outside}

    def tape(self, tensors: list[LiteTensor], recorded: bool) -> Tape:
        """Make the tape of the packed nodes, with their tensors in place."""
        tape = Tape()
        tape.track(self.tracked)
        for policy, parents, output, exact, saved in self.nodes:
            links = _filled(saved, tensors, True) if recorded else None
            plain = _filled(saved, tensors, False)
            policy = policy if recorded else sharing(policy, parents, self.same)
            tape.nodes.append(make_node(policy, plain, parents, links, output, exact))
        return tape


def _filled(saved: Any, tensors: list[LiteTensor], lite: bool) -> Any:
    """Give what a node had saved, with tensors in its slots."""
    if type(saved) is tuple and _FLAT.issuperset(map(type, saved)):  # as most are: no tree to go through
        return tuple([_fill(tensors, lite, each) for each in saved])
    return map_leaves(saved, functools.partial(_fill, tensors, lite))


def _fill(tensors: list[LiteTensor], lite: bool, value: Any) -> Any:
    """Give what stands in a slot, as a LiteTensor or as the torch tensor in it."""
    if isinstance(value, _Slot):
        tensor = tensors[value.index]
        return tensor if lite or value.as_tensor else tensor.data
    return value.rebuild(functools.partial(_fill, tensors, lite)) if isinstance(value, _Closure) else value


class mapped_nodes(Policy):
    """What a vmap did, as one node:  its gradient is the vmap of the packed nodes' gradients."""

    materialize_grads = False

    def forward(self, *args: Any) -> Any:
        raise NotImplementedError("a vmap is recorded as a whole, after it has run")

    def backward(self, *grads: Any) -> Any:
        program, *values = self.ctx.release
        recorded = TapeContext.current() is not None
        tensors = [each if isinstance(each, LiteTensor) else wrap(each) for each in values]
        seeds = []
        for (key, mapped), grad in zip(program.outputs, grads, strict=True):
            if grad is not None:
                grad = grad if isinstance(grad, LiteTensor) else wrap(grad)
                # What is the same for every example has one gradient, not one each: each gets its share of it.
                seeds.append((key, mapped, grad if mapped else grad / program.size))
        entering = [i for i, mapped in enumerate(program.mapped) if mapped]
        inputs = [tensors[i] for i in entering] + [grad for _, mapped, grad in seeds if mapped]
        found: list[int] = []

        def body(examples: list[LiteTensor]) -> list[LiteTensor]:
            ahead = iter(examples)
            local = list(tensors)
            for i in entering:
                local[i] = next(ahead)
            start = by_key((key, next(ahead) if mapped else grad) for key, mapped, grad in seeds)
            totals = backward(program.tape(local, recorded), start)
            found[:] = [i for i, key in enumerate(program.outside) if key in totals]
            outs = [totals[program.outside[i]] for i in found]
            return [each if isinstance(each, LiteTensor) else wrap(each) for each in outs]

        results = run_mapped(body, inputs, program.size, program.randomness)
        out: list[Any] = [None] * len(program.outside)
        for i, result in zip(found, results, strict=True):
            if program.is_mapped[i]:
                out[i] = result
            elif recorded or not _is_repeated(result.data):
                out[i] = result.sum(0)
            else:
                out[i] = result[0] * program.size
        return tuple(out)


def _is_repeated(data: Tensor) -> bool:
    """Say whether the examples of a batch are one and the same memory."""
    return data.shape[0] > 1 and data.stride(0) == 0


mapped_nodes.__name__ = "vmap"
