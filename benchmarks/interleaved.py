"""Paired measurements: contenders take turns, and what is reported is the ratio of neighbours in time.

A machine has slow phases; both contenders of a round fall into the same one. So every round times each contender in
turn (in an order that is drawn anew, each after a call of its own that is not timed), gives one ratio to the first
contender, and the table shows the median of these ratios with its quartiles. The times themselves are shown for the
first contender only, and are worth less.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy
import optree
import torch
from rich.table import Table

import nexnet

__all__ = ["Case", "Measured", "check_agreement", "measure", "quantity", "table"]


@dataclass(frozen=True)
class Case:
    """One thing to be computed, and who computes it.

    Attributes:
        suite, name: what it is, and at which size.
        make: makes the contenders, ``{who: call}``, from the same data; the first is what the others are compared
            with. Every call returns its results as a pytree of tensors (of torch, nexnet or JAX) or numpy arrays.
        rtol: how far the results of the first call may be from the first contender's, relative to their largest.
        atol: how far besides, where rounding is all that is left of a result.
        rounds: how often each takes its turn.
        reads: the attribute in which a contender leaves what it has found of its latest call: "seconds", where a
            process of its own took the time, or "bytes". Without one, calls are timed here.
        per: how many parts a call has, if the figure is to be that of one part.
        aims: what nexnet is to reach, ``{who: ratio}``.
        long: whether --quick leaves it out: for its time, and since another case shows as much.
    """

    suite: str
    name: str
    make: Callable[[], dict[str, Callable[[], Any]]]
    rtol: float = 1e-5
    atol: float = 0.0
    rounds: int = 40
    reads: str = ""
    per: int = 1
    aims: dict[str, float] = field(default_factory=dict)
    long: bool = False

    def __str__(self) -> str:
        return f"{self.suite}, {self.name}"


@dataclass
class Measured:
    """What was found of one case: a list per contender with one entry per round, in seconds (or bytes) per call.

    ``first_calls`` are the times of the first calls, in seconds: what a compiler compiles, it compiles there. ``why``
    explains a ratio, where that was looked into.
    """

    case: Case
    values: dict[str, list[float]] = field(default_factory=dict)
    first_calls: dict[str, float] = field(default_factory=dict)
    why: str = ""

    @property
    def first(self) -> str:
        """The contender with whom the others are compared."""
        return next(iter(self.values))

    def median(self, who: str) -> float:
        """Give a contender's median."""
        return statistics.median(self.values[who])

    def ratios(self, who: str) -> tuple[float, float, float]:
        """Give the lower quartile, median and upper quartile of a contender's paired ratios to the first."""
        ratios = [mine / theirs for mine, theirs in zip(self.values[who], self.values[self.first], strict=True)]
        if len(ratios) == 1:
            return ratios[0], ratios[0], ratios[0]
        low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
        return low, median, high


def check_agreement(case: Case, results: dict[str, Any]) -> None:
    """Compare what the contenders returned, tensor by tensor.

    Raises:
        AssertionError: a contender's result is not the first one's.
    """
    (first, expected), *others = ((who, _tensors(result)) for who, result in results.items())
    for who, got in others:
        assert len(got) == len(expected), f"{case}: {who} gives {len(got)} tensors, {first} {len(expected)}"
        for i, (mine, theirs) in enumerate(zip(got, expected, strict=True)):
            finite = theirs[theirs.isfinite()]
            scale = finite.abs().max().item() if finite.numel() else 0.0
            torch.testing.assert_close(
                mine, theirs, rtol=0, atol=case.rtol * scale + case.atol, equal_nan=True,
                msg=lambda text, at=f"{case}, {who}, result {i}": f"{at}: {text}",
            )  # fmt: skip


def measure(case: Case, rounds: int | None = None, slice_seconds: float = 0.01) -> Measured:
    """Check the contenders against each other; then measure them in turns, each for ``slice_seconds`` per round.

    Raises:
        AssertionError: a contender's result is not the first one's.
    """
    contenders = case.make()
    measured = Measured(case, {who: [] for who in contenders})
    results = {}
    for who, call in contenders.items():
        start = time.perf_counter()
        results[who] = _finished(call())
        measured.first_calls[who] = time.perf_counter() - start
        results[who] = _tensors(results[who])  # now: a step that is called again may write into what it returned
    check_agreement(case, results)
    del results
    calls = {who: _calls_in(slice_seconds, call) for who, call in contenders.items() if not case.reads}
    order = list(contenders)
    shuffle = random.Random(0).shuffle
    for turn in range(rounds or case.rounds):
        shuffle(order)  # nobody is always preceded by the same one, or by itself
        for who in order:
            if not case.reads:
                value = _time(contenders[who], calls[who])
            else:
                if turn > 0:  # the call that gave the results counts
                    contenders[who]()
                value = getattr(contenders[who], case.reads)
            measured.values[who].append(value / case.per)
    return measured


def table(results: Iterable[Measured], title: str | None = None) -> Table:
    """Make the table of paired ratios: a row for each contender after the first."""
    made = Table(title=title, caption="medians and quartiles of paired ratios; below 1 is less than the first one")
    made.add_column("case")
    made.add_column("first contender", justify="right")
    made.add_column("contender")
    made.add_column("ratio", justify="right")
    made.add_column("quartiles", justify="right")
    made.add_column("aim", justify="right")
    made.add_column("compiled in", justify="right")
    for each in results:
        what, reference = str(each.case), quantity(each.median(each.first), each.case.reads)
        for who in list(each.values)[1:]:
            low, median, high = each.ratios(who)
            aim = f"{each.case.aims[who]:.2f}" if who in each.case.aims else ""
            compiled = f"{each.first_calls[who]:.2f} s" if "jit" in who else ""
            made.add_row(what, reference, who, f"{median:.2f}", f"{low:.2f} to {high:.2f}", aim, compiled)
            what = reference = ""
    return made


def quantity(value: float, reads: str = "") -> str:
    """Write a number of seconds, or of bytes."""
    if reads == "bytes":
        return f"{value / 1e6:.1f} MB" if value >= 1e6 else f"{value:.0f} B"
    if value >= 10:
        return f"{value:.0f} s"
    if value >= 1e-3:
        return f"{value * 1e3:.2f} ms"
    return f"{value * 1e6:.0f} µs" if value >= 1e-4 else f"{value * 1e6:.2f} µs"


def _calls_in(seconds: float, call: Callable[[], Any]) -> int:
    return max(1, round(seconds / _time(call, 1))) if seconds > 0 else 1


def _time(call: Callable[[], Any], calls: int) -> float:
    if calls > 1:
        _finished(call())  # untimed: it finds the caches, and the other core, as another contender has left them
    start = time.perf_counter()
    for _ in range(calls):
        result = call()
    _finished(result)
    return (time.perf_counter() - start) / calls


def _finished(results: Any) -> Any:
    """Wait for what JAX is still computing."""
    leaf = results
    while isinstance(leaf, (tuple, list)) and leaf:
        leaf = leaf[-1]
    if hasattr(leaf, "block_until_ready"):
        leaf.block_until_ready()
    return results


def _tensors(results: Any) -> list[torch.Tensor]:
    return [_tensor(leaf) for leaf in optree.tree_leaves(results, namespace="nexnet")]


def _tensor(leaf: Any) -> torch.Tensor:
    if isinstance(leaf, nexnet.LiteTensor):
        leaf = leaf.data
    if not isinstance(leaf, torch.Tensor):
        leaf = torch.from_numpy(numpy.array(leaf))
    return leaf.detach().clone()
