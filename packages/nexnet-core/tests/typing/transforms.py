"""Transforms in a user's code: a transformed function keeps its parameters, and its results have types."""

from typing import Any, assert_type

import nexnet
from nexnet import LiteTensor
from nexnet.inside import TracedTape

x = nexnet.randn(3)


def loss(w: LiteTensor, scale: float = 1.0) -> LiteTensor:
    """Give a tensor."""
    return (w * scale).sum()


def with_aux(w: LiteTensor, scale: float = 1.0) -> tuple[LiteTensor, str]:
    """Give something beside."""
    return loss(w, scale), "aux"


def of_tree(parameters: dict[str, LiteTensor], x: LiteTensor) -> LiteTensor:
    """Take a tree."""
    return (parameters["w"] * x).sum()


tree = {"w": x}

assert_type(nexnet.grad(loss)(x, scale=2.0), LiteTensor)
assert_type(nexnet.grad(loss)(2.0), LiteTensor)
assert_type(nexnet.grad(of_tree)(tree, x), dict[str, LiteTensor])
assert_type(nexnet.grad(nexnet.grad(loss))(x, 2.0), LiteTensor)
assert_type(nexnet.grad(with_aux, has_aux=True)(x), tuple[LiteTensor, str])
assert_type(nexnet.grad(nexnet.exp)(x), LiteTensor)
assert_type(nexnet.grad(nexnet.sum)(x, dim=0), LiteTensor)
assert_type(nexnet.grad(of_tree, argnums=(0, 1))(tree, x), Any)

assert_type(nexnet.value_and_grad(loss)(x), tuple[LiteTensor, LiteTensor])
assert_type(nexnet.value_and_grad(of_tree)(tree, x), tuple[LiteTensor, dict[str, LiteTensor]])
assert_type(nexnet.value_and_grad(with_aux, has_aux=True)(x), tuple[tuple[LiteTensor, str], LiteTensor])

assert_type(nexnet.vmap(loss, in_dims=(0, None))(x, 2.0), LiteTensor)
assert_type(nexnet.vmap(nexnet.grad(of_tree), in_dims=(None, 0))(tree, x), dict[str, LiteTensor])
assert_type(nexnet.checkpoint(with_aux)(x, scale=2.0), tuple[LiteTensor, str])
assert_type(nexnet.checkpoint(with_aux, policy=nexnet.MemoryBudget(100))(x), tuple[LiteTensor, str])
assert_type(nexnet.checkpoint(with_aux, policy=lambda cost: cost.nbytes < 1e6)(x), tuple[LiteTensor, str])
assert_type(nexnet.trace(loss)(x), tuple[LiteTensor, TracedTape])
assert_type(nexnet.stop_gradient(tree), dict[str, LiteTensor])

assert_type(nexnet.jvp(loss, (x,), (x,)), tuple[LiteTensor, LiteTensor])
assert_type(nexnet.jvp(with_aux, (x,), (x,), has_aux=True), tuple[LiteTensor, LiteTensor, str])
value, pullback = nexnet.vjp(loss, x)
assert_type(value, LiteTensor)
assert_type(pullback(value), tuple[Any, ...])
assert_type(nexnet.vjp(with_aux, x, has_aux=True)[2], str)
assert_type(nexnet.linearize(loss, x)[1](x), LiteTensor)
assert_type(nexnet.jacobian(loss)(x, 2.0), LiteTensor)
assert_type(nexnet.hessian(loss, chunk_size=2)(x), LiteTensor)

# A function of which nothing is said takes anything, and its gradient is Any
nexnet.grad(lambda w: w * w)(2.0)
nexnet.grad(lambda w: of_tree(w, x))(tree)
nexnet.grad(lambda w, a: (w * a).sum(), argnums=1)(x, x)
nexnet.vmap(lambda w: w * 2)(x)
nexnet.hessian(lambda w: (w**3).sum())(x)
nexnet.grad(nexnet.grad(lambda w: w**3))(2.0)
