"""A gradient is sent as soon as it is final, while the backward loop goes on."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch

import nexnet
from nexnet.engine import Observer, Turn, is_recording, looking_on
from nexnet.engine.tape import tracks

from .averaging import BUCKET_BYTES, Buckets, average
from .processes import size

__all__ = ["value_and_grad"]


def value_and_grad(
    fn: Callable[..., Any], has_aux: bool = False, *, bucket_bytes: int = BUCKET_BYTES
) -> Callable[..., tuple[Any, Any]]:
    """Make a function that gives ``fn``'s value and the mean over the processes of its gradient.

    As ``nexnet.value_and_grad`` by the first argument, followed by ``average``; but what is sent is on its way while
    the backward loop goes on: the gradient of a parameter is final when the loop has passed its first use. The value is
    this process's own. The gradient has the structure and the shapes of the first argument.

    Args:
        fn: a function of a pytree, and of anything else, that returns a LiteTensor, or ``(LiteTensor, aux)``.
        has_aux: whether it returns something beside the output.
        bucket_bytes: how much goes in one collective.

    Raises:
        ParallelError: a process has left the run.
        InputError: no function; as ``nexnet.value_and_grad`` of arguments and outputs.

    Example::

        value, gradients = nn.parallel.value_and_grad(loss)(model, x, y)
    """
    plain = nexnet.value_and_grad(fn, has_aux=has_aux)

    @functools.wraps(fn)
    def wrapper(tree: Any, /, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        if size() == 1:
            return plain(tree, *args, **kwargs)
        if is_recording():  # a gradient that is itself differentiated goes through average's own rule
            result, grads = plain(tree, *args, **kwargs)
            return result, average(grads, bucket_bytes)
        sender = _Sender(bucket_bytes)

        @functools.wraps(fn)
        def told(tree: Any, *args: Any, **kwargs: Any) -> Any:
            sender.expect(nexnet.tree.leaves(tree))
            return fn(tree, *args, **kwargs)

        with looking_on(sender):
            result, grads = nexnet.value_and_grad(told, has_aux=has_aux)(tree, *args, **kwargs)
        leaves, structure = nexnet.tree.flatten(grads)
        return result, nexnet.tree.unflatten(structure, sender.finish(leaves))

    return wrapper


class _Sender(Observer):
    """Follows one backward loop, and sends the gradients by given tensors as they become final."""

    def __init__(self, bucket_bytes: int) -> None:
        self._bucket_bytes = bucket_bytes
        self._keys: list[Any] = []
        self._final: dict[int, list[int]] | None = None  # by the index of a tensor's first use

    def expect(self, leaves: list[Any]) -> None:
        """Learn which tensors it is about."""
        self._keys = [each.key for each in leaves]
        self._sent = [False] * len(leaves)
        self._buckets = Buckets(leaves, self._bucket_bytes)

    def turned(self, tape: Any, turn: Turn) -> None:
        """Send what the loop has passed the first use of: it comes to this node, and all before is added up."""
        if turn.returned is not None or not self._keys or not tracks(tape, self._keys[0]):
            return
        if self._final is None:
            self._plan([*tape.nodes, turn.node] if len(tape.nodes) == turn.index else tape.nodes)
        for index in sorted((each for each in self._final or () if each > turn.index), reverse=True):
            for i in self._final.pop(index):  # type: ignore[union-attr]
                grad = turn.sums.get(self._keys[i])
                if grad is not None:
                    self._send(i, grad)

    def _plan(self, nodes: list[Any]) -> None:
        places = {key: i for i, key in enumerate(self._keys)}
        self._final = {}
        for index, node in enumerate(nodes):
            for key in node.parents:
                i = places.pop(key, None) if key is not None else None
                if i is not None:
                    self._final.setdefault(index, []).append(i)

    def _send(self, i: int, grad: Any) -> None:
        self._sent[i] = True
        with torch.no_grad():
            self._buckets.give(i, getattr(grad, "data", grad))

    def finish(self, grads: list[Any]) -> list[Any]:
        """Send what is left: by tensors that the first node has used, or none; give all means."""
        for i in reversed(range(len(grads))):
            if not self._sent[i]:
                self._send(i, grads[i].data)
        return [nexnet.LiteTensor(each) for each in self._buckets.finish()]
