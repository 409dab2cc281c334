"""Activations as layers: elementwise, of any shape, and softmax along a dimension.

A plain function is a layer too, ``nn.Sequential(dense, nexnet.relu)``: these classes have torch's names, and options.
"""

from __future__ import annotations

from typing import Any

import torch

import nexnet
from nexnet import LiteTensor

from . import init as initializers
from .module import Module
from .operation import Operation

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]


class _Elementwise(Operation):
    """Elementwise: of any shape, which the output has too.

    Raises:
        TypeError: torch's, when it is called: the input is no tensor.
    """


class _Along(Operation):
    """Of any shape with that dimension, which the output has too.

    Raises:
        TypeError: torch's, when it is called: the input is no tensor.
        IndexError: torch's, when it is called: the input has no such dimension.
    """


class ReLU(_Elementwise):
    """max(x, 0).

    Example::

        >>> nn.ReLU()(nexnet.tensor([-1.0, 0.0, 2.0]))
        LiteTensor([0., 0., 2.])
    """

    operator = nexnet.relu


class ReLU6(_Elementwise):
    """min(max(x, 0), 6).

    Example::

        >>> nn.ReLU6()(nexnet.tensor([-1.0, 0.0, 2.0]))
        LiteTensor([0., 0., 2.])
    """

    operator = nexnet.relu6


class LeakyReLU(_Elementwise):
    """x where x > 0, else negative_slope x.

    Example::

        >>> nn.LeakyReLU()(nexnet.tensor([-1.0, 0.0, 2.0]))
        LiteTensor([-0.0100,  0.0000,  2.0000])
    """

    negative_slope: float = 0.01

    operator = nexnet.leaky_relu


class ELU(_Elementwise):
    """x where x > 0, else alpha (e^x - 1).

    Example::

        >>> nn.ELU()(nexnet.tensor([-1.0, 0.0, 2.0]))
        LiteTensor([-0.6321,  0.0000,  2.0000])
    """

    alpha: float = 1.0

    operator = nexnet.elu


class CELU(_Elementwise):
    """x where x > 0, else alpha (e^(x / alpha) - 1).

    Example::

        >>> nn.CELU()(nexnet.tensor([-1.0, 0.0, 2.0]))
        LiteTensor([-0.6321,  0.0000,  2.0000])
    """

    alpha: float = 1.0

    operator = nexnet.celu


class SELU(_Elementwise):
    """s x where x > 0, else s a (e^x - 1), with the s and a of Klambauer et al., 2017.

    Example::

        >>> nn.SELU()(nexnet.tensor([-1.0, 0.0, 2.0]))
        LiteTensor([-1.1113,  0.0000,  2.1014])
    """

    operator = nexnet.selu


class GELU(_Elementwise):
    """x P(x), P the normal distribution's; approximate="tanh": with a tanh in its place.

    Example::

        >>> nn.GELU()(nexnet.tensor([-1.0, 0.0, 2.0]))
        LiteTensor([-0.1587,  0.0000,  1.9545])
    """

    approximate: str = "none"

    operator = nexnet.gelu


class GLU(Operation):
    """a sigmoid(b), a and b the input's halves along a dimension.

    Of any shape; that dimension comes out half as large.

    Raises:
        RuntimeError: torch's, when it is called: that dimension is of odd size.
        IndexError: torch's, when it is called: the input has no such dimension.

    Example::

        >>> nn.GLU()(nexnet.zeros(2, 6)).shape
        torch.Size([2, 3])
    """

    dim: int = -1

    operator = nexnet.glu


class SiLU(_Elementwise):
    """x sigmoid(x).

    Example::

        >>> nn.SiLU()(nexnet.tensor([-1.0, 0.0, 2.0]))
        LiteTensor([-0.2689,  0.0000,  1.7616])
    """

    operator = nexnet.silu


class Mish(_Elementwise):
    """x tanh(softplus(x)).

    Example::

        >>> nn.Mish()(nexnet.tensor([-1.0, 0.0, 2.0]))
        LiteTensor([-0.3034,  0.0000,  1.9440])
    """

    operator = nexnet.mish


class Sigmoid(_Elementwise):
    """1 / (1 + e^-x).

    Example::

        >>> nn.Sigmoid()(nexnet.tensor([-1.0, 0.0, 2.0]))
        LiteTensor([0.2689, 0.5000, 0.8808])
    """

    operator = nexnet.sigmoid


class LogSigmoid(_Elementwise):
    """ln sigmoid(x).

    Example::

        >>> nn.LogSigmoid()(nexnet.tensor([-1.0, 0.0, 2.0]))
        LiteTensor([-1.3133, -0.6931, -0.1269])
    """

    operator = nexnet.logsigmoid


class Tanh(_Elementwise):
    """The hyperbolic tangent.

    Example::

        >>> nn.Tanh()(nexnet.tensor([-1.0, 0.0, 2.0]))
        LiteTensor([-0.7616,  0.0000,  0.9640])
    """

    operator = nexnet.tanh


class Tanhshrink(_Elementwise):
    """x - tanh(x).

    Example::

        >>> nn.Tanhshrink()(nexnet.tensor([-1.0, 0.0, 2.0]))
        LiteTensor([-0.2384,  0.0000,  1.0360])
    """

    operator = nexnet.tanhshrink


class Softplus(_Elementwise):
    """ln(1 + e^(beta x)) / beta; where beta x > threshold, x itself.

    Example::

        >>> nn.Softplus()(nexnet.tensor([-1.0, 0.0, 2.0]))
        LiteTensor([0.3133, 0.6931, 2.1269])
    """

    beta: float = 1.0
    threshold: float = 20.0

    operator = nexnet.softplus


class Softsign(_Elementwise):
    """x / (1 + |x|).

    Example::

        >>> nn.Softsign()(nexnet.tensor([-1.0, 0.0, 2.0]))
        LiteTensor([-0.5000,  0.0000,  0.6667])
    """

    operator = nexnet.softsign


class Softshrink(_Elementwise):
    """x - lambd sign(x) where |x| > lambd, else 0.

    Example::

        >>> nn.Softshrink()(nexnet.tensor([-1.0, 0.0, 2.0]))
        LiteTensor([-0.5000,  0.0000,  1.5000])
    """

    lambd: float = 0.5

    operator = nexnet.softshrink


class Hardshrink(_Elementwise):
    """x where |x| > lambd, else 0.

    Example::

        >>> nn.Hardshrink()(nexnet.tensor([-1.0, 0.0, 2.0]))
        LiteTensor([-1.,  0.,  2.])
    """

    lambd: float = 0.5

    operator = nexnet.hardshrink


class Hardsigmoid(_Elementwise):
    """min(max(x + 3, 0), 6) / 6.

    Example::

        >>> nn.Hardsigmoid()(nexnet.tensor([-1.0, 0.0, 2.0]))
        LiteTensor([0.3333, 0.5000, 0.8333])
    """

    operator = nexnet.hardsigmoid


class Hardswish(_Elementwise):
    """x min(max(x + 3, 0), 6) / 6.

    Example::

        >>> nn.Hardswish()(nexnet.tensor([-1.0, 0.0, 2.0]))
        LiteTensor([-0.3333,  0.0000,  1.6667])
    """

    operator = nexnet.hardswish


class Hardtanh(_Elementwise):
    """x between two bounds, else the nearer one; bounds in the wrong order are a ValueError when it is called.

    Example::

        >>> nn.Hardtanh()(nexnet.tensor([-1.0, 0.0, 2.0]))
        LiteTensor([-1.,  0.,  1.])
    """

    min_val: float = -1.0
    max_val: float = 1.0

    operator = nexnet.hardtanh


class Threshold(_Elementwise):
    """x where x > threshold, else value.

    Example::

        >>> nn.Threshold(0.5, -1.0)(nexnet.tensor([0.0, 2.0]))
        LiteTensor([-1.,  2.])
    """

    threshold: float
    value: float

    operator = nexnet.threshold


class Softmax(_Along):
    """e^x / sum e^x along a dimension.

    Example::

        >>> nn.Softmax(dim=-1)(nexnet.tensor([0.0, 1.0]))
        LiteTensor([0.2689, 0.7311])
    """

    dim: int

    operator = nexnet.softmax


class LogSoftmax(_Along):
    """ln softmax(x) along a dimension.

    Example::

        >>> nn.LogSoftmax(dim=-1)(nexnet.tensor([0.0, 1.0]))
        LiteTensor([-1.3133, -0.3133])
    """

    dim: int

    operator = nexnet.log_softmax


class Softmin(_Along):
    """softmax(-x) along a dimension.

    Example::

        >>> nn.Softmin(dim=-1)(nexnet.tensor([0.0, 1.0]))
        LiteTensor([0.7311, 0.2689])
    """

    dim: int

    operator = nexnet.softmin


class Softmax2d(Operation):
    """softmax over the channels of ``(batch, channels, height, width)`` or ``(channels, height, width)``.

    The output has the input's shape.

    Raises:
        IndexError: torch's, when it is called: the input has fewer than three dimensions.

    Example::

        >>> nn.Softmax2d()(nexnet.zeros(1, 4, 2, 2)).shape
        torch.Size([1, 4, 2, 2])
    """

    def __call__(self, x: Any) -> LiteTensor:
        """Give probabilities for each place."""
        return nexnet.softmax(x, -3)  # type: ignore[no-any-return]


class PReLU(Module):
    """x where x > 0, else w x: the slope is learned.

    The input is of shape ``(batch, channels, ...)``, or any with one parameter; the output has the same.

    Args:
        num_parameters: 1, or one for each channel: of dimension 1.
        init: what w starts as.
        dtype: of the parameter; torch's default by default.
        device: of the parameter; torch's default by default.

    Attributes:
        weight: w, of shape ``(num_parameters,)``.

    Raises:
        InputError: when it is called: neither one parameter nor as many as channels.

    Example::

        >>> nn.PReLU()(nexnet.tensor([-1.0, 2.0]))
        LiteTensor([-0.2500,  2.0000])
    """

    weight: LiteTensor

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, *, dtype: torch.dtype | None = None, device: Any = None
    ) -> None:
        self.weight = initializers.constant((num_parameters,), init, dtype=dtype, device=device)

    def __call__(self, x: Any) -> LiteTensor:
        """Map ``x`` of shape ``(batch, channels, ...)``, or any with one parameter."""
        return nexnet.prelu(x, self.weight)  # type: ignore[no-any-return]


class RReLU(Operation):
    """x where x > 0, else a x: a is drawn for each element of U(lower, upper); without a generator it is their mean.

    Elementwise: of any shape, which the output has too.

    Attributes:
        lower: the least slope.
        upper: the greatest.

    Raises:
        TypeError: torch's, when it is called: the input is no tensor.

    Example::

        >>> nn.RReLU()(nexnet.tensor([-1.0, 2.0]))
        LiteTensor([-0.2292,  2.0000])
    """

    lower: float = 1 / 8
    upper: float = 1 / 3

    def __call__(self, x: Any, generator: torch.Generator | None = None) -> LiteTensor:
        """Map ``x``, of any shape."""
        return nexnet.rrelu(x, self.lower, self.upper, generator is not None, generator=generator)  # type: ignore[no-any-return]
