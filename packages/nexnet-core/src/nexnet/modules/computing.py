"""What torch's functions compute inside of a model: nexnet's rules, or torch's own kernels where nothing varies."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from .._dispatch import FORGOTTEN, call_rule, keywords_of
from .._nested import leaves_of, map_leaves, rebuild
from ..engine import DIFFERENTIABLE, unwrap
from ..engine.autocast import is_on
from ..engine.call import OperatorBase
from ..engine.tape import this_thread
from ..engine.tensor import TensorBase
from ..policy import RULES
from ..tensor import LiteTensor
from .tensors import check_not_left, is_constant, may_vary, running, seen, stand_in

__all__ = ["beside", "by_rule", "computed", "constants_in", "given"]

_Size = torch.Size


def computed(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Give the result of a function that writes nothing, of LiteTensors, or of torch's tensors where nothing varies."""
    values = tuple([seen(each) for each in args])
    named = {name: seen(each) for name, each in kwargs.items()} if kwargs else kwargs
    if not may_vary(values) and not (kwargs and may_vary(named.values())) and this_thread().overrides is None:
        return function(*map_leaves(values, unwrap), **map_leaves(named, unwrap))
    if function in RULES:
        constants = constants_in(values, constants_in(named.values()) if kwargs else None)
        return beside(constants, by_rule, function, values, named) if constants else by_rule(function, values, named)
    if is_constant(values) and is_constant(named):
        return function(*map_leaves(values, unwrap), **map_leaves(named, unwrap))
    method = getattr(LiteTensor, getattr(function, "__name__", ""), None)
    if method is not None and isinstance(values[0], TensorBase):
        return beside(leaves_of((values, named)), method, *values, **named)
    out = function(*map_leaves(values, unwrap), **map_leaves(named, unwrap))
    if any([isinstance(each, Tensor) and each.dtype in DIFFERENTIABLE for each in leaves_of(out)]):  # noqa: C419
        return call_rule(function, values, named)  # which says that there is none
    return out


def by_rule(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> Any:
    """Call the rule for a torch function: at once, if it is called as torch's is."""
    rule = RULES[function]
    if function in FORGOTTEN or (not isinstance(rule, OperatorBase) and is_on()):
        return call_rule(function, args, kwargs)
    if not kwargs:
        return rule(*args)
    known = keywords_of(rule)
    for name in kwargs:
        if name not in known:
            return call_rule(function, args, kwargs)
    return rule(*args, **kwargs)


def constants_in(values: Iterable[Any], found: list[Tensor] | None = None) -> list[Tensor] | None:
    """Add torch's own tensors among the values, and in containers there, to those found before; None: there is none."""
    for each in values:
        kind = type(each)
        if kind is Tensor:
            found = [] if found is None else found
            found.append(each)
        elif kind is tuple or kind is list:
            found = constants_in(each, found)
    return found


def beside(constants: list[Any], rule: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a rule that is given torch's own tensors too: it may keep them, and the model may write into them."""
    call: Any = running()
    before = call.recorded()
    out = rule(*args, **kwargs)
    after = call.recorded()
    for each in constants:
        if type(each) is Tensor:
            check_not_left(each)
            call.constants.append((weakref.ref(each), each._version, before, after))
    return out


def given(value: Any) -> Any:
    """Give a result to the model: what is being differentiated as a ModelTensor, else as one of torch's."""
    if isinstance(value, TensorBase):
        tensor: TensorBase = value
        if tensor.key is None and this_thread().overrides is None:
            return tensor.data
        return stand_in(value, running())
    if isinstance(value, (tuple, list)) and type(value) is not _Size:
        return rebuild(value, [given(each) for each in value])
    return value
