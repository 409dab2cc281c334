"""Matrices with what a case needs of them: an inverse, symmetry, a definite sign, distinct singular values."""

from __future__ import annotations

from typing import Any

import torch

import nexnet

from ._draw import Domain, Draw

__all__ = ["LAYOUTS", "batch", "maybe_complex", "order", "regular", "symmetric", "tall"]

LAYOUTS = ("plain", "plain", "strided", "empty")
SMALL = Domain(-1.0, 1.0)


def batch(d: Draw) -> tuple[int, ...]:
    """Draw the batch dimensions; one is 0 in half of the empty examples."""
    if d.layout == "empty" and d.flag():
        return d.choice((0,), (2, 0))
    return d.choice((), (2,), (2, 1))


def order(d: Draw, *sizes: int) -> int:
    """Draw how many rows and columns a square matrix has; 0 in some empty examples."""
    return d.choice(0, 2) if d.layout == "empty" else d.choice(*(sizes or (3, 2, 1)))


def _diagonal(shape: tuple[int, ...]) -> Any:
    """Distinct numbers, decreasing, none of them small: a matrix with small elements beside them is regular."""
    k = min(shape[-2:])
    values = torch.arange(k, 0, -1, dtype=torch.float64) * 2.5
    out = torch.zeros(shape, dtype=torch.float64)
    out.diagonal(0, -2, -1).copy_(values)
    return out


def regular(d: Draw, *shape: int, turned: bool = True) -> nexnet.LiteTensor:
    """Square matrices far from singular; with their rows in another order half of the time, if ``turned``."""
    x = d.tensor(shape, SMALL)
    out = x.data + _diagonal(shape)
    return nexnet.LiteTensor(out.flip(-2) if turned and d.flag() else out)


def maybe_complex(d: Draw, x: nexnet.LiteTensor) -> nexnet.LiteTensor:
    """Add an imaginary part, in a third of the examples."""
    if d.choice(False, False, True):
        return nexnet.LiteTensor(torch.complex(x.data, d.tensor(tuple(x.shape), SMALL).data))
    return x


def tall(d: Draw, *shape: int) -> nexnet.LiteTensor:
    """Matrices of any form and full rank, with singular values that differ."""
    return regular(d, *shape)


def symmetric(d: Draw, *shape: int) -> nexnet.LiteTensor:
    """Square matrices, positive definite and with eigenvalues that differ once they are made symmetric."""
    return regular(d, *shape, turned=False)
