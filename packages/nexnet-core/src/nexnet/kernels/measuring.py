"""How kernels are compared: in turns, by the best time of each; one whose result is another is no contender."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from ..errors import InputError, message

__all__ = ["best_times", "check_mode"]

MODES = ("auto", "always", "never")


def check_mode(mode: str) -> None:
    """Complain of a mode that there is not."""
    if mode not in MODES:
        raise InputError(message("no such mode.", argument="mode", expected="auto, always or never", got=mode))


def best_times(contenders: Mapping[str, Callable[[], Tensor]], turns: int) -> dict[str, float]:
    """Give the best time of each contender in seconds; infinity for a result that is not the first one's."""
    best = dict.fromkeys(contenders, float("inf"))
    results = {}
    for _ in range(turns):
        for who, compute in contenders.items():
            start = time.perf_counter()
            results[who] = compute()
            best[who] = min(best[who], time.perf_counter() - start)
    expected = next(iter(results.values()))
    for who, result in results.items():
        if result.shape != expected.shape or not torch.allclose(result, expected, rtol=1e-4, atol=1e-3):
            best[who] = float("inf")  # never a wrong kernel, however fast
    return best
