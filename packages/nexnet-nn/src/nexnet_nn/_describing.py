"""What a module's repr shows, and a notebook."""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape
from typing import Any

import optree

import nexnet

from ._layout import NAMESPACE, is_module

__all__ = ["as_html", "describe"]


def describe(module: Any, name: str = "", indent: str = "") -> Iterator[str]:
    """Give the lines of a module's repr: one for each module, tensor and constant in it."""
    count = sum(math.prod(leaf.shape) for leaf in module.parameters() if isinstance(leaf, nexnet.LiteTensor))
    yield f"{indent}{name}{type(module).__name__} ({count:,} parameter{'' if count == 1 else 's'})"
    for field in module._layout.names:
        value = getattr(module, field)
        elements = enumerate(value) if isinstance(module._layout.places.get(field), tuple) else [(None, value)]
        for i, each in elements:
            label = f"{field}: " if i is None else f"{field}[{i}]: "
            if is_module(each):
                yield from describe(each, label, indent + "  ")
            else:
                yield f"{indent}  {label}{_show(each)}"


def _show(value: Any) -> str:
    if isinstance(value, nexnet.LiteTensor):
        device = "" if value.device.type == "cpu" else f" {value.device}"
        return f"{tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}{device}"
    if isinstance(value, (dict, tuple)):
        return str(optree.tree_map(_Shown, value, is_leaf=lambda each: is_module(each), namespace=NAMESPACE))
    return getattr(value, "__name__", None) or repr(value)


class _Shown:
    def __init__(self, value: Any) -> None:
        self.text = "\n".join(describe(value)) if is_module(value) else _show(value)

    def __repr__(self) -> str:
        return self.text


def as_html(module: Any) -> str:
    """Give a table of a module's tensors: path, shape, dtype and statistics."""
    named = module.named_parameters() + [(f"{name} (buffer)", each) for name, each in module.named_buffers()]
    rows = [
        (name, str(tuple(each.shape)), str(each.dtype), str(nexnet.inside.statistics(each.data)))
        for name, each in named
        if isinstance(each, nexnet.LiteTensor)
    ]
    cells = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<b>{type(module).__name__}</b><table>{cells}</table>"
