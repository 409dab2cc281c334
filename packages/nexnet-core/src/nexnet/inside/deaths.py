"""Why a rule passes no gradient on, where that is known, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable

from .operation import Operation

__all__ = ["FLAT", "STEP_FUNCTIONS", "why_zero"]

_Tells = Callable[[Operation, str], tuple[str, str]]


def why_zero(operation: Operation, argument: str) -> tuple[str, str]:
    """Say why a rule passed nothing on to one of its arguments, and the remedy."""
    rule = operation.rule.strip("_")
    for names, tell in _DEATHS:
        if rule in names:
            return tell(operation, argument) if callable(tell) else tell
    return f"the rule of {rule} returned zero for {argument}", "look at its rule, and at its inputs"


_RELU = (
    "all of its inputs are negative or zero where a gradient comes: a dead ReLU",
    "a smaller learning rate or bias, another initialisation, or leaky_relu, gelu, silu",
)
_BOUNDED = ("all of its inputs are outside of its range, where it is flat", "scale what goes in, or use a smooth bound")


def _saturated(operation: Operation, _: str) -> tuple[str, str]:
    found = operation.statistics
    of = f" (its values go from {found.min:.4g} to {found.max:.4g})" if found else ""
    return (
        f"it is saturated: flat where its inputs are{of}",
        "scale or normalise what goes in, or take a loss of logits",
    )


_CHOSEN = ("the condition never takes this branch", "look at the condition; the other branch gets the gradient")
_ELSEWHERE = ("other elements than these matter here: its rule passes nothing on to them", "look at the index")


def _other_zero(operation: Operation, argument: str) -> tuple[str, str]:
    others = [each.name for each in operation.inputs if each.argument != argument]
    others += [f"{name}={value}" for name, value in operation.static.items()]
    return (
        f"what it is multiplied by is zero ({', '.join(others)})",
        "look where that comes from: a mask, a weight of zeros",
    )


#: Of a step function.
FLAT = ("it is a step function: flat everywhere", "nexnet.straight_through or nexnet.surrogate gives it a gradient")
_AT_ZERO = (
    "its input is zero, where its slope is zero too",
    "look why that is: the smallest loss, or dead layers before",
)
_UNDERFLOW = ("its values are zero: exp underflows", "work with logarithms, or subtract the maximum first")
STEP_FUNCTIONS = frozenset({"round", "floor", "ceil", "trunc", "fix", "sign", "floor_divide"})

_DEATHS: list[tuple[frozenset[str], tuple[str, str] | _Tells]] = [
    (frozenset({"relu", "linear_relu", "threshold"}), _RELU),
    (
        frozenset({"clamp", "clip", "hardtanh", "relu6", "hardsigmoid", "hardswish", "hardshrink", "softshrink"}),
        _BOUNDED,
    ),
    (
        frozenset({"sigmoid", "tanh", "expit", "softmax", "log_softmax", "erf", "gelu", "silu", "logsigmoid"}),
        _saturated,
    ),
    (frozenset({"where", "masked_fill", "maximum", "minimum", "fmax", "fmin"}), _CHOSEN),
    (
        frozenset(
            {
                "cat",
                "stack",
                "split",
                "slicing",
                "index",
                "select",
                "narrow",
                "gather",
                "getitem",
                "take",
                "index_select",
            }
        ),
        _ELSEWHERE,
    ),
    (frozenset({"mul", "multiply", "matmul", "mm", "bmm", "linear", "addmm", "Product", "einsum"}), _other_zero),
    (frozenset({"exp", "exp2"}), _UNDERFLOW),
    (frozenset({"pow", "square", "abs", "vector_norm", "hypot"}), _AT_ZERO),
]
