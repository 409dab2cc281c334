"""What type checkers know of transformed functions. Nothing of it is there when the program runs.

A transform keeps the parameters of its function. What ``grad`` makes gives what the first one takes: a LiteTensor for
anything that is taken as one, else its type, as a gradient has the structure of the argument.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

import torch
from numpy.typing import NDArray

from ..tensor import LiteTensor
from ..typing import Number, TensorLike

__all__ = ["Aux", "AuxGradient", "F", "Gradient", "Jacobian", "P", "R", "ValueAndGradient"]

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])
_F = TypeVar("_F", bound=Callable[..., Any], covariant=True)
Aux = TypeVar("Aux")
_Tree = TypeVar("_Tree")
_Constant = TypeVar("_Constant", bound=torch.Tensor | NDArray[Any] | Number)


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
        self: Gradient[Callable[Concatenate[LiteTensor, P], Any]], x: TensorLike, /, *args: P.args, **kwargs: P.kwargs
    ) -> LiteTensor: ...
    @overload
    def __call__(
        self: Gradient[Callable[Concatenate[_Constant, P], Any]], x: _Constant, /, *args: P.args, **kwargs: P.kwargs
    ) -> LiteTensor: ...
    @overload
    def __call__(
        self: Gradient[Callable[Concatenate[_Tree, P], Any]], x: _Tree, /, *args: P.args, **kwargs: P.kwargs
    ) -> _Tree: ...


class AuxGradient(_Wrapper[_F], Protocol[_F]):
    """What ``grad`` makes with ``has_aux``."""

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
        self: AuxGradient[Callable[Concatenate[_Constant, P], tuple[Any, Aux]]],
        x: _Constant,
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
        self: ValueAndGradient[Callable[Concatenate[LiteTensor, P], R]],
        x: TensorLike,
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> tuple[R, LiteTensor]: ...
    @overload
    def __call__(
        self: ValueAndGradient[Callable[Concatenate[_Constant, P], R]],
        x: _Constant,
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
