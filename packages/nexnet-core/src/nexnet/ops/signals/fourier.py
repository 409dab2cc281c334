"""Discrete Fourier transforms, under torch's internal names: ``fft_rfft`` is ``torch.fft.rfft``, ``nexnet.fft.rfft``.

A transform is a matrix F, and its gradient is F^H g: the inverse transform of g, scaled as the other direction is
(``ADJOINT``), and brought to the input's sizes, since what the transform cut off has gradient 0 and what it padded is
nobody's. Of a Hermitian spectrum only the half is kept: there every frequency but 0 and N/2 stands for two, itself and
its conjugate.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ...policy import Linear, Operator, Policy, function, implements
from ..elementwise.complex_numbers import conj

__all__ = [
    "fft_fft",
    "fft_fft2",
    "fft_fftn",
    "fft_fftshift",
    "fft_hfft",
    "fft_hfft2",
    "fft_hfftn",
    "fft_ifft",
    "fft_ifft2",
    "fft_ifftn",
    "fft_ifftshift",
    "fft_ihfft",
    "fft_ihfft2",
    "fft_ihfftn",
    "fft_irfft",
    "fft_irfft2",
    "fft_irfftn",
    "fft_rfft",
    "fft_rfft2",
    "fft_rfftn",
]

Sizes = int | Sequence[int] | None
Dims = int | Sequence[int] | None

# The norm with which the inverse transform is the adjoint. Each of a pair has 1/N, 1/sqrt(N) or nothing in front.
ADJOINT = {None: "forward", "backward": "forward", "forward": "backward", "ortho": "ortho"}


class _Transform(Policy):
    """y = F x:  dx = F^H g, of which a real x gets the real part."""

    complex_rule = "own"
    kernel: Callable[..., Any]
    adjoint: Callable[..., Any]

    def transform(self, input: Any, sizes: Sizes, dim: Dims, norm: str | None) -> Any:
        out = type(self).kernel(input, sizes, dim, norm)  # first: it refuses dimensions that are not there
        shape = input.shape
        dims = _transformed(len(shape), sizes, dim)
        self.ctx.save(shape, _signal_sizes(shape, sizes, dims), dims, norm, input.dtype.is_complex)
        return out

    def backward(self, grad: Any) -> Any:
        shape, sizes, dims, norm, complex_input = self.ctx.release
        dx = _resized(type(self).adjoint(grad, sizes, dims, ADJOINT[norm]), shape)
        return dx if complex_input or not dx.dtype.is_complex else dx.real


class _OneDimension(_Transform):
    def forward(self, input: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Any:
        return self.transform(input, n, dim, norm)


class _TwoDimensions(_Transform):
    def forward(
        self, input: Any, s: Sequence[int] | None = None, dim: Sequence[int] = (-2, -1), norm: str | None = None
    ) -> Any:
        return self.transform(input, s, dim, norm)


class _AllDimensions(_Transform):
    def forward(self, input: Any, s: Sequence[int] | None = None, dim: Dims = None, norm: str | None = None) -> Any:
        return self.transform(input, s, dim, norm)


def _transformed(ndim: int, sizes: Sizes, dim: Dims) -> tuple[int, ...]:
    """Give the dimensions that are transformed, counted from the front."""
    if isinstance(dim, int):
        return (dim % ndim,)
    if dim is None:
        count = ndim if sizes is None else len(sizes)  # type: ignore[arg-type]
        return tuple(range(ndim - count, ndim))
    return tuple([each % ndim for each in dim])


def _signal_sizes(shape: Sequence[int], sizes: Sizes, dims: tuple[int, ...]) -> tuple[int, ...]:
    """Give the sizes to which the input was cut or padded, in the dimensions that are transformed."""
    if not sizes:
        return (shape[dims[0]],) if len(dims) == 1 else tuple([shape[dim] for dim in dims])
    wanted = [sizes] if isinstance(sizes, int) else sizes
    return tuple(shape[dim] if size == -1 else size for size, dim in zip(wanted, dims, strict=True))


def _resized(x: Any, shape: torch.Size) -> Any:
    """Give x cut or padded with zeros, at the end of each dimension, to a shape."""
    if x.shape == shape:
        return x
    pads = [each for size, now in zip(shape[::-1], x.shape[::-1], strict=True) for each in (0, size - now)]
    return torch.constant_pad_nd(x, pads)


def _twofold(x: Any, size: int, dim: int, factor: float) -> Any:
    """Multiply by a factor the frequencies of a half spectrum of so many that stand for two."""
    make = _weights.__wrapped__ if x.is_cuda else _weights  # another stream would not wait for what this one has made
    weights = make(x.shape[dim], size, factor, x.dtype, x.device)
    return x * (weights if dim == x.ndim - 1 else weights.reshape([-1, *[1] * (x.ndim - 1 - dim)]))


@functools.lru_cache(maxsize=64)
def _weights(count: int, size: int, factor: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    weights = torch.full((count,), factor, dtype=dtype, device=device)
    weights[0] = 1
    if size % 2 == 0:
        weights[size // 2 :] = 1
    return weights


# How torch's kernel, without what stands before it, is told to scale a transform, and an inverse transform.
_SCALED = {"forward": 2, "backward": 0, "ortho": 1}
_SCALED_BACK = {"forward": 0, "backward": 2, "ortho": 1}


def _inverse_of_all(grad: Any, _: Any, dims: tuple[int, ...], norm: str) -> Any:
    if isinstance(grad, Tensor):
        return torch._fft_c2c(grad, dims, _SCALED_BACK[norm], False)
    return torch.fft.ifftn(grad, None, dims, norm)


def _transform_of_all(grad: Any, _: Any, dims: tuple[int, ...], norm: str) -> Any:
    if isinstance(grad, Tensor):
        return torch._fft_c2c(grad, dims, _SCALED[norm], True)
    return torch.fft.fftn(grad, None, dims, norm)


def half_spectrum_adjoint(grad: Any, sizes: tuple[int, ...], dims: tuple[int, ...], norm: str) -> Any:
    """Give Re F^H g for a half spectrum g: of two frequencies the inverse transform takes the one that is there."""
    return torch.fft.irfftn(_twofold(grad, sizes[-1], dims[-1], 0.5), sizes, dims, norm)


def half_adjoint(grad: Any, _: tuple[int, ...], dims: tuple[int, ...], norm: str) -> Any:
    """Give the adjoint of the inverse transform of a half spectrum: both of two frequencies."""
    return _twofold(torch.fft.rfftn(grad, None, dims, norm), grad.shape[dims[-1]], dims[-1], 2.0)


def _family(
    formula: str, kernels: Sequence[Callable[..., Any]], adjoint: Callable[..., Any]
) -> tuple[Operator, Operator, Operator]:
    """Make the operators of a transform of one, two and any number of dimensions."""
    made = []
    policy_type: Any = type(_Transform)
    for base, kernel in zip((_OneDimension, _TwoDimensions, _AllDimensions), kernels, strict=True):
        name = kernel.__name__
        members = {"kernel": staticmethod(kernel), "adjoint": staticmethod(adjoint), "__module__": __name__}
        rule = policy_type(name, (base,), {**members, "__doc__": f"{name}:  {formula}"})
        made.append(implements(kernel)(function(rule)))
    return made[0], made[1], made[2]


fft_fft, fft_fft2, fft_fftn = _family(
    "y_k = sum_n x_n exp(-2 pi i k n / N),  dx_n = sum_k g_k exp(2 pi i k n / N)",
    (torch.fft.fft, torch.fft.fft2, torch.fft.fftn),
    _inverse_of_all,
)
fft_ifft, fft_ifft2, fft_ifftn = _family(
    "y_n = 1/N sum_k x_k exp(2 pi i k n / N),  dx_k = 1/N sum_n g_n exp(-2 pi i k n / N)",
    (torch.fft.ifft, torch.fft.ifft2, torch.fft.ifftn),
    _transform_of_all,
)
fft_rfft, fft_rfft2, fft_rfftn = _family(
    "fft of a real signal, the first half of its spectrum,  dx = Re F^H g",
    (torch.fft.rfft, torch.fft.rfft2, torch.fft.rfftn),
    half_spectrum_adjoint,
)
fft_irfft, fft_irfft2, fft_irfftn = _family(
    "the real signal of a half spectrum x,  dx_k = 2/N sum_n g_n exp(-2 pi i k n / N), once for k = 0 and N/2",
    (torch.fft.irfft, torch.fft.irfft2, torch.fft.irfftn),
    half_adjoint,
)


# ---------------------------------------------------------------------------------------------------------------------
# The spectrum of a signal that is itself Hermitian: the real transforms the other way round, by a conjugate


def _of_conjugate(real: Operator, name: str) -> Callable[..., Any]:
    every = real.signature.parameters["dim"].default

    def call(input: Any, sizes: Sizes = None, dim: Dims = every, norm: str | None = None) -> Any:
        return real(conj(input), sizes, dim, ADJOINT.get(norm, norm))

    return _named(call, real, name, "The real spectrum of a signal that is Hermitian in time, from its one half.")


def _conjugate_of(real: Operator, name: str) -> Callable[..., Any]:
    every = real.signature.parameters["dim"].default

    def call(input: Any, sizes: Sizes = None, dim: Dims = every, norm: str | None = None) -> Any:
        return conj(real(input, sizes, dim, ADJOINT.get(norm, norm)))

    return _named(call, real, name, "The one half of the signal, Hermitian in time, that has this real spectrum.")


_OURS = {"n": "sizes", "s": "sizes", "axis": "dim"}


def _named(call: Callable[..., Any], real: Operator, name: str, doc: str) -> Callable[..., Any]:
    """Give a function torch's name and signature: that of the real transform."""
    parameters = real.signature.parameters

    def made(*args: Any, **kwargs: Any) -> Any:
        if kwargs:
            if not kwargs.keys() <= {*parameters, "axis"}:
                real.signature.bind(*args, **kwargs)  # says which is unknown
            kwargs = {_OURS.get(key, key): value for key, value in kwargs.items()}
        return call(*args, **kwargs)

    made.__name__ = made.__qualname__ = f"fft_{name}"
    made.__doc__ = doc
    made.__signature__ = real.signature  # type: ignore[attr-defined]
    implements(getattr(torch.fft, name))(made)
    return made


fft_hfft = _of_conjugate(fft_irfft, "hfft")
fft_hfft2 = _of_conjugate(fft_irfft2, "hfft2")
fft_hfftn = _of_conjugate(fft_irfftn, "hfftn")
fft_ihfft = _conjugate_of(fft_rfft, "ihfft")
fft_ihfft2 = _conjugate_of(fft_rfft2, "ihfft2")
fft_ihfftn = _conjugate_of(fft_rfftn, "ihfftn")


# ---------------------------------------------------------------------------------------------------------------------
# Frequency 0 in the middle


@implements(torch.fft.fftshift)
@function
class fft_fftshift(Linear):
    """The spectrum with frequency 0 in the middle of each dimension:  dx = g with what is there in front again."""

    def forward(self, input: Any, dim: Dims = None) -> Any:
        self.ctx.save(dim)
        return torch.fft.fftshift(input, dim)

    def backward(self, grad: Any) -> Any:
        return torch.fft.ifftshift(grad, *self.ctx.release)


@implements(torch.fft.ifftshift)
@function
class fft_ifftshift(Linear):
    """The spectrum with frequency 0 in front again, the inverse of fftshift:  dx = g with it in the middle."""

    def forward(self, input: Any, dim: Dims = None) -> Any:
        self.ctx.save(dim)
        return torch.fft.ifftshift(input, dim)

    def backward(self, grad: Any) -> Any:
        return torch.fft.fftshift(grad, *self.ctx.release)
