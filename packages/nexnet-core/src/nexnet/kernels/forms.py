"""What torch is slow at on the CPU, in the form of what it is fast at: which form is taken, and who decides that.

A form is taken where it is clearly faster here: the first call that it suits measures both, on an example, once per
process and number of threads. ``use_forms`` or the environment variable ``NEXNET_FORMS`` (auto, always or never)
decides otherwise. Results are equal but for rounding; with NEXNET_CHECK=1 each is compared with torch's.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..engine import CHECKED
from .measuring import CLEAR, best_times, check_mode

__all__ = ["Form", "describe", "use_forms"]

TURNS = 5


@dataclass(frozen=True)
class Found:
    """What one measurement found: the best of some turns, in seconds."""

    name: str
    threads: int
    torch: float
    form: float

    @property
    def takes_form(self) -> bool:
        """Whether the form is taken."""
        return self.form < CLEAR * self.torch

    def __str__(self) -> str:
        who = "the form" if self.takes_form else "torch"
        return f"{self.name:34} {self.torch * 1e6:8.0f} us {self.form * 1e6:8.0f} us  -> {who}"


_found: dict[tuple[str, int], Found] = {}
_mode = "auto"


class Form:
    """What computes a result, what of torch's does, and an example to compare both by: tensors, and ``options`` after.

    Of several tensors that they give, the first is compared.
    """

    def __init__(
        self,
        name: str,
        compute: Callable[..., Any],
        in_torch: Callable[..., Any],
        shapes: tuple[tuple[int, ...], ...],
        options: tuple[Any, ...],
    ) -> None:
        self.name, self.compute, self.in_torch = name, compute, in_torch
        self.shapes, self.options = shapes, options

    def __call__(self, *args: Any) -> Any:
        """Give what torch would."""
        out = self.compute(*args)
        if CHECKED:
            mine, expected = _first(out), _first(self.in_torch(*args))
            atol = 1e-4 * expected.nan_to_num(0, 0, 0).abs().max().item()
            torch.testing.assert_close(mine, expected, rtol=1e-3, atol=atol, equal_nan=True)
        return out

    def is_taken(self) -> bool:
        """Say whether it is, by the mode or by what was measured with as many threads; measure it if it was not."""
        if _mode != "auto":
            return _mode == "always"
        key = self.name, torch.get_num_threads()
        if key not in _found:
            _found[key] = self._measure()
        return _found[key].takes_form

    def _measure(self) -> Found:
        contenders = {
            "torch": lambda *example: _first(self.in_torch(*example, *self.options)),
            "form": lambda *example: _first(self.compute(*example, *self.options)),
        }
        best = best_times(contenders, self.shapes, TURNS)
        return Found(self.name, torch.get_num_threads(), **best)


def _first(result: Any) -> Tensor:
    return result if isinstance(result, Tensor) else result[0]  # type: ignore[no-any-return]


def use_forms(mode: str = "auto") -> None:
    """Decide whether what torch is slow at takes another form: "auto", "always" or "never".

    "auto" takes a form where it measures clearly faster. There are forms, on the CPU, of float32 depthwise convolutions
    with wide, dilated or amply padded kernels, of gradients by images of up to 4 channels, and by many weights on few
    positions; of max pooling; and of tanh of many float32 numbers.

    Raises:
        InputError: another mode.

    Example::

        nexnet.kernels.use_forms("never")  # torch's kernels
    """
    global _mode
    check_mode(mode)
    _mode = mode
    _found.clear()


def describe() -> str:
    """Say which forms are taken, and what was measured for that."""
    if _mode != "auto":
        who = "takes another form" if _mode == "always" else "goes to its kernels all the same"
        return f"What torch is slow at {who} (use_forms is {_mode!r})."
    lines = [f"  {each}" for each in _found.values()] or ["  (none has been measured yet)"]
    return "\n".join(["What torch may be slow at takes another form where that is clearly faster:", *lines])


use_forms(os.environ.get("NEXNET_FORMS", "auto"))
