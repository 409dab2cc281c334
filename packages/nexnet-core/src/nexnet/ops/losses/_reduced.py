"""What losses share: the check of target and weight, and the reduction: "none", "mean" or "sum"."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Any, TypeVar

import numpy
import torch

from ...engine import TensorBase, scalar, unwrap
from ...errors import InputError, message
from ...policy import implements
from ..elementwise.arithmetic import mul
from ..reductions.sums import sum
from ..shapes.joining import to
from ..shapes.views import expand

_Loss = TypeVar("_Loss", bound=Callable[..., Any])
_CODES = {"none": 0, "mean": 1, "sum": 2}
_BY_CODE = {code: reduction for reduction, code in _CODES.items()}
_TENSORS = (TensorBase, torch.Tensor, numpy.ndarray)


def _named(reduction: Any) -> Any:
    """Give the name of a reduction, for which torch's functions outside of torch.nn.functional have a number."""
    return _BY_CODE.get(reduction, reduction)


def _code(reduction: str, rule: str) -> int:
    """Give torch's kernels the number by which they call a reduction."""
    if reduction not in _CODES:
        raise InputError(
            message("no such reduction.", rule=rule, argument="reduction", expected="none, mean or sum", got=reduction)
        )
    return _CODES[reduction]


def _answers(torch_function: Callable[..., Any], *names: str) -> Callable[[_Loss], _Loss]:
    """Let a loss answer to torch's own form of it, which numbers its reductions; without one it takes none."""

    def register(loss: _Loss) -> _Loss:
        def call(*args: Any, **given: Any) -> Any:
            arguments = {"reduction": 0} | dict(zip(names, args, strict=False)) | given
            arguments["reduction"] = _named(arguments["reduction"])
            return loss(**arguments)

        call.__signature__ = Signature([Parameter(each, Parameter.POSITIONAL_OR_KEYWORD) for each in names])  # type: ignore[attr-defined]
        call.stands_for = loss  # type: ignore[attr-defined]
        implements(torch_function)(call)
        return loss

    return register


def _reduced(losses: Any, code: int) -> Any:
    """Reduce losses, torch tensors or nexnet's, as torch's kernels number it."""
    return losses if code == 0 else losses.mean() if code == 1 else losses.sum()


def _reduce(losses: Any, reduction: str, rule: str) -> Any:
    return _reduced(losses, _code(reduction, rule))


def _weighted_mean(losses: Any, weight: Any, reduction: str, rule: str) -> Any:
    weight = _tensor(weight)
    if weight.shape != losses.shape:
        raise InputError(
            message(
                "the weight has not the input's shape.",
                rule=rule,
                argument="weight",
                expected=tuple(losses.shape),
                got=tuple(weight.shape),
            )
        )
    losses = mul(losses, weight)
    return sum(losses) / sum(weight) if reduction == "mean" else _reduce(losses, reduction, rule)


def _matched(input: Any, target: Any, rule: str) -> tuple[Any, Any]:
    """Give both in one shape and dtype, as torch's kernels for gradients want them."""
    a, b = unwrap(input), unwrap(target)
    if type(a) is torch.Tensor is type(b) and a.shape == b.shape and a.dtype is b.dtype:
        return input, target
    _require_tensor(target, rule)
    input, target = _tensor(input), _tensor(target)
    if input.shape != target.shape:
        warnings.warn(
            f"{rule} was given an input of shape {tuple(input.shape)} and a target of shape {tuple(target.shape)}: "
            "they are broadcast, which is seldom meant. Give both one shape.",
            stacklevel=4,  # beside this one and the loss, that of what makes it a composite
        )
        shape = torch.broadcast_shapes(input.shape, target.shape)
        input, target = expand(input, shape), expand(target, shape)
    if input.dtype is not target.dtype:
        dtype = torch.promote_types(input.dtype, target.dtype)
        input, target = (each if each.dtype is dtype else to(each, dtype) for each in (input, target))
    return input, target


def _tensor(value: Any) -> Any:
    return torch.as_tensor(value) if isinstance(value, numpy.ndarray) else value


def _share(grad: Any, input: Any, reduction: int) -> Any:
    """Give each element's part in the gradient of a reduced loss."""
    return grad / scalar(math.prod(input.shape), grad) if reduction == 1 and 0 not in input.shape else grad


def _require_tensor(target: Any, rule: str) -> None:
    if not isinstance(target, _TENSORS):
        raise InputError(
            message(
                "the target is no tensor.",
                rule=rule,
                argument="target",
                expected="a tensor or an array",
                got=type(target).__name__,
                remedy="nexnet.LiteTensor(target)",
            )
        )


def _require_real(rule: str, **tensors: Any) -> None:
    """Refuse what torch's kernels refuse, or would read as the real part alone."""
    for argument, each in tensors.items():
        if isinstance(each, (TensorBase, torch.Tensor)) and each.dtype.is_complex:
            raise InputError(message("the loss is of real tensors.", rule=rule, argument=argument, got=each.dtype))


def _check_shapes(input: Any, target: Any, rule: str) -> None:
    _require_tensor(target, rule)
    if input.shape != target.shape:
        raise InputError(
            message(
                "the target has not the input's shape.",
                rule=rule,
                argument="target",
                expected=tuple(input.shape),
                got=tuple(target.shape),
            )
        )
