"""Losses that want a margin: between classes, between a pair, or between the distances of a triplet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812  torch's own name for it

from ...engine import TensorBase, is_tracked, unwrap
from ...errors import InputError, message
from ...policy import Policy, function, implements
from .._folded import folded
from .._kernels import kernel_or_rule
from .._names import composite
from .._vmap_kernels import is_mapped
from ..elementwise.arithmetic import mul, sub
from ..elementwise.selection import clamp_min, minimum
from ..reductions.distance import pairwise_distance
from ..reductions.sums import mean
from ..shapes.joining import to
from ._reduced import _answers, _code, _named, _reduce, _reduced, _require_real, _share
from .probabilities import _binary_cross_entropy_with_logits

__all__ = [
    "cosine_embedding_loss",
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]

_aten = torch.ops.aten
_multi_margin = _aten.multi_margin_loss.default
_multi_margin_backward = _aten.multi_margin_loss_backward.default
_multilabel_margin = _aten.multilabel_margin_loss_forward.default
_multilabel_margin_backward = _aten.multilabel_margin_loss_backward.default
_soft_margin_backward = _aten.soft_margin_loss_backward.default


# Two vectors, or two numbers ------------------------------------------------------------------------------------------


@implements()
@function
class _hinge(Policy):
    """x where t is 1, max(m - x, 0) where t is -1, and their sum elsewhere:  dx = g, or -g where x <= m, or both."""

    def forward(self, input: Any, target: Any, margin: float) -> Any:
        self.ctx.save(input, target, margin)
        apart = torch.where(target != 1, torch.clamp(margin - input, min=0), 0)
        return apart + torch.where(target != -1, input, 0)

    def backward(self, grad: Any) -> Any:
        input, target, margin = self.ctx.release
        return torch.where(target != -1, grad, 0) - torch.where((target != 1) & (input <= margin), grad, 0)


@_answers(torch.hinge_embedding_loss, "input", "target", "margin", "reduction")
@implements(F.hinge_embedding_loss)
def hinge_embedding_loss(input: Any, target: Any, margin: float = 1.0, *, reduction: str = "mean") -> Any:
    """X where t is 1, max(margin - x, 0) where t is -1: of a distance x between two things, alike or not.

    Corner: the slope is -1 where x is the margin, as in PyTorch up to 2.13 (from 2.14 on, its own is 0).
    """
    return _reduce(_hinge(input, target, margin), _named(reduction), "hinge_embedding_loss")


@_answers(torch.margin_ranking_loss, "input1", "input2", "target", "margin", "reduction")
@implements(F.margin_ranking_loss)
@composite
def margin_ranking_loss(input1: Any, input2: Any, target: Any, margin: float = 0, *, reduction: str = "mean") -> Any:
    """max(-t (x1 - x2) + margin, 0): x1 is to be the larger where t is 1, x2 where t is -1.

    Corner: a difference of just the margin passes the gradient, as in PyTorch up to 2.13.

    Raises:
        InputError: tensors of different dimensions.
    """
    if not input1.ndim == input2.ndim == target.ndim:
        raise InputError(
            message(
                "the inputs and the target differ in dimensions.",
                rule="margin_ranking_loss",
                got=f"shapes {tuple(input1.shape)}, {tuple(input2.shape)} and {tuple(target.shape)}",
            )
        )
    losses = clamp_min(mul(sub(input2, input1), target) + margin, 0)
    return _reduce(losses, _named(reduction), "margin_ranking_loss")


@implements()
@function
class _cosine(Policy):
    """y = <x1, x2> r,  r = (m1 m2)^(-1/2),  m = <x, x> + 1e-12:  dx1 = g (x2 r - x1 y / m1),  dx2 likewise."""

    def forward(self, x1: Any, x2: Any) -> Any:
        out = (x1 * x2).sum(-1) * self._scale(x1, x2)[2]
        self.ctx.save(x1, x2, out)
        return out

    def backward(self, grad: Any) -> Any:
        x1, x2, out = self.ctx.release
        m1, m2, r = self._scale(x1, x2)
        direct, through = (grad * r).unsqueeze(-1), grad * out
        return direct * x2 - x1 * (through / m1).unsqueeze(-1), direct * x1 - x2 * (through / m2).unsqueeze(-1)

    @staticmethod
    def _scale(x1: Any, x2: Any) -> tuple[Any, Any, Any]:
        m1, m2 = (x1 * x1).sum(-1) + 1e-12, (x2 * x2).sum(-1) + 1e-12
        return m1, m2, torch.rsqrt(m1 * m2)


@implements()
@function
class _of_cosine(Policy):
    """1 - y where t is 1, max(y - m, 0) where t is -1, else 0:  dy = -g, or g where y >= m, or 0."""

    def forward(self, cosine: Any, target: Any, margin: float) -> Any:
        self.ctx.save(cosine, target, margin)
        apart = torch.where(target == -1, torch.clamp(cosine - margin, min=0), 0)
        return torch.where(target == 1, 1 - cosine, apart)

    def backward(self, grad: Any) -> Any:
        cosine, target, margin = self.ctx.release
        return torch.where((target == -1) & (cosine >= margin), grad, 0) - torch.where(target == 1, grad, 0)


@_answers(torch.cosine_embedding_loss, "input1", "input2", "target", "margin", "reduction")
@implements(F.cosine_embedding_loss)
@composite
def cosine_embedding_loss(input1: Any, input2: Any, target: Any, margin: float = 0, *, reduction: str = "mean") -> Any:
    """1 - cos(x1, x2) where t is 1, max(cos(x1, x2) - margin, 0) where t is -1; (N, D), (N, D) and (N,), or no N.

    Corner: a cosine of just the margin passes the gradient, as in PyTorch up to 2.13.

    Raises:
        InputError: shapes that do not go together.
    """
    if target.ndim > 1 or input1.ndim != target.ndim + 1 or input2.ndim != target.ndim + 1:
        raise InputError(
            message(
                "each pair of vectors has one target.",
                rule="cosine_embedding_loss",
                expected="(N, D), (N, D) and (N,), or (D,), (D,) and ()",
                got=f"shapes {tuple(input1.shape)}, {tuple(input2.shape)} and {tuple(target.shape)}",
            )
        )
    losses = _of_cosine(_cosine(input1, input2), target, margin)
    return _reduce(losses, _named(reduction), "cosine_embedding_loss")


# Triplets -------------------------------------------------------------------------------------------------------------


@implements(F.triplet_margin_loss)
@composite
def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    *,
    reduction: str = "mean",
) -> Any:
    """max(d(a, p) - d(a, n) + margin, 0), d the p-norm of the difference plus eps.

    ``swap`` takes the smaller of d(a, n) and d(p, n). Source: Balntas et al., "Learning shallow convolutional feature
    descriptors with triplet losses", 2016.

    Corner: distances that differ by just the margin pass the gradient; a tie of ``swap`` gets half each.

    Raises:
        InputError: tensors of different dimensions, a margin that is not positive.
    """

    def distance(a: Any, b: Any) -> Any:
        return pairwise_distance(a, b, p, eps)

    return _triplet(anchor, positive, negative, distance, margin, swap, reduction, "triplet_margin_loss")


@implements(F.triplet_margin_with_distance_loss)
@composite
def triplet_margin_with_distance_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    distance_function: Callable[[Any, Any], Any] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Any:
    """triplet_margin_loss with any function of two tensors for the distance; pairwise_distance without one."""
    name = "triplet_margin_with_distance_loss"
    return _triplet(anchor, positive, negative, distance_function or pairwise_distance, margin, swap, reduction, name)


def _triplet(
    anchor: Any,
    positive: Any,
    negative: Any,
    distance: Callable[[Any, Any], Any],
    margin: float,
    swap: bool,
    reduction: str,
    rule: str,
) -> Any:
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise InputError(
            message(
                "the three tensors differ in dimensions.",
                rule=rule,
                got=f"shapes {tuple(anchor.shape)}, {tuple(positive.shape)} and {tuple(negative.shape)}",
            )
        )
    if margin <= 0:
        raise InputError(message("the margin is positive.", rule=rule, argument="margin", got=margin))
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = minimum(far, distance(positive, negative))
    return _reduce(clamp_min(near - far + margin, 0), reduction, rule)


# Classes --------------------------------------------------------------------------------------------------------------


@implements(_multi_margin)
@function
class _multi_margin_loss(Policy):
    """sum_j w_t max(m - x_t + x_j, 0)^p / C over the other classes:  dx_j = g w_t p z_j^(p-1) / C,  dx_t = -their sum.

    z_j is what is in the brackets. torch's kernel for it has no derivative: for higher orders it is the formula.
    """

    def forward(self, input: Any, target: Any, p: int, margin: float, weight: Any, reduction: int) -> Any:
        self.ctx.save(input, target, p, margin, weight, reduction)
        if not is_mapped(input, target, weight):
            return _multi_margin(input, target, p, margin, weight, reduction)
        losses = folded(_multi_margin, (1, 0), torch.atleast_1d(input), target, p, margin, None, 0)
        return _reduced(losses if weight is None else losses * weight[target], reduction)

    def backward(self, grad: Any) -> Any:
        input, target, p, margin, weight, reduction = self.ctx.release
        if not isinstance(grad, TensorBase) and not is_mapped(grad, input, target, weight):
            return _multi_margin_backward(grad, input, target, p, margin, weight, reduction)
        rows = input.reshape(-1, input.shape[-1] if input.ndim else 1)  # a number is one class
        index = target.reshape(-1, 1)
        own = torch.zeros(rows.shape, dtype=torch.bool, device=rows.device).scatter(1, unwrap(index), True)
        z = margin - torch.gather(rows, 1, index) + rows
        slope = torch.where((z > 0) & ~own, z * 2 if p == 2 else torch.ones_like(rows), 0) / rows.shape[1]
        if weight is not None:
            slope = slope * weight[index]
        if reduction == 1:
            grad = grad / rows.shape[0]
        slope = slope * (grad.reshape(-1, 1) if grad.ndim else grad)
        return (slope - torch.where(own, slope.sum(1, keepdim=True), 0)).reshape(input.shape)


@implements(F.multi_margin_loss)
def multi_margin_loss(
    input: Any, target: Any, p: int = 1, margin: float = 1.0, weight: Any = None, *, reduction: str = "mean"
) -> Any:
    """sum_j w_t max(margin - x_t + x_j, 0)^p / C over the classes j other than the target t; (N, C) and (N,), or no N.

    Corner: a class at just the margin gets no gradient. The weight gets none at all, as in PyTorch.

    Raises:
        InputError: p is neither 1 nor 2, a weight that is differentiated by.
    """
    if p not in (1, 2):
        raise InputError(message("p is 1 or 2.", rule="multi_margin_loss", argument="p", got=p))
    _refuse_tracked(weight, "multi_margin_loss")
    return _multi_margin_loss(input, target, p, margin, weight, _code(_named(reduction), "multi_margin_loss"))


@implements(_multilabel_margin)
@function
class _multilabel_margin_loss(Policy):
    """sum over labels t and other classes j of max(1 - (x_t - x_j), 0) / C; piecewise linear: dx = k(g).

    Which classes are labels is a further output, a constant.
    """

    materialize_grads = False

    def forward(self, input: Any, target: Any, reduction: int) -> Any:
        if is_mapped(input, target):
            losses, is_label = folded(_multilabel_margin, (1, 1), input, target, 0)
            out = _reduced(losses, reduction)
        else:
            out, is_label = _multilabel_margin(input, target, reduction)
        self.ctx.save(input, target, reduction, is_label)
        return out, is_label

    def backward(self, grad: Any, _: Any) -> Any:
        return None if grad is None else _multilabel_gradient(grad, *self.ctx.release)


@implements(_multilabel_margin_backward)
@function
class _adjoint_of_multilabel_margin(Policy):
    """k(g), linear in g, constant between the kinks of x:  dg = <h, k(1)>, by row where the loss is not reduced."""

    def forward(self, grad: Any, input: Any, target: Any, reduction: int, is_label: Any) -> Any:
        self.ctx.save(grad.shape, input, target, reduction, is_label)
        return _multilabel_kernel(grad, input, target, reduction, is_label)

    def backward(self, cotangent: Any) -> Any:
        shape, input, target, reduction, is_label = self.ctx.release
        ones = torch.ones(shape, dtype=input.dtype, device=input.device)
        moved = cotangent * _multilabel_gradient(ones, input, target, reduction, is_label)
        return moved.sum(-1) if len(shape) else moved.sum()


def _multilabel_kernel(grad: Any, input: Any, target: Any, reduction: int, is_label: Any) -> Any:
    input, target, is_label = unwrap(input), unwrap(target), unwrap(is_label)
    if not is_mapped(grad, input, target):
        return _multilabel_margin_backward(grad, input, target, reduction, is_label)
    rows = input.shape[:-1]
    if reduction:
        grad = _share(grad, input[..., 0], reduction).expand(rows)
    return folded(_multilabel_of_rows, (0, 1, 1, 1), grad, input, target, is_label)


def _multilabel_of_rows(grad: Any, input: Any, target: Any, is_label: Any) -> Any:
    return _multilabel_margin_backward(grad, input, target, 0, is_label)


_multilabel_gradient: Callable[..., Any] = kernel_or_rule(_multilabel_kernel, _adjoint_of_multilabel_margin)


@implements(F.multilabel_margin_loss)
def multilabel_margin_loss(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    """Sum over labels t and classes j that are none of max(1 - (x_t - x_j), 0) / C; (N, C) and (N, C), or no N.

    The labels are the target's class indices up to the first -1.

    Corner: a class at just the margin gets no gradient.
    """
    if is_mapped(input, target) and input.ndim == 0:  # a class alone; its batch is no dimension of classes
        input, target = input.reshape(1), target.reshape(1)
    return _multilabel_margin_loss(input, target, _code(_named(reduction), "multilabel_margin_loss"))[0]


@implements(_aten.soft_margin_loss.default)
@function
class _soft_margin_loss(Policy):
    """ln(1 + e^(-t x)):  dx = -g t s,  dt = -g x s,  s = sigmoid(-t x).  Reduced: for a mean, g stands for g / n."""

    def forward(self, input: Any, target: Any, reduction: int) -> Any:
        self.ctx.save(input, target, reduction)
        if not is_mapped(input, target):
            return _aten.soft_margin_loss.default(input, target, reduction)
        return _reduced(F.softplus(-target * input), reduction)  # torch.vmap has no rule for the kernel

    def backward(self, grad: Any) -> Any:
        input, target, reduction = self.ctx.release
        kernel_does = not isinstance(grad, TensorBase) and not is_mapped(grad, input, target)
        if kernel_does and not self.ctx.needs_input_grad[1]:
            return _soft_margin_backward(grad, input, target, reduction)
        slope = _share(grad, input, reduction) * -torch.sigmoid(-target * input)
        return slope * target, slope * input


@implements(F.soft_margin_loss)
@composite
def soft_margin_loss(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    """ln(1 + e^(-t x)), t being 1 or -1.

    Raises:
        InputError: input and target differ in shape; a complex target.
    """
    _require_real("soft_margin_loss", input=input, target=target)
    if input.shape != target.shape:
        raise InputError(
            message(
                "the target has not the input's shape.",
                rule="soft_margin_loss",
                argument="target",
                expected=tuple(input.shape),
                got=tuple(target.shape),
            )
        )
    target = _as_numbers(target, input.dtype)
    return _soft_margin_loss(input, target, _code(_named(reduction), "soft_margin_loss"))


@implements(F.multilabel_soft_margin_loss)
@composite
def multilabel_soft_margin_loss(input: Any, target: Any, weight: Any = None, *, reduction: str = "mean") -> Any:
    """The mean over the classes of -t ln s - (1 - t) ln(1 - s), s = sigmoid x, times the weight of the class.

    Raises:
        InputError: complex tensors.
    """
    _require_real("multilabel_soft_margin_loss", input=input, target=target)
    dtype = torch.result_type(unwrap(input), unwrap(target))
    input, target = (each if each.dtype is dtype else to(each, dtype) for each in (input, target))
    losses = _binary_cross_entropy_with_logits(input, target, 0)
    if weight is not None:
        losses = mul(losses, weight)
    # The classes are the input's last dimension, also where the target has more dimensions.
    classes = input.ndim - 1
    losses = mean(losses, -1) if losses.ndim == input.ndim else losses.sum(classes) / input.shape[classes]
    return _reduce(losses, reduction, "multilabel_soft_margin_loss")


def _as_numbers(target: Any, dtype: torch.dtype) -> Any:
    """Give a target that may be of integers as numbers to compute with."""
    return target if target.dtype.is_floating_point else target.to(dtype)


def _refuse_tracked(weight: Any, rule: str) -> None:
    if isinstance(weight, TensorBase) and is_tracked(weight):
        raise InputError(
            message(
                "this loss has no gradient by its weight.",
                rule=rule,
                argument="weight",
                remedy="pass nexnet.stop_gradient(weight)",
            )
        )
