"""The inputs of nexnet_verify's cases, at the size of a benchmark: float32, contiguous, the typical arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy
import optree
import torch

import nexnet
from nexnet_verify.cases import Case, Domain, Draw, Sample

__all__ = ["SIZES", "sample"]

REAL = Domain(-2.0, 2.0)

#: What a case's tensors are to have, by name: so many elements, and the shape for each number of dimensions.
SIZES: dict[str, tuple[int, dict[int, tuple[int, ...]]]] = {
    "small": (64, {0: (), 1: (64,), 2: (8, 8), 3: (4, 4, 4), 4: (2, 2, 4, 4)}),
    "large": (512 * 512, {0: (), 1: (512 * 512,), 2: (512, 512), 3: (64, 64, 64), 4: (16, 16, 32, 32)}),
}
FACTORS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024, 8192, 65536)


class Sized(tuple[int, ...]):
    """A shape that has its size, as told from one that a case has chosen."""

    __slots__ = ()


class ScaledDraw(Draw):
    """Draws the first of all choices (the typical one), tensors of one size, and given shapes times a factor."""

    def __init__(self, size: str, factor: int) -> None:
        super().__init__(None, "plain", numpy.random.default_rng(0))
        self.size, self.factor = size, factor

    def choice(self, *options: Any) -> Any:
        """Give the first."""
        return options[0]

    def integer(self, low: int, high: int) -> int:
        """Give the lower end, or 0 if it is between them."""
        return min(max(low, 0), high)

    def shape(self, low: int = 0, high: int = 3) -> tuple[int, ...]:
        """Give the size's shape: of one dimension if it is small, of two if it is large, as far as the case allows."""
        typical = 1 if self.size == "small" else 2
        return Sized(SIZES[self.size][1][min(max(typical, low), high)])

    def tensor(
        self, shape: tuple[int, ...] | None = None, domain: Domain = REAL, low: int = 0, high: int = 3
    ) -> nexnet.LiteTensor:
        """Draw a tensor; a shape that the case has chosen is multiplied."""
        shape = self.shape(low, high) if shape is None else self._scaled(shape)
        return nexnet.LiteTensor(domain.sample(self.generator, shape))

    def broadcast(self, shape: tuple[int, ...], count: int) -> list[tuple[int, ...]]:
        """Give one shape to all."""
        return [shape] * count

    def index(self, shape: Sequence[int], size: int, negative: bool = False) -> nexnet.LiteTensor:
        """Draw indices of a dimension that is as much larger as the indices are more."""
        return super().index(self._scaled(shape), size * self.factor if size > 1 else size, negative)

    def distinct_index(self, count: int, size: int) -> nexnet.LiteTensor:
        """Draw indices that do not repeat."""
        return super().distinct_index(count * self.factor, size * self.factor)

    def mask(self, shape: Sequence[int]) -> nexnet.LiteTensor:
        """Draw a mask."""
        return super().mask(self._scaled(shape))

    def _scaled(self, shape: Sequence[int]) -> tuple[int, ...]:
        return shape if isinstance(shape, Sized) else tuple(n * self.factor if n > 1 else n for n in shape)


def sample(case: Case, size: str, works: Callable[[Sample], int]) -> Sample:
    """Give a case's arguments at a size.

    Where the case chooses shapes of its own, these grow together until the largest tensor has the elements that the
    size asks for, or until the operator takes them no longer (its other arguments do not grow).

    Args:
        case: the case.
        size: a name in SIZES.
        works: runs the operator and gives the number of elements of its largest output, or raises.
    """
    wanted = SIZES[size][0]
    best = None
    for factor in FACTORS:
        try:
            drawn = _in_float32(case.inputs(ScaledDraw(size, factor)))
            largest = max((each.data.numel() for each in _tensors(drawn)), default=0)
            if best is not None and largest > 1.5 * wanted:
                break
            produced = works(drawn)
        except (RuntimeError, ValueError, IndexError, TypeError, nexnet.NexnetError):
            if best is None:
                continue
            break
        best = drawn
        if max(largest, produced) >= wanted / 2:
            break
    if best is None:
        raise ValueError(f"the case {case.name} can't be drawn at the size {size}: give it inputs of its own")
    return best


def _tensors(drawn: Sample) -> list[nexnet.LiteTensor]:
    leaves = optree.tree_leaves((drawn.args, drawn.kwargs), namespace="nexnet")
    return [each for each in leaves if isinstance(each, nexnet.LiteTensor)]


def _in_float32(drawn: Sample) -> Sample:
    def convert(leaf: Any) -> Any:
        if isinstance(leaf, nexnet.LiteTensor) and leaf.dtype is torch.float64:
            return nexnet.LiteTensor(leaf.data.float())
        if isinstance(leaf, nexnet.LiteTensor) and leaf.dtype is torch.complex128:
            return nexnet.LiteTensor(leaf.data.to(torch.complex64))
        return leaf

    args, kwargs = optree.tree_map(convert, (drawn.args, drawn.kwargs), namespace="nexnet")
    return Sample(*args, **kwargs)
