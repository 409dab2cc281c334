"""tanh of many numbers, by oneDNN's kernel: in a third of the time that torch.tanh takes where MKL is slow at it.

It is at most 1.3 units in the last place off, torch.tanh is 1.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..engine import BySize
from .forms import Form
from .measuring import suits

__all__ = ["tanh"]

LARGE = 2**15  # elements from which it pays to move them to oneDNN's kind of tensor, and back


def _of_many(input: Tensor) -> Tensor:
    if input.is_contiguous() and suits(input) and _FORM.is_taken():
        return _FORM(input)  # type: ignore[no-any-return]
    return torch.tanh(input)


def _by_onednn(input: Tensor) -> Tensor:
    flat = input.reshape(-1)  # oneDNN's tensors have up to 5 dimensions
    return torch.tanh(flat.to_mkldnn()).to_dense().view(input.shape)


_FORM = Form("tanh, of many numbers", _by_onednn, torch.tanh, ((2**17,),), ())
tanh = BySize(torch.tanh, _of_many, LARGE)
