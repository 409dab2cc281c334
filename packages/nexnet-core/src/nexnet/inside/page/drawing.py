"""A trace as a drawing: dot, mermaid and svg."""

from __future__ import annotations

import shutil
import subprocess
from html import escape
from typing import TYPE_CHECKING

from ..operation import Operation
from .layout import positions

if TYPE_CHECKING:
    from ..trace import Trace

__all__ = ["to_dot", "to_mermaid", "to_svg"]


def to_dot(trace: Trace) -> str:
    """Write the graph in graphviz's language; a module is a cluster."""
    lines = ["digraph trace {", '  node [shape=box, style=rounded, fontname="sans-serif", fontsize=10];']
    modules: dict[str, list[Operation]] = {}
    for each in (*trace.leaves, *trace.operations):
        modules.setdefault(each.module, []).append(each)
    for number, (module, operations) in enumerate(modules.items()):
        inside = [f"{_name(each.label)} [label={_quoted(_title(each))}{_look(each)}];" for each in operations]
        if module:
            lines.append(f"  subgraph cluster_{number} {{ label={_quoted(module)};")
            lines += [f"    {each}" for each in inside] + ["  }"]
        else:
            lines += [f"  {each}" for each in inside]
    lines += [f"  {_name(start)} -> {_name(end)};" for start, end in _edges(trace)]
    return "\n".join([*lines, "}"])


def to_mermaid(trace: Trace) -> str:
    """Write the graph in mermaid's language, which Markdown pages draw."""
    numbers = {each.label: f"n{i}" for i, each in enumerate((*trace.leaves, *trace.operations))}
    lines = ["flowchart TD"]
    for each in (*trace.leaves, *trace.operations):
        title = escape(_title(each)).replace("\n", "<br>")
        left, right = ('(["', '"])') if each.number < 0 else ('["', '"]')
        lines.append(f"  {numbers[each.label]}{left}{title}{right}")
    lines += [f"  {numbers[start]} --> {numbers[end]}" for start, end in _edges(trace)]
    return "\n".join(lines)


def to_svg(trace: Trace) -> str:
    """Draw the graph: by graphviz where its ``dot`` is there, or in layers of our own."""
    dot = shutil.which("dot")
    if dot is not None:
        drawn = subprocess.run([dot, "-Tsvg"], input=to_dot(trace), capture_output=True, text=True, check=True).stdout
        return drawn[drawn.index("<svg") :]  # without the XML's own head
    return _in_layers(trace)


def _in_layers(trace: Trace) -> str:
    everything = [*trace.leaves, *trace.operations]
    inputs: dict[str, list[str]] = {each.label: [] for each in everything}
    for start, end in _edges(trace):
        inputs[end].append(start)
    places = positions([each.label for each in everything], inputs)
    left = min((x for x, _ in places.values()), default=0.0) - 80
    right = max((x for x, _ in places.values()), default=0.0) + 80
    bottom = max((y for _, y in places.values()), default=0.0) + 40
    shapes = []
    for start, end in _edges(trace):
        (x, y), (u, v) = places[start], places[end]
        middle = (y + v) / 2
        shapes.append(
            f'<path d="M{x:.0f} {y + 18:.0f}C{x:.0f} {middle:.0f} {u:.0f} {middle:.0f} {u:.0f} {v - 18:.0f}" '
            'fill="none" stroke="#999"/>'
        )
    for each in everything:
        x, y = places[each.label]
        first, _, second = _title(each).partition("\n")
        fill = "#e8f0ff" if each.number < 0 else "#fff"
        shapes.append(
            f'<g><rect x="{x - 66:.0f}" y="{y - 18:.0f}" width="132" height="36" rx="6" fill="{fill}" stroke="#555"/>'
            f'<text x="{x:.0f}" y="{y - 3:.0f}" text-anchor="middle">{escape(first)}</text>'
            f'<text x="{x:.0f}" y="{y + 11:.0f}" text-anchor="middle" fill="#666">{escape(second)}</text></g>'
        )
    size = f'viewBox="{left:.0f} -40 {right - left:.0f} {bottom + 40:.0f}"'
    body = "\n".join(shapes)
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="10">\n{body}\n</svg>\n'


def _edges(trace: Trace) -> list[tuple[str, str]]:
    made = {label: each.label for each in (*trace.leaves, *trace.operations) for label in each.outputs if label}
    pairs = [(made[given.name], each.label) for each in trace.operations for given in each.inputs if given.name in made]
    return list(dict.fromkeys(pairs))


def _title(operation: Operation) -> str:
    kind = str(operation.dtype).removeprefix("torch.")
    name = operation.label if operation.number < 0 else f"{operation.label} {operation.rule}"
    return f"{name}\n{list(operation.shape)} {kind}"


def _look(operation: Operation) -> str:
    return ', style="rounded,filled", fillcolor="#e8f0ff"' if operation.number < 0 else ""


def _name(label: str) -> str:
    """Name a node; graphviz keeps names that begin with a percent sign to itself."""
    return _quoted(label.replace("%", "#"))


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
