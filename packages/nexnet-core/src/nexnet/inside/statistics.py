"""What a tensor's numbers are like, in a few numbers."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

__all__ = ["Statistics", "statistics"]


@dataclass(frozen=True, slots=True)
class Statistics:
    """A tensor's statistics. Those of size (min, max, mean, std, norm) are of the finite elements alone.

    ``norm`` is the square root of the sum of squares; of complex numbers all are those of the absolute values.
    Without a finite element they are NaN.
    """

    min: float
    max: float
    mean: float
    std: float
    norm: float
    count: int
    zeros: int
    nans: int
    infinities: int

    @property
    def is_finite(self) -> bool:
        """Whether there are no NaNs and no infinities."""
        return self.nans == self.infinities == 0

    def as_dict(self) -> dict[str, Any]:
        """Give them by name."""
        return asdict(self)

    def __str__(self) -> str:
        bad = "".join(
            f", {n} {what}"
            for n, what in ((self.nans, "NaN"), (self.infinities, "infinite"), (self.zeros, "zero"))
            if n
        )
        return f"{self.min:.4g} to {self.max:.4g}, mean {self.mean:.4g}, std {self.std:.4g}, norm {self.norm:.4g}{bad}"


@torch.no_grad()
def statistics(value: Tensor) -> Statistics:
    """Give a tensor's statistics, of any shape and dtype.

    Raises:
        AttributeError: no tensor.

    Example::

        >>> found = nexnet.inside.statistics(nexnet.tensor([-1.0, 0.0, 3.0]))
        >>> found.min, found.max, found.zeros
        (-1.0, 3.0, 1)
    """
    value = value.detach()
    count = value.numel()
    if value.is_complex():
        value = value.abs()
    if not value.is_floating_point():
        value = value.to(torch.float64)
    nans = int(value.isnan().sum())
    infinities = int(value.isinf().sum())
    zeros = count - int(value.count_nonzero())
    finite = value[value.isfinite()] if nans or infinities else value
    if not finite.numel():
        nothing = math.nan
        return Statistics(nothing, nothing, nothing, nothing, nothing, count, zeros, nans, infinities)
    low, high = (float(each) for each in finite.aminmax())
    wide = finite.to(torch.float64)
    mean = float(wide.mean())
    return Statistics(
        low, high, mean, float(wide.std(correction=0)), float(torch.linalg.vector_norm(wide)), count, zeros, nans,
        infinities,
    )  # fmt: skip
