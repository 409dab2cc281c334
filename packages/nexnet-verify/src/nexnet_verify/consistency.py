"""What a rule must agree with by itself: nothing written into, the same twice, any subset of inputs, any strides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

import nexnet

from .problem import Problem

__all__ = ["kept_outputs", "shared_gradient", "snapshot", "strided", "subsets", "two_calls"]

SMALLER = 1 - 2**-6  # another point, as a part of the first: inside of the domain, and on the same side of kinks
IN_PLACE = "a method that ends in _ (or out=) was used on an argument, or on what ctx.save kept"
NOT_DETERMINISTIC = (
    "the gradient of {} is not the same twice.",
    "draw random numbers once, in forward, and keep them with ctx.save; or seed a generator inside of the function",
)
WRITES_GRADIENT = (
    "the backward of {} writes into the incoming gradient, which other rules share.",
    "make a new tensor: grad * x, not grad.mul_(x)",
)
WRITES_OUTPUT = (
    "the backward of {} writes into its output, which the user holds.",
    "make a new tensor: what ctx.release gives belongs to others too",
)
IN_TORCH = (
    "{} has another derivative in PyTorch.",
    "PyTorch takes what forward has made and saved for a constant, nexnet for a function of the arguments: save an "
    "argument or an output, and compute it from that in backward",
)
SUBSET = (
    "the gradient of {} by one input alone is not that by all.",
    "look at ctx.needs_input_grad: what is saved for one gradient may be missing for another",
)
TWO_CALLS = (
    "the gradients of two calls of {} are not those of each alone.",
    "what backward needs goes through ctx.save, and each call's gradients into memory of their own: nothing global",
)
STRIDED = (
    "the gradient of {} depends on its input's strides.",
    "use reshape in place of view, and index by dimension, not by memory",
)


def snapshot(problem: Problem) -> list[Tensor]:
    """Copy everything that a rule might write into."""
    constants = [each for each in problem.constants.values() if isinstance(each, (nexnet.LiteTensor, Tensor))]
    tensors = [*problem.leaves, *(each.data if isinstance(each, nexnet.LiteTensor) else each for each in constants)]
    return [each.clone() for each in tensors]


def shared_gradient(problem: Problem) -> tuple[list[Tensor], list[Tensor]]:
    """Give the gradient of other tensors that are added to the outputs, and what it must be: the cotangents.

    Addition hands one gradient tensor to both of its parents, so that a backward that writes into it is seen here.
    """
    others = [torch.zeros_like(weight) for weight in problem.weights]
    count = len(problem.leaves)

    def total(*everything: nexnet.LiteTensor) -> nexnet.LiteTensor:
        outputs = problem.outputs(everything[:count])
        result: nexnet.LiteTensor | None = None
        for out, other, weight in zip(outputs, everything[count:], problem.weights, strict=True):
            term = ((other + out) * weight.clone()).sum()
            result = term if result is None else result + term
        assert result is not None
        return result

    point = map(nexnet.LiteTensor, [*problem.leaves, *others])
    found = nexnet.grad(total, argnums=tuple(range(count + len(others))))(*point)
    return [each.data for each in found[count:]], problem.weights


def kept_outputs(problem: Problem) -> tuple[list[Tensor], list[Tensor]]:
    """Give the outputs as they are after a backward that used them, and as they were before it."""

    def total(*leaves: nexnet.LiteTensor) -> nexnet.LiteTensor:
        outputs = problem.outputs(leaves)
        kept.extend((each.data, each.data.clone()) for each in outputs)
        result: nexnet.LiteTensor | None = None
        for out, weight in zip(outputs, problem.weights, strict=True):
            term = (out * weight).sum()
            result = term if result is None else result + term
        assert result is not None
        return result

    kept: list[tuple[Tensor, Tensor]] = []
    nexnet.grad(total, argnums=tuple(range(len(problem.leaves))))(*map(nexnet.LiteTensor, problem.leaves))
    return [now for now, _ in kept], [before for _, before in kept]


def two_calls(problem: Problem) -> tuple[list[Tensor], list[Tensor]]:
    """Give the gradients of two calls at different points, both forward and then both backward, and of each alone."""
    count = len(problem.leaves)
    points = [problem.leaves, [each * SMALLER for each in problem.leaves]]
    weights = [nexnet.LiteTensor(each) for each in problem.weights]

    def total(*leaves: nexnet.LiteTensor) -> nexnet.LiteTensor:
        first, second = (problem.scalar(0)(*half, *weights) for half in (leaves[:count], leaves[count:]))
        result: nexnet.LiteTensor = first + second
        return result

    together = nexnet.grad(total, argnums=tuple(range(2 * count)))(*map(nexnet.LiteTensor, [*points[0], *points[1]]))
    alone = [each.clone() for point in points for each in problem.gradient(1, point)]
    return [each.data for each in together], alone


def subsets(problem: Problem, order: int) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Give, for each input, ``(place, its derivative with the others held constant, with all followed)``.

    At order 2: of the gradient by that input, which is taken alone, or of one taken by all of them.
    """
    count = len(problem.leaves)
    if count == 1 or order > 2:
        return
    point = [nexnet.LiteTensor(each) for each in (*problem.leaves, *problem.weights)]
    everything = tuple(range(count))
    together = nexnet.grad(problem.scalar(0), argnums=everything)
    together_now = together(*point) if order == 1 else None
    for i in range(count):
        alone = nexnet.grad(problem.scalar(0), argnums=i)
        if together_now is not None:
            yield i, alone(*point).data, together_now[i].data
            continue
        direction = nexnet.LiteTensor(problem.direction(1)[i])
        mixed = _along(lambda *x, i=i: together(*x)[i], direction)
        own = _along(alone, direction)
        expected = nexnet.grad(mixed, argnums=everything)(*point)
        for j, row in enumerate(nexnet.grad(own, argnums=everything)(*point)):
            yield j, row.data, expected[j].data
        yield i, nexnet.grad(own, argnums=i)(*point).data, expected[i].data


def _along(gradient: Callable[..., nexnet.LiteTensor], direction: nexnet.LiteTensor) -> Callable[..., Any]:
    return lambda *x: (gradient(*x) * direction).sum()


def strided(problem: Problem) -> list[Tensor] | None:
    """Give the same inputs with other strides, or None if no input has a dimension of more than one element."""
    if all(leaf.numel() < 2 for leaf in problem.leaves):
        return None
    found = []
    for leaf, is_complex in zip(problem.leaves, problem.complex_leaves, strict=True):
        if leaf.numel() < 2:
            found.append(leaf)
        elif is_complex:
            found.append(torch.view_as_real(_strided(torch.view_as_complex(leaf.contiguous()))))
        else:
            found.append(_strided(leaf))
    return found


def _strided(leaf: Tensor) -> Tensor:
    order = list(range(leaf.ndim))[::-1]
    wide = torch.full((*[leaf.shape[i] for i in order], 2), torch.nan, dtype=leaf.dtype)
    return wide[..., 0].permute(order).copy_(leaf)
