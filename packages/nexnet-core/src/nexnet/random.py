"""Random tensors. Names, signatures and defaults are torch's, and so are the generators and the numbers drawn.

``generator`` is a ``torch.Generator``; without one torch's global generator is used, which ``manual_seed`` seeds. A
generator's device is the default device of what is drawn from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from .creation import Device, DType, sizes_of
from .engine import TensorBase, check_may_leave, unwrap
from .ops import bernoulli
from .policy import implements
from .tensor import LiteTensor, from_torch

__all__ = ["bernoulli", "manual_seed", "normal", "rand", "randint", "randn", "randperm", "uniform"]

Generator = torch.Generator | None


def manual_seed(seed: int) -> torch.Generator:
    """Seed torch's global generators, of every device; gives that of the CPU.

    Raises:
        ValueError: torch's: a seed that is no integer.

    Example::

        >>> generator = nexnet.manual_seed(0)
        >>> nexnet.rand(2)
        LiteTensor([0.4963, 0.7682])
    """
    return torch.manual_seed(seed)


def rand(
    *sizes: Any, size: Any = None, generator: Generator = None, dtype: DType = None, device: Device = None
) -> LiteTensor:
    """Uniform numbers of [0, 1), of the shape ``sizes``: ``rand(2, 3)``, ``rand((2, 3))``, ``rand(size=(2, 3))``.

    Raises:
        TypeError: torch's: a size that is no integer.
        RuntimeError: torch's: a negative size.
        NotImplementedError: torch's: a dtype that is not floating.

    Example::

        >>> nexnet.rand(2, 3, generator=torch.Generator().manual_seed(0)).shape
        torch.Size([2, 3])
    """
    device = _device(device, generator)
    return from_torch(torch.rand(*sizes_of(sizes, size), generator=generator, dtype=dtype, device=device))


def randn(
    *sizes: Any, size: Any = None, generator: Generator = None, dtype: DType = None, device: Device = None
) -> LiteTensor:
    """Numbers of the normal distribution with mean 0 and variance 1. For sizes and errors see ``rand``.

    Example::

        >>> nexnet.randn(2, 3).shape
        torch.Size([2, 3])
    """
    device = _device(device, generator)
    return from_torch(torch.randn(*sizes_of(sizes, size), generator=generator, dtype=dtype, device=device))


def uniform(
    low: float = 0.0,
    high: float = 1.0,
    size: int | Sequence[int] = (),
    *,
    generator: Generator = None,
    dtype: DType = None,
    device: Device = None,
) -> LiteTensor:
    """Uniform numbers of [low, high), of the shape ``size``.

    Raises:
        RuntimeError: torch's: low above high; a negative size.
        NotImplementedError: torch's: a dtype that is not floating.

    Example::

        >>> nexnet.uniform(2.0, 3.0, (4,)).shape
        torch.Size([4])
    """
    out = torch.empty(_shape(size), dtype=dtype, device=_device(device, generator))
    return from_torch(out.uniform_(low, high, generator=generator))


@implements(torch.normal)
def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: int | Sequence[int] | None = None,
    *,
    generator: Generator = None,
    dtype: DType = None,
    device: Device = None,
) -> LiteTensor:
    """Numbers of the normal distribution: of one mean and std in a shape, or one for each element of ``mean``, ``std``.

    Raises:
        TrackedTensorError: mean or std is being differentiated. What is drawn is a constant; write
            ``mean + std * randn(...)`` to differentiate by them.
        RuntimeError: torch's: a negative std; tensors whose shapes do not broadcast.

    Example::

        >>> nexnet.normal(0.0, 1.0, (2, 3)).shape
        torch.Size([2, 3])
    """
    for each in (mean, std):
        if isinstance(each, TensorBase):
            check_may_leave(each, "normal")
    mean, std = unwrap(mean), unwrap(std)
    if isinstance(mean, torch.Tensor) or isinstance(std, torch.Tensor):
        return from_torch(torch.normal(mean, std, generator=generator))
    out = torch.empty(_shape(() if size is None else size), dtype=dtype, device=_device(device, generator))
    return from_torch(out.normal_(mean, std, generator=generator))


def randint(
    low: int,
    high: Any = None,
    size: Any = (),
    *,
    generator: Generator = None,
    dtype: DType = torch.int64,
    device: Device = None,
) -> LiteTensor:
    """Uniform integers of [low, high), of the shape ``size``; ``randint(high, size)`` starts at 0.

    Raises:
        RuntimeError: torch's: nothing between low and high; a negative size.
        TypeError: torch's: a bound or a size that is no integer.

    Example::

        >>> nexnet.randint(0, 10, (3,)).shape
        torch.Size([3])
    """
    if isinstance(high, (tuple, list)):  # torch's other form: high, size
        low, high, size = 0, low, high
    elif high is None:
        low, high = 0, low
    device = _device(device, generator)
    return from_torch(torch.randint(low, high, _shape(size), generator=generator, dtype=dtype, device=device))


def randperm(n: int, *, generator: Generator = None, dtype: DType = torch.int64, device: Device = None) -> LiteTensor:
    """The integers 0 to n - 1 in random order: of shape (n,).

    Raises:
        RuntimeError: torch's: a negative n.
        TypeError: torch's: an n that is no integer.

    Example::

        >>> nexnet.randperm(4).sort().values
        LiteTensor([0, 1, 2, 3])
    """
    device = _device(device, generator)
    return from_torch(torch.randperm(n, generator=generator, dtype=dtype, device=device))


def _shape(size: int | Sequence[int]) -> Sequence[int]:
    return (size,) if isinstance(size, int) else size


def _device(device: Device, generator: Generator) -> Device:
    return generator.device if device is None and generator is not None else device
