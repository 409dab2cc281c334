"""Distances between points, the size of a direction, and vectors brought to a size."""

from __future__ import annotations

import math
from typing import Any

import torch

from ...engine import TensorBase, number, unwrap
from ...errors import InputError, message
from ...policy import Policy, function, implements
from .._folded import folded
from .._names import composite
from .._plain import may_look_at
from .._vmap_kernels import is_mapped
from .norms import gradient_of_norm, vector_norm

__all__ = [
    "cdist",
    "cosine_similarity",
    "dist",
    "normalize",
    "pairwise_distance",
    "pdist",
    "renorm",
]


@implements(torch.dist)
def dist(input: Any, other: Any, p: float = 2) -> Any:
    """The p-norm of the difference of two tensors that broadcast, over all elements.

    Corner: 0 where they are equal, as the norm's.
    """
    return vector_norm(torch.sub(input, other), p)


@implements(torch.nn.functional.pairwise_distance)
@composite
def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Any:
    """The p-norm of x1 - x2 + eps over the last dimension; the others broadcast."""
    return vector_norm(torch.sub(x1, x2) + eps, p, -1, keepdim)


def _length(x: Any, dim: int, eps: float) -> Any:
    return torch.clamp(torch.linalg.vector_norm(x, 2, dim, True), min=eps)


@implements()
@function
class _cosine_similarity(Policy):
    """y = <a, b>,  a = x1 / n1,  b = x2 / n2,  n = max(|x|, eps):  dx1 = g (b - y a) / n1,  dx2 = g (a - y b) / n2.

    Where |x| < eps, n is a constant, and y a (or y b) is left out.
    """

    def forward(self, x1: Any, x2: Any, dim: int, eps: float) -> Any:
        out = (x1 / _length(x1, dim, eps) * (x2 / _length(x2, dim, eps))).sum(dim)
        self.ctx.save(x1, x2, out, dim, eps)
        return out

    def backward(self, grad: Any) -> Any:
        x1, x2, out, dim, eps = self.ctx.release
        need_first, need_second = self.ctx.needs_input_grad[:2]
        n1, n2 = _length(x1, dim, eps), _length(x2, dim, eps)
        a, b = x1 / n1, x2 / n2
        grad = grad.unsqueeze(dim)
        through = grad * out.unsqueeze(dim)
        return (
            (grad * b - torch.where(n1 > eps, through, 0) * a) / n1 if need_first else None,
            (grad * a - torch.where(n2 > eps, through, 0) * b) / n2 if need_second else None,
        )


@implements(torch.cosine_similarity, torch.nn.functional.cosine_similarity)
@composite
def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    """The cosine of the angle between x1 and x2 along a dimension; both broadcast.

    Corner: a vector shorter than ``eps`` is divided by ``eps``, a constant; a vector of zeros gives 0.
    """
    if x1.shape != x2.shape:
        shape = torch.broadcast_shapes(x1.shape, x2.shape)
        x1, x2 = x1.expand(shape), x2.expand(shape)
    if x1.dtype != x2.dtype:
        dtype = torch.promote_types(x1.dtype, x2.dtype)
        x1, x2 = x1.to(dtype), x2.to(dtype)
    return _cosine_similarity(x1, x2, dim, eps)


@implements()
@function
class _normalized(Policy):
    """y = x / n,  n = max(|x|, eps):  dx = (g - y <g, y>) / n, and g / n where |x| < eps."""

    def forward(self, input: Any, dim: Any, eps: float) -> Any:
        out = input / _length(input, dim, eps)
        self.ctx.save(input, out, dim, eps)
        return out

    def backward(self, grad: Any) -> Any:
        input, out, dim, eps = self.ctx.release
        n = _length(input, dim, eps)
        through = (grad * out).sum(dim, keepdim=True)
        return (grad - torch.where(n > eps, through, 0) * out) / n


@implements(torch.nn.functional.normalize)
@composite
def normalize(input: Any, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: Any = None) -> Any:
    """X / max(|x|_p, eps), the norm along a dimension (or several).

    Corner: a vector shorter than ``eps`` is divided by ``eps``, a constant.

    Raises:
        InputError: ``out`` is given.
    """
    if out is not None:
        raise InputError(
            message("out= writes into a tensor, and nexnet is functional.", rule="normalize", argument="out")
        )
    p = number(p, "normalize", "p")
    if p == 2 and dim is not None:
        return _normalized(input, dim, eps)
    short: Any = unwrap(vector_norm(unwrap(input), p, dim, True)) <= eps  # a constant, at every order
    size: Any = vector_norm(torch.where(short, 1, input), p, dim, True)
    return input / torch.where(short, eps, size)


@implements(torch.renorm)
@function
class renorm(Policy):
    """Each slice x_k along ``dim``, as it is, or c x_k with c = maxnorm / (|x_k| + 1e-7) if its p-norm is larger.

    dx = c (g - <g, x> d|x| / (|x| + 1e-7)),  d|x| the norm's gradient.
    """

    def forward(self, input: Any, p: float, dim: int, maxnorm: float) -> Any:
        self.ctx.save(input, p, dim, maxnorm)
        if not is_mapped(input):
            return torch.renorm(input, p, dim, maxnorm)
        others = [d for d in range(input.ndim) if d != dim % input.ndim]  # torch.vmap has no rule for the kernel
        size = torch.linalg.vector_norm(input, p, others, True)
        return input * torch.where(size > maxnorm, maxnorm / (size + 1e-7), 1)

    def backward(self, grad: Any) -> Any:
        x, p, dim, maxnorm = self.ctx.release
        others = [d for d in range(x.ndim) if d != dim % x.ndim]
        size = torch.linalg.vector_norm(x, p, others, True)
        longer = size > maxnorm
        slope = torch.where(longer, maxnorm / (size + 1e-7), 1)
        inner = torch.where(longer, (grad * x).sum(others, keepdim=True) * slope / (size + 1e-7), 0)
        return grad * slope - gradient_of_norm(
            inner, torch.where(longer, size, 1), torch.where(longer, x, 1), p, others
        )


# ---------------------------------------------------------------------------------------------------------------------
# Between all points of one set, or of two


def _order(rule: str, p: Any) -> float:
    p = number(p, rule, "p")
    if not p >= 0:
        raise InputError(message("a norm's order is not negative.", rule=rule, argument="p", expected=">= 0", got=p))
    return float(p)


_kernels: Any = torch._C._VariableFunctions  # torch.cdist without its strings, which annotations do not know


class _Distances(Policy):
    """y_ij = |a_i - b_j|_p:  da_i = sum_j g_ij d|a_i - b_j|_p, and db_j = minus the same, summed over i.

    torch's kernel for the first order; for higher ones the formula of the norm's gradient, over all differences.
    Where torch takes the distances from matrix products, so is the gradient: with R = g / y,
    da_i = a_i sum_j R_ij - (R b)_i,  db_j = b_j sum_i R_ij - (R^T a)_j.
    """

    def forward(self, a: Any, b: Any, p: float, mode: int | None) -> Any:
        out = _kernels.cdist(a, b, p, mode)
        by_products = p == 2 and (mode == 1 or (mode is None and max(a.shape[-2], b.shape[-2]) > 25))
        self.ctx.save(a, b, out, p, by_products)
        return out

    def backward(self, grad: Any) -> Any:
        a, b, out, p, by_products = self.ctx.release
        need_a, need_b = self.ctx.needs_input_grad[:2]
        if by_products and not (isinstance(grad, TensorBase) and _may_have_equals(unwrap(out))):
            ratio = grad / out.masked_fill(out == 0, math.inf)
            return (
                a * ratio.sum(-1, keepdim=True) - ratio.matmul(b) if need_a else None,
                b * ratio.sum(-2).unsqueeze(-1) - ratio.mT.matmul(a) if need_b else None,
            )
        if isinstance(grad, torch.Tensor):
            return _by_kernel(grad, a, b, out, p, need_a, need_b)
        differences = a.unsqueeze(-2) - b.unsqueeze(-3)
        each = _pair_gradient(grad.unsqueeze(-1), differences, p)
        return each.sum(-2) if need_a else None, -each.sum(-3) if need_b else None


def _may_have_equals(distances: torch.Tensor) -> bool:
    """Say whether two points may be equal, where the second derivative is NaN: products would not know of it."""
    return not may_look_at(distances) or distances.amin().item() == 0


def _by_kernel(grad: Any, a: Any, b: Any, out: Any, p: float, need_a: bool, need_b: bool) -> Any:
    batch = out.shape[:-2]
    if a.shape[:-2] != batch or b.shape[:-2] != batch:
        a, b = (each.expand((*batch, *each.shape[-2:])) for each in (a, b))
    dims = (2, 2, 2, 2)  # of torch's own rule for vmap the results are wrong where only the gradient is mapped
    return (
        folded(_kernel, dims, grad, a, b, out, p) if need_a else None,
        folded(_kernel, dims, grad.mT, b, a, out.mT, p) if need_b else None,
    )


def _kernel(grad: Any, a: Any, b: Any, out: Any, p: float) -> Any:
    grad, a, b, out = grad.contiguous(), a.contiguous(), b.contiguous(), out.contiguous()
    return torch.ops.aten._cdist_backward.default(grad, a, b, p, out)


def _pair_gradient(grad: Any, difference: Any, p: float) -> Any:
    """Give g d|x|_p / dx over the last dimension, as LiteTensors; 0 where x is 0."""
    if p == 0:
        return difference * 0
    size = vector_norm(difference, p, -1, True)
    if p == math.inf:
        return grad * difference.sign() * (difference.abs() == size)
    return gradient_of_norm(grad, size, difference, p, -1)


_distances = function(_Distances)
_distances.leaf = True

_MODES = {"use_mm_for_euclid_dist_if_necessary": None, "use_mm_for_euclid_dist": 1, "donot_use_mm_for_euclid_dist": 2}


@implements(torch.functional.cdist, torch.cdist)
def cdist(x1: Any, x2: Any, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist_if_necessary") -> Any:
    """The p-norms of all differences: y_ij = |x1_i - x2_j|_p. Shapes: (..., m, k) and (..., n, k) to (..., m, n).

    Corner: 0 where two points are equal; for p = inf each of the largest differences gets the whole gradient, as in
    torch.
    """
    if compute_mode not in _MODES:
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    return _distances(x1, x2, _order("cdist", p), _MODES[compute_mode])


class _OwnDistances(Policy):
    """y_ij = |x_i - x_j|_p for i < j, in one dimension; the gradient as of cdist."""

    def forward(self, input: Any, p: float) -> Any:
        if is_mapped(input):  # torch.vmap has no rule for the kernel
            out = _kernels.cdist(*_pairs(input), p, 2)[:, 0, 0]
        else:
            out = torch.ops.aten._pdist_forward.default(input.contiguous(), p)
        self.ctx.save(input, out, p)
        return out

    def backward(self, grad: Any) -> Any:
        x, out, p = self.ctx.release
        if not out.shape[0]:  # of no pair: torch's kernel must not be asked
            return torch.zeros_like(x)
        by_kernels = isinstance(grad, torch.Tensor)
        if by_kernels and not is_mapped(grad, x):
            return torch.ops.aten._pdist_backward.default(grad.contiguous(), x.contiguous(), p, out)
        i, j = torch.triu_indices(x.shape[0], x.shape[0], 1, device=x.device)
        if by_kernels:
            each = _by_kernel(grad[:, None, None], *_pairs(x), out[:, None, None], p, True, False)[0][:, 0]
        else:
            each = _pair_gradient(grad.unsqueeze(-1), x.index_select(0, i) - x.index_select(0, j), p)
        zeros = torch.zeros_like(x)
        return zeros.index_add(0, i, each) - zeros.index_add(0, j, each)


def _pairs(x: Any) -> tuple[Any, Any]:
    """Give both points of each pair, as sets of one point for the kernels of cdist."""
    i, j = torch.triu_indices(x.shape[0], x.shape[0], 1, device=x.device)
    return x.index_select(0, i).unsqueeze(1), x.index_select(0, j).unsqueeze(1)


_own_distances = function(_OwnDistances)
_own_distances.leaf = True


@implements(torch.nn.functional.pdist, torch.pdist)
@composite
def pdist(input: Any, p: float = 2) -> Any:
    """The p-norms of the differences of a matrix's rows, each pair once: (n, k) to (n (n - 1) / 2).

    Corner: 0 where two points are equal; for p = inf each of the largest differences gets the whole gradient, as in
    torch.
    """
    if input.ndim != 2:
        raise InputError(message("pdist takes a matrix.", rule="pdist", got=f"shape {tuple(input.shape)}"))
    return _own_distances(input, _order("pdist", p))
