"""Sequences of several lengths as the rows of all steps, without padding, and back: beneath torch.nn.utils.rnn.

They are sorted by length, the longest first, and each step has the rows of the sequences that have not ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...engine import unwrap
from ...errors import InputError, message
from ...policy import implements
from ..shapes.gathering import index_select
from ..shapes.joining import cat, stack
from ..shapes.padding import pad
from ..shapes.reshaping import reshape, transpose

__all__: list[str] = []


@implements(torch._C._nn.pad_sequence)
def _pad_sequence(
    sequences: Sequence[Any], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Any:
    """Give sequences (T, ...) side by side, (T, B, ...) with the longest T."""
    longest = max(each.shape[0] for each in sequences)
    found = []
    for each in sequences:
        short = longest - each.shape[0]
        ends = (0, short) if padding_side == "right" else (short, 0)
        found.append(pad(each, (0, 0) * (each.ndim - 1) + ends, value=padding_value) if short else each)
    return stack(found, 0 if batch_first else 1)


@implements(torch._VF._pack_padded_sequence)
def _pack_padded_sequence(input: Any, lengths: Any, batch_first: bool) -> tuple[Any, Tensor]:
    """Give the rows (N, ...) of the sequences in (T, B, ...), and how many of them each step has.

    Raises:
        InputError: lengths that are not sorted, or none for each sequence, or beyond the steps that there are.
    """
    input = transpose(input, 0, 1) if batch_first else input
    steps, batch = input.shape[:2]
    found = unwrap(lengths).tolist()
    if len(found) != batch or found != sorted(found, reverse=True) or not all(0 < each <= steps for each in found):
        raise InputError(
            message(
                "these are no lengths of the sequences, the longest first.",
                rule="pack_padded_sequence",
                argument="lengths",
                expected=f"{batch} of 1 to {steps}",
                got=found,
                remedy="enforce_sorted=False sorts them",
            )
        )
    sizes = [sum(each > step for each in found) for step in range(found[0])]
    places = [step * batch + i for step, size in enumerate(sizes) for i in range(size)]
    rows = reshape(input, (steps * batch, *input.shape[2:]))
    return index_select(rows, 0, torch.tensor(places, device=input.device)), torch.tensor(sizes)


@implements(torch._VF._pad_packed_sequence)
def _pad_packed_sequence(
    data: Any, batch_sizes: Any, batch_first: bool, padding_value: float, total_length: int
) -> tuple[Any, Tensor]:
    """Give the sequences whose rows (N, ...) are packed as (T, B, ...), and their lengths."""
    sizes = unwrap(batch_sizes).tolist()
    batch, shape = sizes[0], tuple(data.shape[1:])
    padding = torch.full((1, *shape), padding_value, dtype=data.dtype, device=data.device)
    places, first = [], 0
    for size in sizes + [0] * (total_length - len(sizes)):
        places += [*range(first, first + size), *[data.shape[0]] * (batch - size)]
        first += size
    rows = index_select(cat([data, padding]), 0, torch.tensor(places, device=data.device))
    padded = reshape(rows, (total_length, batch, *shape))
    lengths = torch.tensor([sum(size > i for size in sizes) for i in range(batch)])
    return transpose(padded, 0, 1) if batch_first else padded, lengths
