"""The views as copies: ``expand_copy(x, size)`` is ``expand(x, size)`` in memory of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ..policy import implements
from . import arranging, indexing, joining, shape
from ._names import place_of
from .indexing import slicing
from .joining import clone

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


def copying(name: str, view: Callable[..., Any]) -> Callable[..., Any]:
    """Make the copying form of a view."""

    def call(input: Any, *args: Any, **kwargs: Any) -> Any:
        out = view(input, *args, **kwargs)
        return tuple(map(clone, out)) if isinstance(out, (tuple, list)) else clone(out)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"``{name.removesuffix('_copy')}``, as a copy."
    torch_function = getattr(torch, name)
    methods = [getattr(torch.Tensor, name)] if hasattr(torch.Tensor, name) else []
    made: Callable[..., Any] = implements(torch_function, *methods)(call)
    return made


def _slice(input: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Any:
    return slicing(input, *[slice(None)] * place_of(dim, input.ndim), slice(start, end, step))


alias_copy = copying("alias_copy", shape.alias)
as_strided_copy = copying("as_strided_copy", arranging.as_strided)
diagonal_copy = copying("diagonal_copy", shape.diagonal)
expand_copy = copying("expand_copy", shape.expand)
narrow_copy = copying("narrow_copy", indexing.narrow)
permute_copy = copying("permute_copy", shape.permute)
select_copy = copying("select_copy", indexing.select)
slice_copy = copying("slice_copy", _slice)
split_copy = copying("split_copy", joining.split)
split_with_sizes_copy = copying("split_with_sizes_copy", joining.split_with_sizes)
squeeze_copy = copying("squeeze_copy", shape.squeeze)
t_copy = copying("t_copy", shape.t)
transpose_copy = copying("transpose_copy", shape.transpose)
unbind_copy = copying("unbind_copy", joining.unbind)
unsqueeze_copy = copying("unsqueeze_copy", shape.unsqueeze)
view_copy = copying("view_copy", shape.view)
