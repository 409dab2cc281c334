"""The views as copies: ``expand_copy(x, size)`` is ``expand(x, size)`` in memory of its own."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch

from ...policy import Operator, function, implements
from .._names import composite, place_of
from . import arranging, diagonals, indexing, joining, reshaping, views

__all__ = [
    "alias_copy",
    "as_strided_copy",
    "diagonal_copy",
    "expand_copy",
    "narrow_copy",
    "permute_copy",
    "select_copy",
    "slice_copy",
    "split_copy",
    "split_with_sizes_copy",
    "squeeze_copy",
    "t_copy",
    "transpose_copy",
    "unbind_copy",
    "unsqueeze_copy",
    "view_copy",
]


def copying(name: str, view: Any) -> Operator:
    """Make the copying form of a view's operator: the rule of the view, whose result is copied."""

    class rule(view.policy):  # type: ignore[misc]
        def forward(self, input: Any, *args: Any, **kwargs: Any) -> Any:
            return _copied(super().forward(input, *args, **kwargs))

    rule.forward.__signature__ = inspect.signature(view.policy.forward)  # type: ignore[attr-defined]
    rule.__name__ = rule.__qualname__ = name
    rule.__module__ = __name__
    rule.__doc__ = f"``{name.removesuffix('_copy')}``, as a copy."
    made: Operator = implements(*_in_torch(name))(function(rule))
    return made


def _copied(out: Any) -> Any:
    return out.clone(memory_format=torch.contiguous_format)


def _in_torch(name: str) -> list[Any]:
    return [getattr(place, name) for place in (torch, torch.Tensor) if hasattr(place, name)]


# Those whose arguments torch has other names for than the view's


@implements(torch.expand_copy)
@function
class expand_copy(views.expand.policy):  # type: ignore[misc,name-defined]
    """``expand``, as a copy."""

    def forward(self, input: Any, size: Sequence[int], *, implicit: bool = False) -> Any:
        return _copied(super().forward(input, size))


@implements(torch.view_copy)
@function
class view_copy(reshaping.view.policy):  # type: ignore[misc,name-defined]
    """``view``, as a copy."""

    def forward(self, input: Any, size: Any) -> Any:
        return _copied(super().forward(input, size))


# Those of many copies, which torch makes in one call


@implements(torch.split_copy)
@function
class split_copy(joining.split.policy):  # type: ignore[misc,name-defined]
    """``split``, as copies."""

    def forward(self, input: Any, split_size: int, dim: int = 0) -> Any:
        if torch._C._functorch.is_batchedtensor(input):  # torch.vmap has no rule for the kernel
            return tuple([_copied(each) for each in super().forward(input, split_size, dim)])
        self.ctx.save(dim)
        return torch.split_copy(input, split_size, dim)


@implements(torch.split_with_sizes_copy)
@function
class split_with_sizes_copy(joining.split.policy):  # type: ignore[misc,name-defined]
    """``split_with_sizes``, as copies."""

    def forward(self, input: Any, split_sizes: Sequence[int], dim: int = 0) -> Any:
        self.ctx.save(dim)
        return torch.split_with_sizes_copy(input, split_sizes, dim)


@implements(torch.unbind_copy)
@function
class unbind_copy(joining.unbind.policy):  # type: ignore[misc,name-defined]
    """``unbind``, as copies."""

    def forward(self, input: Any, dim: int = 0) -> Any:
        self.ctx.save(dim)
        return torch.unbind_copy(input, dim)


_slicing_copy = copying("slicing_copy", indexing.slicing)


@implements(torch.slice_copy)
@composite
def slice_copy(input: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Any:
    """``slice``, as a copy."""
    return _slicing_copy(input, *[slice(None)] * place_of(dim, input.ndim), slice(start, end, step))


alias_copy = copying("alias_copy", views.alias)
as_strided_copy = copying("as_strided_copy", arranging.as_strided)
diagonal_copy = copying("diagonal_copy", diagonals.diagonal)
narrow_copy = copying("narrow_copy", indexing.narrow)
permute_copy = copying("permute_copy", views.permute)
select_copy = copying("select_copy", indexing.select)
squeeze_copy = copying("squeeze_copy", reshaping.squeeze)
t_copy = copying("t_copy", views.t)
transpose_copy = copying("transpose_copy", reshaping.transpose)
unsqueeze_copy = copying("unsqueeze_copy", reshaping.unsqueeze)
