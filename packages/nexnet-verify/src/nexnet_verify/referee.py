"""The referee refereed: how many wrong rules a check misses, and how many right ones it turns down.

``python -m nexnet_verify.referee`` prints the rates, seed by seed, and ends in 1 if there is one miss or false alarm.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from .mutants import MUTANTS, RIGHT, Rule

__all__ = ["MUTANTS", "RIGHT", "Verdict", "main", "referee", "verdicts"]

SEEDS = 5


@dataclass(frozen=True)
class Verdict:
    """What a check said of one rule.

    Attributes:
        rule: that was checked.
        seed: of its inputs, the cotangents and the directions.
        passed: whether the check found nothing wrong.
        wrong: whether the rule is one of the mutants.
    """

    rule: Rule
    seed: int
    passed: bool
    wrong: bool

    @property
    def mistaken(self) -> bool:
        """Whether the check is mistaken: a miss, or a false alarm."""
        return self.passed is self.wrong

    def __str__(self) -> str:
        return f"{self.rule.name}, seed {self.seed}"


def verdicts(seeds: Iterable[int]) -> Iterator[Verdict]:
    """Check every mutant and every right rule with each seed, each as it comes."""
    for seed in seeds:
        for rule in MUTANTS:
            yield Verdict(rule, seed, rule.check(seed).passed, True)
        for rule in RIGHT:
            yield Verdict(rule, seed, rule.check(seed).passed, False)


def referee(seeds: Iterable[int] = range(SEEDS)) -> tuple[list[str], list[str]]:
    """Give ``(missed, alarms)``: mutants that passed and right rules that did not, by name and seed."""
    mistaken = [verdict for verdict in verdicts(seeds) if verdict.mistaken]
    return [str(each) for each in mistaken if each.wrong], [str(each) for each in mistaken if not each.wrong]


def main(argv: Sequence[str] | None = None) -> int:
    """Print the rates; give the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m nexnet_verify.referee",
        description="Check wrong rules, which must all be caught, and right ones, which must all pass.",
        epilog="Exit codes: 0 none missed and no false alarm; 1 otherwise; 2 wrong use.",
    )
    parser.add_argument("--seeds", type=int, default=SEEDS, metavar="N", help="how many (default: %(default)s)")
    options = parser.parse_args(argv)
    if options.seeds < 1:
        parser.error(f"argument --seeds: {options.seeds} is less than 1")
    torch.set_num_threads(1)
    start = time.perf_counter()
    found = _judged(options.seeds)
    seconds = time.perf_counter() - start
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 100)
    console.print(_table(found))
    mistaken = [verdict for verdict in found if verdict.mistaken]
    for verdict in mistaken:
        console.print(f"{'missed' if verdict.wrong else 'false alarm'}: {verdict}", style="red", markup=False)
    console.print(f"{len(found)} checks in {seconds:.0f} s, {1e3 * seconds / len(found):.0f} ms each")
    return 1 if mistaken else 0


def _judged(seeds: int) -> list[Verdict]:
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    found = []
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        task = progress.add_task("", total=seeds * (len(MUTANTS) + len(RIGHT)))
        for verdict in verdicts(range(seeds)):
            found.append(verdict)
            progress.update(task, advance=1, description=str(verdict))
    return found


def _table(found: Sequence[Verdict]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("seed", "wrong rules", "missed", "miss rate", "right rules", "false alarms", "false alarm rate"):
        table.add_column(name, justify="right", no_wrap=True)
    seeds = list(dict.fromkeys(verdict.seed for verdict in found))
    for label, chosen in [*((str(seed), {seed}) for seed in seeds), ("all", set(seeds))]:
        cells = [label]
        for wrong in (True, False):
            those = [verdict for verdict in found if verdict.wrong is wrong and verdict.seed in chosen]
            mistaken = sum(verdict.mistaken for verdict in those)
            cells += [str(len(those)), str(mistaken), f"{100 * mistaken / max(len(those), 1):.1f}%"]
        table.add_row(*cells)
    return table


if __name__ == "__main__":
    raise SystemExit(main())
