"""In how many ways a sample is put to nexnet, each beside what torch's autograd gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.testing._internal.common_utils import noncontiguous_like

import nexnet
from nexnet import LiteTensor

from .problem import Problem

__all__ = ["MODES", "Pair", "Reference"]


@dataclass(frozen=True)
class Pair:
    """What nexnet gives, and what it should be; ``size`` is that of what was added up to it, if it is a sum."""

    what: str
    got: Tensor
    expected: Tensor
    rtol: float = 1e-8
    size: float = 0.0

    def differ(self) -> str:
        """Say how they differ; nothing where they do not."""
        got, expected = self.got, self.expected
        if got.shape != expected.shape or got.dtype != expected.dtype:
            return f"{self.what}: {tuple(got.shape)} {got.dtype}, not {tuple(expected.shape)} {expected.dtype}"
        if not (expected.is_floating_point() or expected.is_complex()):
            return "" if torch.equal(got, expected) else f"{self.what}: {got.tolist()}, not {expected.tolist()}"
        finite = expected[expected.isfinite()].abs()
        size = max(self.size, float(finite.max()) if finite.numel() else 0.0)
        rtol = max(self.rtol, 64 * torch.finfo(expected.dtype).eps)
        close = torch.isclose(got, expected, rtol=rtol, atol=rtol * size + 1e-10, equal_nan=True)
        if close.all():
            return ""
        worst = int((~close).reshape(-1).nonzero()[0])
        return f"{self.what}: {got.reshape(-1)[worst].item()}, not {expected.reshape(-1)[worst].item()}" + (
            f" ({int((~close).sum())} of {close.numel()} elements)"
        )


class Reference:
    """A problem by torch: values, gradients, and the cotangents and tangents that all take."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.leaves = [_leaf(each) for each in problem.points]
        outs = problem(*self.leaves)
        problem.outs = [i for i, each in enumerate(outs) if each.requires_grad]
        self.values = [each.detach() for each in outs]
        self.outs = [outs[i] for i in problem.outs]
        generator = torch.Generator().manual_seed(1)
        self.cotangents = [_random(each, generator) for each in self.outs]
        self.tangents = [_random(each, generator) for each in self.leaves]
        self.second_tangents = [_random(each, generator) for each in self.leaves]
        self.again = [_leaf(each) for each in self.cotangents]
        self.gradients = self._gradients(self.outs, self.leaves, self.again, create_graph=True)

    def _gradients(self, outs: Any, leaves: Any, seeds: Any, create_graph: bool = False) -> list[Tensor]:
        return list(
            torch.autograd.grad(
                outs, leaves, seeds, create_graph=create_graph, allow_unused=True, materialize_grads=True
            )
        )

    def second(self) -> list[Tensor] | None:
        """Differentiate the gradients by the points and cotangents; None where torch can't."""
        if not any(each.requires_grad for each in self.gradients):
            return [torch.zeros_like(each) for each in self.leaves + self.again]
        kept = [(each, t) for each, t in zip(self.gradients, self.tangents, strict=True) if each.requires_grad]
        try:
            return self._gradients([each for each, _ in kept], self.leaves + self.again, [t for _, t in kept], True)
        except RuntimeError:
            return None


def value_and_gradient(reference: Reference) -> Iterator[Pair]:
    """The outputs, and the gradients for random cotangents."""
    problem = reference.problem
    outs = problem(*_lite(problem.points))
    for i, (got, expected) in enumerate(zip(outs, reference.values, strict=True)):
        yield Pair(f"value {i}", got.data, expected)
    _, pullback = nexnet.vjp(problem.differentiable, *_lite(problem.points))
    yield from _pairs("gradient", pullback(_lite(reference.cotangents)), reference.gradients)


def second_order(reference: Reference) -> Iterator[Pair]:
    """The derivatives of the gradients by the points and the cotangents; where torch has none, a difference."""
    problem, count = reference.problem, len(reference.leaves)

    def gradient(*points: LiteTensor) -> Any:
        return nexnet.vjp(problem.differentiable, *points[:count])[1](list(points[count:]))

    points = problem.points + reference.cotangents
    _, pullback = nexnet.vjp(gradient, *_lite(points))
    got = pullback(tuple(_lite(reference.tangents)))
    expected = reference.second()
    if expected is not None:
        pairs = list(_pairs("second order", got, expected, 1e-7))
        if any(pair.differ() for pair in pairs):
            pairs = [
                replace(pair, rtol=max(pair.rtol, rtol)) for pair, rtol in zip(pairs, _moved(reference), strict=True)
            ]
        yield from pairs
        return
    directions = reference.second_tangents + reference.cotangents
    slope = sum(_real_dot(g.data, d) for g, d in zip(got, directions, strict=True))
    yield Pair("second order, a difference", slope, _difference(gradient, points, directions, reference.tangents), 1e-5)


def forward(reference: Reference) -> Iterator[Pair]:
    """The tangent of jvp, by <cotangent, J tangent> = <J* cotangent, tangent>."""
    problem = reference.problem
    rounded = bool({each.dtype for each in reference.outs} - {torch.float64, torch.complex128})
    tangents = tuple(_lite(reference.tangents))
    _, found = nexnet.jvp(problem.differentiable, tuple(_lite(problem.points)), tangents)
    got = sum(_real_dot(t.data, c) for t, c in zip(found, reference.cotangents, strict=True))
    expected = sum(_real_dot(g, t) for g, t in zip(reference.gradients, reference.tangents, strict=True))
    rtol, size = 1e-8, 0.0
    if rounded:
        rtol = 1e-2
        size = float(sum((t.data * c).abs().double().sum() for t, c in zip(found, reference.cotangents, strict=True)))
    yield Pair("jvp", torch.as_tensor(got), torch.as_tensor(expected).detach(), rtol, size)


def vmap(reference: Reference) -> Iterator[Pair]:
    """Gradients of two examples at once, the second of 3/4 of the first's tensors, for which torch batches kernels."""
    problem = reference.problem
    batch = [torch.stack([each, 0.75 * each]) for each in problem.points]
    second = [_leaf(each[1]) for each in batch]
    outs = problem.differentiable(*second)
    if [each.shape for each in outs] != [each.shape for each in reference.outs]:
        return  # the shapes are the values' affair
    expected = zip(reference.gradients, reference._gradients(outs, second, reference.cotangents), strict=True)

    def gradient(*points: LiteTensor) -> Any:
        return nexnet.vjp(problem.differentiable, *points)[1](_lite(reference.cotangents))

    try:
        found = nexnet.vmap(gradient, randomness="same")(*_lite(batch))
    except Exception:
        if _torch_refuses_vmap(reference, batch):
            return
        raise
    yield from _pairs("vmap of the gradient", found, [torch.stack([a.detach(), b]) for a, b in expected])


def _torch_refuses_vmap(reference: Reference, batch: Sequence[Tensor]) -> bool:
    def gradient(*points: Tensor) -> Any:
        return torch.func.vjp(reference.problem.differentiable, *points)[1](reference.cotangents)

    try:
        torch.func.vmap(gradient, randomness="same")(*batch)
    except (RuntimeError, ValueError):
        return True
    return False


def non_contiguous(reference: Reference) -> Iterator[Pair]:
    """The same with every tensor, and every cotangent, in a layout that is not contiguous, where torch takes it."""
    problem = reference.problem
    if any(each.layout != torch.strided for each in problem.leaves if isinstance(each, Tensor)):
        return
    leaves = [noncontiguous_like(each) if isinstance(each, Tensor) else each for each in problem.leaves]
    other = problem.replaced(leaves)
    try:
        values = other(*other.points)
    except RuntimeError:
        return
    if not all(torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(values, reference.values, strict=True)):
        try:
            reference = Reference(other)  # of a function of the memory, such as as_strided
        except RuntimeError:
            return
    outs = other(*_lite(other.points))
    for i, (got, expected) in enumerate(zip(outs, reference.values, strict=True)):
        yield Pair(f"value {i}, not contiguous", got.data, expected)
    _, pullback = nexnet.vjp(other.differentiable, *_lite(other.points))
    cotangents = [noncontiguous_like(each) for each in reference.cotangents]
    yield from _pairs("gradient, not contiguous", pullback(_lite(cotangents)), reference.gradients)


def keywords(reference: Reference) -> Iterator[Pair]:
    """Values and gradients of the call by keyword."""
    problem = reference.problem.by_keyword()
    if problem is None:
        return
    places = {id(each): i for i, each in enumerate(reference.problem.arguments_that_vary)}
    order = [places[id(each)] for each in problem.arguments_that_vary]
    outs, pullback = nexnet.vjp(problem.differentiable, *_lite(problem.points))
    yield from _pairs("value by keyword", outs, [each.detach() for each in reference.outs])
    found = pullback(_lite(reference.cotangents))
    yield from _pairs("gradient by keyword", found, [reference.gradients[i] for i in order])


#: Each takes a reference and gives pairs to compare.
def _moved(reference: Reference) -> list[float]:
    """Say how far torch's own second order is moved by a last bit of the points; times 100, for all that is rounded.

    Next to nothing where the problem is well posed; not so of the factors of a matrix with singular values that are
    nearly equal, or nearly 0, and every processor rounds these in its own way.
    """
    problem = reference.problem
    leaves = list(problem.leaves)
    generator = torch.Generator().manual_seed(2)
    for i in problem.places:
        point = leaves[i]
        signs = torch.randn(point.shape, generator=generator, dtype=torch.float64).sign()
        leaves[i] = (point * (1 + torch.finfo(point.dtype).eps * signs)).to(point.dtype)
    here, there = reference.second(), Reference(problem.replaced(leaves)).second()
    assert here is not None
    assert there is not None
    return [
        100 * float((a - b).detach().abs().max() / a.detach().abs().max().clamp(min=1e-300)) if a.numel() else 0.0
        for a, b in zip(here, there, strict=True)
    ]


MODES: dict[str, Callable[[Reference], Iterator[Pair]]] = {
    "gradient": value_and_gradient,
    "second": second_order,
    "jvp": forward,
    "vmap": vmap,
    "layout": non_contiguous,
    "keywords": keywords,
}


def _difference(
    gradient: Callable[..., Any], points: Sequence[Tensor], directions: Sequence[Tensor], tangents: Sequence[Tensor]
) -> Tensor:
    """d/ds <gradient(points + s directions), tangents> at 0, by central differences of fourth order."""

    def at(s: float) -> Tensor:
        moved = _lite([p + s * d for p, d in zip(points, directions, strict=True)])
        return sum(_real_dot(g.data, t) for g, t in zip(gradient(*moved), tangents, strict=True))

    h = 1e-4
    return (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)


def _pairs(what: str, got: Sequence[LiteTensor], expected: Sequence[Tensor], rtol: float = 1e-8) -> Iterator[Pair]:
    for i, (mine, theirs) in enumerate(zip(got, expected, strict=True)):
        yield Pair(f"{what} {i}", mine.data, theirs.detach(), rtol)


def _lite(tensors: Sequence[Tensor]) -> list[LiteTensor]:
    return [LiteTensor(each) for each in tensors]


def _leaf(tensor: Tensor) -> Tensor:
    return tensor.detach().requires_grad_()


def _random(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, dtype=like.dtype, generator=generator)


def _real_dot(a: Tensor, b: Tensor) -> Tensor:
    dtype = torch.promote_types(torch.promote_types(a.dtype, b.dtype), torch.float64)  # not summed in half precision
    product = (a.to(dtype) * b.to(dtype).conj()).sum().real
    return product.double()
