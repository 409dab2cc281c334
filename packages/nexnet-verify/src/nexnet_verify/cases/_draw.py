"""What Hypothesis draws for a case: shapes, layouts, arguments. The numbers come from the function's domain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy
import torch
from hypothesis import strategies as st

import nexnet

__all__ = [
    "ABOVE_ONE",
    "COMPLEX",
    "DISTINCT",
    "INSIDE_ONE",
    "LAYOUTS",
    "NONZERO",
    "POSITIVE",
    "PROBABILITY",
    "REAL",
    "ComplexDomain",
    "Domain",
    "Draw",
]

T = TypeVar("T")

#: Every example has one: contiguous; operands that broadcast; no dimensions; strides with gaps or in another
#: order; an expanded tensor (strides of zero); a dimension of size 0.
LAYOUTS = ("plain", "broadcast", "scalar", "strided", "expanded", "empty")

SHAPES: dict[int, list[tuple[int, ...]]] = {
    0: [()],
    1: [(3,), (5,), (1,)],
    2: [(2, 3), (4, 2), (3, 1), (1, 1)],
    3: [(2, 3, 2), (2, 1, 3), (1, 2, 2)],
    4: [(2, 1, 2, 2)],
}


@dataclass(frozen=True)
class Domain:
    """Where a function is smooth: an interval without some points, and whether elements must differ from each other."""

    low: float
    high: float
    avoid: tuple[float, ...] = ()
    margin: float = 0.1
    distinct: bool = False

    def sample(self, generator: numpy.random.Generator, shape: Sequence[int]) -> torch.Tensor:
        """Draw a tensor. Every number is exact in float32, so that both precisions see the same point."""
        count = int(numpy.prod(shape, dtype=int))
        if self.distinct:
            spacing = (self.high - self.low) / max(count, 1)
            places = generator.permutation(count) + generator.uniform(0.25, 0.75, count)
            numbers = self.low + spacing * places
        else:
            numbers = generator.uniform(self.low, self.high, count)
        for point in self.avoid:
            near = numpy.abs(numbers - point) < self.margin
            numbers = numpy.where(
                near, point + numpy.where(numbers < point, -1, 1) * (self.margin + numpy.abs(numbers - point)), numbers
            )
        return torch.from_numpy(numbers.astype(numpy.float32).astype(numpy.float64)).reshape(tuple(shape))


@dataclass(frozen=True)
class ComplexDomain(Domain):
    """Complex numbers of absolute values from ``low`` to ``high``, and of angles in an interval."""

    angles: tuple[float, float] = (-3.0, 3.0)

    def sample(self, generator: numpy.random.Generator, shape: Sequence[int]) -> torch.Tensor:
        """Draw a tensor; every part is exact in float32."""
        radius = generator.uniform(self.low, self.high, tuple(shape))
        numbers = radius * numpy.exp(1j * generator.uniform(*self.angles, tuple(shape)))
        return torch.from_numpy(numpy.asarray(numbers.astype(numpy.complex64).astype(numpy.complex128)))


REAL = Domain(-2.0, 2.0)
#: Complex numbers away from 0 and from the negative numbers, where functions have their branch cuts.
COMPLEX = ComplexDomain(0.3, 2.0, angles=(-2.8, 2.8))
NONZERO = Domain(-2.0, 2.0, avoid=(0.0,), margin=0.3)
POSITIVE = Domain(0.3, 3.0)
PROBABILITY = Domain(0.1, 0.9)
INSIDE_ONE = Domain(-0.9, 0.9)
ABOVE_ONE = Domain(1.2, 3.0)
DISTINCT = Domain(-2.0, 2.0, distinct=True)


def generator_beside(x: Any, seed: int) -> torch.Generator:
    """Give a seeded generator that draws for tensors on x's device (meta draws nothing, and takes any)."""
    return torch.Generator("cuda" if x.device.type == "cuda" else "cpu").manual_seed(seed)


class Draw:
    """The choices of one example: Hypothesis's, but for the numbers, which a generator draws from the domain."""

    def __init__(self, draw: Any, layout: str, generator: numpy.random.Generator) -> None:
        self._draw = draw
        self.layout = layout
        self.generator = generator

    # Arguments -------------------------------------------------------------------------------------------------------

    def choice(self, *options: T) -> T:
        """Draw one of these; the first is the typical one."""
        return self._draw(st.sampled_from(options))  # type: ignore[no-any-return]

    def flag(self) -> bool:
        """Draw False or True."""
        return self.choice(False, True)

    def integer(self, low: int, high: int) -> int:
        """Draw an integer; both ends count."""
        return self._draw(st.integers(low, high))  # type: ignore[no-any-return]

    def dim(self, ndim: int) -> int:
        """Draw a dimension, counted from the front or from the back."""
        return self.choice(*range(-1, ndim), *range(-ndim, -1)) if ndim else self.choice(0, -1)

    def dims(self, ndim: int) -> int | tuple[int, ...] | None:
        """Draw what a reduction takes as ``dim``: None, one dimension, or several."""
        if ndim == 0:
            return self.choice(None, 0, ())
        options: list[int | tuple[int, ...] | None] = [None, -1, 0, (0,)]
        if ndim > 1:
            options += [(0, 1), (-1, 0), 1]
        return self.choice(*options)

    # Tensors ---------------------------------------------------------------------------------------------------------

    def shape(self, low: int = 0, high: int = 3) -> tuple[int, ...]:
        """Draw a shape of ``low`` to ``high`` dimensions that suits the example's layout."""
        if self.layout == "scalar" and low == 0:
            return ()
        typical = min(max(2, low), high)
        ndims = [typical, *(n for n in range(max(low, 1), high + 1) if n != typical)] if high else [0]
        shape = self.choice(*SHAPES[self.choice(*ndims)])
        if self.layout == "empty" and shape:
            place = self.integer(0, len(shape) - 1)
            shape = (*shape[:place], 0, *shape[place + 1 :])
        return shape

    def tensor(
        self, shape: tuple[int, ...] | None = None, domain: Domain = REAL, low: int = 0, high: int = 3
    ) -> nexnet.LiteTensor:
        """Draw a float64 tensor (complex128, if the domain is of complex numbers) in the example's layout."""
        shape = self.shape(low, high) if shape is None else shape
        values = domain.sample(self.generator, shape)
        if self.layout == "strided" and values.numel() > 1:
            values = self._strided(values)
        elif self.layout == "expanded" and values.numel() > 1 and not domain.distinct:
            dim = self.choice(*[i for i, size in enumerate(shape) if size > 1])
            values = values.narrow(dim, 0, 1).expand(shape)
        return nexnet.LiteTensor(values)

    def _strided(self, values: torch.Tensor) -> torch.Tensor:
        if values.ndim > 1 and self.flag():
            return values.mT.contiguous().mT
        wide = torch.full((*values.shape, 2), torch.nan, dtype=values.dtype)
        wide[..., 1] = values
        return wide[..., 1]

    def tensors(self, *domains: Domain, low: int = 0, high: int = 3) -> list[nexnet.LiteTensor]:
        """Draw tensors whose shapes broadcast together; they are equal but for the "broadcast" layout."""
        shape = self.shape(low, high)
        return [
            self.tensor(each, domain) for each, domain in zip(self.broadcast(shape, len(domains)), domains, strict=True)
        ]

    def broadcast(self, shape: tuple[int, ...], count: int) -> list[tuple[int, ...]]:
        """Draw shapes that broadcast to one: the first has it, and the others have dimensions of size 1, or fewer."""
        if self.layout != "broadcast":
            return [shape] * count
        shapes = [shape]
        for _ in range(count - 1):
            ones = [self.flag() for _ in shape]
            smaller = tuple(1 if one else size for one, size in zip(ones, shape, strict=True))
            drop = self.integer(0, len(shape))
            shapes.append(smaller[drop:] if drop or any(ones) else shape[1:])
        first = self.integer(0, count - 1)
        return shapes[first:] + shapes[:first]

    def index(self, shape: Sequence[int], size: int, negative: bool = False) -> nexnet.LiteTensor:
        """Draw an integer tensor of indices of a dimension of this size; some repeat."""
        low = -size if negative else 0
        return nexnet.LiteTensor(torch.as_tensor(self.generator.integers(low, max(size, 1), tuple(shape))))

    def distinct_index(self, count: int, size: int) -> nexnet.LiteTensor:
        """Draw indices of a dimension that do not repeat."""
        return nexnet.LiteTensor(torch.from_numpy(self.generator.permutation(size)[:count].astype(numpy.int64)))

    def mask(self, shape: Sequence[int]) -> nexnet.LiteTensor:
        """Draw a boolean tensor."""
        return nexnet.LiteTensor(torch.from_numpy(self.generator.random(tuple(shape)) < 0.5))
