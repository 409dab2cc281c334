"""Random programs under nested transforms, against torch.func in float64; finite differences decide who is right."""

from __future__ import annotations

import itertools
import math
import random
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import optree
import torch
from torch import Tensor

import nexnet

from ..comparing import compare
from ..differences import derivative
from ..problem import NAMESPACE
from .drawing import draw, pool
from .library import NEXNET, TORCH, check_kept
from .outcome import Outcome, Tell
from .program import Program, count, smaller

__all__ = ["Programs", "shrink", "verdict"]

RTOL = 1e-6
PATIENCE = 15.0  # seconds for shrinking

#: What a mode's result is the derivative of, as far as differences can say it, along a direction of x, or of x and y.
BELOW = {
    "gradient": "f(*at)",
    "pullback twice": "f(*at)",
    "jvp": "f(*at)",
    "vmap of gradient": "sum(f(*each) for each in zip(*at))",
    "gradient of vmap": "probe(T.vmap(lambda x: f(x, at[1]))(torch.stack([at[0], 0.9 * at[0]])))",
    "gradient of gradient": "sum(map(probe, T.grad(f, argnums=(0, 1))(*at)))",
    "jvp of gradient": "sum((d * g).sum() for d, g in zip(along, T.grad(f, argnums=(0, 1))(*at)))",
    "hessian": "(along[0] * T.grad(f)(*at)).sum()",
}


class Programs:
    """A program for each number."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def numbers(self, first: int) -> Iterator[int]:
        """Give the numbers of attempts, without an end."""
        return itertools.count(first)

    def attempt(self, number: int, tell: Tell) -> Outcome:
        """Make an attempt."""
        tell(f"drawing program {number}")
        program = draw(random.Random(f"{self.seed} {number}"), pool(self.seed, number))
        tell(f"{program.mode}, a program of {count(program.steps)} operators:\n{program}")
        problem = verdict(program)
        if not problem or problem.startswith(("refused", "torch")):
            return Outcome(problem.partition(":")[0] or "fine")
        end = time.monotonic() + PATIENCE
        kind = kind_of(problem)
        least = shrink(program, lambda each: kind_of(verdict(each)) == kind, lambda: time.monotonic() > end)
        return Outcome("finding", f"{verdict(least)}\n{least}", f"{kind} {sorted(_operators(least))}")


def verdict(program: Program, own: Any = NEXNET, peer: Any = TORCH) -> str:
    """Say what is wrong with nexnet's result, or ""; "refused" where both refuse; "torch is wrong" where it is."""
    check_kept()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        got, expected = _outcome(program, own), _outcome(program, peer)
        depth = len(nexnet.TapeContext.active())
    if depth:
        return f"tapes left: {depth} are still active"
    kept = check_kept()
    if kept:
        return f"written into: {kept}"
    if isinstance(expected, Exception):
        return "refused"
    if isinstance(got, Exception):
        return f"error: {type(got).__name__}: {str(got)[:400]}"
    if [each.shape for each in got] != [each.shape for each in expected]:
        return f"shapes: {[tuple(each.shape) for each in got]}, torch's {[tuple(each.shape) for each in expected]}"
    scale = max((float(each.abs().nan_to_num().max()) for each in expected if each.numel()), default=0.0)
    gaps = compare(got, expected, RTOL, 1e-8 * max(scale, 1.0), 0.0)
    for i, gap in enumerate(gaps):
        if bool(gap.wrong.any()):
            if _torch_is_wrong(program, got, expected, own, peer):
                return "torch is wrong"
            at = gap.worst
            return f"values: {i} at {at} is {float(gap.got[at]):.10g}, torch gives {float(gap.expected[at]):.10g}"
    return ""


def kind_of(problem: str) -> str:
    """Give what a verdict's findings have in common: its first word, and an error's class."""
    head, _, rest = problem.partition(": ")
    return f"{head} {rest.partition(':')[0]}" if head == "error" else head


def shrink(program: Program, fails: Callable[[Program], bool], over: Callable[[], bool]) -> Program:
    """Give a program as small as can be that still fails."""
    while not over():
        for each in smaller(program):
            if over() or fails(each):
                break
        else:
            return program
        if not over():
            program = each
    return program


def _outcome(program: Program, lib: Any) -> list[Tensor] | Exception:
    try:
        found = optree.tree_leaves(program.run(lib), namespace=NAMESPACE)
    except Exception as error:
        return error
    return [each.data if isinstance(each, nexnet.LiteTensor) else each.detach() for each in found]


def _torch_is_wrong(program: Program, got: list[Tensor], expected: list[Tensor], own: Any, peer: Any) -> bool:
    """Let differences along a direction decide, where they can."""
    mode, inputs = program.mode, list(program.inputs)
    if mode not in BELOW:
        return False
    if "T.stop(" in program.function() and own is NEXNET:  # differences go through what is stopped
        unstopped = [SimpleNamespace(**{**vars(library), "stop": lambda x: x}) for library in (own, peer)]
        return verdict(program, *unstopped) == "torch is wrong"
    library = peer
    if "T.grad" in BELOW[mode] and verdict(replace(program, mode="gradient"), own, peer) == "torch is wrong":
        library = own  # whose gradient the differences of values have just found to be right
    if mode == "vmap of gradient":
        inputs = [torch.stack([x, 0.9 * x]) for x in inputs]
    followed = inputs[: 1 if mode in ("pullback twice", "gradient of vmap", "hessian") else 2]
    along = [torch.sin(1.0 + torch.arange(x.numel(), dtype=torch.float64)).reshape(x.shape) for x in followed]
    direction = [torch.cos(x) for x in inputs] if mode in ("jvp", "jvp of gradient") else along

    def moved(t: float) -> float:
        at = [x + t * d for x, d in zip(followed, direction, strict=True)]
        value = program.evaluated(library, (*at, *inputs[len(at) :]), BELOW[mode], along)
        return float(value if library is peer else value.data)

    def contracted(result: list[Tensor]) -> float:
        if mode == "jvp":
            return float(result[0])
        if mode == "hessian":
            result = [torch.tensordot(result[0], along[0], along[0].ndim)]
        total = float(sum((d * g).sum() for d, g in zip(along, result, strict=True)))
        return total / (1 + 0.5 * math.cos(moved(0.0))) if mode == "pullback twice" else total

    scale = max(float(each.abs().max()) for each in got if each.numel())
    estimate = derivative(moved, 1e-15 * max(1.0, abs(moved(0.0))), scale)
    close = 1e-5 * scale + 10 * estimate.error
    ours, theirs = (abs(contracted(each) - estimate.value) for each in (got, expected))
    return ours <= close and not theirs <= close  # which may be NaN


def _operators(program: Program) -> set[str]:
    def names(steps: Any) -> Iterator[str]:
        for step in steps:
            yield step.text.partition(")(")[0][:60]
            yield from names(step.inner)

    return {*names(program.steps)}
