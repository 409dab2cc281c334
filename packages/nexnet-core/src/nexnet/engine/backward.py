"""The backward loop: from the outputs' gradients to the inputs', through the tape in reverse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from . import autocast
from .alone import private
from .debug import CHECKED
from .fitting import call_backward, fitted
from .higher_orders import asked_for, differentiable
from .in_place import InPlace
from .key import zeros
from .rule import Node
from .tape import TapeBase, active_tapes, this_thread, tracks
from .tensor import version_of, wrap

_torchs_transform: Callable[[], Any] = torch._C._functorch.peek_interpreter_stack  # None outside of torch.func's


def backward(tape: TapeBase, grads: dict[Any, Any], consume: bool = True) -> dict[Any, Any]:
    """Go through the tape in reverse; give the gradients, by key, of the tensors that no node of it has made.

    ``grads`` holds the seeds, ``{key: gradient}``, and is used up. While another tape is active the gradients are
    LiteTensors and each rule's backward is itself recorded; otherwise they are torch tensors. ``consume`` drops each
    node as the loop passes it.
    """
    go_back(tape, grads, consume, None)
    return grads


def go_back(tape: TapeBase, grads: dict[Any, Any], consume: bool, products: dict[Any, Any] | None) -> None:
    """Go through the tape as ``backward`` does.

    Of each key in ``products``, one product of low rank is put there, and not into ``grads``.
    """
    if autocast.is_on():  # each rule says itself what its gradients' dtypes are
        with autocast.at_rest():
            go_back(tape, grads, consume, products)
        return
    thread = this_thread()
    before, overrides = thread.inside_rule, thread.overrides
    recorded = len(active_tapes()) > 0
    observers = tape.observers
    own: InPlace | None = None
    if recorded:
        thread.inside_rule = True
    elif observers is not None:
        pass  # who looks on sees each rule's own backward
    elif thread.mapped == 0 and not CHECKED and _torchs_transform() is None:
        own = InPlace(tape, grads, products)
    thread.overrides = None  # they reach what the user's code calls, and not what rules do
    try:
        if observers is None:
            _loop(tape, grads, consume, recorded, own)
        else:
            observers.go_back(tape, grads, consume, recorded)
    finally:
        thread.inside_rule, thread.overrides = before, overrides


def _loop(tape: TapeBase, grads: dict[Any, Any], consume: bool, recorded: bool, own: InPlace | None) -> None:
    """The algorithm. ``own`` does the same faster where it may; without it, everything is done here."""
    nodes = tape.nodes
    for i in range(len(nodes) - 1, -1, -1):
        node = nodes.pop() if consume else nodes[i]
        grad = _incoming(node, grads, recorded)
        if grad is None or (own is not None and own.goes_through(node, grad)):
            continue
        if recorded:
            node = differentiable(node, tape)
        elif node.links is not None and not node.foreign:  # on other tapes, too
            node = asked_for(node, tape)
        result = call_backward(node, grad, own is not None)
        for j in range(len(result)):  # trailing Nones may have been left out
            key = node.parents[j]
            grad = result[j]
            if key is None or grad is None or not tracks(tape, key):
                continue
            if own is not None:
                own.accumulate(key, grad, node)
                continue
            grad = fitted(grad, node, key, recorded)
            total = grads.get(key)
            grads[key] = grad if total is None else total + grad
        grad = result = total = None  # type: ignore[assignment]  # not kept while the next rule works


def _incoming(node: Node, grads: dict[Any, Any], recorded: bool) -> Any:
    """Take the gradient of a node's output, or one per output; None if none of them was used."""
    lends = node.foreign  # a rule of the user's might write into it
    if type(node.output) is not tuple:
        return private([grads.pop(node.output, None)]) if lends else grads.pop(node.output, None)
    outputs = node.output
    found = []
    used = False
    for key in outputs:
        grad = None if key is None else private([grads.pop(key, None)]) if lends else grads.pop(key, None)
        used = used or grad is not None
        found.append(grad)
    if not used:
        return None
    if node.materialize_grads:  # type: ignore[attr-defined]
        for i in range(len(outputs)):
            if found[i] is None and outputs[i] is not None:
                found[i] = wrap(zeros(outputs[i])) if recorded else zeros(outputs[i])
    return tuple(found)


def incoming_of(node: Node, grads: dict[Any, Any], recorded: bool) -> Any:
    """Take the gradient of a node's output as the loop does: for who goes through a tape in another way."""
    return _incoming(node, grads, recorded)


def saved_versions(tape: TapeBase) -> list[int]:
    """Give how often each tensor that the tape's rules saved has been written into, in the order of the nodes."""
    versions: list[int] = []
    for node in tape.nodes:
        versions += [version_of(each) for each in node._saved if type(each) is Tensor]
    return versions
