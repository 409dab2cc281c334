"""Docstrings as reStructuredText: sections in Google's style, formulas in plain text."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator

from sphinx.ext.napoleon import Config, GoogleDocstring

__all__ = ["examples", "first_line", "restructured"]

_CONFIG = Config(napoleon_use_ivar=True, napoleon_use_rtype=False, napoleon_use_admonition_for_examples=False)
# What is between double backticks is text as it stands; what else reStructuredText would read as markup is escaped.
_LITERAL = re.compile(r"(``.+?``)", re.DOTALL)
_MARKUP = re.compile(r"([*|`\\]|(?<=\w)_(?=\W|$))")


def restructured(thing: object, doc: str | None = None) -> list[str]:
    """Give the lines of a docstring; none where there is no docstring of its own."""
    text = inspect.cleandoc(doc if doc is not None else getattr(thing, "__doc__", None) or "")
    return str(GoogleDocstring("\n".join(_escaped(text)), _CONFIG)).splitlines()


def first_line(thing: object) -> str:
    """Give a docstring's first line, as it stands."""
    return inspect.cleandoc(getattr(thing, "__doc__", None) or "").partition("\n")[0]


# A block: what follows a line that ends with "::", indented further than that.
_BLOCK = re.compile(r"^( *)(\S.*)?::\n((?:\n|\1 +\S.*(?:\n|\Z))+)", re.MULTILINE)


def examples(doc: str) -> Iterator[tuple[int, str]]:
    """Give the code in a docstring, and its first line's number: what "Example::" announces, and what is Python.

    Another block is a formula. ``>>>`` and results are left as they are.
    """
    text = inspect.cleandoc(doc)
    for found in _BLOCK.finditer(text):
        code = textwrap.dedent(found[3]).strip("\n") + "\n"
        if found[2] == "Example" or code.startswith(">>>") or _is_python(code):
            yield text.count("\n", 0, found.start(3)) + found[3].index(found[3].lstrip("\n")), code


def _is_python(text: str) -> bool:
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


def _escaped(text: str) -> list[str]:
    """Escape markup outside of literals and of the indented blocks that follow ``::``."""
    lines: list[str] = []
    block: int | None = None  # how far the paragraph was indented whose block this is
    paragraph: list[str] = []

    def flush() -> None:
        pieces = _LITERAL.split("\n".join(paragraph))
        lines.extend(
            "".join(each if i % 2 else _MARKUP.sub(r"\\\1", each) for i, each in enumerate(pieces)).split("\n")
        )
        paragraph.clear()

    for line in text.split("\n"):
        indent = len(line) - len(line.lstrip())
        if block is not None and line.strip() and indent <= block:
            block = None
        if block is not None:
            lines.append(line)
            continue
        paragraph.append(line)
        if not line.strip() or line.rstrip().endswith("::"):
            flush()
        if line.rstrip().endswith("::"):
            block = indent
    if paragraph:
        flush()
    return lines
