"""Paired timing: contenders take turns, and what is reported is the ratio of neighbours in time.

A machine has slow phases; both contenders of a round fall into the same one. So every round times each contender in
turn (the order alternates), gives one ratio to the first contender, and the table shows the median of these ratios
with its quartiles. The times themselves are shown for the first contender only, and are worth less.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import optree
import torch
from rich.table import Table

import nexnet

__all__ = ["Case", "Measured", "check_agreement", "measure", "table"]


@dataclass(frozen=True)
class Case:
    """One thing to be computed, and who computes it.

    Attributes:
        suite, name: what it is, and at which size.
        make: makes the contenders, ``{who: call}``, from the same data; the first is what the others are compared
            with. Every call returns its results as a pytree of tensors.
        rtol: how far the results of the first call may be from the first contender's, relative to their largest.
    """

    suite: str
    name: str
    make: Callable[[], dict[str, Callable[[], Any]]]
    rtol: float = 1e-5

    def __str__(self) -> str:
        return f"{self.suite}, {self.name}"


@dataclass
class Measured:
    """The times of one case, in seconds per call, a list per contender with one entry per round."""

    case: Case
    times: dict[str, list[float]] = field(default_factory=dict)

    @property
    def reference(self) -> float:
        """The first contender's median time, in seconds."""
        return statistics.median(next(iter(self.times.values())))

    def ratios(self, who: str) -> tuple[float, float, float]:
        """Give the lower quartile, median and upper quartile of a contender's paired ratios to the first."""
        first = next(iter(self.times.values()))
        ratios = [mine / theirs for mine, theirs in zip(self.times[who], first, strict=True)]
        if len(ratios) == 1:
            return ratios[0], ratios[0], ratios[0]
        low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
        return low, median, high


def check_agreement(case: Case) -> None:
    """Compare what the contenders return, tensor by tensor.

    Raises:
        AssertionError: a contender's result is not the first one's.
    """
    results = {who: _tensors(call()) for who, call in case.make().items()}
    (first, expected), *others = results.items()
    for who, got in others:
        assert len(got) == len(expected), f"{case}: {who} gives {len(got)} tensors, {first} {len(expected)}"
        for i, (mine, theirs) in enumerate(zip(got, expected, strict=True)):
            scale = theirs.abs().max().item() if theirs.numel() else 0.0
            torch.testing.assert_close(
                mine, theirs, rtol=0, atol=case.rtol * scale,
                msg=lambda text, at=f"{case}, {who}, result {i}": f"{at}: {text}",
            )  # fmt: skip


def measure(case: Case, rounds: int = 40, slice_seconds: float = 0.01) -> Measured:
    """Time the contenders of a case in turns, each for about ``slice_seconds`` per round."""
    contenders = case.make()
    calls = max(1, round(slice_seconds / min(_time(call, 3) for call in contenders.values())))
    measured = Measured(case, {who: [] for who in contenders})
    order = list(contenders)
    for _ in range(rounds):
        for who in order:
            measured.times[who].append(_time(contenders[who], calls))
        order.reverse()
    return measured


def table(results: Iterable[Measured], title: str | None = None) -> Table:
    """Make the table of paired ratios: a row for each contender after the first."""
    made = Table(title=title, caption="medians and quartiles of paired ratios; below 1 is faster than PyTorch")
    made.add_column("case")
    made.add_column("PyTorch eager", justify="right")
    made.add_column("contender")
    made.add_column("ratio", justify="right")
    made.add_column("quartiles", justify="right")
    for each in results:
        what, reference = str(each.case), _duration(each.reference)
        for who in list(each.times)[1:]:
            low, median, high = each.ratios(who)
            made.add_row(what, reference, who, f"{median:.2f}", f"{low:.2f} to {high:.2f}")
            what = reference = ""
    return made


def _duration(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f} µs"


def _time(call: Callable[[], Any], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - start) / calls


def _tensors(results: Any) -> list[torch.Tensor]:
    return [
        (leaf.data if isinstance(leaf, nexnet.LiteTensor) else leaf).detach().clone()
        for leaf in optree.tree_leaves(results, namespace="nexnet")
    ]
