"""Why an operation made a NaN or an infinity, where that is known, and what to do about it.

A reason looks at the numbers that an operation was given where its result is not finite. The names are those of torch's
kernels and of nexnet's rules, which are the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

__all__ = ["Case", "reason_for"]

Reason = tuple[str, str] | None


class Case:
    """What an operation did that made numbers which are not finite.

    Attributes:
        name: the kernel's or rule's name, without underscores.
        tensors: the floating tensors that it was given.
        numbers: the numbers that it was given.
        out: what came of it.
        bad: where that is not finite, and should be.
    """

    def __init__(self, name: str, tensors: list[Tensor], numbers: list[Any], out: Tensor, bad: Tensor) -> None:
        self.name, self.tensors, self.numbers, self.out, self.bad = name, tensors, numbers, out, bad

    def at(self, i: int) -> Tensor | None:
        """Give operand i where the result is not finite; None if it does not lie beside it element by element."""
        values = [*self.tensors, *(torch.tensor(each) for each in self.numbers if isinstance(each, (int, float)))]
        if i >= len(values):
            return None
        try:
            return values[i].to(self.bad.device).expand(self.bad.shape)[self.bad]
        except RuntimeError:
            return None

    @property
    def is_nan(self) -> bool:
        """Whether a NaN is among what came."""
        return bool(self.out.isnan().any())


def reason_for(case: Case) -> Reason:
    """Say why, and the remedy; None where nobody knows."""
    found = _REASONS.get(case.name, _overflow)
    return found(case) if callable(found) else found


def _all(case: Case, i: int, holds: Callable[[Tensor], Tensor]) -> bool:
    values = case.at(i)
    return values is not None and values.numel() > 0 and bool(holds(values).all())


def _any(case: Case, i: int, holds: Callable[[Tensor], Tensor]) -> bool:
    values = case.at(i)
    return values is not None and values.numel() > 0 and bool(holds(values).any())


def _zero(x: Tensor) -> Tensor:
    return x == 0


def _negative(x: Tensor) -> Tensor:
    return x < 0


def _infinite(x: Tensor) -> Tensor:
    return x.isinf()


def _div(case: Case) -> Reason:
    if _all(case, 1, _zero):
        what = "0 / 0" if _all(case, 0, _zero) else "a division by 0"
        return what, "keep the denominator from 0: x / (y + eps), or divide by nexnet.where(y == 0, 1, y)"
    if _any(case, 0, _infinite) and _any(case, 1, _infinite):
        return "infinity / infinity", "find where the infinities come from: debug_nans(infinities=True)"
    return _overflow(case)


def _sqrt(case: Case) -> Reason:
    if _all(case, 0, _negative):
        return "the square root of a negative number", "clamp it: nexnet.sqrt(x.clamp(min=eps))"
    if _any(case, 0, _zero):
        return "1 / sqrt(0)", "add a small number: nexnet.rsqrt(x + eps)"
    return None


def _log(case: Case) -> Reason:
    if case.is_nan and _any(case, 0, _negative):
        return "the logarithm of a negative number", "clamp it: nexnet.log(x.clamp(min=eps))"
    if _any(case, 0, _zero):
        return "the logarithm of 0", "add a small number or clamp: nexnet.log(x + eps); of a variance, predict its log"
    return None


_NOT_POSITIVE = (
    "the logarithm of a number that is not positive",
    "keep x above -1: nexnet.log1p(x.clamp(min=-1 + eps))",
)


def _exp(case: Case) -> Reason:
    limit = math.log(torch.finfo(case.out.dtype).max) if case.out.dtype.is_floating_point else math.inf
    kind = str(case.out.dtype).removeprefix("torch.")
    return (
        f"exp overflows {kind} above {limit:.4g}",
        "subtract the maximum first (nexnet.logsumexp, softmax and log_softmax do), or clamp the exponent",
    )


def _pow(case: Case) -> Reason:
    if _any(case, 0, _zero) and _any(case, 1, _negative):
        return "0 to a negative power", "keep the base from 0: (x + eps) ** p"
    if _any(case, 0, _negative):
        return "a negative number to a power that is no integer", "take x.abs() ** p, or keep the base positive"
    return _overflow(case)


def _sum_of_two(case: Case) -> Reason:
    if case.is_nan and _any(case, 0, _infinite) and _any(case, 1, _infinite):
        return "infinity - infinity", "find where the infinities come from: debug_nans(infinities=True)"
    return _overflow(case)


def _mul(case: Case) -> Reason:
    for i in (0, 1):
        if case.is_nan and _any(case, i, _zero) and _any(case, 1 - i, _infinite):
            return "0 x infinity", "find where the infinity comes from: debug_nans(infinities=True)"
    return _overflow(case)


def _softmax(case: Case) -> Reason:
    x = case.tensors[0]
    dims = [each for each in case.numbers if isinstance(each, int) and not isinstance(each, bool)]
    dim = dims[0] if dims and -x.ndim <= dims[0] < x.ndim else -1
    if x.ndim and bool((x == -math.inf).all(dim).any()):
        return _MASKED
    return "infinity - infinity: a logit is +infinity", "find where it comes from: debug_nans(infinities=True)"


_MASKED = (
    "-inf - -inf: a row is fully masked, so that nothing is left to choose from",
    "leave out such rows, or mask with a large negative number (torch.finfo(dtype).min) instead of -inf",
)


def _attention(case: Case) -> Reason:
    for mask in case.tensors[3:]:
        if bool((mask == -math.inf).all(-1).any()):
            return _MASKED
    return _MASKED if case.is_nan else _overflow(case)


_FEW = (
    "a mean or variance of too few elements: 0 / 0",
    "give it more of them (a batch of one has no variance), or correction=0",
)


def _mean(case: Case) -> Reason:
    return _FEW if case.is_nan and not any(bool(each.isinf().any()) for each in case.tensors) else _overflow(case)


def _overflow(case: Case) -> Reason:
    if case.is_nan or not case.out.is_floating_point():
        if case.is_nan and any(bool(each.isinf().any()) for each in case.tensors):
            return (
                "infinities among what it was given: infinity - infinity, or 0 x infinity",
                "find where they come from: debug_nans(infinities=True)",
            )
        return None
    kind = case.out.dtype
    largest = torch.finfo(kind).max
    return (
        f"an overflow: the largest {str(kind).removeprefix('torch.')} is {largest:.4g}",
        "scale what goes in down, or compute this in a wider dtype (float32; bfloat16 instead of float16)",
    )


_ANGLE = ("an argument outside of [-1, 1]", "clamp it: x.clamp(-1 + eps, 1 - eps)")

_REASONS: dict[str, tuple[str, str] | Callable[[Case], Reason]] = {
    **dict.fromkeys(("div", "divide", "true_divide", "reciprocal", "fmod", "remainder"), _div),
    **dict.fromkeys(("sqrt", "rsqrt"), _sqrt),
    **dict.fromkeys(("log", "log2", "log10", "xlogy"), _log),
    **dict.fromkeys(("log1p", "xlog1py"), _NOT_POSITIVE),
    **dict.fromkeys(("exp", "exp2", "expm1", "sinh", "cosh"), _exp),
    **dict.fromkeys(("pow", "float_power"), _pow),
    **dict.fromkeys(("add", "sub", "subtract"), _sum_of_two),
    **dict.fromkeys(("mul", "multiply"), _mul),
    **dict.fromkeys(("softmax", "log_softmax", "logsumexp"), _softmax),
    **dict.fromkeys(
        ("scaled_dot_product_attention", "scaled_dot_product_flash_attention_for_cpu", "flash_attention",
         "attention"), _attention,
    ),
    **dict.fromkeys(("mean", "var", "std", "var_mean", "std_mean"), _mean),
    **dict.fromkeys(("acos", "asin", "atanh", "erfinv"), _ANGLE),
    "acosh": ("an argument outside of [1, inf)", "clamp it: x.clamp(min=1 + eps)"),
    "logit": ("an argument outside of (0, 1)", "pass eps: nexnet.logit(x, eps=1e-6)"),
}  # fmt: skip


def reason_in_backward(rule: str, grads: list[Tensor], saved: list[Tensor], masked: bool) -> Reason:
    """Say why a rule's backward made a number that is not finite, from what it was given; None where nobody knows."""
    at_zero = any(bool((each == 0).any()) for each in saved)
    still = any(bool((each == 0).any()) for each in grads)
    name = rule.strip("_")
    known = _SLOPES.get(name)
    if known is None:
        return None
    what, remedy = known
    if masked and still:
        return (
            f"the trap of where: the branch that is not taken gets the gradient 0, and {what}: 0 x infinity",
            "make the argument harmless before it goes in, too: f(nexnet.where(taken, x, 1)), then choose",
        )
    return (what, remedy) if at_zero or name in _ANYWHERE else None


_SLOPES: dict[str, tuple[str, str]] = {
    "sqrt": ("the slope of sqrt at 0 is infinite", "add a small number: nexnet.sqrt(x + eps)"),
    "rsqrt": ("the slope of rsqrt at 0 is infinite", "add a small number: nexnet.rsqrt(x + eps)"),
    "log": ("the slope of log at 0 is infinite", "add a small number: nexnet.log(x + eps)"),
    "div": ("a division by 0, whose slope is infinite", "keep the denominator from 0: x / (y + eps)"),
    "reciprocal": ("the slope of 1 / x at 0 is infinite", "keep x from 0: 1 / (x + eps)"),
    "pow": ("the slope of a power below 1 at 0 is infinite", "keep the base from 0: (x + eps) ** p"),
    "std": ("the slope of the standard deviation of equal elements is 0 / 0", "nexnet.sqrt(x.var() + eps)"),
    "var": ("the variance of one element is 0 / 0", "give it more elements, or correction=0"),
    "vector_norm": ("the slope of a norm at 0 is 0 / 0", "nexnet.sqrt((x * x).sum() + eps)"),
    "acos": ("the slope of acos at -1 and 1 is infinite", "clamp it: x.clamp(-1 + eps, 1 - eps)"),
    "asin": ("the slope of asin at -1 and 1 is infinite", "clamp it: x.clamp(-1 + eps, 1 - eps)"),
    "atan2": ("the slope of atan2 at (0, 0) is 0 / 0", "keep the two from being 0 at once"),
    "hypot": ("the slope of hypot at (0, 0) is 0 / 0", "nexnet.sqrt(x * x + y * y + eps)"),
}
_ANYWHERE = frozenset({"acos", "asin", "std", "var"})
