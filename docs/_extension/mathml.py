"""The docstrings' formulas as MathML, which browsers draw themselves: ``dx = g / (2 y)``, ``sum_{j <= i} x_j``.

Side by side is a product, `` / `` with spaces a fraction, of what stands before it over the one thing behind it; ``^``
and ``_`` take a name, a number, or what is in brackets or braces; ``<g>`` is a mean.
"""

from __future__ import annotations

import html
import re

__all__ = ["FUNCTIONS", "GREEK", "TOKEN", "mathml"]

GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "eps": "ε", "theta": "θ", "lambda": "λ",
    "lambd": "λ", "mu": "μ", "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ", "phi": "φ", "Phi": "Φ", "psi": "ψ",
}  # fmt: skip
FUNCTIONS = frozenset({
    "sin", "cos", "tan", "sinh", "cosh", "tanh", "asin", "acos", "atan", "asinh", "acosh", "atanh", "exp", "ln",
    "log", "log2", "log10", "erf", "erfc", "sqrt", "sum", "prod", "max", "min", "sgn", "sign", "conj", "Re",
    "Im", "det", "tr", "diag", "tril", "triu", "sym", "hypot", "trunc", "floor", "round", "clip", "softmax",
    "sigmoid", "softplus",
})  # fmt: skip
_SIGNS = {"-": "&minus;", "<=": "≤", ">=": "≥", "!=": "≠", "->": "→", "*": "·", "...": "…"}
_DIFFERENTIAL = re.compile(r"d(?:[A-Za-z]|[A-Z]{2})")
_LARGE = {"sum": "∑", "prod": "∏"}
_SPACE = "<mspace width='0.17em'/>"
_CLOSING = {"(": ")", "[": "]", "{": "}", "|": "|", "<": ">"}
#: An argument's name, a number, a name with its primes, a comparison, an ellipsis or another sign; and spaces.
TOKEN = re.compile(
    r"'s\b|(?!(?:sum|prod)_)(?:[A-Za-z]{3,}_[A-Za-z]{2,}|[A-Za-z]{2}_[A-Za-z]{3,})\w*"
    r"|\d+(?:\.\d+)?(?:e-?\d+)?|[A-Za-z]+\d*(?:'(?!s\b))*|<=|>=|!=|->|\.\.\.|\s+|."
)


def mathml(formula: str) -> str:
    """Give a formula as an element that stands within a line."""
    return f"<math>{''.join(_Reader(formula).row(''))}</math>"


class _Reader:
    """Reads tokens from the left: a row of factors and signs, each a piece of MathML."""

    def __init__(self, formula: str) -> None:
        self._tokens = TOKEN.findall(formula)

    def row(self, closing: str) -> list[str]:
        """Read until a bracket closes, or to the end; it is left for who opened it."""
        done: list[str] = []
        product: list[str] = []  # what a fraction would have above its line
        apart = False
        while self._tokens and not self._closes(closing):
            if product and self._is_fraction():
                del self._tokens[:3]
                product = [_fraction(product, self._factor(bare=True))]
            elif self._tokens[0].isspace():
                self._tokens.pop(0)
                apart = True
                continue
            elif self._begins_a_factor(bool(product)):
                product.append((_SPACE if product and apart else "") + self._factor())
            else:
                done += [*product, _sign(self._tokens.pop(0), prefix=not product)]
                product = []
            apart = False
        return [*done, *product]

    def _closes(self, closing: str) -> bool:
        if closing == ">":  # a mean's; a comparison's has a space before it
            return self._tokens[0] == ">"
        return bool(closing) and self._tokens[0] == closing

    def _is_fraction(self) -> bool:
        """Say whether a slash between spaces follows, and something behind it."""
        return self._tokens[:2] == [" ", "/"] and self._tokens[2:3] == [" "] and len(self._tokens) > 3

    def _begins_a_factor(self, after_one: bool) -> bool:
        token, behind = self._tokens[0], self._tokens[1:2]
        if token == "<":
            return behind != [" "]
        return token[0].isalnum() or token in "([{" or (token == "|" and not (after_one and behind in ([" "], [])))

    def _factor(self, bare: bool = False) -> str:
        """Read a name, a number or what is in brackets, with indices and powers; ``bare``: without the brackets."""
        token = self._tokens.pop(0)
        if token in _CLOSING:
            inner = "".join(self.row(_CLOSING[token]))
            if self._tokens:
                self._tokens.pop(0)
            scripts = self._scripts()
            if bare and token == "(" and not any(scripts):
                return inner
            return _scripted(_bracketed(token, inner), *scripts)
        if token == "sqrt" and self._tokens[:1] == ["("]:
            return _scripted(f"<msqrt>{self._factor(bare=True)}</msqrt>", *self._scripts())
        if token == "-":
            return f"<mrow><mo>&minus;</mo>{self._factor()}</mrow>"
        name, below = _name(token)
        index, power = self._scripts()
        written = _scripted(name, f"<mrow>{below}{index}</mrow>" if below and index else below or index, power)
        return written + self._argument(token, bare)

    def _argument(self, function: str, bare: bool) -> str:
        """Read what a function is of, where a fraction or nothing else would part them."""
        if function not in FUNCTIONS or not self._tokens:
            return ""
        if self._tokens[0] in "([":
            return self._factor()
        if bare and self._tokens[:1] == [" "] and len(self._tokens) > 1 and self._tokens[1][0].isalnum():
            self._tokens.pop(0)
            return _SPACE + self._factor()
        return ""

    def _scripts(self) -> tuple[str, str]:
        """Read an index and a power, if there are any."""
        found = {"_": "", "^": ""}
        while self._tokens and self._tokens[0] in found and len(self._tokens) > 1:
            place = self._tokens.pop(0)
            found[place] = self._script()
        return found["_"], found["^"]

    def _script(self) -> str:
        token = self._tokens[0]
        if token in "({":
            self._tokens.pop(0)
            inner = "".join(self.row(_CLOSING[token]))
            del self._tokens[:1]
            return f"<mrow>{inner}</mrow>"
        if token == "-":
            self._tokens.pop(0)
            return f"<mrow><mo>&minus;</mo>{self._script()}</mrow>"
        if token == "|":
            return self._factor()
        name, below = _name(self._tokens.pop(0))
        return _scripted(name, below, "")


def _name(token: str) -> tuple[str, str]:
    """Give a name or a number, and the index that its digits are."""
    if token[0].isdigit():
        return f"<mn>{token}</mn>", ""
    if token in _LARGE:
        return f"<mo>{_LARGE[token]}</mo>", ""
    letters = token.rstrip("'")
    primes = f"<mo>{'&prime;' * (len(token) - len(letters))}</mo>" if letters != token else ""
    base = letters.rstrip("0123456789")
    digits = ""
    if base != letters and (len(base) == 1 or base in GREEK or base == "log"):  # x1 is x with an index, i0e a name
        letters, digits = base, f"<mn>{letters[len(base) :]}</mn>"
    name = f"<mi>{'∞' if letters == 'inf' else GREEK.get(letters, letters)}</mi>"
    if _DIFFERENTIAL.fullmatch(letters):
        name = f"<mrow><mi mathvariant='normal'>d</mi><mi>{letters[1:]}</mi></mrow>"
    return f"<mrow>{name}{primes}</mrow>" if primes else name, digits


def _scripted(base: str, index: str, power: str) -> str:
    base = f"<mrow>{base}</mrow>" if index or power else base
    if index and power:
        return f"<msubsup>{base}{index}{power}</msubsup>"
    return f"<msub>{base}{index}</msub>" if index else f"<msup>{base}{power}</msup>" if power else base


def _fraction(above: list[str], below: str) -> str:
    """Give a fraction; brackets around all that is above its line are not needed."""
    left, right = _brackets("(")
    if len(above) == 1 and above[0].startswith(left) and above[0].endswith(right):
        above = [above[0].removeprefix(left).removesuffix(right)]
    return f"<mfrac><mrow>{''.join(above)}</mrow><mrow>{below}</mrow></mfrac>"


def _bracketed(opening: str, inner: str) -> str:
    left, right = _brackets(opening)
    return f"{left}{inner}{right}"


def _brackets(opening: str) -> tuple[str, str]:
    left, right = ("⟨", "⟩") if opening == "<" else (opening, _CLOSING[opening])
    return f"<mrow><mo form='prefix'>{left}</mo>", f"<mo form='postfix'>{right}</mo></mrow>"


def _sign(token: str, prefix: bool) -> str:
    form = " form='prefix'" if prefix and token in "+-" else ""
    return f"<mo{form}>{_SIGNS.get(token) or html.escape(token)}</mo>"
