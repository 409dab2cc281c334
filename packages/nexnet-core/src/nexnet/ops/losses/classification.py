"""Losses of classes: the cross entropy of logits, and the negative log-likelihood of a class index."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812  torch's own name for it

from ...engine import TensorBase, is_tracked
from ...errors import InputError, message
from ...policy import Policy, function, implements
from .._kernels import overload
from .._names import composite
from ..elementwise.arithmetic import mul
from ..elementwise.selection import where
from ..layers.linear import linear
from ..layers.softmax import log_softmax
from ..reductions.sums import sum
from ..shapes.indexing import getitem
from ..shapes.reshaping import reshape
from ._reduced import _code, _require_tensor, _tensor

__all__ = ["cross_entropy", "linear_cross_entropy", "nll_loss"]

_aten = torch.ops.aten
_nll_loss_forward, _nll_loss2d_forward = _aten.nll_loss_forward.default, _aten.nll_loss2d_forward.default
_nll_loss_backward, _nll_loss2d_backward = _aten.nll_loss_backward.default, _aten.nll_loss2d_backward.default
_pick, _pick2d = overload(_nll_loss_forward), overload(_nll_loss2d_forward)
_put_back, _put_back2d = overload(_nll_loss_backward), overload(_nll_loss2d_backward)

# nll_loss_forward N and nll_loss_backward N* are linear and each other's adjoint, so each is the other's rule.
# They take (N, C) with (N,), (C,) with (), or (N, C, d1, d2) with (N, d1, d2), and no gradient by the weight. The total
# weight is a further output.


def _picking(input: Any) -> Callable[..., Any]:
    return _pick if input.ndim < 3 else _pick2d


def _put(grad: Any, input: Any, *rest: Any) -> Any:
    if input.ndim < 3:
        return _put_back(grad, input, *rest)
    if not input.is_contiguous():  # torch refuses it, and wants nothing of it but the shape
        input = torch.empty(input.shape, dtype=input.dtype, device=input.device)
    return _put_back2d(grad, input, *rest)


@implements(_nll_loss_forward, _nll_loss2d_forward)
@function
class _nll_loss(Policy):
    """N x:  -w[t] x[t] for each target t, reduced; their mean is weighted:  dx = N* g."""

    materialize_grads = False

    def forward(self, input: Any, target: Any, weight: Any, reduction: int, ignore_index: int) -> Any:
        loss, total = _picking(input)(input, target, weight, reduction, ignore_index)
        self.ctx.save(input, target, weight, reduction, ignore_index, total)
        return loss, total

    def backward(self, grad: Any, _: Any) -> Any:
        input, *rest = self.ctx.release
        return _put(grad, input, *rest)


@implements(_nll_loss_backward, _nll_loss2d_backward)
@function
class _adjoint_of_nll_loss(Policy):
    """N* g:  -w[t] g at each target t, else 0:  dg = N h.  The input gives its shape only."""

    def forward(
        self, grad: Any, input: Any, target: Any, weight: Any, reduction: int, ignore_index: int, total: Any
    ) -> Any:
        self.ctx.save(target, weight, reduction, ignore_index)
        return _put(grad, input, target, weight, reduction, ignore_index, total)

    def backward(self, cotangent: Any) -> Any:
        return _picking(cotangent)(cotangent, *self.ctx.release)[0]


@implements()
@function
class _cross_entropy(Policy):
    """N y,  y = log_softmax x:  dx = z - e^y <z>,  z = N* g + dy.  y and the number of targets are further outputs.

    Two of torch's kernels each way, as one operation.
    """

    materialize_grads = False

    def forward(self, input: Any, target: Any, reduction: int, ignore_index: int) -> Any:
        out = torch.log_softmax(input, 1)
        loss, total = _picking(out)(out, target, None, reduction, ignore_index)
        self.ctx.save(out, target, reduction, ignore_index, total)
        return loss, out, total

    def backward(self, grad: Any, grad_out: Any, _: Any) -> Any:
        out, target, reduction, ignore_index, total = self.ctx.release
        if grad is not None:
            picked = _put(grad, out, target, None, reduction, ignore_index, total)
            grad_out = picked if grad_out is None else grad_out + picked
        return None if grad_out is None else torch._log_softmax_backward_data(grad_out, out, 1, out.dtype)


@implements(F.cross_entropy)
@composite
def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """-ln p[target], p = softmax(input).

    Args:
        input: logits, of shape (C,), (N, C) or (N, C, d1, d2, ...).
        target: class indices, of the input's shape without C; or probabilities, of the input's shape, by which the
            loss is differentiable too.
        weight: a factor for each class, shape (C,). A mean over class indices is weighted by it.
        ignore_index: the class index whose losses, and gradients, are 0.
        reduction: "none", "mean" or "sum".
        label_smoothing: how much of the target is spread evenly over the classes, from 0 to 1.

    Returns:
        The loss: a scalar, or of the input's shape without C.

    Raises:
        InputError: a target of another shape, an unknown reduction, ``ignore_index`` with probabilities, probabilities
            that are integers or complex, a ``label_smoothing`` that is no share.
    """
    code = _code(reduction, "cross_entropy")
    _require_tensor(target, "cross_entropy")
    if not isinstance(label_smoothing, TensorBase) and label_smoothing:
        label_smoothing = _share_to_spread(label_smoothing)
    smooth = isinstance(label_smoothing, TensorBase) or label_smoothing
    if weight is None and not smooth and (input.ndim, target.ndim) in ((2, 1), (4, 3)):
        return _cross_entropy(input, target, code, ignore_index)[0]

    class_dim = 1 if input.ndim > 1 else 0
    log_p = log_softmax(input, class_dim)
    if weight is not None:
        weight = _tensor(weight)
    if input.shape == target.shape:
        if ignore_index >= 0:
            raise InputError(
                message(
                    "ignore_index needs class indices, and the target has the input's shape: it is probabilities.",
                    rule="cross_entropy",
                    argument="ignore_index",
                    got=ignore_index,
                )
            )
        target = _tensor(target)
        if not target.dtype.is_floating_point:
            raise InputError(
                message(
                    "the target has the input's shape: it is probabilities, which are real numbers.",
                    rule="cross_entropy",
                    argument="target",
                    expected="a floating dtype, or class indices without the dimension of the classes",
                    got=target.dtype,
                )
            )
        return _cross_entropy_of_probabilities(log_p, target, weight, code, label_smoothing, class_dim)

    loss = nll_loss(log_p, target, weight, ignore_index=ignore_index, reduction=reduction)
    if not smooth:
        return loss
    # The mean over the classes of what nll_loss would give for each, where the target is not to be ignored.
    kept = _tensor(target) != ignore_index
    spread = where(kept, -sum(_weighted(log_p, weight, class_dim), class_dim), 0)
    if code == 1:
        counted = kept if weight is None else where(kept, _weight_of(weight, target, kept), 0)
        spread = sum(spread) / sum(counted)
    elif code == 2:
        spread = sum(spread)
    return (1 - label_smoothing) * loss + label_smoothing / input.shape[class_dim] * spread


def _share_to_spread(label_smoothing: float) -> float:
    if math.isnan(label_smoothing):
        return 0.0  # as in torch
    if not 0 <= label_smoothing <= 1:
        raise InputError(
            message(
                "that share of the target can't be spread.",
                rule="cross_entropy",
                argument="label_smoothing",
                expected="a number from 0 to 1",
                got=label_smoothing,
            )
        )
    return label_smoothing


def _cross_entropy_of_probabilities(
    log_p: Any, target: Any, weight: Any, code: int, label_smoothing: float, class_dim: int
) -> Any:
    if isinstance(label_smoothing, TensorBase) or label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / log_p.shape[class_dim]
    losses = -_weighted(mul(log_p, target), weight, class_dim)
    if code == 0:
        return sum(losses, class_dim)
    return sum(losses) / (math.prod(log_p.shape) / log_p.shape[class_dim]) if code == 1 else sum(losses)


@implements(F.nll_loss)
@composite
def nll_loss(input: Any, target: Any, weight: Any = None, *, ignore_index: int = -100, reduction: str = "mean") -> Any:
    """-input[target], the negative log-likelihood of a class index. See ``cross_entropy``; input is log p."""
    code = _code(reduction, "nll_loss")
    _require_tensor(target, "nll_loss")
    expected = (*input.shape[:1], *input.shape[2:]) if input.ndim > 1 else ()
    if tuple(target.shape) != expected:
        raise InputError(
            message(
                "the target's shape is not the input's without its classes.",
                rule="nll_loss",
                argument="target",
                expected=expected,
                got=tuple(target.shape),
            )
        )
    if input.ndim > 2 and input.ndim != 4:
        places = math.prod(input.shape[2:])
        target = reshape(target, (input.shape[0], 1, places))
        input = reshape(input, (*input.shape[:2], 1, places))
    if isinstance(weight, TensorBase) and is_tracked(weight):
        loss = _nll_by_weight(input, _tensor(target), weight, code, ignore_index)
    else:
        loss = _nll_loss(input, target, weight, code, ignore_index)[0]
    return reshape(loss, expected) if code == 0 and len(expected) > 1 else loss


def _nll_by_weight(input: Any, target: Any, weight: Any, code: int, ignore_index: int) -> Any:
    """What torch's kernel computes, in operations that have a gradient by the weight."""
    kept = target != ignore_index
    index: Any = where(kept, target, 0)
    class_dim = 1 if input.ndim > 1 else 0
    picked = torch.gather(input, class_dim, index.unsqueeze(class_dim)).squeeze(class_dim)
    weights = where(kept, _weight_of(weight, target, kept), 0)
    losses = -weights * picked
    return losses if code == 0 else sum(losses) / sum(weights) if code == 1 else sum(losses)


def _weight_of(weight: Any, target: Any, kept: Any) -> Any:
    return getitem(weight, where(kept, target, 0))


def _weighted(values: Any, weight: Any, class_dim: int) -> Any:
    if weight is None:
        return values
    return values * reshape(weight, [-1 if dim == class_dim else 1 for dim in range(values.ndim)])


@composite
def linear_cross_entropy(
    input: Any,
    linear_weight: Any,
    target: Any,
    *,
    linear_bias: Any = None,
    weight: Any = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,  # noqa: ARG001  how torch computes it
) -> Any:
    """cross_entropy(linear(x, linear_weight, linear_bias), target): logits (N, C, ...) of features (N, D), or (D,).

    The weight is (C, ..., D), the bias (C, ...). ``options`` say in which parts PyTorch computes it; here it is one.

    Raises:
        InputError: a weight, or a bias, that makes no such logits.
    """
    classes, size = tuple(linear_weight.shape[:-1]), linear_weight.shape[-1:]
    if not classes or size != input.shape[-1:] or (linear_bias is not None and tuple(linear_bias.shape) != classes):
        raise InputError(
            message(
                "the weight is (C, ..., D) for features (N, D), and the bias (C, ...).",
                rule="linear_cross_entropy",
                argument="linear_weight",
                got=f"{tuple(linear_weight.shape)}, for features {tuple(input.shape)}",
            )
        )
    if len(classes) > 1:
        linear_weight = reshape(linear_weight, (math.prod(classes), *size))
        linear_bias = None if linear_bias is None else reshape(linear_bias, (math.prod(classes),))
    logits = linear(input, linear_weight, linear_bias)
    return cross_entropy(
        reshape(logits, (*input.shape[:-1], *classes)) if len(classes) > 1 else logits,
        target,
        weight,
        ignore_index=-100 if ignore_index is None else ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )


if hasattr(F, "linear_cross_entropy"):  # of PyTorch 2.13
    implements(F.linear_cross_entropy)(linear_cross_entropy)
