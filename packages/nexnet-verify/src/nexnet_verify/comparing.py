"""Two tensors that should be equal: where they are not, how much, and what that looks like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Gap", "compare", "hint"]


@dataclass
class Gap:
    """A tensor beside its reference."""

    got: Tensor
    expected: Tensor
    allowed: Tensor
    wrong: Tensor
    scale: float

    @property
    def count(self) -> int:
        """How many elements there are."""
        return self.expected.numel()

    @property
    def error(self) -> float:
        """The largest difference, relative to the largest element of the reference."""
        difference = _difference(self.got, self.expected)[~self._left_out]
        if not difference.numel():
            return 0.0
        largest = float(difference.max())
        return largest / self.scale if self.scale > 0 else largest

    @property
    def worst(self) -> tuple[int, ...]:
        """The index of the wrong element that is furthest beyond what is allowed."""
        excess = _difference(self.got, self.expected) / self.allowed.clamp(min=1e-300)
        excess = torch.where(self.wrong, excess.nan_to_num(torch.inf, torch.inf), -1.0)
        return tuple(int(i) for i in torch.unravel_index(excess.argmax(), excess.shape)) if excess.ndim else ()

    def __post_init__(self) -> None:
        self._left_out = torch.zeros(self.expected.shape, dtype=torch.bool)

    def leave_out(self, mask: Tensor) -> None:
        """Do not judge these elements."""
        self.wrong = self.wrong & ~mask
        self._left_out = self._left_out | mask


def compare(
    got: Sequence[Tensor], expected: Sequence[Tensor], rtol: float, atol: float | None, below: float
) -> list[Gap]:
    """Compare tensors element by element; nan equals nan, inf equals inf.

    ``atol`` None: a thousandth of ``rtol`` of the largest element, and 1e-14 of ``below``, the size of what these are
    the derivatives of.
    """
    gaps = []
    pairs = [(g.double(), e.double()) for g, e in zip(got, expected, strict=True)]
    scale = max((_largest(e) for _, e in pairs), default=0.0)
    for g, e in pairs:
        floor = 1e-3 * rtol * scale + 1e-14 * below if atol is None else atol
        allowed = rtol * e.abs().nan_to_num(0.0, 0.0, 0.0) + floor
        wrong = ~(_difference(g, e) <= allowed)
        gaps.append(Gap(g, e, allowed, wrong, scale))
    return gaps


def hint(got: Tensor, expected: Tensor) -> str | None:
    """Say what a wrong gradient looks like: the reference times a number, or transposed. One ratio is no pattern."""
    finite = got.isfinite() & expected.isfinite()
    if not bool(finite.all()):
        return "the rule gives a number where the reference gives none, or the reverse"
    if got.ndim == 2 and got.shape == expected.mT.shape and torch.allclose(got, expected.mT, rtol=1e-5):
        return "it is the reference transposed"
    large = expected.abs() > 1e-6 * max(_largest(expected), 1e-300)
    if not bool(large.any()):
        return None
    value = float(got[large][0] / expected[large][0])
    if float((got - value * expected).abs().max()) > 1e-4 * max(_largest(got), 1e-9 * _largest(expected)):
        right = (got - expected).abs() <= 1e-6 * expected.abs() + 1e-9 * _largest(expected)
        return "the other elements that were looked at are right" if int((~right).sum()) == 1 else None
    if abs(value) < 1e-9:
        return "the rule gives zero: is a saved value a constant, or a gradient left out?"
    if abs(value + 1) < 1e-6:
        return "it is the reference with the other sign"
    several = int(large.sum()) > 1 or abs(value * 12 - round(value * 12)) < 1e-6  # as 2, 1/2 and 1/3 are no accident
    return f"it is {value:.6g} times the reference" if several else None


def _largest(tensor: Tensor) -> float:
    finite = tensor[tensor.isfinite()]
    return float(finite.abs().max()) if finite.numel() else 0.0


def _difference(got: Tensor, expected: Tensor) -> Tensor:
    same = (got == expected) | (got.isnan() & expected.isnan())
    return torch.where(same, 0.0, (got - expected).abs())
