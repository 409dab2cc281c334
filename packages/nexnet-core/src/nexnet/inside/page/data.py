"""What the page shows of a trace, as JSON: plain lists, small."""

from __future__ import annotations

import inspect
import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..operation import Operation
from .layout import positions

if TYPE_CHECKING:
    from ..trace import Trace

__all__ = ["data_of", "picture_of"]

_CELLS = 16  # a heat map has so many rows and columns at most


def data_of(trace: Trace) -> dict[str, Any]:
    """Give the nodes, their places, the columns of the table, and each rule's source."""
    everything = [*trace.leaves, *trace.operations]
    made = {label: i for i, each in enumerate(everything) for label in each.outputs if label}
    inputs = [sorted({made[given.name] for given in each.inputs if given.name in made}) for each in everything]
    names = [str(i) for i in range(len(everything))]
    places = positions(names, {str(i): [str(j) for j in given] for i, given in enumerate(inputs)})
    detailed = len(everything) <= 3000  # of more, statistics of each value take longer than anybody looks at them
    rules: dict[str, dict[str, str]] = {}
    nodes = []
    for i, each in enumerate(everything):
        if each.rule not in rules:
            rules[each.rule] = _rule(each)
        nodes.append(_node(each, inputs[i], places[str(i)], detailed))
    return {"nodes": nodes, "rules": rules, "outputs": [made[each] for each in trace.outputs if each in made]}


def _node(operation: Operation, inputs: list[int], place: tuple[float, float], detailed: bool) -> dict[str, Any]:
    source = operation.source
    value = operation.statistics if detailed else None
    gradient = operation.gradient_statistics if detailed else None
    return {
        "label": operation.label,
        "rule": operation.rule,
        "call": operation.called() if operation.number >= 0 else "input",
        "inputs": inputs,
        "x": round(place[0]),
        "y": round(place[1]),
        "shape": str(list(operation.shape)),
        "dtype": str(operation.dtype).removeprefix("torch."),
        "module": operation.module,
        "where": str(source or ""),
        "source": _around(operation) if detailed else [],
        "kept": operation.kept,
        "flops": operation.flops,
        "time": _number(1e6 * operation.seconds),
        "time_backward": _number(1e6 * operation.seconds_backward),
        "value": str(value or ""),
        "norm": _number(value.norm) if value else None,
        "gradient": str(gradient or ""),
        "gradient_norm": _number(gradient.norm) if gradient else None,
        "bad": (value.nans + value.infinities if value else 0)
        + (gradient.nans + gradient.infinities if gradient else 0),
        "map": picture_of(operation.value) if detailed else None,
        "gradient_map": picture_of(operation.gradient) if detailed else None,
        "body": [each.called() for each in operation.body],
    }


def _around(operation: Operation, lines: int = 3) -> list[list[Any]]:
    """Give the source around the line, as [number, text]."""
    import linecache

    source = operation.source
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


def _number(value: float) -> float | None:
    return float(f"{value:.4g}") if math.isfinite(value) else None
