"""Forward mode against reverse mode, and vmap against a loop: nexnet derives both from a rule's backward.

A rule may have a ``jvp`` of its own. It is compared in the same way, with the reverse mode that finite differences have
confirmed; and, since it is differentiated itself, so is the gradient of <w, jvp(f)(v)> with that of <v, vjp(f)(w)>.

With the outputs' cotangents w and a tangent v, at order 1 ``<w, jvp(f)(v)> = <v, vjp(f)(w)>``. From order 2 on the
derivative of a gradient along v is taken forward, and compared with the gradient of its product with v, element by
element: a Hessian is symmetric.

What can't be run so (torch can't batch a kernel; a function looks at values, or leaves torch) is an Obstacle: the
report names it, and says why.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

import nexnet
from nexnet.errors import NexnetError

from .consistency import SMALLER
from .problem import Problem, draw
from .report import Obstacle

__all__ = [
    "Pushed",
    "attempt",
    "forward",
    "forward_text",
    "mapped",
    "own_jvps",
    "push",
    "reverse_over_forward",
    "tangents_by_vjp",
]

FORWARD = (
    "forward mode of {} is not its reverse mode.",
    "jvp is the derivative of backward by the incoming gradient, at zero: backward must be linear in it, also there, "
    "and may not cut it",
)
IN_JVP = "(in the jvp of the nexnet rule"
VMAP = (
    "vmap of {} is not a loop over the examples.",
    "look for what forward or backward does with the storage, the strides or the number of elements of a tensor",
)
LISTED = 64  # outputs this small or smaller: a failure shows the worst element

T = TypeVar("T")


def attempt(what: str, order: int, run: Callable[[], T]) -> T | Obstacle:
    """Run something, or say why it could not be run."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return run()
    except Exception as error:
        text = " ".join(str(error).split())
        signs = ("Batching rule", "vmap", "functorch", "BatchedTensor", "data-dependent", "aten::")
        torchs = not isinstance(error, NexnetError) and any(sign in text for sign in signs)
        torchs = torchs or text.startswith("under vmap ")
        reason = f"{type(error).__name__}: {text if len(text) < 200 else text[:200] + '...'}"
        reason += "".join(f" {note}" for note in getattr(error, "__notes__", ()) if note.startswith(IN_JVP))
        return Obstacle(what, order, reason, torchs)


def own_jvps(problem: Problem) -> list[str]:
    """Name the rules with a jvp of their own that the function calls, as far as a trace shows them."""
    traced = attempt("trace", 1, lambda: nexnet.trace(lambda *x: problem.outputs(x))(*_lite(problem.leaves))[1])
    nodes = [] if isinstance(traced, Obstacle) else traced.nodes
    derived = (None, nexnet.Policy.jvp)
    return list(dict.fromkeys(node.name for node in nodes if getattr(type(node), "jvp", None) not in derived))


def forward_text(own: Sequence[str]) -> tuple[str, str]:
    """Give what is said where forward mode is wrong, and what to look for."""
    if not own:
        return FORWARD
    return (
        f"forward mode of {{}} is not its reverse mode: the jvp of {', '.join(own)} is wrong.",
        "jvp multiplies the tangents by the Jacobian, and adds up those of all arguments; backward, which agrees with "
        "finite differences, multiplies by its transpose. Compare the formulas, or leave jvp out: nexnet derives it",
    )


@dataclass(frozen=True)
class Pushed:
    """The outputs' tangents along one direction of the leaves, and both sides of the equation.

    Attributes:
        direction: of the leaves.
        tangents: one for each output.
        forward: <w, tangents>.
        reverse: <v, gradient>.
        size: of the terms of ``reverse``.
    """

    direction: list[Tensor]
    tangents: list[Tensor]
    forward: Tensor
    reverse: Tensor
    size: float


def push(problem: Problem, gradient: Sequence[Tensor]) -> Pushed:
    """Push a seeded direction forward; what has no derivative is left out of it."""
    generator = torch.Generator().manual_seed(problem.seed * 7919 + 31)
    drawn = [draw(leaf, generator) for leaf in problem.leaves]
    direction = [v.masked_fill(mask, 0.0) for v, mask in zip(drawn, problem.masks, strict=True)]
    _, found = nexnet.jvp(lambda *leaves: problem.outputs(leaves), _lite(problem.leaves), _lite(direction))
    tangents = [each.data for each in found]
    terms = [torch.where(v == 0, 0.0, v * g) for v, g in zip(direction, gradient, strict=True)]
    pushed = [(w * t).double().sum() for w, t in zip(problem.weights, tangents, strict=True)]
    reverse = [term.sum() for term in terms]
    size = float(sum(term.abs().sum() for term in terms))
    return Pushed(direction, tangents, torch.stack(pushed).sum(), torch.stack(reverse).sum(), size)


def tangents_by_vjp(problem: Problem, direction: Sequence[Tensor]) -> list[Tensor] | None:
    """Give the outputs' tangents as reverse mode has them, a row of the Jacobian at a time; None if they are many."""
    outs, pullback = nexnet.vjp(lambda *leaves: problem.outputs(leaves), *_lite(problem.leaves))
    if sum(out.data.numel() for out in outs) > LISTED:
        return None
    tangents = [torch.zeros(out.shape, dtype=out.dtype) for out in outs]
    for i, out in enumerate(tangents):
        for j in range(out.numel()):
            cotangent = [torch.zeros(each.shape, dtype=each.dtype) for each in tangents]
            cotangent[i].view(-1)[j] = 1.0
            row = pullback([nexnet.LiteTensor(each) for each in cotangent])
            terms = [torch.where(v == 0, 0.0, v * g.data).sum() for v, g in zip(direction, row, strict=True)]
            out.view(-1)[j] = torch.stack(terms).sum()
    return tangents


def forward(problem: Problem, order: int) -> list[Tensor]:
    """Give the gradient of an order of at least 2 by forward over reverse, for what the order below followed."""
    below = problem.followed(order - 1)
    gradient = nexnet.grad(problem.scalar(order - 2), argnums=tuple(range(len(below))))
    rest = [nexnet.LiteTensor(each) for each in problem.weights] if order == 2 else []
    _, found = nexnet.jvp(lambda *x: gradient(*x, *rest), _lite(below), _lite(problem.direction(order - 1)))
    return [each.data for each in found]


def reverse_over_forward(problem: Problem) -> list[Tensor]:
    """Give the gradient of order 2 by reverse over forward: that of <w, jvp(f)(v)>, by the leaves and by w."""
    count, direction = len(problem.leaves), _lite(problem.direction(1))

    def along(*followed: nexnet.LiteTensor) -> nexnet.LiteTensor:
        _, tangents = nexnet.jvp(lambda *x: problem.outputs(x), followed[:count], direction)
        total = nexnet.LiteTensor(0.0)
        for weight, tangent in zip(followed[count:], tangents, strict=True):
            total = total + (weight * tangent).sum()
        return total

    followed = problem.followed(2)
    found = nexnet.grad(along, argnums=tuple(range(len(followed))))(*_lite(followed))
    return [each.data for each in found]


def mapped(problem: Problem, order: int) -> tuple[list[Tensor], list[Tensor]]:
    """Give the derivative (and at order 1 the values) of two examples, by vmap and one by one.

    A function that seeds its random numbers draws the same ones for both.
    """
    count = len(problem.leaves)
    scalar = problem.scalar(order - 1)
    gradient = nexnet.grad(scalar, argnums=tuple(range(len(problem.followed(order)))))

    def one(*point: nexnet.LiteTensor) -> list[nexnet.LiteTensor]:
        values = problem.outputs(point[:count]) if order == 1 else []
        return [*values, *gradient(*point)]

    batch = [torch.stack([each, each * SMALLER]) for each in (*problem.leaves, *problem.weights)]
    _warn_of_slow_kernels(False)
    try:
        got = nexnet.vmap(one, randomness="same")(*_lite(batch))
    finally:
        _warn_of_slow_kernels(True)
    alone = [one(*[nexnet.LiteTensor(each[i]) for each in batch]) for i in range(2)]
    return [each.data for each in got], [torch.stack([a.data, b.data]) for a, b in zip(*alone, strict=True)]


def _warn_of_slow_kernels(enabled: bool) -> None:
    """Let torch say, or not, that it batches a kernel by a loop: that is slow, and right."""
    torch._C._functorch._set_vmap_fallback_warning_enabled(enabled)  # type: ignore[attr-defined]


def _lite(tensors: Sequence[Tensor]) -> tuple[nexnet.LiteTensor, ...]:
    return tuple(nexnet.LiteTensor(each) for each in tensors)
