"""``nexnet-verify``: every operator's gradients, or a rule of your own, checked and shown as a table."""

from __future__ import annotations

import argparse
import difflib
import os
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from nexnet.errors import InputError

from .cases import Case, all_cases
from .elsewhere import WITHOUT_META, run_elsewhere
from .runner import COLUMNS, Result, run_cases
from .summary import Summary, number
from .target import Misuse, check_target

__all__ = ["main"]

RIGHT, WRONG, MISUSED = 0, 1, 2
EXAMPLES = 8
WIDTH = 150  # where there is no terminal to ask
WIDE = 180  # from this width on there is place for the inputs
SHOWN = 20  # failures in full


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Misuse(message)


def _parser() -> _Parser:
    parser = _Parser(
        prog="nexnet-verify",
        description="Check the gradients of nexnet's operators and layers, or of a rule of your own, against finite "
        "differences, JAX and themselves.",
        epilog="Exit codes: 0 all right; 1 something is wrong, or an operator has no case; 2 wrong use.",
    )
    parser.add_argument("target", nargs="?", help="package.module:rule, a Policy or function of your own")
    parser.add_argument("--op", action="append", metavar="NAME", help="only this operator (may be repeated)")
    parser.add_argument(
        "--kind", action="append", metavar="KIND", help="only this kind, or this wing of kinds (may be repeated)"
    )
    parser.add_argument("--order", type=_positive, help="the highest order to check (default: each case's own, 2)")
    parser.add_argument("--examples", type=_positive, help=f"per case (default: {EXAMPLES})")
    parser.add_argument("--seed", type=int, default=0, help="of everything that is drawn (default: %(default)s)")
    parser.add_argument("--jobs", type=_positive, help=f"processes (default: {_cores()})")
    parser.add_argument(
        "--device", choices=("cpu", "cuda", "meta"), default="cpu",
        help="compare values and derivatives on this device with those on the CPU (on meta: their kinds)",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with a sortable table")
    parser.add_argument("--fail-fast", action="store_true", help="stop at the first failure")
    own = parser.add_argument_group("a rule of your own")
    own.add_argument("--shapes", nargs="+", metavar="N,M", help="of its arguments: 3,4 4,2 2 (a scalar: scalar)")
    own.add_argument(
        "--expected", metavar="NAME", help="package.module:function whose gradient it is meant to have, if not its own"
    )
    own.add_argument("--positive", nargs="+", type=int, default=[], metavar="I", help="arguments drawn above zero")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; give its exit code."""
    try:
        options = _parser().parse_args(argv)
        for path in (options.json, options.html):
            if path is not None and not path.parent.is_dir():
                raise Misuse(f"there is no directory {path.parent} to write {path.name} into")
            if path is not None and path.is_dir():
                raise Misuse(f"{path} is a directory: name a file to write")
        if options.target is not None:
            return _run_target(options)
        if options.shapes or options.positive or options.expected:
            raise Misuse(
                "--shapes, --positive and --expected are for a rule of your own: name it as package.module:rule"
            )
        if options.device != "cpu":
            return _run_elsewhere(options, _choose(options))
        return _run_cases(options, _choose(options))
    except Misuse as error:
        print(f"nexnet-verify: {' '.join(str(error).split())}", file=sys.stderr)
        return MISUSED
    except KeyboardInterrupt:
        print("nexnet-verify: interrupted", file=sys.stderr)
        return 130


def _run_target(options: argparse.Namespace) -> int:
    for name in ("op", "kind", "examples", "jobs", "json", "html", "fail_fast"):
        if getattr(options, name):
            given = f"--{name.replace('_', '-')}"
            raise Misuse(f"{given} is for nexnet's own operators, not for a rule of your own")
    if not options.shapes:
        raise Misuse("give the shapes of the arguments: --shapes 3,4 4,2")
    try:
        report = check_target(
            options.target, options.shapes, options.positive, options.order or 2, options.seed, options.expected
        )
    except InputError as error:
        raise Misuse(str(error)) from error
    except Misuse:
        raise
    except Exception as error:  # the rule's own: it runs forward, and not backward
        last = traceback.extract_tb(error.__traceback__)[-1]
        print(f"{options.target} can't be differentiated.\n{type(error).__name__}: {error}")
        print(f"  at:        {last.filename}, line {last.lineno}, in {last.name}")
        return WRONG
    print(report)
    return RIGHT if report.passed else WRONG


def _run_elsewhere(options: argparse.Namespace, cases: list[Case]) -> int:
    """Compare a device with the CPU; print a line for each example that differs."""
    for name in ("order", "json", "html", "fail_fast"):
        if getattr(options, name):
            raise Misuse(f"--{name.replace('_', '-')} is for the checks on the CPU, not for --device {options.device}")
    if options.device == "cuda" and not torch.cuda.is_available():
        raise Misuse("--device cuda needs an NVIDIA GPU: torch finds none")
    if options.device == "meta":
        cases = [case for case in cases if case.name not in WITHOUT_META]
    wrong = 0
    jobs = options.jobs or (_cores() if len(cases) > SHOWN else 1)
    for case, lines in run_elsewhere(cases, options.device, options.examples or EXAMPLES, options.seed, jobs):
        wrong += len(lines)
        print("".join(f"{case.kind} {case.name}  {line}\n" for line in lines), end="", flush=True)
    print(f"{len(cases)} cases on {options.device}: {wrong} of their examples differ from the CPU's")
    return WRONG if wrong else RIGHT


def _run_cases(options: argparse.Namespace, cases: list[Case]) -> int:
    torch.set_num_threads(1)
    examples, jobs = options.examples or EXAMPLES, options.jobs or _cores()
    start = time.perf_counter()
    results = []
    running = run_cases(cases, examples, options.seed, options.order, jobs)
    with _progress() as progress:
        task = progress.add_task("", total=len(cases))
        for result in running:
            results.append(result)
            progress.update(task, advance=1, description=result.name if result.passed else f"[red]{result.name}")
            if options.fail_fast and not result.passed:
                break
        running.close()
    order = {(case.name, case.kind): i for i, case in enumerate(cases)}
    results.sort(key=lambda result: order[result.name, result.kind])
    everything = not (options.op or options.kind) and len(results) == len(cases)
    summary = Summary.of(results, cases, everything, options.seed, examples, time.perf_counter() - start)
    _show(summary)
    if options.json is not None:
        summary.write_json(options.json)
    if options.html is not None:
        summary.write_html(options.html)
    return RIGHT if summary.passed else WRONG


def _choose(options: argparse.Namespace) -> list[Case]:
    cases = all_cases()
    kinds = list(dict.fromkeys(name for case in cases for name in (case.wing, case.kind)))
    for kind in options.kind or ():
        if kind not in kinds:
            raise Misuse(f"there is no kind {kind!r}; the kinds are {', '.join(kinds)}")
    names = {name: case for case in cases for name in (*case.covers, case.name)}
    for name in options.op or ():
        if name not in names:
            near = difflib.get_close_matches(name, names, 3)
            raise Misuse(f"no case is named {name!r}" + (f"; did you mean {' or '.join(near)}?" if near else ""))
    wanted = {names[name].name for name in options.op or ()}
    chosen = [case for case in cases if not options.kind or {case.wing, case.kind} & {*options.kind}]
    chosen = [case for case in chosen if not options.op or case.name in wanted]
    if not chosen:
        raise Misuse(f"no operator of kind {', '.join(options.kind)} is named {', '.join(options.op)}")
    return chosen


# What is printed -----------------------------------------------------------------------------------------------------


def _progress() -> Progress:
    columns: list[Any] = [BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}")]
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _show(summary: Summary) -> None:
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    console.print(_table(summary.results, console.width))
    for corner in summary.corners:
        if corner.status == "WRONG":
            expected = ", ".join(map(str, corner.corner.expected))
            console.print(f"corner WRONG: {corner.corner.point}: expected {expected}, got {corner.got}", style="red")
    failed = [result for result in summary.results if not result.passed]
    for result in failed[:SHOWN]:
        console.rule(f"{result.kind}.{result.name}", style="red")
        console.print(result.failure, markup=False)
    if len(failed) > SHOWN:
        console.print(f"... and {len(failed) - SHOWN} more: --json or --html shows all")
    for what, reasons in summary.remarks().items():
        console.print(f"{what}:", style="dim")
        for reason, names in reasons.items():
            console.print(f"  {', '.join(names)}: {reason}", markup=False, style="dim")
    for problem in summary.problems:
        console.print(problem, markup=False, style="red")
    for line in summary.lines():
        console.print(line, markup=False)


def _table(results: Sequence[Result], width: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("operator", no_wrap=True)
    table.add_column("kind", no_wrap=True)
    table.add_column("examples", justify="right", no_wrap=True)
    wide = width >= WIDE
    if wide:
        table.add_column("inputs tried", no_wrap=True, overflow="ellipsis", max_width=30)
    for name in (*COLUMNS, "verdict"):
        table.add_column(name, justify="right", no_wrap=True)
    for result in results:
        tried = dict.fromkeys(each.partition(" ")[2] for each in result.inputs)
        table.add_row(
            result.name,
            result.kind,
            str(result.examples),
            *([" ".join(tried).replace("[", r"\[")] if wide else []),
            *[number(each) for each in result.columns()],
            "[green]right[/green]" if result.passed else "[red]WRONG[/red]",
        )
    return table


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is less than 1")
    return value


def _cores() -> int:
    return min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, 8)
