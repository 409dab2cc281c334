"""What the page shows of a trace, as JSON: plain lists, small."""

from __future__ import annotations

import inspect
import linecache
import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..operation import Operation
from ..source import Source
from ..statistics import Statistics

if TYPE_CHECKING:
    from ..trace import Trace

__all__ = ["data_of", "picture_of"]

_DEFAULTS: dict[str, Any] = {
    "module": "", "module_type": "", "replaces": "", "kept": 0, "flops": 0, "time": 0, "time_backward": 0, "value": "",
    "norm": None, "gradient": "", "gradient_norm": None, "bad": 0, "map": None, "gradient_map": None, "body": [],
}  # fmt: skip
_CELLS = 16  # a heat map has so many rows and columns at most


def data_of(trace: Trace) -> dict[str, Any]:
    """Give the nodes, each rule's source, and the lines around each of the user's, numbered as the nodes have them."""
    everything = [*trace.leaves, *trace.operations]
    made = {label: i for i, each in enumerate(everything) for label in each.outputs if label}
    inputs = [sorted({made[given.name] for given in each.inputs if given.name in made}) for each in everything]
    detailed = len(everything) <= 3000  # of more, statistics of each value take longer than anybody looks at them
    rules: dict[str, dict[str, str]] = {}
    sources: dict[Source | None, int] = {}
    nodes = []
    for i, each in enumerate(everything):
        if each.rule not in rules:
            rules[each.rule] = _rule(each)
        source = sources.setdefault(each.source, len(sources))
        nodes.append(_node(each, inputs[i], source, detailed))
    outputs = [made[each] for each in trace.outputs if each in made]
    for node in nodes:  # what most have is written once
        for name, default in _DEFAULTS.items():
            if node[name] == default:
                del node[name]
    lines = [_around(each) for each in sources]
    return {"nodes": nodes, "defaults": _DEFAULTS, "rules": rules, "sources": lines, "outputs": outputs}


def _node(operation: Operation, inputs: list[int], source: int, detailed: bool) -> dict[str, Any]:
    value = operation.statistics if detailed else None
    gradient = operation.gradient_statistics if detailed else None
    norm, bad = _size(operation.value, value)
    gradient_norm, gradient_bad = _size(operation.gradient, gradient)
    return {
        "label": operation.label,
        "rule": operation.rule,
        "call": operation.called() if operation.number >= 0 else "input",
        "inputs": inputs,
        "shape": str(list(operation.shape)),
        "dtype": str(operation.dtype).removeprefix("torch."),
        "module": operation.module,
        "module_type": operation.module_type,
        "replaces": operation.replaces,
        "where": str(operation.source or ""),
        "source": source,
        "kept": operation.kept,
        "flops": operation.flops,
        "time": _number(1e6 * operation.seconds),
        "time_backward": _number(1e6 * operation.seconds_backward),
        "value": str(value or ""),
        "norm": _number(norm),
        "gradient": str(gradient or ""),
        "gradient_norm": _number(gradient_norm),
        "bad": bad + gradient_bad,
        "map": picture_of(operation.value) if detailed else None,
        "gradient_map": picture_of(operation.gradient) if detailed else None,
        "body": [each.called() for each in operation.body],
    }


def _size(tensor: Tensor | None, found: Statistics | None) -> tuple[float | None, int]:
    """Give a tensor's norm, and how many of its elements are not finite; from its statistics, if somebody has them."""
    if tensor is None:
        return None, 0
    if found is not None:
        return found.norm, found.nans + found.infinities
    wide = torch.complex128 if tensor.is_complex() else torch.float64
    norm = float(torch.linalg.vector_norm(tensor, dtype=wide))
    return norm, 0 if math.isfinite(norm) else int(tensor.isfinite().logical_not().sum())


def _around(source: Source | None, lines: int = 3) -> list[list[Any]]:
    """Give the source around the line, as [number, text]."""
    if source is None:
        return []
    numbers = range(max(1, source.line - lines), source.line + lines + 1)
    return [[number, text.rstrip()] for number in numbers if (text := linecache.getline(source.file, number))]


def _rule(operation: Operation) -> dict[str, str]:
    """Give the rule's own source, and its formula, which is its docstring."""
    policy = operation.policy
    if policy is None:
        return {"formula": "", "source": ""}
    try:
        source = inspect.getsource(policy)
    except (OSError, TypeError):  # typed at a prompt
        source = ""
    return {"formula": inspect.cleandoc(policy.__doc__ or ""), "source": source}


def picture_of(value: Tensor | None) -> list[list[float | None]] | None:
    """Give a small picture of a tensor: means over blocks of it as a matrix."""
    if value is None or not value.numel():
        return None
    value = value.detach().cpu()
    value = (value.abs() if value.is_complex() else value).to(torch.float64)
    matrix = value.reshape(-1, value.shape[-1]) if value.ndim else value.reshape(1, 1)
    for dim in (0, 1):
        step = math.ceil(matrix.shape[dim] / _CELLS)
        if step > 1:
            parts = matrix.split(step, dim)
            matrix = torch.stack([each.mean(dim) for each in parts], dim)
    return [[_number(each) for each in row] for row in matrix.tolist()]


def _number(value: float | None) -> float | None:
    return float(f"{value:.4g}") if value is not None and math.isfinite(value) else None
