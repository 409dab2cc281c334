"""What several layers refuse: no probability, no function, no tensor in a tensor's place; a number out of its range."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from nexnet import LiteTensor
from nexnet.engine import unwrap
from nexnet.errors import message

from .errors import ModuleError

__all__ = ["check_function", "check_probability", "check_tensors_place", "is_in_range"]


def check_probability(name: str, value: Any) -> None:
    """Refuse what is no number between 0 and 1.

    Raises:
        ModuleError: it is not.
    """
    try:
        is_one = bool(0 <= value <= 1)
    except TypeError:
        is_one = False
    if not is_one:
        raise ModuleError(message(f"{name} is no probability.", argument=name, expected="0 <= p <= 1", got=repr(value)))


def check_function(name: str, value: Any) -> None:
    """Refuse what can't be called.

    Raises:
        ModuleError: it can't be.
    """
    if not callable(value):
        raise ModuleError(
            message(f"{name} must be callable.", argument=name, got=f"{value!r} ({type(value).__name__})")
        )


def check_tensors_place(where: str, there: Any, value: Any) -> None:
    """Refuse a number or text where a tensor is: a module would keep it as a constant, which nobody learns.

    Raises:
        ModuleError: the value is one.
    """
    if isinstance(there, LiteTensor) and isinstance(value, (bool, int, float, complex, str)):
        raise ModuleError(
            message(
                "a tensor's place takes a tensor.",
                argument=where,
                expected=f"a LiteTensor, as there is one of shape {tuple(there.shape)}",
                got=f"{value!r} ({type(value).__name__})",
                remedy="make it nexnet.LiteTensor(value)",
            )
        )


def is_in_range(value: Any, *, negative: bool = False, below: float | None = None, waits: bool = True) -> bool:
    """Say whether it is a number, or a tensor of one element: no NaN, at least 0 unless ``negative``, below a bound.

    Without ``waits`` a tensor that is not on the CPU is not looked at, as it would be waited for.
    """
    number = unwrap(value)
    if isinstance(number, Tensor):
        if number.numel() != 1:
            return False
        if not (waits or number.is_cpu):
            return True
    try:
        return bool(number >= (-math.inf if negative else 0)) and (below is None or bool(number < below))
    except RuntimeError:  # inside of vmap a value can't be looked at
        return True
    except TypeError:
        return False
