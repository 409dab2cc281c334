"""Draws random programs: steps that can be run, of the listing's operators, of torch's expressions, of users' rules."""

from __future__ import annotations

import functools
import math
import random
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import optree
import torch
from torch import Tensor

import nexnet

from ..cases import Case, Sample
from ..problem import NAMESPACE, is_float
from ..runner import bind
from ..torch_reference import as_torch, torch_counterpart
from ..walking import differentiable_cases, samples
from . import library
from .library import TORCH
from .mutations import written
from .program import MODES, TRANSFORMS, Program, Step

__all__ = ["draw", "pool"]

SHAPES = ((), (3,), (2, 3), (4,), (2, 1), (3, 3), (2, 2, 2))
LARGEST = 64  # elements

#: Expressions of one tensor, and the numbers of dimensions that it has at least.
OF_ONE = {
    "torch.sin({0})": 0, "torch.tanh({0})": 0, "torch.exp(torch.tanh({0}))": 0, "{0} * {0}": 0, "torch.relu({0})": 0,
    "torch.sqrt(1 + {0} * {0})": 0, "{0}.abs()": 0, "{0} ** 3": 0, "{0}.mT": 2, "{0}.reshape(-1)": 0, "{0}.sum(0)": 1,
    "{0}.mean()": 0, "{0}[0]": 1, "{0}[..., ::2]": 1, "{0}.flip(0)": 1, "torch.softmax({0}, -1)": 1,
    "{0}.unsqueeze(0)": 0, "{0}.cumsum(0)": 1, "{0}[torch.tensor([0, 0, -1])]": 1, "torch.logsumexp({0}, 0)": 1,
    "{0}.expand(2, *{0}.shape)": 0, "{0}.amax(-1)": 1, "torch.cat([{0}, 1 + {0}]).std(0, correction=0)": 1,
    "torch.sort({0}, -1)[0]": 1,
    "T.same({0})": 0, "T.flat({0})": 0, "T.spread({0})": 0, "T.wave({0})": 0, "T.both({0})[0]": 0, "T.both({0})[1]": 0,
    "T.stop({0}) * {0}": 0, "torch.outer({0}.reshape(-1)[:3], {0}.reshape(-1)[:3])": 0, "1 / (2 + {0})": 0,
}  # fmt: skip

#: Expressions of two tensors of one shape (or the second one of a shape that broadcasts).
OF_TWO = (
    "{0} + {1}", "{0} - {1}", "{0} * {1}", "{0} / (2 + {1} * {1})", "torch.maximum({0}, {1})", "T.plus({0}, {1})",
    "torch.where({0} > 0, {0}, {1})", "torch.atan2({0}, 2 + {1} * {1})", "torch.lerp({0}, {1}, 0.3)",
    "torch.addcmul({0}, {1}, {1}, value=0.5)", "torch.hypot({0} + 3, {1})",
)  # fmt: skip
JOINED = ("torch.cat([{0}, {1}], 0)", "torch.stack([{0}, {1}])", "torch.dot({0}.reshape(-1), {1}.reshape(-1))")


def pool(seed: int, number: int) -> list[Case]:
    """Give the listing's operators that program ``number`` is drawn from: other ones for every hundred programs.

    (What torch.func can do with each must be tried: all of them would take a minute before anything is compared.)
    """
    return random.Random(f"{seed} {number // 100}").sample(_cases(), 40)


def draw(rng: random.Random, cases: Sequence[Case]) -> Program:
    """Draw a program of 4 to 40 operators; any part of it can be run in torch without a gradient."""
    inputs = tuple(_numbers(rng, rng.choice(SHAPES)) for _ in range(2))
    room = _room(inputs)
    wanted = rng.choice((4, 6, 8, 12, 20, 40))
    anywhere = rng.random() < 0.85
    steps = _Drawing(rng, room, anywhere, cases).steps(["x", "y"], wanted, 0)
    modes = list(MODES) if anywhere else ["value", "gradient", "gradient of gradient"]
    return Program((inputs[0], inputs[1]), tuple(steps), rng.choice(modes))


def _numbers(rng: random.Random, shape: tuple[int, ...]) -> Tensor:
    numbers = [round(rng.uniform(-1.5, 1.5), 2) or 0.5 for _ in range(int(torch.Size(shape).numel()))]
    return torch.tensor(numbers, dtype=torch.float64).reshape(shape)


def _room(inputs: tuple[Tensor, ...]) -> dict[str, Any]:
    parts = {"fit": library.fit, "near": library.near, "probe": library.probe}
    return {"T": TORCH, "torch": torch, "math": math, **parts, "x": inputs[0], "y": inputs[1]}


class _Drawing:
    """Draws steps, and runs each to learn what it makes."""

    def __init__(self, rng: random.Random, room: dict[str, Any], anywhere: bool, cases: Sequence[Case]) -> None:
        self.rng, self.room, self.anywhere, self.cases = rng, room, anywhere, cases
        self.names = 0

    def steps(self, known: list[str], wanted: int, depth: int) -> list[Step]:
        """Draw this many operators that read what is known, and each other."""
        found: list[Step] = []
        while wanted > 0:
            inner = min(self.rng.choice((1, 2, 3, 5)), wanted - 1)
            nested = self.anywhere and depth < 2 and inner > 0 and self.rng.random() < 0.2
            step = self.nested(known, inner, depth) if nested else self.plain(known)
            step = self.tried(step)
            if step is not None:
                found.append(step)
                known = [*known, step.name]
                wanted -= 1 + (inner if nested else 0)
        return found

    def tried(self, step: Step | None) -> Step | None:
        """Give the step with its scale, or None if what it makes is of no use."""
        if step is None:
            return None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                exec(step.code(), self.room)
        except Exception:
            return None
        value = self.room[step.name]
        usable = isinstance(value, Tensor) and value.dtype == torch.float64 and 0 < value.numel() <= LARGEST
        if not usable or not bool(value.isfinite().all()):
            return None
        largest = float(value.abs().max())
        if largest > 2:
            step = Step(step.name, step.text, step.reads, float(f"{1 / largest:.1g}"), step.inner)
            exec(step.code(), self.room)
        return step

    def name(self) -> str:
        self.names += 1
        return f"a{self.names}"

    def nested(self, known: list[str], wanted: int, depth: int) -> Step:
        """Draw a function under a transform."""
        name = self.name()
        read = (self.rng.choice(known), self.rng.choice(((3,), (2,), (4,))))
        self.room[f"u{name}"] = library.fit(self.room[read[0]], read[1])
        inner = self.steps([*known[-3:], f"u{name}", f"u{name}"], wanted, depth + 1)
        transforms = [each for each in TRANSFORMS if each != "call"]
        return Step(name, self.rng.choice(transforms), (read,), 1.0, tuple(inner))

    def plain(self, known: list[str]) -> Step | None:
        """Draw an operator."""
        dice = self.rng.random()
        name = self.name()
        first = self.rng.choice(known[-6:] if self.rng.random() < 0.7 else known)
        shape = tuple(self.room[first].shape)
        if dice < 0.35:
            text = self.rng.choice([each for each, ndim in OF_ONE.items() if len(shape) >= ndim])
            return Step(name, text, ((first, shape),))
        second = self.rng.choice(known)
        if dice < 0.55:
            other = self.rng.choice((shape, shape, shape[1:], (), (1, *shape[1:])[: len(shape)]))
            return Step(name, self.rng.choice(OF_TWO), ((first, shape), (second, other)))
        if dice < 0.6:
            return Step(name, self.rng.choice(JOINED), ((first, shape), (second, shape)))
        if dice < 0.65:
            n, k, m = (self.rng.choice((1, 2, 3)) for _ in range(3))
            text = self.rng.choice(("{0} @ {1}", "torch.einsum('ij,jk->ki', {0}, {1})"))
            return Step(name, text, ((first, (n, k)), (second, (k, m))))
        return self.listed(name, known)

    def listed(self, name: str, known: list[str]) -> Step | None:
        """Draw an operator of the listing: its case's arguments, moved a little by what is known."""
        case = self.rng.choice(self.cases)
        if self.anywhere and not _anywhere(case.kind, case.name):
            return None
        _, sample = self.rng.choice(samples(case.name, case.kind))
        leaves, treespec = optree.tree_flatten((sample.args, sample.kwargs), none_is_leaf=True, namespace=NAMESPACE)
        reads: list[tuple[str, tuple[int, ...]]] = []
        texts = []
        for leaf in leaves:
            if isinstance(leaf, nexnet.LiteTensor) and is_float(leaf):
                texts.append(_Text(f"near({{{len(reads)}}}, {_braced(written(leaf.data))})"))
                reads.append((self.rng.choice(known), tuple(leaf.shape)))
            else:
                texts.append(_Text(_braced(written(as_torch(leaf)))))
        args, kwargs = optree.tree_unflatten(treespec, texts)
        given = [_show(each) for each in args] + [f"{key}={_show(each)}" for key, each in kwargs.items()]
        text = f'T.op("{case.kind}", "{case.name}")({", ".join(given)})'
        out = _torch_output(case, sample)
        if out is None or not reads:
            return None
        place, is_complex = out
        text = text if place is None else f"{text}[{place}]"
        return Step(name, f"torch.view_as_real(torch.resolve_conj({text}))" if is_complex else text, tuple(reads))


class _Text(str):
    """Words that stand for a leaf."""


def _show(tree: Any) -> str:
    if isinstance(tree, _Text):
        return tree
    if isinstance(tree, (list, tuple)):
        inner = ", ".join(map(_show, tree))
        return f"[{inner}]" if isinstance(tree, list) else f"({inner}{',' * (len(tree) == 1)})"
    return _braced(written(tree))


def _braced(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


@functools.lru_cache(maxsize=1)
def _cases() -> list[Case]:
    """Give the cases whose value torch has too, and is no matter of chance."""
    return [case for case in differentiable_cases() if torch_counterpart(case) is not None and not case.draws]


def _torch_output(case: Case, sample: Sample) -> tuple[int | None, bool] | None:
    """Say which of a call's outputs to take (None: the only one), and whether it is complex; None if there is none."""
    try:
        _, _, function, tensors = bind(case, sample)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            out = function(*[each.data for each in tensors])  # type: ignore[misc]
    except Exception:
        return None
    if isinstance(out, Tensor):
        return (None, out.dtype.is_complex) if is_float(out) else None
    if isinstance(out, (list, tuple)):
        for i, each in enumerate(out):
            if isinstance(each, Tensor) and is_float(each) and each.numel():
                return i, each.dtype.is_complex
    return None


@functools.lru_cache(maxsize=4096)
def _anywhere(kind: str, name: str) -> bool:
    """Say whether torch.func can take the operator through vmap, forward mode and the second order, and rightly.

    (Its forward mode is wrong for cholesky_inverse, the gradient of that for det, layer_norm and tensorsolve, the
    gradient of its vmap for select_scatter: differences say so.)
    """
    case = next(each for each in _cases() if (each.kind, each.name) == (kind, name))
    for _, sample in samples(name, kind):
        _, _, function, tensors = bind(case, sample)
        point = tuple(each.data.contiguous() for each in tensors)

        def total(*leaves: Any, function: Callable[..., Any] | None = function) -> Any:
            out = function(*leaves)  # type: ignore[misc]
            found = [each for each in optree.tree_leaves(out) if isinstance(each, Tensor) and is_float(each)]
            return sum(map(library.probe, found))

        def slope(*leaves: Any, total: Callable[..., Any] = total) -> Any:
            return sum(map(library.probe, torch.func.grad(total, tuple(range(len(leaves))))(*leaves)))

        everything = tuple(range(len(point)))
        along = tuple(map(torch.cos, point))  # not the point itself: along that, second derivatives say little
        doubled = [torch.stack([each, each]) for each in point]
        slopes = torch.func.grad(total, everything)

        def moved(*leaves: Any, total: Callable[..., Any] = total, along: tuple[Tensor, ...] = along) -> Any:
            return torch.func.jvp(total, leaves, along)[1]

        def turned(*leaves: Any, slopes: Callable[..., Any] = slopes, along: tuple[Tensor, ...] = along) -> Any:
            return _dot(slopes(*leaves), along)

        def mapped(*batches: Any, total: Callable[..., Any] = total) -> Any:
            return torch.func.vmap(total)(*batches).sum()

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                torch.func.vmap(torch.func.grad(slope, everything))(*doubled)
                torch.func.jvp(slope, point, along)
                torch.func.vmap(lambda *x: torch.func.jvp(slope, x, x)[1])(*doubled)
                gradient = slopes(*point)
                twice = torch.func.grad(turned, everything)(*point)
                right = (
                    _agree([moved(*point)], [_dot(gradient, along)])
                    and _agree(torch.func.grad(mapped, everything)(*doubled), [torch.stack([x, x]) for x in gradient])
                    and _agree(torch.func.grad(moved, everything)(*point), twice)
                    and _agree(torch.func.jvp(slopes, point, along)[1], twice)
                )
                if not right:
                    return False
        except Exception:
            return False
    return True


def _dot(gradient: Sequence[Tensor], direction: Sequence[Tensor]) -> Tensor:
    return torch.stack([(g.conj() * d).real.sum() for g, d in zip(gradient, direction, strict=True)]).sum()


def _agree(one: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
    return all(torch.allclose(a, b, rtol=1e-6, atol=1e-9, equal_nan=True) for a, b in zip(one, other, strict=True))
