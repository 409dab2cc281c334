"""What is done with gradients before a step: they are clipped, and added up over small batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import torch

import nexnet
from nexnet import LiteTensor, LowRank
from nexnet.errors import InputError, message

from ._checks import is_in_range
from .optim._shared import refuse_tracking

__all__ = ["accumulate", "clip_by_norm", "clip_by_norm_", "clip_by_value", "clip_by_value_"]

Gradients = TypeVar("Gradients")
Model = TypeVar("Model")


def clip_by_norm(
    grads: Gradients, max_norm: Any, norm_type: float = 2.0, *, error_if_nonfinite: bool = False
) -> tuple[Gradients, LiteTensor]:
    """Give gradients whose norm, that of all elements together, is at most ``max_norm``, and the norm that it was.

    What ``torch.nn.utils.clip_grad_norm_`` makes of them: all are multiplied by ``max_norm / (norm + 1e-6)`` where that
    is below 1. Pure and differentiable, which is also what ``nexnet.vmap`` needs to clip each example's.

    Args:
        grads: a pytree of gradients, of any shapes.
        max_norm: a number of at least 0, or a tensor of one element that is one.
        norm_type: which norm; ``math.inf`` is the greatest absolute value.
        error_if_nonfinite: whether a norm that is no finite number is an error.

    Raises:
        InputError: such a norm; a ``max_norm`` that is negative or NaN; a leaf that is no tensor.

    Example::

        >>> gradients, norm = nn.clip_by_norm({"w": nexnet.tensor([3.0, 4.0])}, 1.0)
        >>> gradients, norm
        ({'w': LiteTensor([0.6000, 0.8000])}, LiteTensor(5.))
    """
    _check_bound("clip_by_norm", "max_norm", max_norm)
    leaves, treespec = _flatten(grads, "clip_by_norm")
    norms = [nexnet.linalg.vector_norm(each, norm_type) for each in leaves]
    total = nexnet.linalg.vector_norm(nexnet.stack(norms), norm_type) if norms else nexnet.zeros(())
    _check_finite(total, error_if_nonfinite)
    factor = (max_norm / (total + 1e-6)).clamp(max=1.0)
    return nexnet.tree.unflatten(treespec, [each * factor.to(each.dtype) for each in leaves]), total


def clip_by_norm_(
    grads: Gradients, max_norm: float, norm_type: float = 2.0, *, error_if_nonfinite: bool = False
) -> tuple[Gradients, LiteTensor]:
    """Do what ``clip_by_norm`` does in the gradients' storage, by torch's kernels for lists. See ``clip_by_norm``.

    Raises:
        TrackedTensorError: something is being differentiated.
        InputError: as ``clip_by_norm``.

    Example::

        >>> gradients = {"w": nexnet.tensor([3.0, 4.0])}
        >>> nn.clip_by_norm_(gradients, 1.0)
        ({'w': LiteTensor([0.6000, 0.8000])}, LiteTensor(5.))
        >>> gradients
        {'w': LiteTensor([0.6000, 0.8000])}
    """
    refuse_tracking("clip_by_norm_")
    _check_bound("clip_by_norm_", "max_norm", max_norm)
    leaves, treespec = _flatten(grads, "clip_by_norm_")
    data = [each.data for each in leaves]
    if not data:
        return grads, nexnet.zeros(())
    total = torch.linalg.vector_norm(torch.stack([*torch._foreach_norm(data, norm_type)]), norm_type)
    _check_finite(LiteTensor(total), error_if_nonfinite)
    torch._foreach_mul_(data, (max_norm / (total + 1e-6)).clamp(max=1.0))
    return nexnet.tree.unflatten(treespec, leaves), LiteTensor(total)


def clip_by_value(grads: Gradients, clip_value: float) -> Gradients:
    """Give gradients whose elements lie between ``-clip_value`` and ``clip_value``; pure and differentiable.

    Args:
        grads: a pytree of gradients, of any shapes.
        clip_value: a number of at least 0.

    Raises:
        InputError: a ``clip_value`` that is negative or NaN; a leaf that is no tensor.

    Example::

        >>> nn.clip_by_value({"w": nexnet.tensor([3.0, -4.0])}, 1.0)
        {'w': LiteTensor([ 1., -1.])}
    """
    _check_bound("clip_by_value", "clip_value", clip_value)
    leaves, treespec = _flatten(grads, "clip_by_value")
    clipped: Gradients = nexnet.tree.unflatten(treespec, [each.clamp(-clip_value, clip_value) for each in leaves])
    return clipped


def clip_by_value_(grads: Gradients, clip_value: float) -> Gradients:
    """Do what ``clip_by_value`` does in the gradients' storage. For arguments see ``clip_by_value``.

    Raises:
        TrackedTensorError: something is being differentiated.
        InputError: as ``clip_by_value``.

    Example::

        >>> gradients = {"w": nexnet.tensor([3.0, -4.0])}
        >>> clipped = nn.clip_by_value_(gradients, 1.0)
        >>> gradients
        {'w': LiteTensor([ 1., -1.])}
    """
    refuse_tracking("clip_by_value_")
    _check_bound("clip_by_value_", "clip_value", clip_value)
    leaves, treespec = _flatten(grads, "clip_by_value_")
    data = [each.data for each in leaves]
    if data:
        torch._foreach_clamp_min_(data, -clip_value)
        torch._foreach_clamp_max_(data, clip_value)
    clipped: Gradients = nexnet.tree.unflatten(treespec, leaves)
    return clipped


def accumulate(
    value_and_grad: Callable[..., tuple[Any, Any]], model: Model, batches: Iterable[tuple[Any, ...]]
) -> tuple[Any, Model]:
    """Give the mean of the values, and that of the gradients, over some batches: those of one large batch.

    One gradient is kept, and each further one added into it (out of place, in a function that is differentiated).

    Example::

        step = nexnet.value_and_grad(loss)
        value, grads = nn.accumulate(step, model, zip(x.split(16), y.split(16)))

    Args:
        value_and_grad: what gives a value and a gradient, as ``nexnet.value_and_grad(loss)``. With ``has_aux`` it is
            the mean of the auxiliary tensors, too; of what is no floating tensor, the last.
        model: its first argument.
        batches: tuples of its further arguments, all as large, if the loss is a mean over a batch.

    Returns:
        ``(value, gradient)``: the mean of the values, of the shape of one, and a gradient of the model's structure and
        shapes.

    Raises:
        InputError: no function; no batches.
    """
    if not callable(value_and_grad):
        raise InputError(
            message(
                "accumulate wants what gives a value and a gradient.",
                argument="value_and_grad",
                got=type(value_and_grad).__name__,
                remedy="nexnet.value_and_grad(loss)",
            )
        )
    values: list[Any] = []
    sums: list[Any] = []
    treespec: Any = None
    in_place = nexnet.TapeContext.current() is None
    for batch in batches:
        value, grads = value_and_grad(model, *batch)
        leaves, treespec = _flatten(grads, "accumulate")
        values.append(value)
        if not sums:
            sums = leaves
        elif in_place:
            torch._foreach_add_([each.data for each in sums], [each.data for each in leaves])
        else:
            sums = [a + b for a, b in zip(sums, leaves, strict=True)]
    if not values:
        raise InputError(message("there are no batches to take a mean over.", rule="accumulate", argument="batches"))
    if in_place:
        torch._foreach_div_([each.data for each in sums], len(values))
    else:
        sums = [each / len(values) for each in sums]
    return nexnet.tree.map(_mean, *values), nexnet.tree.unflatten(treespec, sums)


def _mean(*leaves: Any) -> Any:
    is_floating = isinstance(leaves[0], LiteTensor) and leaves[0].dtype.is_floating_point
    return nexnet.stack(list(leaves)).mean(0) if is_floating else leaves[-1]


def _flatten(grads: Any, rule: str) -> tuple[list[LiteTensor], Any]:
    """Flatten gradients; those of low rank are multiplied."""
    leaves, treespec = nexnet.tree.flatten(grads)
    leaves = [each.to_dense() if isinstance(each, LowRank) else each for each in leaves]
    for i, each in enumerate(leaves):
        if not isinstance(each, (LiteTensor, torch.Tensor)):
            raise InputError(
                message(
                    "a gradient is a tensor.",
                    rule=rule,
                    argument=treespec.accessors()[i].codify("grads"),
                    got=type(each).__name__,
                )
            )
    return leaves, treespec


def _check_bound(rule: str, name: str, bound: Any) -> None:
    """Refuse a bound that leaves nothing: gradients would point the other way, or be the bound themselves."""
    if not is_in_range(bound, waits=False):
        raise InputError(
            message("gradients have no such bound.", rule=rule, argument=name, expected="a number >= 0", got=bound)
        )


def _check_finite(total: LiteTensor, is_asked: bool) -> None:
    if is_asked and not total.data.isfinite():
        raise InputError(
            message(
                "the norm of the gradients is no finite number, and can't be clipped.",
                rule="clip_by_norm",
                got=total.data.item(),
                remedy="nexnet.debug_nans() finds the operation that made the first one",
            )
        )
