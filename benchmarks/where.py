"""Where the instructions of a program go: those of each library, and what of them waits.

    python -m benchmarks.where "MAML, 3 tasks, 1"       programs of benchmarks.instructions, or cases of a suite

Callgrind counts the instructions, and simulates first-level caches of 32 KB and a predictor of branches: what misses
the cache of code or data, or was predicted wrongly, waits some ten to fifteen cycles, where an instruction takes a
third of one. Small steps wait for their code: a library that runs a little of everything misses most.
"""

from __future__ import annotations

import argparse
import ctypes
import re
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from .instructions import PROGRAMS, dumps, obstacle, run_all
from .suites import CASES

__all__ = ["EVENTS", "by_library", "library", "shown"]

#: What is counted, by callgrind's name for it.
EVENTS = {
    "Ir": "instructions",
    "I1mr": "code missed",
    "D1mr": "data missed",
    "Bcm": "wrong branches",
    "Bim": "wrong jumps",
}
SIMULATED = ("--cache-sim=yes", "--branch-sim=yes", "--I1=32768,8,64", "--D1=32768,8,64", "--LL=1048576,8,64")

COSTS = (*"0123456789+-*",)  # what a line begins with that says what a place in the code takes

_LIBRARIES = {
    "nexnet": re.compile(r"/nexnet/"),
    "torch": re.compile(r"/lib(torch|c10|shm)[^/]*$"),
    "Python": re.compile(r"/(libpython|python)[^/]*$"),
    "C library": re.compile(r"/(libc|ld-linux|libm|libpthread|libstdc\+\+|libgcc_s)\b[^/]*$"),
}


def library(path: str) -> str:
    """Name the library that an object file belongs to."""
    return next((name for name, pattern in _LIBRARIES.items() if pattern.search(path)), "other")


def by_library(dump: str) -> dict[str, dict[str, int]]:
    """Give what a dump of callgrind's counts in each library itself, without what that calls."""
    events: list[str] = []
    names: dict[str, str] = {}
    found: dict[str, dict[str, int]] = {}
    here, is_of_call = "other", False
    for line in dump.splitlines():
        if line.startswith("events:"):
            events = line.split()[1:]
        elif line.startswith(("ob=", "cob=")):  # a name is written out where it stands first
            number, name = re.fullmatch(r"c?ob=(\(\d+\))(?: (.*))?", line).groups()  # type: ignore[union-attr]
            names[number] = name or names[number]
            here = library(names[number]) if line.startswith("ob=") else here
        elif line.startswith("calls="):
            is_of_call = True
        elif line.startswith(COSTS):
            if not is_of_call:
                counts = found.setdefault(here, dict.fromkeys(EVENTS, 0))
                for event, count in zip(events, line.split()[1:], strict=False):
                    if event in counts:
                        counts[event] += int(count)
            is_of_call = False
    return found


def shown(contender: str, counts: dict[str, dict[str, int]]) -> str:
    """Write the table of one contender, in thousands."""
    total = {event: sum(each[event] for each in counts.values()) for event in EVENTS}
    rows = [*sorted(counts.items(), key=lambda item: -item[1]["Ir"]), ("all", total)]
    lines = [f"{contender:24}" + "".join(f"{each:>16}" for each in EVENTS.values())]
    lines += [f"    {name:20}" + "".join(f"{row[event] / 1000:16,.1f}" for event in EVENTS) for name, row in rows]
    return "\n".join(lines)


def _chosen(name: str) -> dict[str, Callable[[], dict[str, Callable[[], Any]]]]:
    """Give the programs that have this in their names, else the suites' cases, of those who run torch's kernels."""
    of_programs = {each: make for each, make in PROGRAMS.items() if name in each}
    cases = of_programs or {str(case): case.make for case in CASES if name in str(case)}
    return {each: partial(_without_jax, make) for each, make in cases.items()}


def _without_jax(make: Callable[[], dict[str, Callable[[], Any]]]) -> dict[str, Callable[[], Any]]:
    strangers = ("JAX", "HIPS", "torch.func")
    return {name: call for name, call in make().items() if not name.startswith(strangers)}


def main() -> None:
    """Count, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="its name, or a part of that")
    parser.add_argument("--under", metavar="SWITCH", help=argparse.SUPPRESS)
    given = parser.parse_args()
    chosen = _chosen(given.program)
    if not chosen:
        sys.exit(f"No program has {given.program!r} in its name: {', '.join(PROGRAMS)}, ...")
    if given.under:
        run_all(ctypes.CDLL(given.under), chosen)
    elif why := obstacle():
        print(f"Nothing is counted: {why}.")
    else:
        before = None
        for (program, contender), dump in dumps("benchmarks.where", given.program, options=SIMULATED):
            if program != before:
                print(f"\n{program}, in thousands")
            before = program
            print(shown(contender, by_library(dump)))


if __name__ == "__main__":
    main()
