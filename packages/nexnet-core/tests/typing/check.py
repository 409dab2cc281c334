"""Runs mypy --strict and pyright over the user's code beside it: they must find what is marked, and nothing else.

``python packages/nexnet-core/tests/typing/check.py``. A line's errors stand at its end, ``# E: mypy's, pyright's``.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[4]
SOURCES = [str(path / "src") for path in sorted((ROOT / "packages").iterdir())]
NOT_USERS = {"check.py", "stubs.py", "engine_stub.py", "operator_stub.py", "torch_forms.py"}
FILES = [
    path
    for path in sorted((ROOT / "packages").glob("*/tests/typing/*.py"))
    if path.name not in NOT_USERS and not path.name.startswith("test_")
]

#: Where an error is, and its code: ("mistakes.py", 12, "call-arg").
Error = tuple[str, int, str]


def marked() -> Iterator[Error]:
    """Give the errors that are to be found."""
    for path in FILES:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if found := re.search(r"# E: (.*)", line):
                yield from ((path.name, number, code) for code in found[1].split(", "))


def by_mypy() -> dict[Error, str]:
    """Give what mypy finds, with its words."""
    found = run(
        "-m", "mypy", "--output=json", "--follow-imports=silent", *map(str, FILES), MYPYPATH=os.pathsep.join(SOURCES)
    )
    errors = [json.loads(line) for line in found.splitlines() if line.startswith("{")]
    return {(Path(e["file"]).name, e["line"], e["code"]): e["message"] for e in errors if e["severity"] == "error"}


def by_pyright() -> dict[Error, str]:
    """Give what pyright finds, with its words."""
    settings = {
        "include": [str(path) for path in FILES],
        "extraPaths": SOURCES,
        "typeCheckingMode": "standard",
        "pythonVersion": "3.11",
        "reportUnusedExpression": False,  # lines that are there for their types
    }
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "pyrightconfig.json"
        project.write_text(json.dumps(settings), encoding="utf-8")
        found = run("-m", "basedpyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(project))
    errors: list[dict[str, Any]] = json.loads(found)["generalDiagnostics"]
    return {
        (Path(e["file"]).name, e["range"]["start"]["line"] + 1, e.get("rule", "syntax")): e["message"]
        for e in errors
        if e["severity"] == "error"
    }


def run(*command: str, **environment: str) -> str:
    """Run a program of Python's, in the repository's root, and give what it prints."""
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, cwd=ROOT, env={**os.environ, **environment},
        check=False,
    )  # fmt: skip
    if not done.stdout:
        raise SystemExit(done.stderr)
    return done.stdout


def report(name: str, found: dict[Error, str], expected: Iterable[Error]) -> int:
    """Say where a checker found what is not marked, or not what is; and how often."""
    expected = set(expected)
    for file, line, code in sorted({*found} - expected):
        print(f"{file}:{line}: {name} says: {found[file, line, code]} [{code}]")
    for file, line, code in sorted(expected - {*found}):
        print(f"{file}:{line}: {name} does not find [{code}]")
    print(f"{name}: {len(expected & {*found})} of {len(expected)} errors found in {len(FILES)} files")
    return len({*found} ^ expected)


def main() -> int:
    """Run both; 1 if either is of another opinion."""
    of_pyright = {each for each in marked() if each[2].startswith("report")}
    of_mypy = {*marked()} - of_pyright
    return int(report("mypy", by_mypy(), of_mypy) + report("pyright", by_pyright(), of_pyright) > 0)


if __name__ == "__main__":
    raise SystemExit(main())
