"""Complex numbers: their parts, their conjugates, and what is made of two real tensors.

The gradient of a real loss L by a complex tensor z = x + iy is PyTorch's, dL/dx + i dL/dy: the direction in which L
grows (twice the derivative by the conjugate of z; JAX gives its conjugate). A function that is not analytic needs a
rule that is written for it, as every one here is. A function f that is analytic has dz = g conj(f'(z)); those rules say
so (``Analytic``), are written as for real numbers, and the conjugates are put in by nexnet.
"""

from __future__ import annotations

from typing import Any

import torch

from ...engine import is_wrapped
from ...policy import Policy, function, implements
from .. import _vmap_kernels
from .._conventions import chosen
from .._names import composite
from ..constant import constant

__all__ = [
    "angle",
    "complex",
    "conj",
    "conj_physical",
    "imag",
    "is_conj",
    "is_neg",
    "polar",
    "real",
    "resolve_conj",
    "resolve_neg",
    "sgn",
    "view_as_complex",
    "view_as_real",
]


class _Own(Policy):
    """A rule with a formula for complex numbers of its own."""

    complex_rule = "own"


# ---------------------------------------------------------------------------------------------------------------------
# Conjugates


class _conj(_Own):
    """conj z:  dz = conj g."""

    def forward(self, input: Any) -> Any:
        return input.conj()

    def backward(self, grad: Any) -> Any:
        return grad.conj()


class _conj_physical(_Own):
    """conj z, computed at once:  dz = conj g."""

    def forward(self, input: Any) -> Any:
        return _vmap_kernels.conj_physical(input)

    def backward(self, grad: Any) -> Any:
        return grad.conj()


class _resolve(_Own):
    """z with its pending conjugation or change of sign carried out:  dz = g."""

    def forward(self, input: Any) -> Any:
        return input.resolve_conj().resolve_neg()

    def backward(self, grad: Any) -> Any:
        return grad


_conjugate, _conjugate_now, _resolved = function(_conj), function(_conj_physical), function(_resolve)
_conjugate.leaf = _conjugate_now.leaf = _resolved.leaf = True


@implements(torch.conj)
@composite
def conj(input: Any) -> Any:
    """The complex conjugate, as a view whose numbers are conjugated when they are read; a real tensor as it is."""
    return _conjugate(input) if input.dtype.is_complex else input


@implements(torch.conj_physical)
@composite
def conj_physical(input: Any) -> Any:
    """The complex conjugate, computed at once; a real tensor as it is."""
    return _conjugate_now(input) if input.dtype.is_complex else input


@implements(torch.resolve_conj)
def resolve_conj(input: Any) -> Any:
    """The tensor with its pending conjugation carried out."""
    return _resolved(input) if is_conj(input) else input


@implements(torch.resolve_neg)
def resolve_neg(input: Any) -> Any:
    """The tensor with its pending change of sign (as the imaginary part of a conjugate has one) carried out."""
    return _resolved(input) if is_neg(input) else input


# ---------------------------------------------------------------------------------------------------------------------
# Parts


def imaginary_part(z: Any) -> Any:
    """Give Im z; of a conjugate that is a view with a pending sign, which torch.vmap does not have."""
    return torch.imag(z.resolve_conj() if type(z) is torch.Tensor and is_wrapped(z) else z)


class _real(_Own):
    """Re z:  dz = g."""

    def forward(self, input: Any) -> Any:
        return input.real

    def backward(self, grad: Any) -> Any:
        return grad


@implements(torch.imag)
@function
class imag(_Own):
    """Im z:  dz = i g."""

    def forward(self, input: Any) -> Any:
        return imaginary_part(input)

    def backward(self, grad: Any) -> Any:
        return torch.complex(torch.zeros_like(grad), grad)


_real_part = function(_real)
_real_part.leaf = True


@implements(torch.real)
@composite
def real(input: Any) -> Any:
    """The real part of a complex tensor; a real one as it is."""
    return _real_part(input) if input.dtype.is_complex else input


@implements(torch.view_as_real)
@function
class view_as_real(_Own):
    """(Re z, Im z) in a new last dimension:  dz = g_0 + i g_1."""

    def forward(self, input: Any) -> Any:
        return torch.view_as_real(input)

    def backward(self, grad: Any) -> Any:
        return torch.view_as_complex(grad.contiguous())


@implements(torch.view_as_complex)
@function
class view_as_complex(_Own):
    """x_0 + i x_1 of the last dimension, which has size 2:  dx = (Re g, Im g)."""

    def forward(self, input: Any) -> Any:
        return torch.view_as_complex(input)

    def backward(self, grad: Any) -> Any:
        return torch.view_as_real(grad.resolve_conj())


@implements(torch.complex)
@function
class complex(_Own):
    """z = x + iy:  dx = Re g,  dy = Im g."""

    def forward(self, real: Any, imag: Any) -> Any:
        return torch.complex(real, imag)

    def backward(self, grad: Any) -> Any:
        need_real, need_imag = self.ctx.needs_input_grad
        return grad.real if need_real else None, imaginary_part(grad) if need_imag else None


# ---------------------------------------------------------------------------------------------------------------------
# Absolute value and angle (abs itself stands in ``piecewise``)


@implements(torch.polar)
@function
class polar(_Own):
    """z = r e^(it):  dr = Re(g conj e^(it)),  dt = Re(g conj iz).

    Corner: a radius of 0 or below has this derivative too (PyTorch gives 0 at 0, and the other sign below).
    """

    def forward(self, abs: Any, angle: Any) -> Any:
        out = torch.polar(abs, angle)
        self.ctx.save(angle, out)
        return out

    def backward(self, grad: Any) -> Any:
        angle, out = self.ctx.release
        need_abs, need_angle = self.ctx.needs_input_grad
        along, across = grad.real, imaginary_part(grad)
        return (
            along * torch.cos(angle) + across * torch.sin(angle) if need_abs else None,
            across * out.real - along * imaginary_part(out) if need_angle else None,
        )


@implements(torch.angle)
@function
class angle(_Own):
    """The angle of z with the real axis:  dz = g i z / |z|^2.  Of a real number it is 0 or pi:  dx = 0.

    Corner: 0 at 0.
    """

    def forward(self, input: Any) -> Any:
        self.ctx.save(input)
        return torch.angle(input)

    def backward(self, grad: Any) -> Any:
        (input,) = self.ctx.release
        if not input.dtype.is_complex:
            return None
        zero = input == 0
        return chosen(torch.where(zero, 0, grad * 1j / torch.where(zero, 1, input).conj()), zero, input)


class _sgn(_Own):
    """y = z / |z|, and 0 for 0:  dz = (g - y Re(g conj y)) / |z|.

    Corner: 0 at 0.
    """

    def forward(self, input: Any) -> Any:
        out = torch.sgn(input)
        self.ctx.save(input, out)
        return out

    def backward(self, grad: Any) -> Any:
        input, out = self.ctx.release
        size = input.abs()
        zero = size == 0
        if isinstance(grad, torch.Tensor):  # g / y = g conj y takes no copy of a conjugate; of 0 nothing is left
            return ((grad - out * (grad / out).real) / size).masked_fill_(zero, 0)
        across = grad - out * (grad * out.conj()).real
        return chosen((across / size.masked_fill(zero, 1)).masked_fill(zero, 0), zero, input)


_complex_sign, _real_sign = function(_sgn), constant(torch.sgn)
_complex_sign.leaf = True


@implements(torch.sgn)
@composite
def sgn(input: Any) -> Any:
    """The sign z / |z|, and 0 for 0. That of a real tensor is flat.  Corner: 0 at 0."""
    return _complex_sign(input) if input.dtype.is_complex else _real_sign(input)


is_conj = implements(torch.is_conj)(constant(torch.is_conj))
is_neg = implements(torch.is_neg)(constant(torch.is_neg))
