"""Max pooling of many channels, which torch does one element at a time unless the channels are last.

Where they are not, they are moved there and back: the same elements are chosen, bit by bit, in a third of the time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .forms import Form, suits

__all__ = ["max_pool2d_with_indices"]

MANY_CHANNELS = 8  # as many as are compared at once
LARGE = 2**16  # elements from which that pays

_kernel: Callable[..., tuple[Tensor, Tensor]] = torch._C._nn.max_pool2d_with_indices


def max_pool2d_with_indices(input: Tensor, *options: Any) -> tuple[Tensor, Tensor]:
    """Give what torch's kernel of this name gives."""
    if (
        input.ndim == 4
        and input.shape[1] >= MANY_CHANNELS
        and input.numel() >= LARGE
        and input.is_contiguous()
        and suits(input)
        and _FORM.is_taken()
    ):
        return _FORM(input, *options)  # type: ignore[no-any-return]
    return _kernel(input, *options)


def _with_channels_last(input: Tensor, *options: Any) -> tuple[Tensor, Tensor]:
    out, indices = _kernel(input.contiguous(memory_format=torch.channels_last), *options)
    return out.contiguous(), indices.contiguous()


_FORM = Form("max pooling, many channels", _with_channels_last, _kernel, ((8, 32, 28, 28),), (3, 2, 1))
