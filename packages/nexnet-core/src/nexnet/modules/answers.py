"""What torch's functions do with a ModelTensor: nexnet's rule, a view, a write, or torch's own where nothing varies."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from torch import Tensor

from .._resuming import is_overridden
from ..engine import register_stand_ins
from ..engine.noted import note
from ..engine.tape import this_thread
from ..engine.tensor import TensorBase
from .assigning import in_place, write_in_place, write_result
from .computing import computed, given
from .special import OWN
from .tensors import ModelTensor, seen, value_of
from .views import VIEWS, take_view

__all__ = ["answer", "as_method", "as_sign", "torch_function"]

_OWN, _VIEW, _WRITE, _OTHER = 1, 2, 3, 4
_KINDS: dict[Callable[..., Any], int] = {}


def answer(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Answer a torch function, one of whose arguments is a ModelTensor."""
    kind = _KINDS.get(function)
    if kind is None:
        kind = _KINDS[function] = _kind(function)
    try:
        if kwargs and (kwargs.get("out") is not None or kwargs.get("inplace")):
            return write_result(function, args, kwargs)
        if this_thread().overrides is not None and is_overridden(function):
            return given(computed(function, args, kwargs))
        if kind == _VIEW and isinstance(args[0], ModelTensor):
            return take_view(function, args, kwargs, given)
        if kind == _WRITE:
            return write_in_place(function, function.__name__, args, kwargs)
        if kind == _OWN:
            return OWN[function](*args, **kwargs)
        return given(computed(function, args, kwargs))
    except Exception as error:
        note(error, getattr(function, "__name__", "a function"), args, kwargs)
        raise


def torch_function(_cls: Any, function: Any, _types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
    """Answer torch's question: a function of torch's, or an attribute of a tensor's."""
    if type(function) is _Wrapper and function.__name__ == "__get__" and type(function.__self__) is _Getter:
        return getattr(value_of(args[0]).data, function.__self__.__name__)
    return answer(function, args, kwargs or {})


_Getter: Any = type(Tensor.dtype)
_Wrapper: Any = type(Tensor.dtype.__get__)  # type: ignore[attr-defined]


def _kind(function: Callable[..., Any]) -> int:
    """Say which answer a function of torch's has."""
    if function in OWN:
        return _OWN
    if function in VIEWS:
        return _VIEW
    return _WRITE if in_place(getattr(function, "__name__", "")) else _OTHER


# Methods go to their answer at once, without torch's way to __torch_function__ ----------------------------------------


def as_method(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give the method of a ModelTensor that a torch function is."""

    @functools.wraps(function, assigned=("__name__", "__doc__"), updated=())
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return answer(function, (self, *args), kwargs)

    return method


def as_sign(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give the method of a ModelTensor that stands behind a sign, as ``+``."""

    def method(self: Any, other: Any) -> Any:
        if isinstance(other, (Tensor, TensorBase, float, int, complex)):
            return answer(function, (self, other), {})
        return NotImplemented

    return method


def _operator(operator: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call an operator of nexnet's, or a user's, that has met a ModelTensor."""
    return given(operator(*[seen(each) for each in args], **{name: seen(each) for name, each in kwargs.items()}))


register_stand_ins(_operator)
