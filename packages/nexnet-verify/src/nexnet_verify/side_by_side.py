"""The same wrong rules before three referees: nexnet-verify, PyTorch's gradcheck, and JAX's check_grads.

Every rule is one ``forward`` and one ``backward``, written once. For nexnet they make a Policy, for PyTorch an
``autograd.Function``, for JAX a ``custom_vjp``: only ``m``, the module that they take their functions from, differs.
Each referee has its defaults, float64 inputs, and the order that the rule asks for:

- ``check_gradients(rule, *inputs, order=order)``;
- ``gradcheck(rule, inputs)``, and from order 2 on ``gradgradcheck(rule, inputs)``;
- ``check_grads(rule, inputs, order=order, modes=["rev"])``: a custom_vjp has no forward mode.

``python -m nexnet_verify.side_by_side`` prints the table as docs/explanations/verify.md shows it.
"""

# ruff: noqa: ARG001, ARG005  a rule takes all that it is given, and is described by its mistake

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import torch
from jax.test_util import check_grads  # type: ignore[attr-defined]
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

import nexnet

from .checker import check_gradients
from .jax_reference import enable_x64

__all__ = ["RIGHT", "WRONG", "Contender", "judge", "table"]

SEED = 0
CAUGHT, MISSED = "caught", "missed"


@dataclass(frozen=True)
class Contender:
    """A rule in the words of all three.

    Attributes:
        name: what is wrong with it, or what makes it hard.
        forward: ``forward(m, *inputs)``.
        backward: ``backward(m, g, *inputs, out)``, the gradients by the inputs.
        shapes: of the inputs, drawn from [0.3, 2] with either sign.
        points: the inputs themselves, in place of shapes.
        order: the highest order at which it must be right.
        not_in_jax: why JAX can't express the mistake.
    """

    name: str
    forward: Callable[..., Any]
    backward: Callable[..., Any]
    shapes: Sequence[tuple[int, ...]] = ((4,),)
    points: Sequence[Any] = ()
    order: int = 2
    not_in_jax: str = ""

    def inputs(self) -> list[Tensor]:
        """Draw the inputs, the same ones for all."""
        if self.points:
            return [torch.tensor(point, dtype=torch.float64) for point in self.points]
        generator = torch.Generator().manual_seed(SEED)
        drawn = []
        for shape in self.shapes:
            size = 0.3 + 1.7 * torch.rand(shape, generator=generator, dtype=torch.float64)
            drawn.append(size * (torch.randint(0, 2, shape, generator=generator) * 2 - 1))
        return drawn


# Three ways to write a rule ------------------------------------------------------------------------------------------


def _module(module: Any, **more: Any) -> SimpleNamespace:
    return SimpleNamespace(**{**vars(module), **more})


NEXNET = _module(torch, cut=nexnet.stop_gradient)
TORCH = _module(torch, cut=Tensor.detach)
JAX = _module(jnp, cut=jax.lax.stop_gradient)


def in_nexnet(rule: Contender) -> Any:
    """Write it as a Policy."""

    @nexnet.function
    class made(nexnet.Policy):
        def forward(self, *args: Any) -> Any:
            out = rule.forward(NEXNET, *args)
            self.ctx.save(*args, out)
            return out

        def backward(self, grad: Any) -> Any:
            NEXNET.needs = self.ctx.needs_input_grad  # of this call: backward reads it at once
            return rule.backward(NEXNET, grad, *self.ctx.release)

    return made


def in_torch(rule: Contender) -> Callable[..., Any]:
    """Write it as an autograd.Function."""

    class Made(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *args: Any) -> Any:
            out = rule.forward(TORCH, *args)
            ctx.save_for_backward(*args, out)
            return out

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            TORCH.needs = ctx.needs_input_grad
            return rule.backward(TORCH, *grads, *ctx.saved_tensors)

    return Made.apply  # type: ignore[no-any-return]


def in_jax(rule: Contender) -> Callable[..., Any]:
    """Write it as a custom_vjp."""

    @jax.custom_vjp
    def made(*args: Any) -> Any:
        return rule.forward(JAX, *args)

    def forward(*args: Any) -> Any:
        out = made(*args)
        return out, (*args, out)

    def backward(saved: Any, grad: Any) -> Any:
        found = rule.backward(JAX, grad, *saved)
        return found if isinstance(found, tuple) else (found,)

    made.defvjp(forward, backward)
    return made


# Three referees ------------------------------------------------------------------------------------------------------


def judge(rule: Contender) -> tuple[str, str, str]:
    """Give what each of the three says: "caught", "missed", or why the mistake can't be made there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _by_nexnet(rule), _by_torch(rule), rule.not_in_jax or _by_jax(rule)


def _by_nexnet(rule: Contender) -> str:
    random.seed(SEED)
    inputs = map(nexnet.LiteTensor, rule.inputs())
    return _caught(lambda: check_gradients(in_nexnet(rule), *inputs, order=rule.order))


def _by_torch(rule: Contender) -> str:
    random.seed(SEED)
    made = in_torch(rule)
    found = _caught(lambda: gradcheck(made, [each.requires_grad_() for each in rule.inputs()]))
    if found == MISSED and rule.order > 1:
        found = _caught(lambda: gradgradcheck(made, [each.requires_grad_() for each in rule.inputs()]))
    return found


def _by_jax(rule: Contender) -> str:
    random.seed(SEED)
    with enable_x64():
        inputs = [jnp.asarray(each.numpy()) for each in rule.inputs()]
        check: Any = check_grads  # it has no annotations
        return _caught(lambda: check(in_jax(rule), inputs, order=rule.order, modes=["rev"]))


def _caught(check: Callable[[], object]) -> str:
    try:
        check()
    except Exception:
        return CAUGHT
    return MISSED


def table(rules: Sequence[Contender], right: bool = False) -> str:
    """Write the verdicts as a Markdown table. Of right rules: "passes" and "false alarm"."""
    words = {CAUGHT: "**false alarm**", MISSED: "passes"} if right else {CAUGHT: "caught", MISSED: "**missed**"}
    title = "right rule" if right else "wrong rule"
    lines = [f"| {title} | nexnet-verify | gradcheck, gradgradcheck | check_grads |", "| --- | --- | --- | --- |"]
    rows = [judge(rule) for rule in rules]
    lines += [
        f"| {rule.name} | {' | '.join(words.get(each, each) for each in row)} |"
        for rule, row in zip(rules, rows, strict=True)
    ]
    sums = [f"{sum(row[i] == CAUGHT for row in rows)} of {len(rows)}" for i in range(3)]
    lines.append(f"| {'false alarms' if right else 'caught'} | {' | '.join(sums)} |")
    return "\n".join(lines)


# The rules -----------------------------------------------------------------------------------------------------------


def _softmax(m: Any, x: Any) -> Any:
    e = m.exp(x)
    return e / e.sum()


def _wrong_alone(m: Any, g: Any, x: Any, y: Any, out: Any) -> Any:
    return (g * y, g * x) if m.needs[1] else (g * x, None)


def _writes(m: Any, g: Any, x: Any, out: Any) -> Any:
    found = 2 * x * g
    (x.data if isinstance(x, nexnet.LiteTensor) else x.detach()).mul_(1.5)
    return found


def _is_contiguous(x: Any) -> bool:
    return bool((x.data if isinstance(x, nexnet.LiteTensor) else x).is_contiguous())


SQUARE, VECTORS = ((3, 3),), ((4,), (4,))

WRONG = [
    Contender("sin: the other sign", lambda m, x: m.sin(x), lambda m, g, x, y: -g * m.cos(x)),
    Contender("square: without its 2", lambda m, x: x * x, lambda m, g, x, y: g * x),
    Contender("cos: a factor of 1.0001", lambda m, x: m.cos(x), lambda m, g, x, y: -1.0001 * g * m.sin(x)),
    Contender("mul: swapped", lambda m, x, y: x * y, lambda m, g, x, y, z: (g * x, g * y), VECTORS),
    Contender(
        "matmul: without the transpose",
        lambda m, a, b: m.matmul(a, b),
        lambda m, g, a, b, c: (m.matmul(g, b), m.matmul(a.T, g)),
        SQUARE * 2,
    ),
    Contender(
        "broadcasting: summed over the wrong axis",
        lambda m, x, s: x * s,
        lambda m, g, x, s, y: (g * s, (g * x).sum(1)),
        ((3, 3), (3,)),
    ),
    Contender("cumsum: not reversed", lambda m, x: m.cumsum(x, 0), lambda m, g, x, y: m.cumsum(g, 0)),
    Contender("softmax: without the sum", _softmax, lambda m, g, x, y: g * y),
    Contender(
        "relu: a slope below zero", lambda m, x: m.where(x > 0, x, 0.0), lambda m, g, x, y: m.where(x > 0, g, 0.01 * g)
    ),
    Contender(
        "maximum: all to both", lambda m, x, y: m.maximum(x, y), lambda m, g, x, y, z: (g * 1.0, g * 1.0), VECTORS
    ),
    Contender("order 2: a saved value is a constant", lambda m, x: x * x, lambda m, g, x, y: g * 2 * m.cut(x)),
    Contender("order 2: the incoming gradient is cut", lambda m, x: x * x, lambda m, g, x, y: m.cut(g) * 2 * x),
    Contender(
        "order 3: wrong from there on",
        lambda m, x: x**4,
        lambda m, g, x, y: g * 4 * (2 * m.cut(x) * x**2 - m.cut(x) ** 2 * x),
        order=3,
    ),
    Contender(
        "wrong without dimensions only", lambda m, x: m.exp(x), lambda m, g, x, y: g * y if x.ndim else g * 1.0, ((),)
    ),
    Contender(
        "one element in a hundred 1% off",
        lambda m, x: m.exp(x),
        lambda m, g, x, y: m.where(m.arange(100) == 37, 1.01 * g * y, g * y),
        ((100,),),
    ),
    Contender(
        "wrong for strided inputs only",
        lambda m, x: m.exp(x),
        lambda m, g, x, y: g * y if _is_contiguous(x) else g * 1.0,
        ((3, 4),),
        not_in_jax="arrays have no strides",
    ),
    Contender(
        "wrong in float32 only",
        lambda m, x: m.exp(x),
        lambda m, g, x, y: g * y if x.dtype == m.float64 else g * 1.0,
    ),
    Contender(
        "wrong if one gradient of two is wanted",
        lambda m, x, y: x * y,
        _wrong_alone,
        VECTORS,
        not_in_jax="a rule is always asked for all",
    ),
    Contender(
        "writes into what it saved", lambda m, x: x * x, _writes, not_in_jax="arrays are not written into", order=1
    ),
    Contender(
        "not the same twice, by 1e-6", lambda m, x: m.exp(x), lambda m, g, x, y: g * y * (1 + 1e-6 * random.random())
    ),
]

RIGHT = [
    Contender("relu at 0", lambda m, x: m.where(x > 0, x, 0.0), lambda m, g, x, y: g * (x > 0), points=[[0.0, 1.0]]),
    Contender("abs at 0", lambda m, x: abs(x), lambda m, g, x, y: g * m.sign(x), points=[[0.0, -1.0]]),
    Contender("sin(1000 x)", lambda m, x: m.sin(1000 * x), lambda m, g, x, y: 1000 * g * m.cos(1000 * x)),
    Contender("exp(50 x)", lambda m, x: m.exp(50 * x), lambda m, g, x, y: 50 * g * y),
    Contender("log of 1e-9", lambda m, x: m.log(x), lambda m, g, x, y: g / x, points=[[1e-9, 3e-9]]),
    Contender("x^3 of 1e-6", lambda m, x: x**3, lambda m, g, x, y: 3 * g * x * x, points=[[1e-6, -2e-6]]),
]


def main() -> int:
    """Print both tables."""
    print(f"{table(WRONG)}\n\n{table(RIGHT, right=True)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
