"""``python -m nexnet_verify.fuzz``: runs the fuzzers, each in a process that may die, and shows what they find."""

from __future__ import annotations

import argparse
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import IO, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.rule import Rule
from rich.text import Text

from .known import KNOWN
from .worker import FUZZERS

__all__ = ["Tally", "fuzz", "main"]

FINE, FOUND, MISUSED = 0, 1, 2
PATIENCE = 30.0  # seconds without a word: it hangs
START = 180.0  # the same for the start of a process, on a machine that is busy
WIDTH = 120  # where there is no terminal to ask
ENGINES = {"programs": ("compiled", "python"), "interrupts": ("compiled", "python")}


@dataclass
class Tally:
    """What a fuzzer has come to: counts by kind, and the findings, one of each group."""

    name: str
    seed: int
    counts: Counter[str] = field(default_factory=Counter)
    findings: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, kind: str, text: str = "", group: str = "") -> None:
        """Count an attempt."""
        kind = "known" if kind == "finding" and group in KNOWN else kind
        self.counts[kind] += 1
        if kind == "finding":
            self.findings.setdefault(group or text, text)

    def __str__(self) -> str:
        counts = ", ".join(f"{count:,} {kind}" for kind, count in sorted(self.counts.items()))
        return (
            f"{self.name}: {counts or 'nothing tried'}; {len(self.findings)} groups of findings ({self.seconds:.0f} s)"
        )


def fuzz(name: str, seed: int, seconds: float, first: int = 0, patience: float = PATIENCE) -> Iterator[Tally]:
    """Run a fuzzer for a time; give the tally after every attempt. A process that dies, or says nothing, is a finding.

    ``name`` is one of FUZZERS, or the ``package.module:Class`` of one of your own.
    """
    tally = Tally(name, seed)
    start = time.monotonic()
    engines = ENGINES.get(name, ("compiled",))
    for i, engine in enumerate(engines):
        end = start + seconds * (i + 1) / len(engines)
        following: int | None = first
        while following is not None and time.monotonic() < end:
            for number in _in_a_process(tally, following, engine, end, patience):
                following = number
                tally.seconds = time.monotonic() - start
                yield tally


def _in_a_process(tally: Tally, first: int, engine: str, end: float, patience: float) -> Iterator[int | None]:
    """Let one process work; give the number to go on from after every attempt, None at the end of all."""
    errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed below; a pipe that nobody reads would fill
    process = subprocess.Popen(
        [sys.executable, "-m", f"{__package__}.worker", tally.name, str(tally.seed), str(first), engine],
        stdout=subprocess.PIPE, stderr=errors, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    last: dict[str, Any] = {"number": first, "doing": "its start"}
    try:
        for line in _lines(process.stdout, end, patience, max(START, patience)):
            if line is None:
                if time.monotonic() < end:
                    _blame(tally, last, "hangs", f"no answer for {patience:.0f} s in {last['doing']}")
                    yield last["number"] + 1
                return
            said = json.loads(line)
            if "doing" in said:
                last = said
            elif said["kind"] == "end":
                yield None
                return
            else:
                last = {"number": said["number"] + 1, "doing": "between attempts"}
                tally.add(said["kind"], f"{said['text']}\n(--first {said['number']})", said["group"])
                yield said["number"] + 1
        code = process.wait()
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}: {_end_of(errors)}"
        _blame(tally, last, "died", f"the process has died ({how}) in {last['doing']}")
        yield last["number"] + 1
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        errors.close()


def _blame(tally: Tally, last: dict[str, Any], what: str, text: str) -> None:
    """Count it as torch's where its own function, which an attempt asks for comparison, was at work."""
    if last["doing"].startswith("torch's "):
        tally.add(f"torch {what}")
    else:
        tally.add("finding", text, f"{what} {_head(last)}")


def _end_of(errors: IO[str]) -> str:
    errors.seek(0)
    return errors.read()[-2000:]


def _head(last: dict[str, Any]) -> str:
    return str(last["doing"]).partition(",")[0]


def _lines(stream: IO[str], end: float, patience: float, start: float) -> Iterator[str | None]:
    """Give the lines of a process; None where none comes for too long, or the time is over."""
    os.set_blocking(stream.fileno(), False)
    selector = selectors.DefaultSelector()
    selector.register(stream, selectors.EVENT_READ)
    waiting = ""
    heard = time.monotonic() + start - patience
    while True:
        limit = min(heard + patience, end) - time.monotonic()
        if limit <= 0 or not selector.select(limit):
            yield None
            return
        read = os.read(stream.fileno(), 1 << 16).decode()
        if not read:
            return
        heard = time.monotonic()
        *lines, waiting = (waiting + read).split("\n")
        yield from lines


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; give its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m nexnet_verify.fuzz",
        description="Look for what is wrong with random programs, interrupts and hostile arguments.",
        epilog="Exit codes: 0 nothing found; 1 something is wrong; 2 wrong use.",
    )
    parser.add_argument("--minutes", type=float, default=1.0, help="for each fuzzer (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of everything that is drawn (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="the attempt to begin with")
    parser.add_argument("--only", action="append", choices=list(FUZZERS), help="only this one (may be repeated)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="fuzzers side by side (default: %(default)s)")
    options = parser.parse_args(argv)
    if not options.minutes > 0:
        parser.error("--minutes: a time above zero is needed")
    if options.jobs < 1:
        parser.error("--jobs: at least one is needed")
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    stopped = threading.Event()
    with _progress() as progress, ThreadPoolExecutor(options.jobs) as pool:
        running = [pool.submit(_watch, name, options, progress, console, stopped) for name in options.only or FUZZERS]
        try:
            wait(running, return_when=FIRST_EXCEPTION)
        finally:  # Ctrl-C, or one could not be run: what runs beside it ends too
            stopped.set()
        tallies = [each.result() for each in running]
    for tally in tallies:
        console.print(str(tally), markup=False, style="red" if tally.findings else None)
    return FOUND if any(tally.findings for tally in tallies) else FINE


def _watch(
    name: str, options: argparse.Namespace, progress: Progress, console: Console, stopped: threading.Event
) -> Tally:
    """Run a fuzzer, and show what it finds as it comes."""
    task = progress.add_task(name, total=options.minutes * 60)
    tally, shown = Tally(name, options.seed), 0
    for tally in () if stopped.is_set() else fuzz(name, options.seed, options.minutes * 60, options.first):
        progress.update(task, completed=tally.seconds, description=str(tally))
        for text in [*tally.findings.values()][shown:]:
            console.print(Rule(f"{name}, --seed {options.seed}", style="red"), Text(text), soft_wrap=True)
        shown = len(tally.findings)
        if stopped.is_set():
            break
    return tally


def _progress() -> Progress:
    columns: list[Any] = [BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}")]
    return Progress(*columns, console=Console(stderr=True), transient=True)
