"""Which parts of a text are formulas: of "dx = g where x > 0, else alpha g", said in a docstring, all but two words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from .mathml import FUNCTIONS, GREEK, TOKEN

__all__ = ["parts"]

_OPERATORS = frozenset(["=", "+", "-", "/", "<", ">", "<=", ">=", "!=", "->", "^", "_", "*"])
_WORDS = frozenset({
    "the", "an", "of", "in", "by", "to", "is", "as", "at", "and", "or", "where", "if", "else", "with", "for",
    "from", "over", "on", "it", "its", "that", "which", "each", "all", "no", "not", "was", "then", "do", "than",
    "elsewhere", "otherwise", "also", "when", "between", "outside", "inside", "both", "one", "two", "be", "are",
    "so", "see", "use", "any", "there", "here",
})  # fmt: skip
_BEFORE_ARTICLES = frozenset(["is", "are", "and", "with", "has", "of", "by", "there"])
# A word of prose, whatever is in it: with a hyphen, an apostrophe, or an index that is a word itself.
_PROSE = re.compile(
    r"\w+-[A-Za-z]{2,}|\d+-[a-z]\b|[A-Za-z]{2,}'[a-z]+|[A-Za-z]\w*_\w{2,}|[A-Za-z]\w*(?:\.\w+)+(?:'s)?"
    r"|[A-Za-z]{2,}\d+[a-z]\w*|(?:(?<=\()|(?<=, )|(?<=and ))[A-Z]\.(?= [A-Z])"
)
_HEAD = re.compile(r"\w{2,}:(?=\s)")  # an operator's name, before what it is
_INDEXED = re.compile(r"(?:d?[A-Za-z]|sum|prod|" + "|".join(GREEK) + r")_[a-z0-9]{1,2}(?![\w])")
_VARIABLE = re.compile(r"(?:d?[A-Za-z]\d*|i[yz]|d[A-Z]{2}|(?:" + "|".join([*GREEK, "inf"]) + r")\d*)'*")


def parts(text: str) -> Iterator[tuple[bool, str]]:
    """Give the pieces of a text in their order, each with whether it is a formula."""
    prose = ""
    for is_formula, piece in _runs(_tokens(text)):
        ahead, core, behind = _trimmed(piece) if is_formula else (piece, "", "")
        if core and _says_something(core):
            if prose + ahead:
                yield False, prose + ahead
            yield True, core
            prose = behind
        else:
            prose += piece
    if prose:
        yield False, prose


def _tokens(text: str) -> list[str]:
    """Divide a text into what is a sign, a name or a word of its own."""
    found: list[str] = []
    at = 0
    while at < len(text):
        word = None if _INDEXED.match(text, at) else _PROSE.match(text, at)
        word = _HEAD.match(text) or word if at == 0 else word
        match = word or TOKEN.match(text, at)
        assert match is not None
        found.append(match[0])
        at = match.end()
    return found


def _runs(tokens: list[str]) -> Iterator[tuple[bool, str]]:
    """Put together what belongs to one formula, and what to none."""
    kinds = [_kind(tokens, i) for i in range(len(tokens))]
    _close(tokens, kinds)
    run: list[str] = []
    kind = False
    for token, is_one in zip(tokens, kinds, strict=True):
        if is_one != kind and not (kind and token.isspace()):
            yield kind, "".join(run)
            run, kind = [], is_one
        elif kind and token.isspace() and len(token) > 1:  # two spaces part two formulas
            yield kind, "".join(run)
            run, kind = [], False
        run.append(token)
    yield kind, "".join(run)


def _kind(tokens: Sequence[str], i: int) -> bool:
    """Say whether a token can be part of a formula where it stands."""
    token, near = tokens[i], _neighbours(tokens, i)
    if "_" in token and token != "_":  # an argument's name
        return near == ("(", ")") or any(each in _OPERATORS for each in near)
    if token == "!":
        return i > 0 and bool(_VARIABLE.fullmatch(tokens[i - 1]))
    if token in _OPERATORS or token in {"(", ")", "[", "]", "{", "}", "|", "..."} or token[0].isdigit():
        return True
    if token in ("a", "A", "I"):
        return _is_no_article(tokens, i)
    if near == ("(", ")") and token in ("it", "re", "im"):  # e^(it), dL/d(re)
        return i > 1 and tokens[i - 2] in ("^", "d")
    if _VARIABLE.fullmatch(token):
        return token not in _WORDS
    if token in FUNCTIONS:
        behind = tokens[i + 1 : i + 3]
        return behind[:1] in (["("], ["_"], ["^"]) or (
            behind[:1] == [" "] and len(behind) > 1 and _may_be_taken(behind[1])
        )
    return token.isalnum() and token.islower() and token not in _WORDS and any(each in _OPERATORS for each in near)


def _may_be_taken(token: str) -> bool:
    """Say whether this is what a function is of."""
    return (bool(_VARIABLE.fullmatch(token)) and token != "a") or token in FUNCTIONS or token[0] in "|0123456789"


def _neighbours(tokens: Sequence[str], i: int) -> tuple[str, str]:
    """Give what stands before and behind, over one space."""

    def at(j: int, step: int) -> str:
        j = j + step if 0 <= j < len(tokens) and tokens[j].isspace() else j
        return tokens[j] if 0 <= j < len(tokens) else ""

    return at(i - 1, -1), at(i + 1, 1)


def _is_no_article(tokens: Sequence[str], i: int) -> bool:
    """Say whether an "a", "A" or "I" is a letter of a formula."""
    before, behind = _neighbours(tokens, i)
    if tokens[i] == "a" and before in _BEFORE_ARTICLES and (_VARIABLE.fullmatch(behind) or behind in FUNCTIONS):
        return False
    spaced = "".join(tokens[i + 1 : i + 2]).isspace()
    called = behind in FUNCTIONS and tokens[i + 3 : i + 4] == ["("]
    taken = called or bool(_VARIABLE.fullmatch(behind)) or behind in _OPERATORS or behind in {")", "]", ",", "|", "'s"}
    if tokens[i] == "a":
        ends = behind in {".", ":", ";"} or i == len(tokens) - 1 or (behind == "(" and not spaced)
        return taken or ends or before in _OPERATORS or before == "|" or bool(_VARIABLE.fullmatch(before))
    return before not in {"", ".", ":", "(", '"'} or taken


def _close(tokens: list[str], kinds: list[bool]) -> None:
    """Leave to the prose each bracket that holds some, or has no other; commas within brackets belong to these."""
    opened: list[int] = []
    bars: list[int] = []
    for i, token in enumerate(tokens):
        if token in ("(", "[", "{"):
            opened.append(i)
        elif token in (")", "]", "}"):
            start = opened.pop() if opened else i
            inner = range(start + 1, i)
            if start < i and all(kinds[j] or tokens[j] in (",", ";", " ") for j in inner):
                is_call = start > 0 and tokens[start - 1].isalpha() and tokens[start] == "("
                for j in range(start - is_call, i + 1):
                    kinds[j] = True
            else:
                kinds[i] = kinds[start] = False
        elif token == "|":
            bars.append(i)
    for i in opened:
        kinds[i] = False
    for left, right in zip(bars[::2], [*bars[1::2], None][: len(bars[::2])], strict=True):
        if right is None or not all(kinds[j] or tokens[j] == " " for j in range(left, right)):
            kinds[left] = False
            if right is not None:
                kinds[right] = False


def _trimmed(run: str) -> tuple[str, str, str]:
    """Part a run from the spaces around it."""
    core = run.strip()
    start = run.index(core) if core else len(run)
    return run[:start], core, run[start + len(core) :]


def _says_something(formula: str) -> bool:
    """Say whether a run is a formula, and not a number, brackets or a sign alone in a sentence."""
    named = any(_VARIABLE.fullmatch(each) or each in FUNCTIONS for each in TOKEN.findall(formula))
    numbers = any(each[0].isdigit() for each in TOKEN.findall(formula)) and any(each in formula for each in "=<>^/")
    return (named and formula not in _WORDS) or numbers or bool(re.fullmatch(r"-\d+(?:\.\d+)?", formula))
