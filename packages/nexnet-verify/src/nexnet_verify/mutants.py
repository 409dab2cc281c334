"""Wrong rules that a check must catch, and right ones that it must pass.

Every mutant is a real rule with one mistake in it, at inputs where the mistake shows.
"""

# ruff: noqa: ARG005  a rule takes all that it is given, and is described by its mistake

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

import nexnet

from .checker import check_gradients
from .report import GradientReport

__all__ = ["MUTANTS", "RIGHT", "Rule"]

cut = nexnet.stop_gradient


@dataclass(frozen=True)
class Rule:
    """A rule at a point.

    Attributes:
        name: what is wrong with it, or what makes it hard.
        fn: the rule.
        shapes: of its arguments.
        order: up to which it is checked.
        scale: of its arguments, which are drawn from scale * [0.3, 2] with either sign.
        positive: whether they are all above zero.
        points: the arguments themselves, in place of shapes.
        options: further arguments of check_gradients.
    """

    name: str
    fn: Callable[..., Any]
    shapes: Sequence[tuple[int, ...]] = ()
    order: int = 2
    scale: float = 1.0
    positive: bool = False
    points: Sequence[Any] = ()
    options: dict[str, Any] | None = None

    def check(self, seed: int = 0) -> GradientReport:
        """Check it."""
        generator = torch.Generator().manual_seed(seed)
        arguments = [torch.tensor(point, dtype=torch.float64) for point in self.points]
        for shape in self.shapes:
            size = 0.3 + 1.7 * torch.rand(shape, generator=generator, dtype=torch.float64)
            sign = torch.randint(0, 2, shape, generator=generator) * 2 - 1
            arguments.append(self.scale * size * (1 if self.positive else sign))
        report = check_gradients(
            self.fn,
            *map(nexnet.LiteTensor, arguments),
            order=self.order,
            seed=seed,
            report=True,
            name=self.name,
            **(self.options or {}),
        )
        assert report is not None
        return report


def rule(forward: Callable[..., Any], backward: Callable[..., Any]) -> Any:
    """Make an operator. ``backward(g, *arguments, out)`` gives the gradients."""

    @nexnet.function
    class made(nexnet.Policy):
        def forward(self, *args: Any) -> Any:
            out = forward(*args)
            self.ctx.save(*args, out)
            return out

        def backward(self, grad: Any) -> Any:
            return backward(grad, *self.ctx.release)

    return made


def inner(backward: Callable[..., Any], second: Callable[..., Any], forward: Callable[..., Any]) -> Any:
    """Make an operator whose backward is an operator of its own, with a rule ``second(h, g, x)`` of its own."""
    kernel = rule(backward, lambda h, g, x, _: second(h, g, x))
    return rule(forward, lambda g, x, _: kernel(g, x))


def pushed(forward: Callable[..., Any], backward: Callable[..., Any], jvp: Callable[..., Any]) -> Any:
    """Make an operator with a forward mode of its own. ``jvp(*tangents, *arguments)`` gives the tangent."""

    @nexnet.function
    class made(nexnet.Policy):
        def forward(self, *args: Any) -> Any:
            self.ctx.save(*args)
            return forward(*args)

        def backward(self, grad: Any) -> Any:
            return backward(grad, *self.ctx.release)

        def jvp(self, *tangents: Any) -> Any:
            return jvp(*tangents, *self.ctx.release)

    return made


def slot(x: Any, index: int, factor: float) -> Any:
    """A tensor of ones with one other factor."""
    factors = torch.ones(x.numel(), dtype=x.dtype)
    factors[index] = factor
    return factors.reshape(tuple(x.shape))


# Mistakes that need more than an expression --------------------------------------------------------------------------


@nexnet.function
class writes_into_what_it_saved(nexnet.Policy):
    def forward(self, x: Any) -> Any:
        self.ctx.save(x)
        return x * x

    def backward(self, grad: Any) -> Any:
        (x,) = self.ctx.release
        raw = x.data if isinstance(x, nexnet.LiteTensor) else x
        out = 2 * x * grad
        raw.mul_(1.5)
        return out


@nexnet.function
class writes_into_its_input(nexnet.Policy):
    def forward(self, x: Any) -> Any:
        self.ctx.save(x)
        raw = x.data if isinstance(x, nexnet.LiteTensor) else x
        raw.data.add_(1e-3)  # past torch's count of writes, by which nexnet itself would see it
        return x * x

    def backward(self, grad: Any) -> Any:
        (x,) = self.ctx.release
        return 2 * x * grad


@nexnet.function
class writes_into_its_output(nexnet.Policy):
    def forward(self, x: Any) -> Any:
        out = torch.exp(x)
        self.ctx.save(out)
        return out

    def backward(self, grad: Any) -> Any:
        (out,) = self.ctx.release
        return out * grad if isinstance(out, nexnet.LiteTensor) else out.mul_(grad)


@nexnet.function
class writes_into_the_gradient(nexnet.Policy):
    def forward(self, x: Any) -> Any:
        self.ctx.save(x)
        return x * x

    def backward(self, grad: Any) -> Any:
        (x,) = self.ctx.release
        return 2 * x * grad if isinstance(grad, nexnet.LiteTensor) else grad.data.mul_(2 * x)  # which nobody counts


@nexnet.function
class wrong_if_only_the_first_is_asked_for(nexnet.Policy):
    def forward(self, x: Any, y: Any) -> Any:
        self.ctx.save(x, y)
        return x * y

    def backward(self, grad: Any) -> Any:
        x, y = self.ctx.release
        if not self.ctx.needs_input_grad[1]:
            return grad * x
        return grad * y, grad * x


kept_outside: dict[str, Any] = {}


@nexnet.function
class keeps_outside(nexnet.Policy):
    def forward(self, x: Any) -> Any:
        kept_outside["x"] = x
        return x * x

    def backward(self, grad: Any) -> Any:
        return 2 * kept_outside["x"] * grad


@nexnet.function
class hands_out_one_buffer(nexnet.Policy):
    """square, whose gradients all share one memory."""

    def forward(self, x: Any) -> Any:
        self.ctx.save(x)
        return x * x

    def backward(self, grad: Any) -> Any:
        (x,) = self.ctx.release
        found = 2 * x * grad
        if isinstance(found, nexnet.LiteTensor):
            return found
        return kept_outside.setdefault(f"buffer of {tuple(found.shape)}", torch.empty_like(found)).copy_(found)


@nexnet.function
class draws_twice(nexnet.Policy):
    def forward(self, x: Any) -> Any:
        return x * (torch.rand(tuple(x.shape)) > 0.5)

    def backward(self, grad: Any) -> Any:
        return grad * (torch.rand(tuple(grad.shape)) > 0.5)


@nexnet.function
class spares_a_gradient_of_zero(nexnet.Policy):
    """exp, which looks whether there is anything to do: forward mode differentiates backward at a gradient of zero."""

    def forward(self, x: Any) -> Any:
        out = torch.exp(x)
        self.ctx.save(out)
        return out

    def backward(self, grad: Any) -> Any:
        (out,) = self.ctx.release
        raw = grad.data if isinstance(grad, nexnet.LiteTensor) else grad
        return grad * out if raw.any() else torch.zeros_like(out)


@nexnet.function
class later_gradient_overwrites(nexnet.Policy):
    """gather, whose backward puts where it should add."""

    def forward(self, x: Any) -> Any:
        return x[torch.tensor([0, 2, 2, 1])]

    def backward(self, grad: Any) -> Any:
        return torch.index_put(torch.zeros(3, dtype=grad.dtype), (torch.tensor([0, 2, 2, 1]),), grad)


@nexnet.function
class swapped_parts(nexnet.Policy):
    """cat, whose backward gives each tensor the other's part."""

    def forward(self, x: Any, y: Any) -> Any:
        return torch.cat([x, y])

    def backward(self, grad: Any) -> Any:
        return grad[2:], grad[:2]


def is_batched(x: Any) -> bool:
    return bool(torch._C._functorch.is_batchedtensor(x.data if isinstance(x, nexnet.LiteTensor) else x))


def is_contiguous(x: Any) -> bool:
    return bool((x.data if isinstance(x, nexnet.LiteTensor) else x).is_contiguous())


def mT(x: Any) -> Any:  # noqa: N802  torch's name
    return torch.transpose(x, -1, -2)


SQUARE, VECTOR, PAIR = [(3, 3)], [(4,)], [(2, 3), (2, 3)]

MUTANTS = [
    # Signs, factors, formulas
    Rule("sin: the other sign", rule(torch.sin, lambda g, x, y: -g * torch.cos(x)), VECTOR),
    Rule("square: without its 2", rule(lambda x: x * x, lambda g, x, y: g * x), VECTOR),
    Rule("tanh: y in place of its square", rule(torch.tanh, lambda g, x, y: g * (1 - y)), VECTOR),
    Rule("exp: without the incoming gradient", rule(torch.exp, lambda g, x, y: y), VECTOR),
    Rule("exp: the incoming gradient's sign only", rule(torch.exp, lambda g, x, y: y * torch.sign(g)), VECTOR),
    Rule("log2: without ln 2", rule(torch.log2, lambda g, x, y: g / x), VECTOR, positive=True),
    Rule("pow: n x^n", rule(lambda x: x**3, lambda g, x, y: 3 * g * x**3), VECTOR),
    Rule("sqrt: 2 / y", rule(torch.sqrt, lambda g, x, y: g * 2 / y), VECTOR, positive=True),
    Rule("tan: 1 + y", rule(torch.tan, lambda g, x, y: g * (1 + y)), VECTOR, scale=0.5),
    Rule("sigmoid: y (1 + y)", rule(torch.sigmoid, lambda g, x, y: g * y * (1 + y)), VECTOR),
    Rule("gelu: P(x) alone", rule(lambda x: x * torch.erf(x), lambda g, x, y: g * torch.erf(x)), VECTOR),
    Rule(
        "softplus: sigmoid(-x)",
        rule(lambda x: torch.log1p(torch.exp(x)), lambda g, x, y: g * torch.sigmoid(-x)),
        VECTOR,
    ),
    Rule("cos: a factor of 1.0001", rule(torch.cos, lambda g, x, y: -1.0001 * g * torch.sin(x)), VECTOR),
    Rule("sin: 0.0001 too much", rule(torch.sin, lambda g, x, y: g * (torch.cos(x) + 1e-4)), VECTOR),
    Rule("reciprocal: without the square", rule(lambda x: 1 / x, lambda g, x, y: -g * y), VECTOR),
    # Two arguments
    Rule("sub: swapped", rule(lambda x, y: x - y, lambda g, x, y, z: (-g, g)), PAIR),
    Rule("mul: swapped", rule(lambda x, y: x * y, lambda g, x, y, z: (g * x, g * y)), PAIR),
    Rule("mul: nothing for the second", rule(lambda x, y: x * y, lambda g, x, y, z: (g * y, None)), PAIR),
    Rule("div: the second's sign", rule(lambda x, y: x / y, lambda g, x, y, z: (g / y, g * z / y)), PAIR),
    Rule("div: the second without its square", rule(lambda x, y: x / y, lambda g, x, y, z: (g / y, -g * x / y)), PAIR),
    Rule("x y + x: one term is missing", rule(lambda x, y: x * y + x, lambda g, x, y, z: (g * y, g * x)), PAIR),
    Rule(
        "atan2: swapped",
        rule(torch.atan2, lambda g, y, x, z: (-g * y / (x * x + y * y), g * x / (x * x + y * y))),
        PAIR,
    ),
    Rule("maximum: all to both", rule(torch.maximum, lambda g, x, y, z: (g, g)), PAIR),
    Rule("maximum: to the smaller", rule(torch.maximum, lambda g, x, y, z: (g * (x < y), g * (x >= y))), PAIR),
    Rule("where: to both", rule(lambda x, y: torch.where(x > 0, x, y), lambda g, x, y, z: (g, g)), PAIR),
    Rule("wrong where only the first is asked for", wrong_if_only_the_first_is_asked_for, PAIR),
    # Matrices, axes, arrangement
    Rule(
        "matmul: without the transpose",
        rule(torch.matmul, lambda g, a, b, c: (g.matmul(b), mT(a).matmul(g))),
        SQUARE * 2,
    ),
    Rule(
        "matmul: the product the wrong way round",
        rule(torch.matmul, lambda g, a, b, c: (mT(b).matmul(g), mT(a).matmul(g))),
        SQUARE * 2,
    ),
    Rule(
        "matmul: the second transposed",
        rule(torch.matmul, lambda g, a, b, c: (g.matmul(mT(b)), mT(g).matmul(a))),
        SQUARE * 2,
    ),
    Rule(
        "linear: transposed weight",
        rule(lambda x, w: x.matmul(mT(w)), lambda g, x, w, y: (g.matmul(w), mT(x).matmul(g))),
        SQUARE * 2,
    ),
    Rule("transpose: not undone", rule(lambda x: mT(x) * 1.0, lambda g, x, y: g), SQUARE),
    Rule("sum: along the wrong axis", rule(lambda x: x.sum(0), lambda g, x, y: g.reshape(3, 1).expand(3, 3)), SQUARE),
    Rule(
        "broadcast: summed over the wrong axis",
        rule(lambda x, s: x * s, lambda g, x, s, y: (g * s, (g * x).sum(1))),
        [(3, 3), (3,)],
    ),
    Rule("cumsum: not reversed", rule(lambda x: torch.cumsum(x, 0), lambda g, x, y: torch.cumsum(g, 0)), VECTOR),
    Rule("flip: not flipped back", rule(lambda x: torch.flip(x, (0,)), lambda g, x, y: g), VECTOR),
    Rule("roll: rolled on", rule(lambda x: torch.roll(x, 1, 0), lambda g, x, y: torch.roll(g, 1, 0)), VECTOR),
    Rule(
        "permute: by the same order",
        rule(lambda x: torch.permute(x, (1, 2, 0)), lambda g, x, y: torch.permute(g, (1, 2, 0))),
        [(2, 2, 2)],
    ),
    Rule("reshape: through a transpose", rule(lambda x: x.reshape(9), lambda g, x, y: mT(g.reshape(3, 3))), SQUARE),
    Rule("tril: the other triangle", rule(torch.tril, lambda g, x, y: torch.triu(g)), SQUARE),
    Rule("gather: the later overwrites", later_gradient_overwrites, [(3,)]),
    Rule("cat: the parts swapped", swapped_parts, [(2,), (2,)]),
    # Reductions
    Rule("mean: without 1/n", rule(torch.mean, lambda g, x, y: g.expand(tuple(x.shape))), VECTOR),
    Rule("var: n in place of n - 1", rule(torch.var, lambda g, x, y: g * 2 * (x - x.mean()) / 4), VECTOR),
    Rule("prod: without the division", rule(torch.prod, lambda g, x, y: (g * y).expand(tuple(x.shape))), VECTOR),
    Rule("norm: without the division", rule(lambda x: torch.sqrt((x * x).sum()), lambda g, x, y: g * x), VECTOR),
    Rule(
        "logsumexp: even shares",
        rule(lambda x: torch.logsumexp(x, 0), lambda g, x, y: (g / 4).expand(tuple(x.shape))),
        VECTOR,
    ),
    Rule("softmax: the diagonal only", rule(lambda x: torch.softmax(x, 0), lambda g, x, y: g * y * (1 - y)), VECTOR),
    Rule("softmax: without the sum", rule(lambda x: torch.softmax(x, 0), lambda g, x, y: g * y), VECTOR),
    # Piecewise
    Rule("relu: a slope below", rule(torch.relu, lambda g, x, y: torch.where(x > 0, g, 0.01 * g)), VECTOR),
    Rule(
        "leaky relu: the sides swapped",
        rule(lambda x: torch.where(x > 0, x, 0.1 * x), lambda g, x, y: torch.where(x > 0, 0.1 * g, g)),
        VECTOR,
    ),
    Rule("clamp: passes outside too", rule(lambda x: torch.clamp(x, -0.5, 0.5), lambda g, x, y: g), VECTOR),
    Rule("wrong below zero only", rule(torch.exp, lambda g, x, y: torch.where(x > 0, g * y, g * y * 1.01)), VECTOR),
    # Only at second order
    Rule("square: 2x is a constant", rule(lambda x: x * x, lambda g, x, y: g * 2 * cut(x)), VECTOR),
    Rule("cube: one factor is a constant", rule(lambda x: x**3, lambda g, x, y: g * 3 * x * cut(x)), VECTOR),
    Rule("exp: the output is a constant", rule(torch.exp, lambda g, x, y: g * cut(y)), VECTOR),
    Rule("square: the incoming gradient is cut", rule(lambda x: x * x, lambda g, x, y: cut(g) * 2 * x), VECTOR),
    Rule("mul: the second is a constant", rule(lambda x, y: x * y, lambda g, x, y, z: (g * cut(y), g * x)), PAIR),
    Rule(
        "kernel: the second rule's sign",
        inner(lambda g, x: g * torch.cos(x), lambda h, g, x: (h * torch.cos(x), h * g * torch.sin(x)), torch.sin),
        VECTOR,
    ),
    Rule(
        "kernel: no gradient by the gradient",
        inner(lambda g, x: g * torch.cos(x), lambda h, g, x: (None, -h * g * torch.sin(x)), torch.sin),
        VECTOR,
    ),
    Rule(
        "quartic: wrong from the third order on",
        rule(lambda x: x**4, lambda g, x, y: g * 4 * (2 * cut(x) * x**2 - cut(x) ** 2 * x)),
        VECTOR,
        order=3,
    ),
    # Only somewhere
    Rule("wrong without dimensions only", rule(torch.exp, lambda g, x, y: g * y if x.ndim else g), [()]),
    Rule(
        "wrong for broadcast operands only",
        rule(lambda x, y: x * y, lambda g, x, y, z: (g * y, g * x if x.shape == y.shape else g)),
        [(2, 3), (3,)],
    ),
    Rule("wrong for strided inputs only", rule(torch.exp, lambda g, x, y: g * y if is_contiguous(x) else g), [(3, 4)]),
    Rule("wrong in float32 only", rule(torch.exp, lambda g, x, y: g * y if x.dtype is torch.float64 else g), VECTOR),
    Rule("wrong in forward mode only", spares_a_gradient_of_zero, VECTOR),
    Rule(
        "jvp: the sign",
        pushed(torch.cos, lambda g, x: -g * torch.sin(x), lambda t, x: t * torch.sin(x)),
        VECTOR,
    ),
    Rule(
        "jvp: the second tangent is left out",
        pushed(lambda x, y: x * y, lambda g, x, y: (g * y, g * x), lambda s, t, x, y: s * y),
        PAIR,
    ),
    Rule(
        "jvp: the matrix is transposed, as in backward",
        pushed(
            lambda a, x: a.matmul(x),
            lambda g, a, x: (g[:, None] * x, mT(a).matmul(g)),
            lambda s, t, a, x: s.matmul(x) + mT(a).matmul(t),
        ),
        [(3, 3), (3,)],
    ),
    Rule(
        "jvp: 2x is a constant",
        pushed(lambda x: x * x, lambda g, x: g * 2 * x, lambda t, x: t * 2 * cut(x)),
        VECTOR,
    ),
    Rule(
        "jvp: a tangent of another shape",
        pushed(torch.exp, lambda g, x: g * torch.exp(x), lambda t, x: (t * torch.exp(x))[:2]),
        VECTOR,
    ),
    Rule("wrong under vmap only", rule(torch.exp, lambda g, x, y: g if is_batched(x) else g * y), VECTOR),
    Rule("one element in a hundred is 1% off", rule(torch.exp, lambda g, x, y: g * y * slot(x, 37, 1.01)), [(10, 10)]),
    Rule(
        "one element in a hundred is lost",
        rule(torch.sin, lambda g, x, y: g * torch.cos(x) * slot(x, 99, 0.0)),
        [(100,)],
    ),
    Rule(
        "the first element counts twice",
        rule(torch.sum, lambda g, x, y: g.expand(tuple(x.shape)) * slot(x, 0, 2.0)),
        [(5, 6)],
    ),
    # Not functions
    Rule("writes into what it saved", writes_into_what_it_saved, VECTOR),
    Rule("writes into its input", writes_into_its_input, VECTOR),
    Rule("writes into its output", writes_into_its_output, VECTOR),
    Rule("keeps its input in a global", keeps_outside, VECTOR),
    Rule("hands out one buffer for all gradients", hands_out_one_buffer, VECTOR),
    Rule(
        "maximum: ties to the first, not by halves",
        rule(torch.maximum, lambda g, x, y, z: (g * (x >= y), g * (x < y))),
        points=[[1.0, 2.0, 0.5], [1.0, 3.0, -1.0]],
        options={"torch_reference": torch.maximum},
    ),
    Rule("not deterministic", rule(torch.exp, lambda g, x, y: g * y * (1 + 1e-6 * float(torch.rand(())))), VECTOR),
    Rule("draws its mask twice", draws_twice, [(5, 5)]),
]


def mlp(x: Any, a: Any, b: Any) -> Any:
    """Two layers with a relu between them."""
    return torch.relu(x.matmul(a)).matmul(b)


RIGHT = [
    Rule("sin", rule(torch.sin, lambda g, x, y: g * torch.cos(x)), VECTOR, order=3),
    Rule("square", rule(lambda x: x * x, lambda g, x, y: 2 * g * x), [()], order=3),
    Rule("matmul", rule(torch.matmul, lambda g, a, b, c: (g.matmul(mT(b)), mT(a).matmul(g))), [(3, 2), (2, 4)]),
    Rule(
        "a jvp of its own",
        pushed(
            lambda x, y: x * torch.exp(y),
            lambda g, x, y: (g * torch.exp(y), g * x * torch.exp(y)),
            lambda s, t, x, y: (s + x * t) * torch.exp(y),
        ),
        PAIR,
        order=3,
    ),
    Rule("nothing at all", rule(torch.exp, lambda g, x, y: g * y), [(0, 3)]),
    Rule("a hundred elements", rule(torch.exp, lambda g, x, y: g * y), [(10, 10)]),
    Rule("stiff: exp(50 x)", lambda x: torch.exp(50 * x), [(3,)]),
    Rule("stiff: tanh(200 x)", lambda x: torch.tanh(200 * x), points=[[0.001, -0.004, 0.0]]),
    Rule("stiff: x**20", lambda x: x**20, [(3,)]),
    Rule("large: sin(1000 x)", lambda x: torch.sin(1000 * x), VECTOR),
    Rule("large: x of size 1e8", lambda x: torch.sqrt(x * x + 1.0), VECTOR, scale=1e8),
    Rule("tiny: log of 1e-9", torch.log, VECTOR, scale=1e-9, positive=True),
    Rule("tiny: x of size 1e-12", lambda x: x * x * x, VECTOR, scale=1e-12),
    Rule("scales that differ", lambda x: torch.exp(x) + torch.log(x), points=[[1e-8, 1.0, 20.0]]),
    Rule("cancellation: 1e8 + x", lambda x: 1e8 + torch.sin(x), VECTOR, options={"float32": False}),
    Rule("near a pole: tan", torch.tan, points=[[1.57, -1.5]], options={"float32": False}),
    Rule("saturated: softmax", lambda x: torch.softmax(x, 0), points=[[30.0, 0.0, -30.0]]),
    Rule("saturated: sigmoid", torch.sigmoid, points=[[40.0, -40.0, 0.0]]),
    Rule("saturated: logsumexp of thousands", lambda x: torch.logsumexp(x, 0), points=[[1000.0, 999.0, -1000.0]]),
    Rule("kinks: abs", torch.abs, points=[[0.0, 1.0, -2.0, 0.0]]),
    Rule("kinks: relu of many zeros", torch.relu, points=[[0.0, -1.0, 2.0] * 12]),
    Rule(
        "kinks: an MLP with dead units",
        mlp,
        points=[[[0.0, 0.0], [1.0, -2.0]], [[1.0, 2.0], [0.5, -1.0]], [[1.0], [2.0]]],
    ),
    Rule("kinks: the maximum of equals", torch.maximum, points=[[1.0, 2.0], [1.0, 3.0]]),
    Rule("differentiable once: x |x|", lambda x: x * torch.abs(x), points=[[0.0, 1.0]]),
    Rule("near a kink: relu at 1e-7", torch.relu, points=[[1e-7, -1e-7, 1.0]]),
    Rule("near a kink: abs(x - 1) at 1.0001", lambda x: torch.abs(x - 1), points=[[1.0001, 0.999]]),
    Rule("differentiable once: sign(x) x^2", lambda x: torch.sign(x) * x * x, points=[[0.0, 2.0]]),
    Rule("a pole: sqrt(0)", torch.sqrt, points=[[0.0, 4.0]]),
    Rule("no derivative: a constant output", lambda x: x * 0.0 + 3.0, VECTOR),
    Rule("linear", lambda x: 3.0 * x, VECTOR, order=3),
    Rule("writes into the incoming gradient, which is its own", writes_into_the_gradient, VECTOR),
    Rule("several outputs", lambda x: (torch.sin(x), {"square": x * x}), VECTOR),
    Rule("even about the point", torch.cos, points=[[0.0, math.pi]]),
]
