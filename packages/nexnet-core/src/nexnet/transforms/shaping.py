"""Shaping gradients: the same values, another gradient. Each is a rule as a user would write it.

Forward mode sees the rule too: ``jvp`` is derived from ``backward``, linearised at a gradient of zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Number
from typing import Any, TypeVar

import optree
from numpy import ndarray
from torch import Tensor

from .._trees import NAMESPACE
from ..errors import InputError, message
from ..policy import Operator, Policy, function
from ..tensor import LiteTensor
from ._evaluate import check_callable

__all__ = ["clip_gradient", "reverse_gradient", "scale_gradient", "straight_through", "surrogate"]

_Tree = TypeVar("_Tree")


def scale_gradient(x: _Tree, scale: Any) -> _Tree:
    """Give ``x`` (a tensor or a pytree of them) as it is; its gradient is multiplied by ``scale``.

    ``scale`` may be a tensor that broadcasts to the shape of ``x``. It has no gradient of its own, as the value does
    not depend on it; a gradient of a gradient does, and is differentiated by it.

    Raises:
        RuleError: a leaf that is no tensor or float.
        InputError: a scale that is no number or tensor, or does not broadcast to the shape of a leaf.

    Example::

        >>> nexnet.grad(lambda x: nexnet.scale_gradient(x, 0.5) ** 2)(3.0)
        LiteTensor(3.)
    """
    _check_number("scale_gradient", "scale", scale)
    return optree.tree_map(lambda leaf: _scaled(leaf, scale), x, namespace=NAMESPACE)  # type: ignore[no-any-return]


def reverse_gradient(x: _Tree, scale: Any = 1.0) -> _Tree:
    """Give ``x`` as it is; its gradient is multiplied by ``-scale`` (Ganin and Lempitsky 2015).

    See ``scale_gradient``, which it is with ``-scale``.

    Raises:
        RuleError, InputError: those of ``scale_gradient``.

    Example::

        >>> nexnet.grad(lambda x: nexnet.reverse_gradient(x) ** 2)(3.0)
        LiteTensor(-6.)
    """
    _check_number("reverse_gradient", "scale", scale)
    return scale_gradient(x, -scale)


def clip_gradient(
    x: _Tree, min: float | None = None, max: float | None = None, *, max_norm: float | None = None
) -> _Tree:
    """Give ``x`` (a tensor or a pytree of them) as it is; its gradient is clipped.

    Args:
        x: the values, of any shapes.
        min: the least that an element of the gradient may be.
        max: the most that an element of the gradient may be.
        max_norm: instead of bounds, the most that the Euclidean norm of the whole gradient, of all tensors of ``x``
            together, may be: a longer one is scaled down.

    Raises:
        InputError: neither bounds nor norm are given, or both, or they leave nothing, as NaN does, or are no real
            numbers.

    Example::

        >>> nexnet.grad(lambda x: 10 * nexnet.clip_gradient(x, max=1.0))(2.0)
        LiteTensor(1.)
    """
    for name, each in {"min": min, "max": max, "max_norm": max_norm}.items():
        if each is not None:
            _check_number("clip_gradient", name, each, real=True)
    bounded = min is not None or max is not None
    empty = (min is not None and max is not None and min > max) or (max_norm is not None and max_norm <= 0)
    empty = empty or any(isinstance(each, float) and math.isnan(each) for each in (min, max, max_norm))
    if bounded == (max_norm is not None) or empty:
        raise InputError(
            message(
                "clip_gradient clips to bounds or to a norm.",
                expected="min, max or both, with min <= max; or max_norm > 0",
                got=f"min={min}, max={max}, max_norm={max_norm}",
            )
        )
    if bounded:
        return optree.tree_map(  # type: ignore[no-any-return]
            lambda leaf: _bounded(leaf, min, max), x, namespace=NAMESPACE
        )
    leaves, treespec = optree.tree_flatten(x, namespace=NAMESPACE)
    return optree.tree_unflatten(treespec, _within_norm(*leaves, max_norm=max_norm)) if leaves else x


def straight_through(fn: Callable[..., Any]) -> Operator:
    """Make an operator with the value of ``fn`` and the gradient of the identity, at every order (Bengio et al. 2013).

    Args:
        fn: a function of one tensor, such as ``torch.round``, that returns one of the same shape. Like a rule's
            ``forward`` it gets torch tensors. Further arguments of a call go to it as they are.

    Raises:
        InputError: no function; another shape came out, or a further argument is a tensor that is being differentiated
            by: of that the identity has no gradient.

    Example::

        >>> rounded = nexnet.straight_through(torch.round)
        >>> nexnet.value_and_grad(rounded)(2.7)
        (LiteTensor(3.), LiteTensor(1.))
    """
    check_callable(fn, "straight_through")

    class StraightThrough(Policy):
        def forward(self, x: Any, *further: Any, **keywords: Any) -> Any:
            if any(self.ctx.needs_input_grad[1:]):
                raise InputError(
                    message(
                        "straight_through has the gradient of the identity, and that is one of one tensor.",
                        rule=_name(fn),
                        got="a further argument that is being differentiated by",
                        remedy="nexnet.surrogate, whose backward_fn gives a gradient for each argument",
                    )
                )
            out = fn(x, *further, **keywords)
            if getattr(out, "shape", None) != x.shape:
                raise InputError(
                    message(
                        "straight_through needs a function that keeps the shape: its gradient is the identity's.",
                        rule=_name(fn),
                        expected=f"shape {tuple(x.shape)}",
                        got=f"shape {tuple(out.shape)}" if hasattr(out, "shape") else type(out).__name__,
                    )
                )
            return out.to(x.dtype)

        def backward(self, grad: Any) -> Any:
            return grad

    return _named(StraightThrough, fn)


def surrogate(forward: Callable[..., Any], backward_fn: Callable[..., Any]) -> Operator:
    """Make an operator with the value of ``forward`` and a gradient of your own: ``backward_fn(grad, *inputs)``.

    Args:
        forward: a function of tensors that returns one, of any shapes. Like a rule's ``forward`` it gets torch tensors.
        backward_fn: gets the gradient of the output and the inputs; returns the gradient of the input, or a tuple of
            such for several, each of its input's shape. Of higher orders it is itself the function that is
            differentiated.

    Raises:
        InputError: no functions.
        GradientError: in backward: a gradient of another shape, or more than there are inputs.
        RuleError: when it is called: ``forward`` has returned something else than torch tensors.

    Example::

        spike = nexnet.surrogate(lambda v: (v > 0).float(), lambda grad, v: grad / (1 + abs(v)) ** 2)
    """
    check_callable(forward, "surrogate", "forward")
    check_callable(backward_fn, "surrogate", "backward_fn")

    class Surrogate(Policy):
        def forward(self, *inputs: Any) -> Any:
            self.ctx.save(*inputs)
            return forward(*inputs)

        def backward(self, grad: Any) -> Any:
            return backward_fn(grad, *self.ctx.release)

    return _named(Surrogate, forward)


@function
class _scaled(Policy):
    """x:  dx = scale g."""

    def forward(self, x: Any, scale: Any) -> Any:
        _check_broadcasts("scale_gradient", "scale", scale, x)
        self.ctx.save(scale)
        return x

    def backward(self, grad: Any) -> Any:
        (scale,) = self.ctx.release
        return grad * scale


@function
class _bounded(Policy):
    """x:  dx = g, clamped."""

    def forward(self, x: Any, min: float | None, max: float | None) -> Any:
        _check_broadcasts("clip_gradient", "min", min, x)
        _check_broadcasts("clip_gradient", "max", max, x)
        self.ctx.save(min, max)
        return x

    def backward(self, grad: Any) -> Any:
        return grad.clamp(*self.ctx.release)


@function
class _within_norm(Policy):
    """x, y, ...:  dx = g / max(1, |g| / m), with the norm |g| over the gradients of all."""

    def forward(self, *tensors: Any, max_norm: float) -> Any:
        self.ctx.save(max_norm)
        return tensors

    def backward(self, *grads: Any) -> Any:
        (max_norm,) = self.ctx.release
        squares = sum(_square(grad).sum() for grad in grads)
        longer = squares > max_norm**2
        scale = max_norm / squares.where(longer, max_norm**2).sqrt()  # a square root of zero has no derivative
        return tuple(grad * scale for grad in grads)


def _check_number(rule: str, argument: str, given: Any, real: bool = False) -> None:
    """Refuse at the call what backward alone would stumble over."""
    if not isinstance(given, (Number, LiteTensor, Tensor, ndarray)) or (real and isinstance(given, complex)):
        raise InputError(
            message(
                f"{argument} is no {'real ' if real else ''}number.",
                rule=rule,
                argument=argument,
                expected=f"a {'real ' if real else ''}number or a tensor",
                got=repr(given),
            )
        )


def _check_broadcasts(rule: str, argument: str, given: Any, x: Any) -> None:
    """Refuse a tensor that would make the gradient larger than x: it would be summed into the shape of x."""
    shape = getattr(given, "shape", None)
    if shape and (
        len(shape) > x.ndim
        or any(size not in (1, there) for size, there in zip(reversed(shape), reversed(x.shape), strict=False))
    ):
        raise InputError(
            message(
                f"{argument} does not broadcast to the shape of x, which a gradient has.",
                rule=rule,
                argument=argument,
                expected=tuple(x.shape),
                got=tuple(shape),
            )
        )


def _square(grad: Any) -> Any:
    return (grad * grad.conj()).real if grad.dtype.is_complex else grad * grad


def _named(policy: type[Policy], fn: Callable[..., Any]) -> Operator:
    """Make an operator that has the name of a function."""
    policy.__name__ = policy.__qualname__ = _name(fn)
    policy.__doc__ = fn.__doc__
    return function(policy)


def _name(fn: Callable[..., Any]) -> str:
    return getattr(fn, "__name__", type(fn).__name__)
