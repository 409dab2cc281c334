"""Functions without a gradient that torch.vmap has no rule for, for the examples of a vmap.

What counts into bins is called for one example after another: torch counts no batches.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError, message
from ._folded import folded
from ._vmap_kernels import is_mapped

__all__ = ["OF_EXAMPLES"]


class _Looped(torch.autograd.Function):
    """By torch's own door for such rules; it asks once for each vmap around, the inmost first."""

    @staticmethod
    def forward(kernel: Callable[..., Any], *args: Any) -> Any:
        return kernel(*args)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Keep nothing: there is no gradient."""

    @staticmethod
    def vmap(info: Any, in_dims: Any, kernel: Callable[..., Any], *args: Any) -> Any:
        rows = [
            _looped(
                kernel,
                *[x.select(at, i) if isinstance(at, int) else x for x, at in zip(args, in_dims[1:], strict=True)],
            )
            for i in range(info.batch_size)
        ]
        if isinstance(rows[0], Tensor):
            return _stacked(rows), 0
        return tuple(map(_stacked, zip(*rows, strict=True))), (0,) * len(rows[0])


def _looped(kernel: Callable[..., Any], *args: Any) -> Any:
    return _Looped.apply(kernel, *args) if is_mapped(*args) else kernel(*args)  # type: ignore[no-untyped-call]


def _stacked(rows: Any) -> Tensor:
    shapes = {tuple(each.shape) for each in rows}
    if len(shapes) > 1:
        raise InputError(
            message(
                "under vmap all examples have one shape, and these results have another for each.",
                got=", ".join(map(str, sorted(shapes))),
                remedy="say how many bins there are (bincount's minlength); or loop over the examples in Python",
            )
        )
    return torch.stack(list(rows))


def _bincount(input: Any, weights: Any = None, minlength: int = 0) -> Any:
    return _looped(torch.bincount, input, weights, minlength)


def _histc(input: Any, bins: int = 100, min: float = 0, max: float = 0) -> Any:
    return _looped(torch.histc, input, bins, min, max)


def _histogram(input: Any, bins: Any, *, range: Any = None, weight: Any = None, density: bool = False) -> Any:
    def count(input: Any, bins: Any, weight: Any) -> Any:
        return torch.histogram(input, bins, range=range, weight=weight, density=density)

    return torch.return_types.histogram(_looped(count, input, bins, weight))  # type: ignore[attr-defined]


def _isclose(input: Any, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    near = (input - other).abs() <= atol + rtol * other.abs()
    near = (input == other) | (near & torch.isfinite(other))  # of infinities the difference says nothing
    return near | (torch.isnan(input) & torch.isnan(other)) if equal_nan else near


def _isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Any:  # noqa: ARG001
    tests = torch.as_tensor(test_elements).reshape(-1)
    found = (torch.as_tensor(elements).unsqueeze(-1) == tests).any(-1)
    return ~found if invert else found


def _searchsorted(sorted_sequence: Any, input: Any, *, sorter: Any = None, **options: Any) -> Any:
    def search(ordered: Any, values: Any, sorter: Any) -> Any:
        return torch.searchsorted(ordered.contiguous(), values.contiguous(), sorter=sorter, **options)

    values = torch.as_tensor(input, device=sorted_sequence.device)
    rows = values.reshape(-1) if sorted_sequence.ndim == 1 else values
    return folded(search, (1, 1, 1), sorted_sequence, rows, sorter).reshape(values.shape)


#: Torch's functions, and what is called in their place where something is mapped.
OF_EXAMPLES: dict[Callable[..., Any], Callable[..., Any]] = {
    torch.argwhere: torch.nonzero,  # which says why it can't be
    torch.bincount: _bincount,
    torch.histc: _histc,
    torch.histogram: _histogram,
    torch.isclose: _isclose,
    torch.isin: _isin,
    torch.searchsorted: _searchsorted,
}
