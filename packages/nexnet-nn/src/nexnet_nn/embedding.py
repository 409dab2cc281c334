"""Tables of vectors, picked by index, one by one or in bags."""

from __future__ import annotations

from typing import Any

import torch

import nexnet
from nexnet import LiteTensor
from nexnet.errors import message

from . import init as initializers
from .errors import ModuleError
from .init import Initializer
from .module import Module

__all__ = ["Embedding", "EmbeddingBag"]

_MODES = ("sum", "mean", "max")


def _padded(weight: LiteTensor, row: int | None) -> LiteTensor:
    """Give a table whose row for padding, if there is one, is 0."""
    return weight if row is None else weight.at[row].set(0.0)


class Embedding(Module):
    """A table of vectors, picked by index: ``(*)`` becomes ``(*, features)``.

    Args:
        rows: how many vectors there are.
        features: how long each is.
        padding_idx: a row that gets no gradient; it starts at 0.
        init: what fills the table; as in torch, N(0, 1).
        generator: where random numbers come from; torch's global generator by default.
        dtype: of the table; torch's default by default.
        device: of the table; torch's default by default.

    Attributes:
        weight: of shape ``(rows, features)``.

    Raises:
        IndexError: a ``padding_idx`` that is no row; or torch's, when it is called: an index that is none.
        RuntimeError: torch's, when it is called: indices that are no integer tensor.

    Example::

        >>> nn.Embedding(10, 4)(torch.tensor([[1, 2, 3]])).shape
        torch.Size([1, 3, 4])
    """

    weight: LiteTensor
    padding_idx: int | None

    def __init__(
        self,
        rows: int,
        features: int,
        padding_idx: int | None = None,
        *,
        init: Initializer = initializers.normal,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: Any = None,
    ) -> None:
        weight = init((rows, features), generator=generator, dtype=dtype, device=device)
        self.weight = _padded(weight, padding_idx)
        self.padding_idx = padding_idx

    def __call__(self, index: Any) -> LiteTensor:
        """Give ``(*, features)`` for integer indices of shape ``(*)``."""
        return nexnet.embedding(index, self.weight, self.padding_idx)  # type: ignore[no-any-return]


class EmbeddingBag(Module):
    """The sum, mean or maximum of a table's rows by bags: ``(bags, n)`` becomes ``(bags, features)``.

    Args:
        rows: how many vectors there are.
        features: how long each is.
        mode: "sum", "mean" or "max".
        scale_grad_by_freq: whether a row's gradient is divided by how often it was picked; not for "max".
        include_last_offset: whether the offsets end with the input's length.
        padding_idx: a row that is left out of every bag, and gets no gradient; it starts at 0.
        init: what fills the table; as in torch, N(0, 1).
        generator: where random numbers come from; torch's global generator by default.
        dtype: of the table; torch's default by default.
        device: of the table; torch's default by default.

    Attributes:
        weight: of shape ``(rows, features)``.

    Raises:
        ModuleError: a ``mode`` that there isn't, or one without gradients scaled by frequency that asks for them.
        IndexError: a ``padding_idx`` that is no row.

    Example::

        >>> nn.EmbeddingBag(10, 4)(torch.tensor([[1, 2, 3]])).shape
        torch.Size([1, 4])
    """

    weight: LiteTensor
    mode: str
    scale_grad_by_freq: bool
    include_last_offset: bool
    padding_idx: int | None

    def __init__(
        self,
        rows: int,
        features: int,
        mode: str = "mean",
        scale_grad_by_freq: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        *,
        init: Initializer = initializers.normal,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: Any = None,
    ) -> None:
        if mode not in _MODES:
            raise ModuleError(
                message("a bag has no such mode.", argument="mode", expected="sum, mean or max", got=repr(mode))
            )
        if mode == "max" and scale_grad_by_freq:
            raise ModuleError(
                message(
                    "the gradient of a maximum is not scaled by frequency.", argument="scale_grad_by_freq", got=True
                )
            )
        weight = init((rows, features), generator=generator, dtype=dtype, device=device)
        self.weight = _padded(weight, padding_idx)
        self.mode = mode
        self.scale_grad_by_freq, self.include_last_offset = scale_grad_by_freq, include_last_offset
        self.padding_idx = padding_idx

    def __call__(self, index: Any, offsets: Any = None, per_sample_weights: Any = None) -> LiteTensor:
        """Give ``(bags, features)`` for integer indices ``(bags, n)``, or ``(total,)`` with each bag's offset.

        Args:
            index: which rows.
            offsets: where each bag of a one-dimensional index starts.
            per_sample_weights: a factor for each index, for "sum".

        Raises:
            InputError: a one-dimensional index without offsets, or a two-dimensional one with them; weights, where the
                mode has none.
            RuntimeError: torch's: an index that is no row; indices that are no integers.
        """
        return nexnet.embedding_bag(  # type: ignore[no-any-return]
            index,
            self.weight,
            offsets,
            scale_grad_by_freq=self.scale_grad_by_freq,
            mode=self.mode,
            per_sample_weights=per_sample_weights,
            include_last_offset=self.include_last_offset,
            padding_idx=self.padding_idx,
        )
