"""What type checkers know of transformed functions. Nothing of it is there when the program runs.

A transform keeps the parameters of its function. What ``grad`` makes gives what the first one is: a LiteTensor, for
which it takes anything that is taken as one, or a tree, whose structure the gradient has; and Any if nothing is said.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from ..tensor import LiteTensor
from ..typing import TensorLike

__all__ = ["Aux", "AuxGradient", "F", "Gradient", "Jacobian", "P", "R", "ValueAndGradient"]

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])
_F = TypeVar("_F", bound=Callable[..., Any], covariant=True)
Aux = TypeVar("Aux")
_Tree = TypeVar("_Tree")


class _Unknown:
    """What a parameter takes of which nothing is said, or anything: of such an argument the gradient is Any."""


class _Wrapper(Protocol[_F]):
    """A function that has taken another's place."""

    @property
    def __wrapped__(self) -> _F: ...
    @property
    def __name__(self) -> str: ...


class Gradient(_Wrapper[_F], Protocol[_F]):
    """What ``grad`` makes."""

    @overload
    def __call__(
        self: Gradient[Callable[Concatenate[_Unknown, P], Any]], x: Any, /, *args: P.args, **kwargs: P.kwargs
    ) -> Any: ...
    @overload
    def __call__(
        self: Gradient[Callable[Concatenate[LiteTensor, P], Any]], x: TensorLike, /, *args: P.args, **kwargs: P.kwargs
    ) -> LiteTensor: ...
    @overload
    def __call__(
        self: Gradient[Callable[Concatenate[_Tree, P], Any]], x: _Tree, /, *args: P.args, **kwargs: P.kwargs
    ) -> _Tree: ...


class AuxGradient(_Wrapper[_F], Protocol[_F]):
    """What ``grad`` makes with ``has_aux``."""

    @overload
    def __call__(
        self: AuxGradient[Callable[Concatenate[_Unknown, P], tuple[Any, Aux]]],
        x: Any,
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> tuple[Any, Aux]: ...
    @overload
    def __call__(
        self: AuxGradient[Callable[Concatenate[LiteTensor, P], tuple[Any, Aux]]],
        x: TensorLike,
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> tuple[LiteTensor, Aux]: ...
    @overload
    def __call__(
        self: AuxGradient[Callable[Concatenate[_Tree, P], tuple[Any, Aux]]],
        x: _Tree,
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> tuple[_Tree, Aux]: ...


class ValueAndGradient(_Wrapper[_F], Protocol[_F]):
    """What ``value_and_grad`` makes: the value is the function's, ``(value, aux)`` with ``has_aux``."""

    @overload
    def __call__(
        self: ValueAndGradient[Callable[Concatenate[_Unknown, P], R]], x: Any, /, *args: P.args, **kwargs: P.kwargs
    ) -> tuple[R, Any]: ...
    @overload
    def __call__(
        self: ValueAndGradient[Callable[Concatenate[LiteTensor, P], R]],
        x: TensorLike,
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> tuple[R, LiteTensor]: ...
    @overload
    def __call__(
        self: ValueAndGradient[Callable[Concatenate[_Tree, P], R]], x: _Tree, /, *args: P.args, **kwargs: P.kwargs
    ) -> tuple[R, _Tree]: ...


class Jacobian(_Wrapper[_F], Protocol[_F]):
    """What ``jacobian`` makes: of a tensor by a tensor it is one, else a tree of trees."""

    @overload
    def __call__(
        self: Jacobian[Callable[Concatenate[_Unknown, P], Any]], x: Any, /, *args: P.args, **kwargs: P.kwargs
    ) -> Any: ...
    @overload
    def __call__(
        self: Jacobian[Callable[Concatenate[LiteTensor, P], LiteTensor]],
        x: TensorLike,
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> LiteTensor: ...
    @overload
    def __call__(
        self: Jacobian[Callable[Concatenate[_Tree, P], Any]], x: _Tree, /, *args: P.args, **kwargs: P.kwargs
    ) -> Any: ...
