"""Which of torch's functions give a view of their first argument, or that argument itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  torch's own name for it

from .._dispatch import call_rule
from .._nested import rebuild
from ..engine import TensorBase
from ..policy import RULES
from ..tensor import LiteTensor
from .scattering import Step
from .tensors import View, seen, stand_in, value_of
from .writing import is_alias

__all__ = ["CUTS", "VIEWS", "take_view"]


def _functions(names: str) -> frozenset[Callable[..., Any]]:
    """Give torch's functions and methods of these names."""
    places = (torch, Tensor, F, torch.linalg)
    return frozenset(getattr(place, name) for name in names.split() for place in places if hasattr(place, name))


#: Those whose result is always a view.
_ALWAYS = _functions(
    "adjoint alias as_strided broadcast_tensors broadcast_to chunk detach diagonal dsplit expand expand_as hsplit imag "
    "movedim moveaxis narrow permute select split split_with_sizes squeeze swapaxes swapdims t tensor_split transpose "
    "unbind unflatten unsqueeze view view_as view_as_complex view_as_real vsplit unsafe_chunk unsafe_split "
    "unsafe_split_with_sizes"
) | {Tensor.unfold}

#: Those whose result is a view, or the very argument, if that is laid out as they want it.
_MAYBE = _functions(
    "__getitem__ alpha_dropout atleast_1d atleast_2d atleast_3d bfloat16 bool byte cdouble cfloat chalf conj "
    "contiguous cpu cuda double dropout dropout1d dropout2d dropout3d feature_alpha_dropout feature_dropout flatten "
    "float half int long meshgrid positive ravel real reshape reshape_as resolve_conj resolve_neg short sum_to_size to "
    "type type_as"
)

#: Those by which no gradient passes, though the memory is shared.
CUTS = _functions("detach")

VIEWS = _ALWAYS | _MAYBE


def take_view(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], otherwise: Any) -> Any:
    """Answer such a function, whose first argument is a ModelTensor; ``otherwise(result)`` takes what is no view."""
    base = args[0]
    value = value_of(base)
    rest = tuple([seen(each) for each in args[1:]])
    named = {name: seen(each) for name, each in kwargs.items()} if kwargs else kwargs
    if function in RULES and function is not Tensor.to:
        out = call_rule(function, (value, *rest), dict(named))
    else:  # a method that LiteTensor has itself: ``float`` is ``to``
        out = getattr(LiteTensor, function.__name__)(value, *rest, **named)
    if isinstance(out, TensorBase):
        return _view(base, value, out, Step(function, rest, named, None), otherwise)
    parts = [_view(base, value, each, Step(function, rest, named, i), otherwise) for i, each in enumerate(out)]
    return rebuild(out, parts)


def _view(base: Any, value: Any, out: Any, step: Step, otherwise: Any) -> Any:
    """Make a ModelTensor that is a view of another one, whose value is known; or the other one, or what is no view."""
    if out.data is value.data and step.function not in CUTS:
        return base
    if step.function in _MAYBE and not is_alias(out.data, value.data):
        return otherwise(out)
    known = base._view
    root, steps = (base, (step,)) if known is None else (known.base, (*known.steps, step))
    cut = step.function in CUTS or (known is not None and known.detached)
    return stand_in(out, base._call, View(root, steps, root._value, cut))
