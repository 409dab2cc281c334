"""Higher orders: how what a rule saved is itself differentiated.

Two or more tapes record a call: the outer ones will differentiate the inner one's backward, and so what the rule saved
must itself be a function of the inputs on them. Inputs and outputs are linked to the LiteTensors that they are. Where a
rule saved an intermediate, its forward is run on LiteTensors, which the outer tapes record.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .. import _complaints
from .._complaints import NoLinks
from .._nested import leaves_of, map_leaves
from .._random_state import RandomState
from .attributes import dtype_of
from .context import TapeContext
from .key import DIFFERENTIABLE
from .operands import PLAIN, constant, wrap_all
from .rule import Node, make_node
from .tape import TapeBase, this_thread, tracks
from .tensor import TensorBase, unwrap, wrap, wrap_constant

_CONSTANTS = PLAIN - {float, complex}  # what can't vary smoothly with an input


def call_nested(
    operator: Any,
    node: Node,
    args: tuple[Any, ...],
    data: list[Any],
    kwargs: dict[str, Any],
    recorders: list[TapeBase],
) -> tuple[Node, Any]:
    """Call a rule that more than one tape will record; give its node, linked to the outer tapes, and the result."""
    obstacle = None
    if not operator.leaf:
        outer = recorders[: len(recorders) - 1]
        marks = [len(tape) for tape in outer]
        try:
            out = _trace(operator, node, args, kwargs, outer, marks)
        except Exception as error:  # forward on torch tensors will either work or raise it again
            obstacle = error
        else:
            return node, _leave_trace(operator, node, args, out, outer, marks)
        node = make_node(operator.policy, (), node.parents, None, None)

    # Two arguments that share one torch tensor, or an output that is an argument, must be told apart when saved.
    for i in range(1, len(args)):
        if isinstance(args[i], TensorBase):
            for j in range(i):
                if data[i] is data[j] and args[i] is not args[j]:
                    data[i] = data[i].detach()
                    break
    out = map_leaves(node.forward(*data, **kwargs), lambda each: _detach_inputs(each, data))  # type: ignore[attr-defined]
    result = wrap_all(out, operator.name)
    raws, lites = [*data, *leaves_of(out)], [*args, *leaves_of(result)]
    node.links = _link_flat(node._saved, raws, lites, obstacle is None)
    if node.links is None:
        node.links = map_leaves(node._saved, lambda each: _link(each, raws, lites))
        given = (*args, *kwargs.values())
        unlinked = [each for each in leaves_of(node.links) if _may_hide_inputs(each, given, obstacle)]
        if unlinked:
            node.links = NoLinks(operator.name, unlinked[0], obstacle, operator.leaf)
    return node, result


def differentiable(node: Node, tape: TapeBase) -> Node:
    """Give the node with what it saved as LiteTensors, so that the active tapes record its backward."""
    links = node.links
    if isinstance(links, NoLinks):
        raise links.error()
    saved = map_leaves(node._saved, wrap_constant) if links is None else links
    return _of_tape(node, tape, saved)


def asked_for(node: Node, tape: TapeBase) -> Node:
    """Give a node that other tapes have too as it is on this one: no gradient is computed that nobody takes."""
    for key in node.parents:
        if key is not None and not tracks(tape, key):
            return _of_tape(node, tape, node._saved)
    return node


def _of_tape(node: Node, tape: TapeBase, saved: tuple[Any, ...]) -> Node:
    """Give the node with the parents that the tape differentiates by."""
    parents = tuple([key if tape.tracks(key) else None for key in node.parents])
    found = make_node(type(node), saved, parents, None, node.output, node.exact)
    found.foreign = node.foreign
    return found


# Forward on LiteTensors -----------------------------------------------------------------------------------------------


def _trace(
    operator: Any,
    node: Node,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    outer: list[TapeBase],
    marks: list[Any],
) -> Any:
    """Run forward, once, on LiteTensors that the outer tapes record: intermediates are then functions of them."""
    random_state = RandomState((*args, *kwargs.values()))
    thread = this_thread()
    before, overrides = thread.inside_rule, thread.overrides
    thread.inside_rule, thread.overrides = True, None
    try:
        with TapeContext.only(outer):
            inputs = [
                arg if isinstance(arg, TensorBase) or type(arg) in PLAIN else constant(arg, operator.name, args)
                for arg in args
            ]
            return node.forward(*inputs, **kwargs)  # type: ignore[attr-defined]
    except BaseException:
        for tape, mark in zip(outer, marks, strict=True):
            tape.forget(mark)
        random_state.restore()
        raise
    finally:
        thread.inside_rule, thread.overrides = before, overrides


def _leave_trace(
    operator: Any, node: Node, args: tuple[Any, ...], out: Any, outer: list[TapeBase], marks: list[Any]
) -> Any:
    """Give the outputs of a traced forward an identity of their own: from here on their gradient is the rule's."""
    inside = [each for tape, mark in zip(outer, marks, strict=True) for each in tape.nodes[mark:]]
    fresh = {key for each in inside for key in each.outputs}
    own = {*fresh, *(arg.key for arg in args if isinstance(arg, TensorBase)), None}
    if any(not own.issuperset(each.parents) for each in inside):
        raise _complaints.no_output(operator.name, None, True)
    renamed: list[tuple[Any, Any]] = []

    def leave(each: Any) -> Any:
        if not isinstance(each, TensorBase):
            return wrap_all(each, operator.name)
        if each.key is not None and each.key in fresh:
            return _forget_key(each)
        alias = wrap(each.data.detach())
        if not any(each is arg for arg in args):
            renamed.append((each, alias))
        return alias

    result = map_leaves(out, leave)
    node.links = map_leaves(node._saved, lambda each: next((new for old, new in renamed if old is each), each))
    node._saved = map_leaves(node.links, unwrap)
    kept = leaves_of(node.links)
    if not any(callable(each) or (isinstance(each, TensorBase) and each.key in fresh) for each in kept):
        for tape, mark in zip(outer, marks, strict=True):
            tape.forget(mark)  # nothing refers to what forward computed on its way
    return result


def _forget_key(tensor: TensorBase) -> TensorBase:
    tensor.key = None
    return tensor


# Inputs and outputs among what was saved ------------------------------------------------------------------------------


def _detach_inputs(out: Any, data: list[Any]) -> Any:
    """Give an output that is an argument's own tensor as another tensor of the same storage."""
    for each in data:
        if each is out and isinstance(out, Tensor):
            return out.detach()
    return out


def as_linked(arg: Any, data: Any) -> Any:
    """Give what outer tapes know an operand by: a LiteTensor as itself, a torch tensor as a constant."""
    return arg if isinstance(arg, TensorBase) else wrap_constant(data)


def _link_flat(saved: tuple[Any, ...], raws: list[Any], lites: list[Any], numbers: bool) -> Any:
    """Link what rules usually save, inputs, outputs and constants; give None if there is anything else."""
    links = []
    for value in saved:
        if type(value) is Tensor:
            link = _link(value, raws, lites)
            if link is value:
                return None
            links.append(link)
        elif type(value) in (PLAIN if numbers else _CONSTANTS) or type(value) is torch.Size:
            links.append(value)
        else:
            return None
    return tuple(links)


def _link(value: Any, raws: list[Any], lites: list[Any]) -> Any:
    """Give the LiteTensor that a saved torch tensor is; a tensor that can't carry a gradient is a constant."""
    for i in range(len(raws)):
        if raws[i] is value:
            return as_linked(lites[i], value)
    return wrap(value) if isinstance(value, Tensor) and dtype_of(value) not in DIFFERENTIABLE else value


def _may_hide_inputs(value: Any, given: tuple[Any, ...], obstacle: Exception | None) -> bool:
    """Say whether a saved value may be a function of the inputs that nexnet can't see."""
    if isinstance(value, TensorBase) or type(value) in _CONSTANTS or any(value is each for each in given):
        return False
    # A number may have come from item(): then forward, when it was traced, met an obstacle.
    return obstacle is not None or not isinstance(value, (float, complex))
