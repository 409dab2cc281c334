"""The tutorials as notebooks: a cell for each piece of code, and for the text between two."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

__all__ = ["add_link", "write"]

_CODE = re.compile(r"^```python\n(.*?)^```\n(?:\n```output\n.*?^```\n)?", re.MULTILINE | re.DOTALL)


def write(app: Sphinx) -> None:
    """Write one beside the pictures, for each page of the tutorials."""
    out = Path(app.srcdir) / "_drawn"
    out.mkdir(exist_ok=True)
    for page in sorted((Path(app.srcdir) / "tutorials").glob("*.md")):
        notebook = _notebook(page.read_text(encoding="utf-8"))
        (out / f"{page.stem}.ipynb").write_text(json.dumps(notebook, indent=1) + "\n", encoding="utf-8")


def add_link(_: Sphinx, name: str, source: list[str]) -> None:
    """Say at the end of a tutorial where its notebook is."""
    if name.startswith("tutorials/"):
        source[0] += f'\n<a href="../{name.removeprefix("tutorials/")}.ipynb" download>This page as a notebook</a>\n'


def _notebook(text: str) -> dict[str, Any]:
    """Give a page as nbformat 4 has it."""
    pieces = _CODE.split(text)
    cells = [
        _cell("code" if i % 2 else "markdown", piece.strip(), i) for i, piece in enumerate(pieces) if piece.strip()
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": cells}


def _cell(kind: str, text: str, number: int) -> dict[str, Any]:
    text = text.replace("{formula}`", "`")  # a role of the site's
    cell = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": text.splitlines(keepends=True)}
    return {**cell, "outputs": [], "execution_count": None} if kind == "code" else cell
