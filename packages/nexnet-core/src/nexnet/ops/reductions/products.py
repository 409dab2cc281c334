"""Products of all elements or along a dimension, and running products.

Where every product is an ordinary number a rule divides by x, as one does by hand; with zeros, and where a product has
left the range of its dtype, it multiplies what comes before and after each element. Both are right at every order.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from ...engine import unwrap
from ...policy import Analytic, Policy, function, implements
from .._names import composite
from .._plain import is_plain
from .sums import restore_dims

__all__ = ["cumprod", "prod"]


class _prod(Policy):
    """y = prod_i x_i:  dx_i = g conj(y / x_i);  with zeros, dx_i = g conj(prod_{j != i} x_j)."""

    complex_rule = "own"

    def forward(self, input: Any, dim: int | None, keepdim: bool, dtype: torch.dtype | None) -> Any:
        out = torch.prod(input, dtype=dtype) if dim is None else torch.prod(input, dim, keepdim, dtype=dtype)
        self.ctx.save(input, out, dim, keepdim)
        return out

    def backward(self, grad: Any) -> Any:
        input, out, dim, keepdim = self.ctx.release
        if input.ndim == 0:
            return grad
        x = input if input.dtype is out.dtype else input.to(out.dtype)
        if out.dtype.is_complex:
            return _conjugated(self._by_real_formula(grad.conj(), x, out, dim, keepdim))
        return self._by_real_formula(grad, x, out, dim, keepdim)

    @staticmethod
    def _by_real_formula(grad: Any, x: Any, out: Any, dim: int | None, keepdim: bool) -> Any:
        if _may_divide(x, out, dim):
            return restore_dims(grad * out, x.shape, dim, keepdim) / x
        if dim is None:
            return (grad * _products_of_others(x.reshape(-1), 0)).reshape(x.shape)
        return restore_dims(grad, x.shape, dim, keepdim) * _products_of_others(x, dim)


def _conjugated(own: Any) -> Any:
    """Conjugate a tensor that nobody else has: in its place where it is torch's."""
    return own.conj_physical_() if is_plain(own) else own.conj()


def _may_divide(x: Any, products: Any, dim: int | None, running: bool = False) -> bool:
    """Say whether y / x is right: no factor is 0, and each product has all its digits, or is far beyond the range.

    Far means that the products of all but 64 factors are beyond it too: they are 0, or infinite, and so are y / x. Of
    running products only the last is looked at: what has left the range slowly leaves nothing to lose.
    """
    x, y = unwrap(x), unwrap(products)
    if y.is_meta or y.numel() == 0:
        return True
    if torch._C._functorch.is_batchedtensor(y) or torch._C._functorch.is_batchedtensor(x):
        return False  # vmap has no values to look at
    low: Any
    high: Any
    kind = torch.finfo(y.dtype)
    if y.numel() == 1:  # a number is looked at in Python: that spares most small products several kernels
        number = y.item()
        low = high = math.hypot(number.real, number.imag)
    else:
        low, high = torch.aminmax(y.abs())
    if low >= kind.tiny and high <= kind.max:
        return True
    bits = x.abs().log2_()
    if dim is None:
        total, (least, most) = bits.sum(), torch.aminmax(bits)
    else:
        total, (least, most) = bits.sum(dim, keepdim=True), torch.aminmax(bits, dim=dim, keepdim=True)
    spread = torch.maximum(-least, most)
    if running:
        far = (total < 0) & (spread < 32)
    else:
        far = total.abs() > 64 * spread + 2 * math.log2(kind.max)
    size = y.abs()
    ordinary = (size >= kind.tiny) & (size <= kind.max)
    return bool((far | ordinary.reshape(far.shape)).all())


def _products_of_others(x: Any, dim: int) -> Any:
    return products_before(x, dim) * products_before(x.flip(dim), dim).flip(dim)


def products_before(x: Any, dim: int) -> Any:
    """Give 1, x_0, x_0 x_1, ...: the product of all elements before each."""
    if x.shape[dim] == 0:
        return x
    return torch.cat([torch.ones_like(x.narrow(dim, 0, 1)), x.narrow(dim, 0, x.shape[dim] - 1)], dim).cumprod(dim)


_product = implements()(function(_prod))


@implements(torch.prod)
@composite
def prod(input: Any, dim: int | None = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Any:
    """The product of all elements, or of those along one dimension.

    Corner: right with any number of zeros, at every order.
    """
    return _product(input, dim, keepdim, dtype)


@implements(torch.cumprod)
@function
class cumprod(Analytic):
    """y_i = prod_{j <= i} x_j:  dx_k = (sum_{i >= k} g_i y_i) / x_k.

    With zeros, dx_k = (prod_{j < k} x_j) s_k,  s_k = g_k + x_{k+1} s_{k+1}, a recurrence that is solved by doubling, in
    log2(n) steps of plain products and sums.  Corner: right with any number of zeros, at every order.
    """

    def forward(self, input: Any, dim: int, *, dtype: torch.dtype | None = None) -> Any:
        out = torch.cumprod(input, dim, dtype=dtype)
        self.ctx.save(input, out, dim)
        return out

    def backward(self, grad: Any) -> Any:
        input, out, dim = self.ctx.release
        x = input if input.dtype is out.dtype else input.to(out.dtype)
        if x.ndim == 0 or x.shape[dim] == 0:
            return grad
        if _may_divide(x, out.narrow(dim, x.shape[dim] - 1, 1), dim, running=True):
            terms = (grad * out).flip(dim)
            if is_plain(terms, x):  # a tensor's own memory is at hand, which new memory is not
                return terms.cumsum_(dim).flip(dim).div_(x)
            return terms.cumsum(dim).flip(dim) / x
        s, factor, step = grad, _shift(x, dim, 1), 1
        while step < x.shape[dim]:
            s = s + factor * _shift(s, dim, step)
            factor = factor * _shift(factor, dim, step)
            step *= 2
        return products_before(x, dim) * s


def _shift(x: Any, dim: int, step: int) -> Any:
    """Give x_step, x_{step+1}, ..., and zeros beyond the end."""
    rest = x.shape[dim] - step
    return torch.cat([x.narrow(dim, step, rest), torch.zeros_like(x.narrow(dim, 0, step))], dim)
