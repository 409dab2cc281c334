"""The report as one self-contained page: a table that sorts by a click on its head, the corners, and what failed.

A sorted table has an address: ``#cases:3`` is by the fourth column, ``#cases:-3`` the other way round.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any

from .runner import COLUMNS

__all__ = ["page"]

LEVELS = (1e-12, 1e-8, 1e-5)  # from which error on a cell has the next colour
FLOAT32_LEVELS = (1e-6, 1e-5, 1e-4)

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 84rem; padding: 0 1rem;
  color: #1d2430; background: #fff; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: right; padding: .2rem .6rem; border-bottom: 1px solid #8883; white-space: nowrap; }
th { cursor: pointer; position: sticky; top: 0; background: #eef1f6; user-select: none; }
th[aria-sort=ascending]::after { content: " \\25B2"; } th[aria-sort=descending]::after { content: " \\25BC"; }
.remarks td { white-space: normal; }
td:nth-child(-n+3), th:nth-child(-n+3) { text-align: left; }
.corners td, .corners th, .remarks td, .remarks th { text-align: left; }
.right { color: #14692f; } .wrong { color: #b3121d; font-weight: 600; } .none { color: #777; }
.e0 { background: #1e9e5020; } .e1 { background: #9aa71e28; } .e2 { background: #e0a11e30; }
.e3 { background: #e0641e40; }
pre { background: #f6f1f1; padding: .8rem; overflow-x: auto; border-left: 3px solid #b3121d; }
@media (prefers-color-scheme: dark) {
  body { background: #14171c; color: #d9dee6; } th { background: #232933; } pre { background: #241c1e; }
  .right { color: #6cc58a; } .wrong { color: #ff7a80; }
}
"""

_SCRIPT = """
for (const table of document.querySelectorAll("table")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, i) => head.addEventListener("click", () => {
    const up = head.getAttribute("aria-sort") !== "ascending";
    heads.forEach(each => each.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const key = row => row.cells[i].dataset.key ?? row.cells[i].textContent;
    const numeric = head.dataset.numeric !== undefined;
    const rows = [...table.tBodies[0].rows];
    rows.sort((a, b) => numeric ? Number(key(a)) - Number(key(b)) : key(a).localeCompare(key(b)));
    table.tBodies[0].append(...(up ? rows : rows.reverse()));
    history.replaceState(null, "", `#${table.className}:${up ? "" : "-"}${i}`);
  }));
}
const sorted = location.hash.match(/^#(\\w+):(-?)(\\d+)$/);
const head = sorted && document.querySelector(`table.${sorted[1]}`)?.tHead.rows[0].cells[sorted[3]];
if (head) for (let clicks = sorted[2] ? 2 : 1; clicks > 0; clicks--) head.click();
"""


def page(summary: dict[str, Any], lines: Sequence[str], columns: Sequence[Sequence[float]]) -> str:
    """Write the page from a summary's JSON, its lines, and the errors of each case, in the table's order."""
    verdict = "all right" if summary["passed"] else "NOT right"
    versions = ", ".join(f"{name} {version}" for name, version in summary["versions"].items())
    body = [
        f"<h1>nexnet-verify: <span class={'right' if summary['passed'] else 'wrong'}>{verdict}</span></h1>",
        *(f"<p>{_text(line)}</p>" for line in (*lines, versions)),
        *(f"<p class=wrong>{_text(problem)}</p>" for problem in summary["problems"]),
        "<p>Largest relative errors; FD: central finite differences in float64, extrapolated; JAX and torch: in "
        "float64, by element; forward: jvp against reverse mode; vmap: against a loop; float32: against float64 at "
        "the same point. Colours change at 1e-12, 1e-8 and 1e-5 (float32: at 1e-6, 1e-5 and 1e-4). A click on a head "
        "sorts.</p>",
        _failures(summary["cases"]),
        _cases(summary["cases"], columns),
        _corners(summary["corners"]),
        _remarks(summary["remarks"]),
    ]
    return (
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8><title>nexnet-verify</title>"
        '<meta name=viewport content="width=device-width">'
        f"<style>{_STYLE}</style></head>\n<body>{chr(10).join(body)}\n<script>{_SCRIPT}</script></body></html>\n"
    )


def _cases(cases: Sequence[dict[str, Any]], columns: Sequence[Sequence[float]]) -> str:
    heads = ["operator", "kind", "verdict", *(f"#{name}" for name in COLUMNS), "#examples", "#seconds"]
    rows = []
    for case, errors in zip(cases, columns, strict=True):
        tried = _text("\n".join(case["inputs"]))
        cells = [f'<td title="{tried}">{_text(case["name"])}</td>', f"<td>{_text(case['kind'])}</td>"]
        cells += ["<td class=right>right</td>" if case["passed"] else "<td class=wrong>WRONG</td>"]
        cells += [_error(error, name) for name, error in zip(COLUMNS, errors, strict=True)]
        cells += [f"<td>{case['examples']}</td>", f"<td>{case['seconds']:.1f}</td>"]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return _table(heads, rows, "cases")


def _failures(cases: Sequence[dict[str, Any]]) -> str:
    failed = [case for case in cases if not case["passed"]]
    shown = [
        f"<h3>{_text(case['kind'])}.{_text(case['name'])}</h3><pre>{_text(case['failure'])}</pre>" for case in failed
    ]
    return "<h2>What failed</h2>" + "\n".join(shown) if shown else ""


def _corners(corners: Sequence[dict[str, Any]]) -> str:
    if not corners:
        return ""
    style = {"right": "right", "WRONG": "wrong", "not built": "none"}
    rows = [
        f"<tr><td>{_text(c['operator'])}</td><td>{_text(c['point'])}</td><td>{_text('; '.join(c['expected']))}</td>"
        f"<td>{_text(c['got'])}</td><td>{_text(c['torch'])}</td><td>{_text(c['jax'])}</td>"
        f"<td class={style[c['status']]}>{c['status']}</td></tr>"
        for c in corners
    ]
    heads = ["operator", "point", "nexnet's convention", "computed", "PyTorch, where it differs", "JAX", "verdict"]
    return "<h2>Kinks, ties, zeros and infinities</h2>" + _table(heads, rows, "corners")


def _remarks(remarks: dict[str, dict[str, list[str]]]) -> str:
    shown = []
    for title, reasons in remarks.items():
        rows = [
            f"<tr><td>{_text(', '.join(names))}</td><td>{_text(reason)}</td></tr>" for reason, names in reasons.items()
        ]
        shown.append(f"<h2>{_text(title.capitalize())}</h2>" + _table(["operators", "why"], rows, "remarks"))
    return "\n".join(shown)


def _table(heads: Sequence[str], rows: Sequence[str], name: str) -> str:
    cells = [
        f"<th data-numeric>{head[1:]}</th>" if head.startswith("#") else f"<th>{_text(head)}</th>" for head in heads
    ]
    return (
        f"<table class={name}><thead><tr>{''.join(cells)}</tr></thead><tbody>\n" + "\n".join(rows) + "</tbody></table>"
    )


def _error(error: float, column: str) -> str:
    if math.isnan(error):
        return '<td class=none data-key="-1">-</td>'
    level = sum(error > bound for bound in (FLOAT32_LEVELS if column == "float32" else LEVELS))
    return f'<td class=e{level} data-key="{error!r}">{"0" if error == 0 else f"{error:.1e}"}</td>'


def _text(value: str) -> str:
    return html.escape(str(value), quote=True)
