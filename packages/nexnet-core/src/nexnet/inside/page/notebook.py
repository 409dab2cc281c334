"""What a notebook shows of a trace and of a tensor."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from torch import Tensor

from ..statistics import statistics
from .data import picture_of
from .drawing import to_svg

if TYPE_CHECKING:
    from ..trace import Trace

__all__ = ["html_of", "tensor_html"]

_FEW = 60


def html_of(trace: Trace) -> str:
    """Give a trace as a table, and as a drawing beside it if it is small."""
    head = ("label", "call", "shape", "dtype", "module", "line")
    rows = [
        (each.label, each.called(), str(each.shape), str(each.dtype), each.module, str(each.source or ""))
        for each in trace.operations[:_FEW]
    ]
    cells = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    more = len(trace.operations) - _FEW
    rest = f"<p>{more} more: tape.to_html('trace.html')</p>" if more > 0 else ""
    drawing = f"<details><summary>graph</summary>{to_svg(trace)}</details>" if more <= 0 else ""
    return f"<table><tr>{''.join(f'<th>{each}</th>' for each in head)}</tr>{cells}</table>{rest}{drawing}"


def tensor_html(kind: str, data: Tensor) -> str:
    """Give a tensor as its shape, its statistics, and a small heat map."""
    cells = picture_of(data) or []
    top = max((abs(each) for row in cells for each in row if each is not None), default=0.0) or 1.0
    drawn = "".join(
        f'<rect x="{8 * j}" y="{8 * i}" width="8" height="8" fill="{_colour(each, top)}"/>'
        for i, row in enumerate(cells)
        for j, each in enumerate(row)
    )
    width, height = 8 * max((len(row) for row in cells), default=0), 8 * len(cells)
    title = f"{kind} {tuple(data.shape)}, {str(data.dtype).removeprefix('torch.')}, {data.device}"
    numbers = escape(str(statistics(data))) if data.numel() else "empty"
    return f'<div><b>{title}</b><br>{numbers}<br><svg width="{width}" height="{height}">{drawn}</svg></div>'


def _colour(value: float | None, top: float) -> str:
    if value is None:
        return "#000"
    part = min(1.0, abs(value) / top)
    faded = round(255 - 200 * part)
    return f"rgb(255,{faded},{faded})" if value >= 0 else f"rgb({faded},{faded},255)"
