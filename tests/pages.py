"""A page's code: its blocks, what they print, and the pictures that they draw, which the site shows.

``python -m tests.pages`` runs the pages that draw, into ``docs/_drawn``.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import torch

__all__ = ["NEEDS", "blocks", "draw", "drawn_by", "run"]

DOCS = Path(__file__).parents[1] / "docs"
DRAWN = DOCS / "_drawn"  # where the site looks for what the pages' code has drawn
NEEDS = r"<!-- needs: (\w+) -->"


def blocks(text: str) -> Iterator[tuple[str, str, int, str]]:
    """Give the language, the text, the first line's number and the needed package of each fenced block."""
    need = ""
    for match in re.finditer(rf"^(?:{NEEDS}\n)?( *)```(\w*)\n(.*?)^\2```$", text, re.MULTILINE | re.DOTALL):
        if match[3] != "output":  # which needs what its code needs
            need = match[1] or ""
        yield match[3], textwrap.dedent(match[4]), text.count("\n", 0, match.start(4)), need


def run(text: str, path: Path, package: str = "") -> dict[str, object]:
    """Execute a page's python blocks, compare its output blocks, and give the namespace that is left.

    Blocks that need a package are left out, if it is not this one.
    """
    namespace: dict[str, object] = {"__name__": "__page__"}
    printed = io.StringIO()
    for language, body, line, need in blocks(text):
        if need not in ("", package):
            continue
        if language == "python":
            code = compile("\n" * line + body, str(path), "exec", dont_inherit=True)  # a traceback shows its line
            with contextlib.redirect_stdout(printed):
                exec(code, namespace)
        elif language == "output":
            assert printed.getvalue().strip().split() == body.strip().split(), f"{path.name}, line {line}"
            printed = io.StringIO()
    namespace["printed"] = printed.getvalue()
    return namespace


def drawn_by(text: str) -> set[str]:
    """Name what a page shows that its code has drawn."""
    return {*re.findall(r"_drawn/([\w.-]+)", text), *re.findall(r'href="([\w.-]+)"', text)}


def draw(page: Path, folder: Path) -> None:
    """Run a page in a folder of its own, and keep what it draws for the site."""
    text = page.read_text(encoding="utf-8")
    torch.manual_seed(0)
    with contextlib.chdir(folder):
        run(text, page)
    DRAWN.mkdir(exist_ok=True)
    for name in drawn_by(text):
        shutil.copy(folder / name, DRAWN / name)


if __name__ == "__main__":
    os.environ["TRITON_INTERPRET"] = "0" if torch.cuda.is_available() else "1"
    for path in sorted(DOCS.rglob("*.md")):
        if drawn_by(path.read_text(encoding="utf-8")):
            with tempfile.TemporaryDirectory() as place:
                draw(path, Path(place))
