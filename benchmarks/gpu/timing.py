"""Contenders that take turns on a GPU: checked against each other, then timed, the kernels' time told from the rest."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from ..interleaved import Case, check_agreement

Call = Callable[[], Any]

CALLS_BEFORE = 3  # a replayed step is looked at, recorded, and then replayed for the first time


@dataclass
class Kernels:
    """What ran on the GPU in one call: how many kernels and copies, and the seconds in which they ran."""

    count: int
    seconds: float


@dataclass
class Timed:
    """What was found of one case: seconds per call, one entry per round, for each contender."""

    name: str
    seconds: dict[str, list[float]] = field(default_factory=dict)
    kernels: dict[str, Kernels] = field(default_factory=dict)
    first_calls: dict[str, float] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    aims: dict[str, float] = field(default_factory=dict)

    @property
    def first(self) -> str:
        """The contender with whom the others are compared."""
        return next(iter(self.seconds))

    def median(self, who: str) -> float:
        """Give a contender's median."""
        return statistics.median(self.seconds[who])

    def ratio(self, who: str) -> float:
        """Give the median of a contender's paired ratios to the first."""
        pairs = zip(self.seconds[who], self.seconds[self.first], strict=True)
        return statistics.median(mine / theirs for mine, theirs in pairs)

    def as_json(self) -> dict[str, Any]:
        """Give what is kept of it."""
        return {
            "name": self.name,
            "contenders": {
                who: {
                    "median_seconds": self.median(who),
                    "ratio": self.ratio(who),
                    "aim": self.aims.get(who),
                    "first_calls_seconds": self.first_calls[who],
                    "kernels": self.kernels[who].count if who in self.kernels else None,
                    "kernel_seconds": self.kernels[who].seconds if who in self.kernels else None,
                }
                for who in self.seconds
            },
            "failures": self.failures,
        }


def time_case(
    name: str,
    contenders: dict[str, Callable[[], Call]],
    rtol: float,
    *,
    aims: dict[str, float] | None = None,
    rounds: int = 15,
    slice_seconds: float = 0.02,
    count_kernels: tuple[str, ...] = ("PyTorch", "nexnet", "nexnet replayed"),
) -> Timed:
    """Make the contenders, compare what their third call gives, and time them in turns.

    A peer that can't be made or run is named in ``failures``; the first contender and nexnet's must run.

    Raises:
        AssertionError: a contender's result is not the first one's.
    """
    timed = Timed(name, aims=aims or {})
    calls: dict[str, Call] = {}
    results: dict[str, Any] = {}
    for who, make in contenders.items():
        start = time.perf_counter()
        try:
            calls[who] = make()
            for _ in range(CALLS_BEFORE):
                results[who] = finished(calls[who]())
        except Exception as error:
            if who == next(iter(contenders)) or who.startswith("nexnet"):
                error.add_note(f"(the contender is {who})")
                raise
            calls.pop(who, None)
            results.pop(who, None)
            timed.failures[who] = f"{type(error).__name__}: {str(error).strip()[:300]}"
            continue
        timed.first_calls[who] = time.perf_counter() - start
        results[who] = on_host(results[who])
    check_agreement(Case(name, "on the GPU", dict, rtol), results)
    del results
    counts = {who: max(1, min(2000, round(slice_seconds / _seconds(call, 2)))) for who, call in calls.items()}
    order = list(calls)
    shuffle = random.Random(0).shuffle
    timed.seconds = {who: [] for who in calls}
    for _ in range(rounds):
        shuffle(order)
        for who in order:
            timed.seconds[who].append(_seconds(calls[who], counts[who]))
    for who in count_kernels:
        if who in calls:
            timed.kernels[who] = kernels_of(calls[who])
    return timed


def _seconds(call: Call, count: int) -> float:
    finished(call())
    start = time.perf_counter()
    for _ in range(count):
        result = call()
    finished(result)
    return (time.perf_counter() - start) / count


def finished(result: Any) -> Any:
    """Wait for everything that was started on the GPU, by torch or by JAX."""
    leaf = result
    while isinstance(leaf, (tuple, list)) and leaf:
        leaf = leaf[-1]
    if hasattr(leaf, "block_until_ready"):
        leaf.block_until_ready()
    else:
        torch.cuda.synchronize()
    return result


def on_host(result: Any) -> list[torch.Tensor]:
    """Copy the tensors of a result to the host, in float32."""
    import numpy
    import optree

    import nexnet

    made = []
    for leaf in optree.tree_leaves(result, namespace="nexnet"):
        data = leaf.data if isinstance(leaf, nexnet.LiteTensor) else leaf
        if not isinstance(data, torch.Tensor):
            data = torch.from_numpy(numpy.array(data, dtype=numpy.float32))
        made.append(data.detach().to("cpu", torch.float32, copy=True))
    return made


def kernels_of(call: Call, calls: int = 3) -> Kernels:
    """Count what runs on the GPU in a call, and add up the time in which it does, by torch's profiler."""
    from torch.profiler import ProfilerActivity, profile

    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        for _ in range(calls):
            call()
        torch.cuda.synchronize()
    events = [each for each in profiler.key_averages() if each.self_device_time_total > 0]
    return Kernels(
        round(sum(each.count for each in events) / calls),
        sum(each.self_device_time_total for each in events) / calls * 1e-6,
    )
