"""New tensors: from data, of one value, of evenly spaced values. Names, signatures and defaults are torch's.

A shape is given as a tuple or as arguments: ``zeros((3, 4))`` is ``zeros(3, 4)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy
import torch

from . import ops
from .engine import TensorBase, is_tracked, unwrap
from .errors import InputError, message
from .policy import implements
from .tensor import LiteTensor, from_torch, plain

__all__ = [
    "arange",
    "as_tensor",
    "asarray",
    "empty",
    "eye",
    "from_numpy",
    "full",
    "linspace",
    "logspace",
    "one_hot",
    "ones",
    "tensor",
    "zeros",
]

DType = torch.dtype | None
Device = torch.device | str | int | None


def tensor(data: Any, *, dtype: DType = None, device: Device = None) -> LiteTensor:
    """A tensor with a copy of some data: numbers, nested lists, arrays, tensors; a number has shape ().

    Raises:
        InputError: the data holds a LiteTensor that is being differentiated: its gradient would be lost.
        TypeError: torch's: data that is no number.
        ValueError: torch's: lists of different lengths.

    Example::

        >>> nexnet.tensor([1.0, 2.0])
        LiteTensor([1., 2.])
    """
    data = plain(data)
    if isinstance(data, torch.Tensor):
        return from_torch(data.detach().to(dtype=dtype, device=device, copy=True))
    return from_torch(torch.tensor(data, dtype=dtype, device=device))


def as_tensor(data: Any, dtype: DType = None, device: Device = None) -> LiteTensor:
    """A tensor with some data, in the same memory where that is possible; a LiteTensor stays what it is.

    Of a LiteTensor it is ``x.to(dtype, device)``, and differentiable. For shapes and errors see ``tensor``.

    Example::

        >>> nexnet.as_tensor([1.0, 2.0])
        LiteTensor([1., 2.])
    """
    if isinstance(data, LiteTensor):
        same = dtype in (None, data.dtype) and (device is None or torch.device(device) == data.device)
        return data if same else ops.to(data, dtype=dtype, device=device)
    return LiteTensor(data, dtype, device)


asarray = as_tensor


def from_numpy(array: numpy.ndarray[Any, Any]) -> LiteTensor:
    """A tensor in the memory of a numpy array, of its shape and dtype.

    Raises:
        TypeError: torch's: no array; a dtype that torch does not have.

    Example::

        >>> import numpy as np
        >>> nexnet.from_numpy(np.zeros(2))
        LiteTensor([0., 0.], dtype=torch.float64)
    """
    return LiteTensor(torch.from_numpy(array))


def zeros(*sizes: Any, size: Any = None, dtype: DType = None, device: Device = None) -> LiteTensor:
    """Zeros of a shape: ``zeros(2, 3)``, ``zeros((2, 3))`` and ``zeros(size=(2, 3))`` are one.

    Raises:
        TypeError: torch's: a size that is no integer.
        RuntimeError: torch's: a negative size.

    Example::

        >>> nexnet.zeros(2, 1)
        LiteTensor([[0.],
                    [0.]])
    """
    return from_torch(torch.zeros(*sizes_of(sizes, size), dtype=dtype, device=device))


def ones(*sizes: Any, size: Any = None, dtype: DType = None, device: Device = None) -> LiteTensor:
    """Ones of a shape. For sizes and errors see ``zeros``.

    Example::

        >>> nexnet.ones(2)
        LiteTensor([1., 1.])
    """
    return from_torch(torch.ones(*sizes_of(sizes, size), dtype=dtype, device=device))


def empty(*sizes: Any, size: Any = None, dtype: DType = None, device: Device = None) -> LiteTensor:
    """Uninitialised memory of a shape. For sizes and errors see ``zeros``.

    Example::

        >>> nexnet.empty(2, 3).shape
        torch.Size([2, 3])
    """
    return from_torch(torch.empty(*sizes_of(sizes, size), dtype=dtype, device=device))


def sizes_of(sizes: tuple[Any, ...], size: Any) -> tuple[Any, ...]:
    """Give a shape's sizes as torch's functions take them: one by one, as one tuple, or by keyword."""
    return sizes if size is None else (*sizes, size)


@implements(torch.full)
def full(size: int | Sequence[int], fill_value: Any, *, dtype: DType = None, device: Device = None) -> LiteTensor:
    """One value in a shape. The value may be a LiteTensor without dimensions, and is then differentiable.

    Raises:
        InputError: a LiteTensor with dimensions.
        TypeError: torch's: a value that is no number, a size that is no integer.
        RuntimeError: torch's: a negative size.

    Example::

        >>> nexnet.full((2,), 7.0)
        LiteTensor([7., 7.])
    """
    size = (size,) if isinstance(size, int) else size
    if isinstance(fill_value, LiteTensor):
        if fill_value.ndim:
            raise InputError(
                message(
                    "full takes one value.", rule="full", argument="fill_value", got=f"shape {tuple(fill_value.shape)}"
                )
            )
        return ops.clone(ops.expand(as_tensor(fill_value, dtype, device), size))  # type: ignore[no-any-return]
    return from_torch(torch.full(size, fill_value, dtype=dtype, device=device))


def eye(n: int, m: int | None = None, *, dtype: DType = None, device: Device = None) -> LiteTensor:
    """The unit matrix of shape (n, n), or (n, m).

    Raises:
        RuntimeError: torch's: a negative size.

    Example::

        >>> nexnet.eye(2)
        LiteTensor([[1., 0.],
                    [0., 1.]])
    """
    return from_torch(torch.eye(n, n if m is None else m, dtype=dtype, device=device))


@implements(torch.arange)
def arange(start: Any, end: Any = None, step: Any = 1, *, dtype: DType = None, device: Device = None) -> LiteTensor:
    """``start, start + step, ...`` up to ``end``, which is left out; ``arange(end)`` starts at 0.

    Of shape (n,), n being (end - start) / step, rounded up.

    Raises:
        InputError: a tensor that is being differentiated: a range is a constant.
        RuntimeError: torch's: a step of 0, or away from the end.
        TypeError: torch's: no numbers.

    Example::

        >>> nexnet.arange(0, 10, 4)
        LiteTensor([0, 4, 8])
    """
    start, end, step = _numbers("arange", start, end, step)
    start, end = (0, start) if end is None else (start, end)
    return from_torch(torch.arange(start, end, step, dtype=dtype, device=device))


@implements(torch.linspace)
def linspace(start: Any, end: Any, steps: int, *, dtype: DType = None, device: Device = None) -> LiteTensor:
    """``steps`` evenly spaced values from ``start`` to ``end``, both of them in: of shape (steps,).

    Raises:
        InputError: a tensor that is being differentiated; the message says how it can be.
        RuntimeError: torch's: fewer than 0 steps.
        TypeError: torch's: no numbers; steps that are no integer.

    Example::

        >>> nexnet.linspace(0, 1, 3)
        LiteTensor([0.0000, 0.5000, 1.0000])
    """
    start, end, steps = _numbers("linspace", start, end, steps)
    return from_torch(torch.linspace(start, end, steps, dtype=dtype, device=device))


@implements(torch.logspace)
def logspace(
    start: Any, end: Any, steps: int, base: float = 10.0, *, dtype: DType = None, device: Device = None
) -> LiteTensor:
    """``steps`` values from ``base**start`` to ``base**end`` with evenly spaced exponents. See ``linspace``.

    Example::

        >>> nexnet.logspace(0, 2, 3)
        LiteTensor([  1.,  10., 100.])
    """
    start, end, steps, base = _numbers("logspace", start, end, steps, base)
    return from_torch(torch.logspace(start, end, steps, base, dtype=dtype, device=device))


def _numbers(rule: str, *values: Any) -> list[Any]:
    """Take the numbers that a range is made of: constants."""
    for each in values:
        if isinstance(each, TensorBase) and is_tracked(each):
            raise InputError(
                message(
                    f"{rule} takes numbers, and this is a tensor that is being differentiated.",
                    rule=rule,
                    remedy="start + (end - start) * nexnet.linspace(0, 1, steps) is differentiable in both; or "
                    "nexnet.stop_gradient(x)",
                )
            )
    return [each.data.item() if isinstance(each, TensorBase) else each for each in values]


def _sized(name: str) -> None:
    """Let a function of torch's that makes tensors take sizes that are LiteTensors of integers."""
    made = getattr(torch, name)

    @implements(made)
    def call(*sizes: Any, **options: Any) -> LiteTensor:
        plain_sizes = [[int(x) for x in each] if isinstance(each, (tuple, list)) else int(each) for each in sizes]
        return from_torch(made(*plain_sizes, **options))


for _name in ("zeros", "ones", "empty", "rand", "randn", "eye"):
    _sized(_name)


@implements(torch.scalar_tensor)
def _scalar_tensor(s: Any, dtype: DType = None, device: Device = None) -> LiteTensor:
    return as_tensor(s, dtype or torch.get_default_dtype(), device)


@implements(torch.nn.functional.one_hot)
def one_hot(tensor: Any, num_classes: int = -1) -> LiteTensor:
    """For each class number a row of int64 zeros with a 1 at that place: shape (..., num_classes).

    Without ``num_classes`` it is one more than the largest number.

    Raises:
        RuntimeError: torch's: numbers that are no int64, or below 0, or not below ``num_classes``.

    Example::

        >>> nexnet.one_hot(torch.tensor([0, 2]), 3)
        LiteTensor([[1, 0, 0],
                    [0, 0, 1]])
    """
    numbers = unwrap(tensor) if isinstance(tensor, (TensorBase, torch.Tensor)) else torch.as_tensor(tensor)
    return from_torch(torch.nn.functional.one_hot(numbers, num_classes))
