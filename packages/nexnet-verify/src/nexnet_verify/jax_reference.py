"""The same chain of scalar functions in JAX, in float64, compiled once. The only module that imports jax."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy
import optree
from torch import Tensor

import nexnet
from nexnet.errors import InputError, message

from .problem import NAMESPACE, Problem, from_parts

__all__ = ["JaxReference", "enable_x64"]

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
            not (a == b).all()
            for old, new in zip(self._asked, asked, strict=True)
            for a, b in zip(old, new, strict=True)
        ):
            self._asked = asked
            numbers = [[each.numpy() for each in some] for some in (problem.leaves, problem.weights, *asked)]
            with enable_x64(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a counterpart's own remarks on dtypes are not the user's concern
                try:
                    found = self._compiled()(*numbers)
                except jax.errors.JAXTypeError:  # the counterpart looks at values: it runs as it is
                    chain = _chain(self.fn, self.problem.arguments, self.order)
                    found = chain(*[[jnp.asarray(each) for each in some] for some in numbers])
                self._answer = [[numpy.asarray(each) for each in some] for some in found]
            self._check()
        return self._answer

    def _compiled(self) -> Callable[..., Any]:
        """Compile the chain, or give what was compiled for the same function and arguments of the same structure."""
        if self.problem.constants:
            return _compile(self.fn, self.problem.arguments, self.order)
        return _compile_shared(self.fn, self.problem.treespec, self.problem.complex_leaves, self.order)

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


Arguments = Callable[..., tuple[Any, ...]]


def _compile(fn: Callable[..., Any], arguments: Arguments, order: int) -> Callable[..., Any]:
    return jax.jit(_chain(fn, arguments, order), compiler_options=_OPTIONS)


@functools.lru_cache(maxsize=64)
def _compile_shared(
    fn: Callable[..., Any], treespec: Any, complex_leaves: tuple[bool, ...], order: int
) -> Callable[..., Any]:
    def arguments(leaves: Sequence[Any], _: Any) -> tuple[Any, ...]:
        return tuple(optree.tree_unflatten(treespec, map(from_parts, leaves, complex_leaves)))

    return _compile(fn, arguments, order)


def _chain(fn: Callable[..., Any], arguments: Arguments, order: int) -> Callable[..., list[Any]]:
    """Make the function of leaves, cotangents and directions that gives the outputs and all gradients."""

    def outputs(leaves: Sequence[Any]) -> list[Any]:
        found = optree.tree_leaves(fn(*arguments(leaves, as_jax)), namespace=NAMESPACE)
        arrays = [jnp.asarray(each) for each in found]
        return [_parts(each) for each in arrays if jnp.issubdtype(each.dtype, jnp.inexact)]

    def chain(leaves: list[Any], weights: list[Any], *directions: list[Any]) -> list[Any]:
        count = len(leaves)

        def level(k: int) -> Callable[..., Any]:
            if k == 0:
                return lambda *all_: _dot(all_[count:], outputs(all_[:count]))
            below = jax.grad(level(k - 1), argnums=places(k))
            return lambda *all_: _dot(directions[k - 1], below(*all_))

        def places(k: int) -> tuple[int, ...]:
            return tuple(range(count if k == 1 else count + len(weights)))

        point = [*leaves, *weights]
        orders = [list(jax.grad(level(k - 1), argnums=places(k))(*point)) for k in range(1, order + 1)]
        return [outputs(leaves), *orders]

    return chain


def _parts(array: Any) -> Any:
    """Give a complex array as its real and imaginary parts in a last dimension, as a Problem does."""
    return jnp.stack([array.real, array.imag], -1) if jnp.iscomplexobj(array) else array


def as_jax(constant: Any) -> Any:
    """Give a constant argument as JAX takes it."""
    if isinstance(constant, nexnet.LiteTensor):
        return constant.data.numpy()
    return constant.numpy() if isinstance(constant, Tensor) else constant


def enable_x64() -> Any:
    """Give the context in which JAX has float64."""
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(True)
    from jax.experimental import enable_x64  # type: ignore[attr-defined]

    return enable_x64()


def _dot(left: Sequence[Any], right: Sequence[Any]) -> Any:
    return sum(jnp.sum(a * b) for a, b in zip(left, right, strict=True))
