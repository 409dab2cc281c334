"""The operators as a table that can be searched and sorted: one row each, with a link to its entry and its source."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from .docstrings import first_line
from .formulas import parts
from .mathml import mathml
from .names import Page, look_up
from .verified import Verdict

__all__ = ["ORDERS", "write"]

ORDERS = {
    "any": "any order",
    "zero": "any order: the gradient is zero, it is flat between its steps",
    "none": "has no gradient",
}
HEAD = ("name", "value and gradient", "where", "orders", "dtypes", "corner", "verified")
SHORT = {
    "float64": "f64",
    "float32": "f32",
    "bfloat16": "bf16",
    "float16": "f16",
    "complex128": "c128",
    "complex64": "c64",
}


def write(app: Sphinx, pages: Sequence[Page], known: Mapping[str, Any], verified: Mapping[str, Verdict]) -> None:
    """Write the table as a piece of HTML that the page of operators takes in."""
    rows = []
    operators = [page for page in pages if page.path.startswith("operators/")]
    for page in sorted(
        operators, key=lambda page: page.path.startswith("operators/constant")
    ):  # without gradient: last
        place = page.path.removeprefix("operators/")
        for name in page.names:
            listed = known.get(name.removeprefix("nexnet."))
            if listed is None:
                continue
            case = verified.get(listed.name)
            rows.append(
                _row(
                    f'<a href="{place}.html#{name}"><code>{html.escape(listed.name).replace("_", "_<wbr>")}</code></a>',
                    _formulas(first_line(look_up(name))),
                    html.escape(place),
                    listed.orders,
                    f"<span class='dtypes'>{' '.join(SHORT[each] for each in listed.dtypes)}</span>",
                    _formulas(listed.corner),
                    f"<span title='{case}'>{'right' if case.right else 'wrong'}</span>" if case else "",
                )
            )
    head = "".join(f"<th>{each}</th>" for each in HEAD)
    text = (
        '<p><input id="operators-search" type="search" placeholder="a name, a torch name, a kind, a word of a formula" '
        'aria-label="search the operators"> <span id="operators-count"></span></p>\n'
        f'<div class="operators"><table id="operators-table"><thead><tr>{head}</tr></thead><tbody>\n'
        + "\n".join(rows)
        + "\n</tbody></table></div>\n"
    )
    drawn = Path(app.srcdir) / "_drawn"
    drawn.mkdir(exist_ok=True)
    (drawn / "operators.html").write_text(text, encoding="utf-8")


def _row(*cells: str) -> str:
    return "<tr>" + "".join(f"<td>{each}</td>" for each in cells) + "</tr>"


def _formulas(text: str) -> str:
    """Give a line of a docstring with its formulas drawn."""
    pieces = parts(text.replace("``", ""))
    return "".join(mathml(piece) if is_formula else html.escape(piece) for is_formula, piece in pieces)
