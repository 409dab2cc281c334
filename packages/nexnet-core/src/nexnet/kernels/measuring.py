"""How kernels are compared: in turns, by the best time of each; one whose result is another is no contender."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from ..engine.autocast import is_on
from ..errors import InputError, message

__all__ = ["CLEAR", "best_times", "check_mode", "suits"]

MODES = ("auto", "always", "never")
CLEAR = 0.85  # another kernel is taken if its time is below this part of torch's: a close call stays with torch

_is_batched: Callable[[Tensor], bool] = torch._C._functorch.is_batchedtensor


def check_mode(mode: str) -> None:
    """Complain of a mode that there is not."""
    if mode not in MODES:
        raise InputError(message("no such mode.", argument="mode", expected="auto, always or never", got=mode))


def suits(*tensors: Tensor, dtypes: tuple[torch.dtype, ...] = (torch.float32,)) -> bool:
    """Say whether another kernel could take these: of these dtypes, on the CPU, no batch of vmap, none to be cast."""
    return not is_on() and all(
        type(each) is Tensor
        and each.dtype in dtypes
        and each.is_cpu
        and each.layout is torch.strided
        and each.numel() > 0
        and not _is_batched(each)
        for each in tensors
    )


def best_times(
    contenders: Mapping[str, Callable[..., Tensor]], shapes: Sequence[tuple[int, ...]], turns: int
) -> dict[str, float]:
    """Give the best time of each contender in seconds, for numbers of these shapes; infinity for a wrong result.

    The first contender's result is the right one. A thread of its own computes them: no transform of torch's is at work
    there, no mode, no autocast, whatever is in the call that wants to know.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_best_times, contenders, shapes, turns).result()


def _best_times(
    contenders: Mapping[str, Callable[..., Tensor]], shapes: Sequence[tuple[int, ...]], turns: int
) -> dict[str, float]:
    generator = torch.Generator().manual_seed(0)
    example = [torch.randn(each, generator=generator, device="cpu", dtype=torch.float32) for each in shapes]
    best = dict.fromkeys(contenders, float("inf"))
    results = {}
    for _ in range(turns):
        for who, compute in contenders.items():
            start = time.perf_counter()
            results[who] = compute(*example)
            best[who] = min(best[who], time.perf_counter() - start)
    expected = next(iter(results.values()))
    for who, result in results.items():
        if result.shape != expected.shape or not torch.allclose(result, expected, rtol=1e-4, atol=1e-3):
            best[who] = float("inf")  # never a wrong kernel, however fast
    return best
