"""Which of torch's functions give a view of their first argument, or that argument itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  torch's own name for it

from .._nested import rebuild
from ..engine.tensor import TensorBase
from ..policy import RULES
from ..tensor import LiteTensor
from .computing import beside, by_rule, constants_in
from .tensors import Cut, Stand, View, seen, stand_in, value_of
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


def _is_as_wanted(function: Callable[..., Any], data: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Say whether a function, for which that is known beforehand, gives its very argument."""
    if function is F.dropout:
        p = args[0] if args else kwargs.get("p", 0.5)
        training = args[1] if len(args) > 1 else kwargs.get("training", True)
        return not training and 0 <= p <= 1
    if args or kwargs:
        return False
    return data.is_contiguous() if function is Tensor.contiguous else data.dtype is _DTYPES.get(function)


_DTYPES: dict[Any, torch.dtype] = {
    Tensor.float: torch.float32,
    Tensor.double: torch.float64,
    Tensor.half: torch.float16,
}
_TELLING = frozenset((Tensor.contiguous, F.dropout, *_DTYPES))


def take_view(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], otherwise: Any) -> Any:
    """Answer such a function, whose first argument is a ModelTensor; ``otherwise(result)`` takes what is no view."""
    base = args[0]
    value = value_of(base)
    rest = tuple([seen(each) for each in args[1:]])
    named = {name: seen(each) for name, each in kwargs.items()} if kwargs else kwargs
    if function in _TELLING and _is_as_wanted(function, value.data, rest, named):
        return base
    constants = constants_in(rest) if function is _getitem else None
    if constants:
        out = beside(constants, by_rule, function, (value, *rest), None)
    elif function in RULES and function is not _to:
        out = by_rule(function, (value, *rest), dict(named) if named else None)
    else:  # a method that LiteTensor has itself: ``float`` is ``to``
        out = getattr(LiteTensor, function.__name__)(value, *rest, **named)
    if isinstance(out, TensorBase):
        return _view(base, value, out, function, rest, named, None, otherwise)
    if isinstance(out, str):  # the name that x.type() gives
        return out
    parts = [_view(base, value, each, function, rest, named, i, otherwise) for i, each in enumerate(out)]
    return rebuild(out, parts)


_to = Tensor.to
_getitem = Tensor.__getitem__


def _view(
    base: Any,
    value: Any,
    out: Any,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    pick: Any,
    otherwise: Any,
) -> Any:
    """Make a ModelTensor that is a view of another one, whose value is known; or the other one, or what is no view."""
    cuts = function in CUTS
    if out.data is value.data and not cuts:
        return base
    if function in _MAYBE and not is_alias(out.data, value.data):
        return otherwise(out)
    stand: Stand = base._stand
    known = stand.view
    root = stand if known is None else known.base
    kept = None if known is None else known.kept
    cut = Cut() if cuts else None if known is None else known.cut
    view = View(root, known, function, args, kwargs, pick, root.value, cut, kept)
    return stand_in(out, stand.call, view)
