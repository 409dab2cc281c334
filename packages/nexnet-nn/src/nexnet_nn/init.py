"""Initialisers: functions of a shape that give a LiteTensor, with the formulas and random streams of torch.nn.init.

Each takes ``generator``, ``dtype`` and ``device`` by keyword. Numbers are drawn on the generator's device and then
moved, so that one seed gives one model everywhere. Another gain or mode is bound with ``functools.partial``::

    nn.Dense(784, 256, init=functools.partial(nn.init.kaiming_uniform, nonlinearity="relu"))

``fan_in`` and ``fan_out`` of a shape ``(out, in, *kernel)`` are ``in * prod(kernel)`` and ``out * prod(kernel)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import torch

import nexnet
from nexnet import LiteTensor
from nexnet.errors import InputError, message

__all__ = [
    "Initializer",
    "constant",
    "kaiming_normal",
    "kaiming_uniform",
    "normal",
    "ones",
    "torchs_own",
    "uniform",
    "xavier_normal",
    "xavier_uniform",
    "zeros",
]


class Initializer(Protocol):
    """What a layer asks of an initialiser: called with a shape, it gives a new tensor of that shape.

    All of this module are such. Where numbers are drawn, ``generator`` draws them, torch's global one by default;
    ``dtype`` and ``device`` are those of the tensor, torch's defaults by default.

    Raises:
        TypeError: the shape is no sequence of integers; a number is none.
        RuntimeError: torch's: a negative size; a negative ``std``, or bounds in the wrong order.
        InputError: a shape of fewer than two dimensions, of those that scale by fan_in and fan_out.
        ValueError: torch's: a ``mode`` or a ``nonlinearity`` that there isn't.

    Example::

        def small(shape, *, generator=None, dtype=None, device=None):
            return nn.init.normal(shape, std=1e-3, generator=generator, dtype=dtype, device=device)

        nn.Dense(3, 2, init=small)
    """

    def __call__(
        self,
        shape: Sequence[int],
        /,
        *,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: Any = None,
    ) -> LiteTensor:
        """Give a new tensor of the shape."""


def xavier_uniform(
    shape: Sequence[int],
    gain: float = 1.0,
    *,
    generator: torch.Generator | None = None,
    dtype: torch.dtype | None = None,
    device: Any = None,
) -> LiteTensor:
    """U(-a, a) with a = gain sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio, 2010). See ``Initializer``.

    Example::

        >>> nn.init.xavier_uniform((4, 3), generator=torch.Generator().manual_seed(0)).shape
        torch.Size([4, 3])
    """
    _check_fans(shape, "xavier_uniform")
    return _draw(torch.nn.init.xavier_uniform_, shape, generator, dtype, device, gain=gain)


def xavier_normal(
    shape: Sequence[int],
    gain: float = 1.0,
    *,
    generator: torch.Generator | None = None,
    dtype: torch.dtype | None = None,
    device: Any = None,
) -> LiteTensor:
    """N(0, s^2) with s = gain sqrt(2 / (fan_in + fan_out)) (Glorot and Bengio, 2010). See ``Initializer``.

    Example::

        >>> nn.init.xavier_normal((4, 3)).shape
        torch.Size([4, 3])
    """
    _check_fans(shape, "xavier_normal")
    return _draw(torch.nn.init.xavier_normal_, shape, generator, dtype, device, gain=gain)


def kaiming_uniform(
    shape: Sequence[int],
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    generator: torch.Generator | None = None,
    dtype: torch.dtype | None = None,
    device: Any = None,
) -> LiteTensor:
    """U(-b, b) with b = gain sqrt(3 / fan) (He et al., 2015). See ``Initializer``.

    ``mode`` says which fan; the gain is ``torch.nn.init.calculate_gain(nonlinearity, a)``: a is a leaky_relu's slope.

    Example::

        >>> nn.init.kaiming_uniform((4, 3)).shape
        torch.Size([4, 3])
    """
    _check_fans(shape, "kaiming_uniform")
    fill = torch.nn.init.kaiming_uniform_
    return _draw(fill, shape, generator, dtype, device, a=a, mode=mode, nonlinearity=nonlinearity)


torchs_own: Initializer = partial(kaiming_uniform, a=math.sqrt(5))
torchs_own.__doc__ = """What torch fills linear layers and convolutions with: U(-b, b) with b = 1 / sqrt(fan_in).

It is ``kaiming_uniform`` with a = sqrt(5). See ``Initializer``.
"""


def kaiming_normal(
    shape: Sequence[int],
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    generator: torch.Generator | None = None,
    dtype: torch.dtype | None = None,
    device: Any = None,
) -> LiteTensor:
    """N(0, s^2) with s = gain / sqrt(fan) (He et al., 2015). See ``kaiming_uniform``.

    Example::

        >>> nn.init.kaiming_normal((4, 3)).shape
        torch.Size([4, 3])
    """
    _check_fans(shape, "kaiming_normal")
    fill = torch.nn.init.kaiming_normal_
    return _draw(fill, shape, generator, dtype, device, a=a, mode=mode, nonlinearity=nonlinearity)


def uniform(
    shape: Sequence[int],
    low: float = 0.0,
    high: float = 1.0,
    *,
    generator: torch.Generator | None = None,
    dtype: torch.dtype | None = None,
    device: Any = None,
) -> LiteTensor:
    """U(low, high). See ``Initializer``.

    Example::

        >>> nn.init.uniform((2, 3), -1.0, 1.0).shape
        torch.Size([2, 3])
    """
    return _draw(torch.nn.init.uniform_, shape, generator, dtype, device, a=low, b=high)


def normal(
    shape: Sequence[int],
    mean: float = 0.0,
    std: float = 1.0,
    *,
    generator: torch.Generator | None = None,
    dtype: torch.dtype | None = None,
    device: Any = None,
) -> LiteTensor:
    """N(mean, std^2). See ``Initializer``.

    Example::

        >>> nn.init.normal((2, 3), std=0.02).shape
        torch.Size([2, 3])
    """
    return _draw(torch.nn.init.normal_, shape, generator, dtype, device, mean=mean, std=std)


def zeros(
    shape: Sequence[int],
    *,
    generator: torch.Generator | None = None,  # noqa: ARG001  every initialiser can be called alike
    dtype: torch.dtype | None = None,
    device: Any = None,
) -> LiteTensor:
    """All 0. See ``Initializer``.

    Example::

        >>> nn.init.zeros((2,))
        LiteTensor([0., 0.])
    """
    return nexnet.LiteTensor(torch.zeros(tuple(shape), dtype=dtype, device=device))


def ones(
    shape: Sequence[int],
    *,
    generator: torch.Generator | None = None,  # noqa: ARG001  every initialiser can be called alike
    dtype: torch.dtype | None = None,
    device: Any = None,
) -> LiteTensor:
    """All 1. See ``Initializer``.

    Example::

        >>> nn.init.ones((2,))
        LiteTensor([1., 1.])
    """
    return nexnet.LiteTensor(torch.ones(tuple(shape), dtype=dtype, device=device))


def constant(
    shape: Sequence[int],
    value: float,
    *,
    generator: torch.Generator | None = None,  # noqa: ARG001  every initialiser can be called alike
    dtype: torch.dtype | None = None,
    device: Any = None,
) -> LiteTensor:
    """All ``value``. The dtype is torch's default one, also for an integer value. See ``Initializer``.

    Example::

        >>> nn.init.constant((2,), 0.5)
        LiteTensor([0.5000, 0.5000])
    """
    dtype = torch.get_default_dtype() if dtype is None else dtype
    return nexnet.LiteTensor(torch.full(tuple(shape), value, dtype=dtype, device=device))


def _draw(
    fill: Callable[..., Any],
    shape: Sequence[int],
    generator: torch.Generator | None,
    dtype: torch.dtype | None,
    device: Any,
    **options: Any,
) -> LiteTensor:
    """Fill a new tensor as one of torch.nn.init's functions does."""
    source = device if generator is None else generator.device
    data = fill(torch.empty(tuple(shape), dtype=dtype, device=source), generator=generator, **options)
    return nexnet.LiteTensor(data if device is None else data.to(device))


def _check_fans(shape: Sequence[int], name: str) -> None:
    if len(shape) < 2:
        raise InputError(
            message(
                "an initialiser that scales by fan_in and fan_out needs two dimensions or more.",
                rule=f"nexnet_nn.init.{name}",
                expected="a shape (out, in, ...)",
                got=tuple(shape),
                remedy="use normal, uniform or zeros for a vector",
            )
        )
