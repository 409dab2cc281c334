"""What was measured, as JSON and as tables: ``python -m benchmarks.report`` makes the documents' tables of it.

``nox -s bench`` writes reports/benchmarks.json and reports/benchmarks.md. With ``--write``, this command puts the
tables into README.md and docs/explanations/speed.md, between their markers.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .interleaved import Measured, quantity
from .peers import PEERS

__all__ = ["full", "put", "save", "summary"]

ROOT = Path(__file__).parents[1]
REPORTS = ROOT / "reports"
README, PAGE = ROOT / "README.md", ROOT / "docs" / "explanations" / "speed.md"
MARKERS = re.compile(r"(<!-- benchmarks -->\n).*?(<!-- /benchmarks -->)", re.DOTALL)

#: The contenders that have a column in the summary, and its head.
COLUMNS = {"nexnet": "nexnet", "torch.func": "torch.func", "JAX jit": "JAX, jit", "by hand": "by hand"}

DENSE, OTHERS = "nexnet, dense gradients", ("torch.func", "JAX jit", "by hand")

#: The summary's rows: what they are called, the case, and for each column who stands in it if not its contender.
ROWS: list[tuple[str, str, str, dict[str, str]]] = [
    ("training step, MLP 784-256-64-10, batch 8", "MLP step", "batch 8", {}),
    ("its gradients made, as in the others", "MLP step", "batch 8", {"nexnet": DENSE} | dict.fromkeys(OTHERS, "")),
    ("the same, batch 64", "MLP step", "batch 64", {}),
    ("its gradients made, as in the others", "MLP step", "batch 64", {"nexnet": DENSE} | dict.fromkeys(OTHERS, "")),
    ("the same, batch 512", "MLP step", "batch 512", {}),
    ("400 tiny operators in a chain, shape `()`", "chain of 400 operators", "()", {}),
    ("the same, `(64,)`", "chain of 400 operators", "(64,)", {}),
    ("the same, `(64, 64)`", "chain of 400 operators", "(64, 64)", {}),
    ("second-order MAML, 25 tasks, 1 inner step", "MAML", "25 tasks, 1 inner step", {}),
    (
        "the same by `vmap`", "MAML", "25 tasks, 1 inner step",
        {"nexnet": "nexnet vmap", "torch.func": "torch.func vmap", "JAX jit": "JAX jit vmap", "by hand": ""},
    ),
    ("second-order MAML, 25 tasks, 5 inner steps", "MAML", "25 tasks, 5 inner steps", {}),
    (
        "the same by `vmap`", "MAML", "25 tasks, 5 inner steps",
        {"nexnet": "nexnet vmap", "torch.func": "torch.func vmap", "JAX jit": "JAX jit vmap", "by hand": ""},
    ),
    ("Hessian-vector product, MLP 64-64-64-1, batch 32", "Hessian-vector product", "MLP 64-64-64-1, batch 32", {}),
    ("training step, LeNet, batch 64", "LeNet step", "batch 64", {}),
    ("training step, transformer block, d 128, 64 tokens, batch 8", "transformer block step", "batch 8", {}),
]  # fmt: skip


def save(results: Iterable[Measured]) -> list[Path]:
    """Write what was measured, with the machine, the versions and the date, to reports/; give the files."""
    run = {
        "date": datetime.date.today().isoformat(),
        "machine": {"processor": processor(), "cores": os.cpu_count(), "threads": 1, "system": platform.system()},
        "versions": versions(),
        "results": [record(each) for each in results],
    }
    REPORTS.mkdir(exist_ok=True)
    paths = [REPORTS / "benchmarks.json", REPORTS / "benchmarks.md"]
    paths[0].write_text(json.dumps(run, indent=1, ensure_ascii=False) + "\n")
    paths[1].write_text(full(run))
    return paths


def record(measured: Measured) -> dict[str, Any]:
    """Give one case as JSON has it."""
    case = measured.case
    contenders = {}
    for who in measured.values:
        low, median, high = measured.ratios(who)
        contenders[who] = {"median": measured.median(who), "ratio": median, "quartiles": [low, high]}
        if "jit" in who:
            contenders[who]["compiled_in"] = measured.first_calls[who]
        if who in case.aims:
            contenders[who]["aim"] = case.aims[who]
    rounds = len(measured.values[measured.first])
    unit = {"reads": case.reads or "seconds", "rounds": rounds}
    return {"suite": case.suite, "case": case.name, **unit, "contenders": contenders, "why": measured.why}


def processor() -> str:
    """Name the processor."""
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """Give the version of Python and of every library that took part."""
    found = {"Python": platform.python_version()}
    for name in ("torch", "nexnet-core", *PEERS):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def setting(run: dict[str, Any]) -> str:
    """Say in a sentence when, where and with what it was measured."""
    machine, with_ = run["machine"], ", ".join(f"{name} {number}" for name, number in run["versions"].items())
    return (
        f"Measured on {run['date']} on {machine['processor']} ({machine['cores']} cores, {machine['system']}), "
        f"one thread, float32: {with_}."
    )


def summary(run: dict[str, Any]) -> str:
    """Make the README's table.

    Raises:
        SystemExit: the run lacks one of its rows.
    """
    known = {(each["suite"], each["case"]): each["contenders"] for each in run["results"]}
    missing = [f"{suite}, {case}" for _, suite, case, _ in ROWS if (suite, case) not in known]
    if missing:
        raise SystemExit(f"the run has not measured all that the table shows: {'; '.join(missing)}")
    lines = [f"| | PyTorch eager | {' | '.join(COLUMNS.values())} |", f"| --- {'| ---: ' * (len(COLUMNS) + 1)}|"]
    for title, suite, case, instead in ROWS:
        contenders = known[suite, case]
        shown = [ratio(contenders.get(instead.get(who, who)), who == "nexnet") for who in COLUMNS]
        time = "" if instead else quantity(contenders["PyTorch"]["median"])
        lines.append(f"| {title} | {time} | {' | '.join(shown)} |")
    return "\n".join([setting(run), "", *lines, ""])


def ratio(contender: dict[str, Any] | None, quartiles: bool) -> str:
    """Write a contender's ratio, with its quartiles or without; nothing for one that did not take part."""
    if contender is None:
        return ""
    median, (low, high) = contender["ratio"], contender["quartiles"]
    return f"{median:.2f} ({low:.2f} to {high:.2f})" if quartiles else f"{median:.2f}"


def full(run: dict[str, Any]) -> str:
    """Make the tables of everything: one of the suites, and one of the operators."""
    lines = [setting(run), ""]
    suites = [each for each in run["results"] if each["suite"] != "operator"]
    if suites:
        lines += [
            "| | contender | median | ratio | quartiles | compiled in |",
            "| --- | --- | ---: | ---: | ---: | ---: |",
        ]
    for each in suites:
        what = f"{each['suite']}, {each['case']}"
        for who, found in each["contenders"].items():
            low, high = found["quartiles"]
            compiled = f"{found['compiled_in']:.2f} s" if "compiled_in" in found else ""
            median = quantity(found["median"], each["reads"])
            lines.append(f"| {what} | {who} | {median} | {found['ratio']:.2f} | {low:.2f} to {high:.2f} | {compiled} |")
            what = ""
    operators = [each for each in run["results"] if each["suite"] == "operator"]
    if operators:
        lines += ["", "| operator | PyTorch | nexnet | ratio | quartiles | why |"]
        lines.append("| --- | ---: | ---: | ---: | ---: | --- |")
    for each in sorted(operators, key=lambda each: -each["contenders"]["nexnet"]["ratio"]):
        torchs, found = each["contenders"]["PyTorch"], each["contenders"]["nexnet"]
        low, high = found["quartiles"]
        times = f"{quantity(torchs['median'])} | {quantity(found['median'])}"
        lines.append(f"| {each['case']} | {times} | {found['ratio']:.2f} | {low:.2f} to {high:.2f} | {each['why']} |")
    return "\n".join([*lines, ""])


def put(path: Path, text: str) -> None:
    """Put a text between the markers of a document.

    Raises:
        SystemExit: the document has no markers.
    """
    before = path.read_text()
    if not MARKERS.search(before):
        raise SystemExit(f"{path} has no place for the table: <!-- benchmarks --> and <!-- /benchmarks -->")
    path.write_text(MARKERS.sub(lambda found: f"{found[1]}{text}{found[2]}", before))


def main() -> None:
    """Print the tables of a run, or write them into the documents."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=main.__doc__)
    parser.add_argument(
        "run", nargs="?", type=Path, default=REPORTS / "benchmarks.json", help="what nox -s bench wrote"
    )
    parser.add_argument(
        "--write", action="store_true", help=f"put them into {README.name} and {PAGE.relative_to(ROOT)}"
    )
    options = parser.parse_args()
    run = json.loads(options.run.read_text())
    if options.write:
        put(README, summary(run))
        put(PAGE, full(run))
    else:
        print(summary(run), full(run), sep="\n")


if __name__ == "__main__":
    main()
