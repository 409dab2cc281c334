"""Twenty planted faults, and who finds them: nexnet, torch.autograd.detect_anomaly and jax.debug_nans.

Each is a function of one tensor, written once and run by all three: ``m`` is nexnet, torch or jax.numpy. ``python -m
tests.faults`` prints the table of docs/how-to/nans.md.
"""

from __future__ import annotations

import math
import re
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import torch

import nexnet as nx
from nexnet.errors import NonFiniteError


@dataclass(frozen=True)
class Fault:
    """A fault, and what is to be said of it.

    Attributes:
        name: in words.
        kind: "nan", "infinite", "dead" or "exploding".
        fn: a function of m and x that returns a number.
        x: where.
        rule: the rule at fault.
        said: a part of the reason.
        order: of the derivative.
    """

    name: str
    kind: str
    fn: Callable[[Any, Any], Any]
    x: tuple[float, ...]
    rule: str
    said: str
    order: int = 1


def _repeated(m: Any, x: Any, factor: float, steps: int, bend: bool = False) -> Any:
    for _ in range(steps):
        x = x * factor
        x = m.tanh(x) if bend else x
    return x.sum()


def _softmax(m: Any, x: Any) -> Any:
    shifted = x - m.amax(x, 0)
    e = m.exp(shifted)
    return (e / e.sum()).sum()


FAULTS = [
    Fault("log of a negative", "nan", lambda m, x: m.log(x).sum(), (1.0, -1.0), "log", "logarithm of a negative"),
    Fault("0 / 0", "nan", lambda m, x: (x / (x * 0.0)).sum(), (0.0, 1.0), "div", "0"),
    Fault("softmax of a fully masked row", "nan", _softmax, (-math.inf, -math.inf), "sub", "infinity - infinity"),
    Fault("sqrt at 0, and 0 behind it", "nan", lambda m, x: (m.sqrt(x) * 0.0).sum(), (0.0, 1.0), "sqrt", "slope"),
    Fault("the trap of where", "nan", lambda m, x: m.where(x > 0, m.sqrt(x), 0 * x).sum(), (0.0, 1.0), "sqrt", "trap"),
    Fault("a root at 0, twice", "nan", lambda m, x: (m.abs(x) ** 1.5).sum(), (0.0, 1.0), "pow", "0", 2),
    Fault("acos beyond 1", "nan", lambda m, x: m.arccos(x).sum(), (0.5, 1.5), "acos", "[-1, 1]"),
    Fault("exp overflows", "infinite", lambda m, x: m.exp(x).sum(), (1.0, 100.0), "exp", "above 88.72"),
    Fault("a division by 0", "infinite", lambda m, x: (1.0 / x).sum(), (0.0, 1.0), "(div|reciprocal)", "0"),
    Fault("log of 0", "infinite", lambda m, x: m.log(x).sum(), (0.0, 1.0), "log", "logarithm of 0"),
    Fault("a dead ReLU", "dead", lambda m, x: m.maximum(x - 5.0, x * 0.0).sum(), (1.0, 2.0), "(maximum|mul)", ""),
    Fault("a saturated tanh", "dead", lambda m, x: m.tanh(x * 1000.0).sum(), (1.0, 2.0), "tanh", "saturated"),
    Fault("a branch that is not taken", "dead", lambda m, x: m.where(x > 9, x, x * 0.0 + 1.0).sum(), (1.0, 2.0),
          "(where|mul)", ""),
    Fault("a step function", "dead", lambda m, x: m.round(x * 2.0).sum(), (1.0, 2.0), "round", "step function"),
    Fault("a weight of zeros", "dead", lambda m, x: (x * 3.0 * 0.0).sum(), (1.0, 2.0), "mul", "is zero"),
    Fault("two that cancel", "dead", lambda m, x: (x * 2.0 - x - x).sum(), (1.0, 2.0), "input", "adds up to zero"),
    Fault("a recurrence above 1", "exploding", lambda m, x: _repeated(m, x, 3.0, 20), (1.0, 2.0), "mul", "grows 20"),
    Fault("a small denominator", "exploding", lambda m, x: (x / 1e-6).sum(), (1.0, 2.0), "div", "grows"),
    Fault("a steep exp", "exploding", lambda m, x: m.exp(x * 20.0).sum(), (1.0, 1.1), "exp", "grows"),
    Fault("a high power", "exploding", lambda m, x: ((x * 1.0) ** 9.0).sum(), (9.0, 9.5), "pow", "grows"),
]  # fmt: skip


@dataclass(frozen=True)
class Found:
    """What somebody said of a fault: whether anything, and of what."""

    operation: bool = False
    line: bool = False
    element: bool = False
    reason: bool = False
    way: bool = False  # the gradient's way back, with its norm at each step

    def __str__(self) -> str:
        said = [name for name in ("operation", "line", "element", "reason", "way") if getattr(self, name)]
        return ", ".join(said) or "-"


def by_nexnet(fault: Fault) -> Found:
    """Ask debug_nans of numbers, and explain of gradients."""
    x = torch.tensor(fault.x)
    if fault.kind in ("nan", "infinite"):
        run: Any = lambda x: fault.fn(nx, x)  # noqa: E731
        for _ in range(fault.order):
            run = nx.grad(lambda x, run=run: run(x).sum())
        try:
            with nx.debug_nans(infinities=fault.kind == "infinite"):
                run(x)
        except NonFiniteError as error:
            own = error.source is not None and error.source.file == __file__  # type: ignore[attr-defined]
            rule = re.fullmatch(fault.rule, error.rule.strip("_")) is not None
            return Found(rule, own, bool(error.indices), fault.said in error.reason and bool(error.reason))
        return Found()
    _, tape = nx.trace(lambda x: fault.fn(nx, x), gradients=True)(x)
    found = nx.explain(tape, "x")
    at = found.operation
    if at is None:
        return Found()
    own = at.rule == "input" or (at.source is not None and at.source.file == __file__)
    verdict = found.verdict in (("zero", "none") if fault.kind == "dead" else ("huge",))
    rule = re.fullmatch(fault.rule, at.rule.strip("_")) is not None
    return Found(verdict and rule, own, False, fault.said in found.reason and bool(found.reason), bool(found.steps))


def by_torch(fault: Fault) -> Found:
    """Ask detect_anomaly: it names a backward function, and by a warning the line of its forward."""
    x = torch.tensor(fault.x, requires_grad=True)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            with torch.autograd.detect_anomaly():
                out = fault.fn(torch, x)
                for _ in range(fault.order):
                    (grad,) = torch.autograd.grad(out, x, create_graph=True)
                    out = grad.sum()
        except RuntimeError as error:
            line = any("Traceback of forward call" in str(each.message) for each in told)
            function = str(error).partition("'")[2].partition("Backward")[0].lower()
            return Found(re.fullmatch(fault.rule, function) is not None, line)
    return Found()


def by_jax(fault: Fault) -> Found:
    """Ask jax.debug_nans (and debug_infs): an error where a primitive gives one; its traceback has the line."""
    x = jnp.asarray(fault.x)
    run: Any = lambda x: fault.fn(jnp, x)  # noqa: E731
    for _ in range(fault.order):
        run = jax.grad(lambda x, run=run: run(x).sum())
    switch = jax.debug_infs if fault.kind == "infinite" else jax.debug_nans
    try:
        with switch(True):
            run(x)
    except FloatingPointError as error:
        text = str(error)
        named = re.findall(r"\w+", text.partition("encountered in ")[2])[:1]
        own = [each for each in traceback.extract_tb(error.__traceback__) if each.filename == __file__]
        line = any("fault.fn" not in (each.line or "") and each.name != "by_jax" for each in own)
        return Found(any(re.fullmatch(fault.rule, each) for each in named), line)
    return Found()


def table() -> str:
    """Write the table."""
    rows = [(each, by_nexnet(each), by_torch(each), by_jax(each)) for each in FAULTS]
    lines = ["| fault | nexnet | `detect_anomaly` | `jax.debug_nans` |", "| --- | --- | --- | --- |"]
    lines += [f"| {each.name} | {ours} | {torchs} | {jaxs} |" for each, ours, torchs, jaxs in rows]
    counts = [sum(found[i].operation for found in (row[1:] for row in rows)) for i in range(3)]
    lines.append("| **operation named** | " + " | ".join(f"**{each} of {len(rows)}**" for each in counts) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
