"""Discrete Fourier transforms, under the names of ``torch.fft``: ``nexnet.fft.rfft(x)`` is ``torch.fft.rfft(x)``.

Each is an operator of ``nexnet.ops``, where its formula stands. Gradients by complex tensors are PyTorch's.
"""

from __future__ import annotations

from typing import Any

import torch

from .ops import fft_fft as fft
from .ops import fft_fft2 as fft2
from .ops import fft_fftn as fftn
from .ops import fft_fftshift as fftshift
from .ops import fft_hfft as hfft
from .ops import fft_hfft2 as hfft2
from .ops import fft_hfftn as hfftn
from .ops import fft_ifft as ifft
from .ops import fft_ifft2 as ifft2
from .ops import fft_ifftn as ifftn
from .ops import fft_ifftshift as ifftshift
from .ops import fft_ihfft as ihfft
from .ops import fft_ihfft2 as ihfft2
from .ops import fft_ihfftn as ihfftn
from .ops import fft_irfft as irfft
from .ops import fft_irfft2 as irfft2
from .ops import fft_irfftn as irfftn
from .ops import fft_rfft as rfft
from .ops import fft_rfft2 as rfft2
from .ops import fft_rfftn as rfftn
from .tensor import LiteTensor

__all__ = [
    "fft", "fft2", "fftfreq", "fftn", "fftshift", "hfft", "hfft2", "hfftn", "ifft", "ifft2", "ifftn", "ifftshift",
    "ihfft", "ihfft2", "ihfftn", "irfft", "irfft2", "irfftn", "rfft", "rfft2", "rfftfreq", "rfftn",
]  # fmt: skip


def fftfreq(n: int, d: float = 1.0, *, dtype: torch.dtype | None = None, device: Any = None) -> LiteTensor:
    """The frequencies of ``fft`` of n samples that are d apart: 0, 1, ..., -2, -1 times 1 / (d n): of shape (n,).

    Raises:
        RuntimeError: torch's: a negative n.

    Example::

        >>> nexnet.fft.fftfreq(4)
        LiteTensor([ 0.0000,  0.2500, -0.5000, -0.2500])
    """
    return LiteTensor(torch.fft.fftfreq(n, d, dtype=dtype, device=device))


def rfftfreq(n: int, d: float = 1.0, *, dtype: torch.dtype | None = None, device: Any = None) -> LiteTensor:
    """The frequencies of ``rfft`` of n samples that are d apart: 0, 1, ... times 1 / (d n): of shape (n // 2 + 1,).

    Raises:
        RuntimeError: torch's: a negative n.

    Example::

        >>> nexnet.fft.rfftfreq(4)
        LiteTensor([0.0000, 0.2500, 0.5000])
    """
    return LiteTensor(torch.fft.rfftfreq(n, d, dtype=dtype, device=device))
