"""A random program as data: steps that read earlier ones, functions under a transform among them; and its text."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from . import library
from .mutations import written

__all__ = ["MODES", "TRANSFORMS", "Program", "Step", "count", "smaller"]

#: What becomes of a scalar function f at u, the simplest first.
TRANSFORMS = {
    "call": "{f}({u})",
    "checkpoint": "T.checkpoint({f})({u})",
    "grad": "T.grad({f})({u})",
    "pullback twice": "T.again({f}, {u})",
    "jvp": "T.jvp({f}, ({u},), (torch.cos({u}),))[1]",
    "vmap": "T.vmap(lambda e: {f}(e * {u}))(torch.tensor([0.5, -1.0, 1.5], dtype=torch.float64))",
    "vmap of grad": "T.vmap(T.grad({f}))(torch.stack([{u}, 0.5 * {u}]))",
    "grad of grad": "T.grad(lambda u: probe(T.grad({f})(u)))({u})",
    "grad of vmap": "T.grad(lambda u: probe(T.vmap({f})(torch.stack([u, torch.sin(u)]))))({u})",
    "jvp of grad": "T.jvp(T.grad({f}), ({u},), (torch.sin({u}),))[1]",
    "hessian": "T.hessian({f})({u}).sum(0)",
    "jacrev": "T.jacrev(lambda u: u * {f}(u))({u}).sum(0)",
    "jacfwd": "T.jacfwd(lambda u: u * {f}(u))({u}).sum(0)",
    "grad of checkpoint": "T.grad(lambda u: T.checkpoint({f})(u) * probe(u))({u})",
    "stop": "T.stop({f}({u})) * {u}",
}

#: What is compared, the simplest first: of f, the whole program, at the tensors ``at``.
MODES = {
    "value": "f(*at)",
    "gradient": "T.grad(f, argnums=(0, 1))(*at)",
    "pullback twice": "[T.again(lambda x: f(x, at[1]), at[0])]",
    "jvp": "T.jvp(f, at, tuple(torch.cos(each) for each in at))[1]",
    "vmap of gradient": "T.vmap(T.grad(f, argnums=(0, 1)))(*[torch.stack([x, 0.9 * x]) for x in at])",
    "gradient of vmap": "T.grad(lambda x: probe(T.vmap(lambda x: f(x, at[1]))(torch.stack([x, 0.9 * x]))))(at[0])",
    "gradient of gradient": "T.grad(lambda *at: sum(map(probe, T.grad(f, argnums=(0, 1))(*at))), argnums=(0, 1))(*at)",
    "jvp of gradient": "T.jvp(T.grad(f, argnums=(0, 1)), at, tuple(torch.cos(each) for each in at))[1]",
    "hessian": "T.hessian(lambda x: f(x, at[1]))(at[0])",
}


@dataclass(frozen=True)
class Step:
    """One line of a program, or a function under a transform.

    Attributes:
        name: of the variable that it makes.
        text: an expression with {0}, {1}, ... for what is read; of a function, the name of its transform.
        reads: variables, and the shapes that they are brought to.
        scale: that the result is multiplied by.
        inner: the function's own steps. Its argument is named after the step, as u<name>.
    """

    name: str
    text: str
    reads: tuple[tuple[str, tuple[int, ...]], ...]
    scale: float = 1.0
    inner: tuple[Step, ...] = ()

    @property
    def variable(self) -> str:
        """The argument of a step's own function."""
        return f"u{self.name}"

    def code(self) -> str:
        """Write it as Python."""
        arguments = [f"fit({name}, {shape})" for name, shape in self.reads]
        factor = "" if self.scale == 1.0 else f"{self.scale} * "
        if not self.inner:
            return f"{self.name} = {factor}{self.text.format(*arguments)}"
        body = textwrap.indent("\n".join([*(each.code() for each in self.inner), _total(self.inner)]), "    ")
        called = TRANSFORMS[self.text].format(f=f"f{self.name}", u=f"v{self.name}")
        return (
            f"v{self.name} = {arguments[0]}\ndef f{self.name}({self.variable}):\n{body}\n{self.name} = {factor}{called}"
        )


@dataclass(frozen=True)
class Program:
    """Steps that read two inputs, x and y, and what is computed of the sum of all that they make."""

    inputs: tuple[torch.Tensor, torch.Tensor]
    steps: tuple[Step, ...]
    mode: str

    def function(self) -> str:
        """Write the scalar function of x and y."""
        body = "\n".join([*(each.code() for each in self.steps), _total(self.steps)])
        return f"def program(T, x, y):\n{textwrap.indent(body, '    ')}"

    def run(self, lib: Any) -> Any:
        """Run it in a library (``NEXNET`` or ``TORCH``)."""
        return self.evaluated(lib, self.inputs, MODES[self.mode])

    def evaluated(self, lib: Any, at: tuple[torch.Tensor, ...], text: str, along: Sequence[torch.Tensor] = ()) -> Any:
        """Compute what a text says of the function f, at other inputs, and of a direction."""
        parts = {"torch": torch, "math": math, "fit": library.fit, "near": library.near, "probe": library.probe}
        room: dict[str, Any] = {"T": lib, **parts, "at": tuple(lib.tensor(each.clone()) for each in at), "along": along}
        exec(self.function(), room)  # the program is text, so that what is shown is what was run
        room["f"] = lambda x, y: room["program"](lib, x, y)
        return eval(text, room)

    def __str__(self) -> str:
        x, y = map(written, self.inputs)
        return f"""\
import math, torch
from nexnet_verify.fuzz.library import NEXNET, TORCH, fit, near, probe

{self.function()}

for T in (NEXNET, TORCH):
    at = tuple(map(T.tensor, ({x}, {y})))
    f = lambda x, y: program(T, x, y)
    print({MODES[self.mode]})"""


def _total(steps: tuple[Step, ...]) -> str:
    return "return " + (" + ".join(f"probe({each.name})" for each in steps) or "probe(x)")


def count(steps: tuple[Step, ...]) -> int:
    """Count the operators, those of inner functions too."""
    return sum(1 + count(each.inner) for each in steps)


def smaller(program: Program) -> Iterator[Program]:
    """Give programs that have a part less, the much smaller first."""
    steps = program.steps
    for half in (steps[: len(steps) // 2], steps[len(steps) // 2 :]):
        if 0 < len(half) < len(steps):
            yield replace(program, steps=_closed(half, ("x", "y")))
    for mode in MODES:
        if mode == program.mode:
            break
        yield replace(program, mode=mode)
    for fewer in _fewer(steps, "x"):
        if fewer:
            yield replace(program, steps=_closed(fewer, ("x", "y")))
    for i, step in enumerate(steps):
        if step.inner:  # a transform of the whole program may do what that of some steps did
            inside = (*steps[:i], *step.inner, *steps[i + 1 :])
            for mode in MODES:
                yield replace(program, mode=mode, steps=_closed(inside, ("x", "y")))


def _fewer(steps: tuple[Step, ...], instead: str) -> Iterator[tuple[Step, ...]]:
    for i in reversed(range(len(steps))):
        step, before, after = steps[i], steps[:i], steps[i + 1 :]
        yield before + after
        if step.inner:
            yield before + step.inner + after  # the function's steps, without the function
            for transform in TRANSFORMS:
                if transform == step.text:
                    break
                yield (*before, replace(step, text=transform), *after)
            for inner in _fewer(step.inner, step.variable):
                if inner:
                    yield (*before, replace(step, inner=inner), *after)
        for j, (name, shape) in enumerate(step.reads):
            if name not in ("x", "y", instead):
                reads = (*step.reads[:j], (instead, shape), *step.reads[j + 1 :])
                yield (*before, replace(step, reads=reads), *after)


def _closed(steps: tuple[Step, ...], known: tuple[str, ...]) -> tuple[Step, ...]:
    """Let steps read x in the place of what is no longer there."""
    found = []
    for step in steps:
        reads = tuple(
            (name if name in known else known[-1 if known[-1] != "y" else 0], shape) for name, shape in step.reads
        )
        inner = _closed(step.inner, (*known, step.variable)) if step.inner else ()
        found.append(replace(step, reads=reads, inner=inner))
        known = (*known, step.name)
    return tuple(found)
