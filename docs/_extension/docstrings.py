"""Docstrings as reStructuredText: sections in Google's style, formulas as such."""

from __future__ import annotations

import ast
import inspect
import re
import string
import textwrap
import types
from collections.abc import Iterator

from sphinx.ext.napoleon import Config, GoogleDocstring

from .formulas import parts

__all__ = ["examples", "first_line", "members", "restructured"]

_CONFIG = Config(napoleon_use_ivar=True, napoleon_use_rtype=False, napoleon_use_admonition_for_examples=False)
# What is between double backticks is text as it stands; what else reStructuredText would read as markup is escaped.
_LITERAL = re.compile(r"(``.+?``)", re.DOTALL)
_LETTERS = string.ascii_letters + "'"
_HEAD = re.compile(r"^( +\*{0,2}\w[\w, *]*:(?= ))", re.MULTILINE)
_MARKUP = re.compile(r"([*|`\\]|(?<=\w)_(?=\W|$))")


def restructured(thing: object, doc: str | None = None) -> list[str]:
    """Give the lines of a docstring; none where there is no docstring of its own."""
    text = inspect.cleandoc(doc if doc is not None else getattr(thing, "__doc__", None) or "")
    return str(GoogleDocstring(_marked_up(text), _CONFIG)).splitlines()


def first_line(thing: object) -> str:
    """Give a docstring's first line, as it stands."""
    return inspect.cleandoc(getattr(thing, "__doc__", None) or "").partition("\n")[0]


# A class's methods that are shown beside those with a name of their own.
_SPECIAL = ("__call__", "__getitem__", "__enter__")


def members(thing: type) -> Iterator[tuple[str, object]]:
    """Give what a class is shown with: its own methods and properties, and those of its bases that have no page."""
    shown: dict[str, object] = {}
    for each in thing.__mro__:
        if each is thing or each.__name__.startswith("_"):
            shown = {**vars(each), **shown}
    for name, member in shown.items():
        is_shown = not name.startswith("_") or name in _SPECIAL
        if is_shown and isinstance(member, types.FunctionType | classmethod | staticmethod | property):
            yield name, member


# A block: what follows a line that ends with "::", indented further than that.
_BLOCK = re.compile(r"^( *)(\S.*)?::\n((?:\n|\1 +\S.*(?:\n|\Z))+)", re.MULTILINE)


def examples(doc: str) -> Iterator[tuple[int, str]]:
    """Give the code in a docstring, and its first line's number; another block is a formula.

    ``>>>`` and results are left as they are.
    """
    text = inspect.cleandoc(doc)
    for found in _BLOCK.finditer(text):
        if _is_code(found):
            blank = len(found[3]) - len(found[3].lstrip("\n"))
            yield text.count("\n", 0, found.start(3)) + blank, textwrap.dedent(found[3]).strip("\n") + "\n"


def _is_code(block: re.Match[str]) -> bool:
    """Say whether a block is what "Example::" announces, or Python."""
    code = textwrap.dedent(block[3]).strip("\n")
    if block[2] == "Example" or code.startswith(">>>"):
        return True
    try:
        ast.parse(code)
    except SyntaxError:
        return False
    return True


def _marked_up(text: str) -> str:
    """Mark formulas, and escape what would be markup, outside of literals and of the blocks that are code."""
    done, at = "", 0
    for found in _BLOCK.finditer(text):
        done += _marked(text[at : found.start(3)])
        at = found.end()
        if _is_code(found):
            done += found[3]
        else:
            done = done.rstrip(": \n") + ":\n\n" + _lines(found[3], found[1]) + "\n"
    return done + _marked(text[at:])


def _lines(block: str, indent: str) -> str:
    """Give a block of formulas as lines that stay apart."""
    lines = textwrap.dedent(block).strip("\n").split("\n")
    spread = [re.sub(r"(?<=\S) {2,}", "\u2003\u2003", _marked(line)) for line in lines]
    return "".join(f"{indent}| {line}\n" for line in spread)


def _marked(text: str) -> str:
    """Mark the formulas of a piece of text, which may hold literals."""
    done = ""
    for i, piece in enumerate(_LITERAL.split(text)):
        if i % 2:
            done += piece
            continue
        heads = _HEAD.split(piece)  # the names of arguments, which a section begins with
        for j, part in enumerate(heads):
            done += _escaped(part) if j % 2 else _with_formulas(part, done)
    return done


def _with_formulas(text: str, before: str) -> str:
    """Mark the formulas of what holds no literal, and stands behind something."""
    ending = text[: len(text) - len(text.lstrip(_LETTERS))] if before.endswith("``") else ""  # of a literal's plural
    done = _escaped(ending)
    for is_formula, piece in parts(text[len(ending) :]):
        if is_formula:
            done += ("\\ " if (before + done)[-1:].strip(" \n(['\"") else "") + f":formula:`{piece}`\0"
        else:
            done += _escaped(piece)
    return re.sub(r"\0(?=[^\s.,:;!?)\]'\"-])", r"\\ ", done).replace("\0", "")


def _escaped(text: str) -> str:
    return _MARKUP.sub(r"\\\1", text)
