"""Forward mode by a rule of one's own: where a Policy's ``jvp`` stands in for its backward.

A pullback is linear, and ``linearize`` records it on a ``Linearization`` in order to transpose it. A rule without
``jvp`` is recorded as what its backward does; one with ``jvp`` as a single node, whose own backward is that ``jvp``.
Gradients that are recorded for any other purpose, such as a second derivative, are backward's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch

from . import _complaints
from ._nested import map_leaves
from .engine import COMPLEX, DIFFERENTIABLE, Node, TapeContext, TensorBase, make_node, record_composite, unwrap, wrap
from .tape import Tape

__all__ = ["Linearization", "with_jvp"]


class Linearization(Tape):
    """The tape of a pullback that is recorded at cotangents of zero, to be transposed."""


def with_jvp(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Make the backward of a rule that defines ``jvp``: the same, except for cotangents that are being linearised."""

    @functools.wraps(backward)
    def either(self: Any, *grads: Any) -> Any:
        tapes = [tape for tape in TapeContext.active() if isinstance(tape, Linearization)]
        tapes = [tape for tape in tapes if any(_is_tracked(grad, [tape]) for grad in grads)]
        return _transposed(self, grads, tapes) if tapes else backward(self, *grads)

    return either


def _transposed(node: Any, grads: tuple[Any, ...], tapes: list[Any]) -> tuple[Any, ...]:
    """Give gradients of zero, as cotangents of zero have them, from which tangents go back to those of the outputs."""
    found = tuple([None if key is None else wrap(_zero(key, grads)) for key in node.parents])
    cotangents = tuple([grad.key if _is_tracked(grad, tapes) else None for grad in grads])
    call = _Call(type(node), node.parents, node.output)
    saved = (call, *[each.data if isinstance(each, TensorBase) else map_leaves(each, unwrap) for each in node.saved])
    links = None if len(tapes) == len(TapeContext.active()) else (call, *node.saved)
    record_composite(pushforward, cotangents, saved, links, found, tapes)
    return found


def _is_tracked(grad: Any, tapes: list[Any]) -> bool:
    """Say whether one of the tapes tracks a gradient (which may be None)."""
    return isinstance(grad, TensorBase) and any(tape.tracks(grad.key) for tape in tapes)


def _zero(key: Any, grads: tuple[Any, ...]) -> torch.Tensor:
    """Give a tensor of zeros of a key's kind: if there is one, a cotangent's, which are zeros too."""
    for grad in grads:
        if grad is not None and grad.shape == key.shape and grad.dtype is key.dtype and grad.device == key.device:
            data: torch.Tensor = grad.data
            return data
    return torch.zeros((), dtype=key.dtype, device=key.device).expand(key.shape)


class _Call:
    """A call of a rule without what it saved."""

    __slots__ = ("output", "parents", "policy")

    def __init__(self, policy: Any, parents: tuple[Any, ...], output: Any) -> None:
        self.policy, self.parents, self.output = policy, parents, output


class pushforward(Node):
    """The transpose of a rule's backward:  its gradients are the outputs' tangents, by the rule's jvp."""

    __slots__ = ()
    materialize_grads = False

    @classmethod
    def for_complex(cls, complex_output: bool) -> type[Node]:  # noqa: ARG003
        """Say that the rule is its own form for complex tensors: a tangent is pushed by the formula of real numbers."""
        return cls

    def backward(self, *tangents: Any) -> tuple[Any, ...]:
        """Push the tangents of a rule's arguments to its outputs."""
        call, *saved = self.saved
        node: Any = make_node(call.policy, tuple(saved), call.parents, None, call.output)
        try:
            result = node.jvp(*tangents)  # type: ignore[attr-defined]
            found = tuple(result) if isinstance(result, (tuple, list)) else (result,)
            if len(found) != len(node.outputs):
                raise _complaints.wrong_number_of_tangents(node.name, len(node.outputs), len(found))
            return tuple([_fit(each, i, node) for i, each in enumerate(found)])
        except Exception as error:
            if not saved and _complaints.asks_for_saved(error):
                raise _complaints.nothing_saved(node.name, "jvp", error) from error
            error.add_note(f"(in the jvp of the nexnet rule {node.name})")
            raise


def _fit(tangent: Any, i: int, node: Any) -> Any:
    """Give an output's tangent its shape and dtype, where broadcasting and dtype promotion do that."""
    key, data = node.outputs[i], unwrap(tangent)
    if tangent is None or key is None:
        return None
    if not isinstance(data, torch.Tensor):
        raise _complaints.wrong_tangent("jvp returned something that is no tensor.", tangent, node, i)
    if data.device != key.device and data.ndim:  # a number may stand beside tensors of any device, as in torch
        raise _complaints.wrong_tangent("jvp returned a tangent on another device.", data, node, i)
    if data.dtype not in DIFFERENTIABLE or (data.dtype in COMPLEX and key.dtype not in COMPLEX):
        raise _complaints.wrong_tangent("jvp returned a tangent of a dtype that can't be one.", data, node, i)
    if data.device != key.device:
        tangent = tangent.to(key.device)
    if data.shape != key.shape:
        sizes = [1] * (len(key.shape) - data.ndim) + list(data.shape)
        if len(sizes) != len(key.shape) or any(a not in (1, b) for a, b in zip(sizes, key.shape, strict=True)):
            raise _complaints.wrong_tangent("jvp returned a tangent of the wrong shape.", data, node, i)
        tangent = tangent.expand(key.shape)
    return tangent if data.dtype is key.dtype else tangent.to(key.dtype)
