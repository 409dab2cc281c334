"""The same chain of scalar functions in JAX, in float64, compiled once. The only module that imports jax."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import nexnet
import numpy
import optree
from nexnet.errors import InputError, message
from torch import Tensor

from .problem import NAMESPACE, Problem

__all__ = ["JaxReference"]

# Compiling is what takes the time here, not running.
_OPTIONS = {"xla_backend_optimization_level": 0}


class JaxReference:
    """The values and derivatives that a JAX counterpart of the function has at a problem's point."""

    def __init__(self, fn: Callable[..., Any], problem: Problem, order: int) -> None:
        self.fn = fn
        self.problem = problem
        self.order = order
        self._asked: list[Any] = []
        self._answer: list[list[numpy.ndarray[Any, Any]]] = []

    def outputs(self) -> list[numpy.ndarray[Any, Any]]:
        """Give the floating outputs."""
        return self._orders()[0]

    def gradient(self, order: int) -> list[numpy.ndarray[Any, Any]]:
        """Give the derivative of an order, as ``Problem.gradient`` does."""
        return self._orders()[order]

    def _orders(self) -> list[list[numpy.ndarray[Any, Any]]]:
        problem = self.problem
        asked = [problem.direction(level) for level in range(1, self.order)]
        if not self._answer or any(
            not (a == b).all() for old, new in zip(self._asked, asked, strict=True) for a, b in zip(old, new, strict=True)
        ):
            self._asked = asked
            numbers = [[each.numpy() for each in some] for some in (problem.leaves, problem.weights, *asked)]
            with _enable_x64(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a counterpart's own remarks on dtypes are not the user's concern
                try:
                    found = jax.jit(self._chain, compiler_options=_OPTIONS)(*numbers)
                except jax.errors.JAXTypeError:  # the counterpart looks at values: it runs as it is
                    found = self._chain(*[[jnp.asarray(each) for each in some] for some in numbers])
                self._answer = [[numpy.asarray(each) for each in some] for some in found]
            self._check()
        return self._answer

    def _chain(self, leaves: list[Any], weights: list[Any], *directions: list[Any]) -> list[Any]:
        """Compute the outputs and the gradients of every order."""
        count = len(leaves)

        def level(k: int) -> Callable[..., Any]:
            if k == 0:
                return lambda *all_: _dot(all_[count:], self._outputs(all_[:count]))
            below = jax.grad(level(k - 1), argnums=places(k))
            return lambda *all_: _dot(directions[k - 1], below(*all_))

        def places(k: int) -> tuple[int, ...]:
            return tuple(range(count if k == 1 else count + len(weights)))

        point = [*leaves, *weights]
        orders = [list(jax.grad(level(k - 1), argnums=places(k))(*point)) for k in range(1, self.order + 1)]
        return [self._outputs(leaves), *orders]

    def _outputs(self, leaves: Sequence[Any]) -> list[Any]:
        found = optree.tree_leaves(self.fn(*self.problem.arguments(leaves, as_jax)), namespace=NAMESPACE)
        arrays = [jnp.asarray(each) for each in found]
        return [each for each in arrays if jnp.issubdtype(each.dtype, jnp.floating)]

    def _check(self) -> None:
        mine = [tuple(each.shape) for each in self.problem.weights]
        other = [each.shape for each in self._answer[0]]
        if mine != other:
            raise InputError(
                message(
                    "the reference does not return what the function returns.",
                    rule=self.problem.name,
                    expected=f"floating outputs of shapes {mine}",
                    got=f"shapes {other}",
                    remedy="give as reference a function of JAX arrays with the same arguments and outputs",
                )
            )


def as_jax(constant: Any) -> Any:
    """Give a constant argument as JAX takes it."""
    if isinstance(constant, nexnet.LiteTensor):
        return constant.data.numpy()
    return constant.numpy() if isinstance(constant, Tensor) else constant


def _enable_x64() -> Any:
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(True)
    from jax.experimental import enable_x64

    return enable_x64()


def _dot(left: Sequence[Any], right: Sequence[Any]) -> Any:
    return sum(jnp.sum(a * b) for a, b in zip(left, right, strict=True))
