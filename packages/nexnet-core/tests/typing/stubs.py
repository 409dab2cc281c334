"""What type checkers can't read in the sources, written for them: ``--write`` renews the stubs, else they are compared.

``python packages/nexnet-core/tests/typing/stubs.py --write``, after a change to an operator's or the engine's names,
parameters or annotations.
"""

from __future__ import annotations

import difflib
import sys
from pathlib import Path

import engine_stub
import operator_stub

import nexnet

ROOT = Path(nexnet.__file__).parent
ENGINE = [ROOT / "engine" / "key.py", ROOT / "engine" / "tensor.py", ROOT / "engine" / "arithmetic.py"]


def stubs() -> dict[Path, str]:
    """Give the text of each stub."""
    made = {path.with_suffix(".pyi"): engine_stub.stub(path) for path in ENGINE}
    return made | {ROOT / "ops" / "__init__.pyi": operator_stub.stub()}


def main(write: bool) -> int:
    """Write the stubs, or print how those that are there differ; 1 if they do."""
    different = False
    for path, text in stubs().items():
        if write:
            path.write_text(text, encoding="utf-8")
            continue
        there = path.read_text(encoding="utf-8") if path.exists() else ""
        lines = list(
            difflib.unified_diff(there.splitlines(), text.splitlines(), str(path), "as generated", lineterm="")
        )
        print(*lines, sep="\n", end="")
        different |= bool(lines)
    return int(different)


if __name__ == "__main__":
    raise SystemExit(main("--write" in sys.argv[1:]))
