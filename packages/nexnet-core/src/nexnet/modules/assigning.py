"""What torch's writing functions do inside of a model: a tensor then stands for what the pure function returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  torch's own name for it

from .._nested import leaves_of, map_leaves
from ..engine import TensorBase, unwrap, wrap
from ..errors import InputError, message
from ..ops.shapes.index_updates import IndexedUpdate
from ..ops.shapes.placing import masked_fill
from ..policy import RULES
from .computing import beside, computed, given
from .tensors import ModelTensor, is_constant, seen, stand_in, value_of
from .views import take_view
from .writing import adopt, write

__all__ = ["copied", "in_place", "lite", "pure_of", "write_in_place", "write_result"]


def in_place(name: str) -> bool:
    """Say whether torch's function of this name writes into its first argument."""
    return name in _SIGNS or (name.endswith("_") and not name.endswith("__"))


def write_in_place(function: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Answer ``x.add_(y)``, ``x += y``, ``x[i] = v`` and their like."""
    target = args[0]
    if not isinstance(target, ModelTensor):
        values = tuple([seen(each) for each in args])
        named = {key: seen(each) for key, each in kwargs.items()}
        if is_constant(values) and is_constant(named):
            function(*map_leaves(values, unwrap), **map_leaves(named, unwrap))
            return target
        target = adopt(target, name)
        args = (target, *args[1:])
    if name in _RESHAPES:
        return _reshape_in_place(target, name, args[1:], kwargs)
    if name == "__setitem__" and (part := _part(target, args[1])) is not None:
        return write(part, copied(part, args[2]), name)
    if name in _PURE:
        return write(target, lite(_PURE[name](*args, **kwargs)), name)
    pure = pure_of(name)
    if pure is None:
        raise _cannot_write(name)
    return write(target, lite(computed(pure, args, kwargs)), name)


def write_result(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Answer a function that was told to write into ``out``, or into its argument (``inplace``)."""
    kwargs = dict(kwargs)
    out = kwargs.pop("out", None)
    inplace = kwargs.pop("inplace", False)
    if "inplace" not in kwargs and inplace:
        out = args[0] if args else next(iter(kwargs.values()))
    result = computed(function, args, kwargs)
    targets = out if isinstance(out, (tuple, list)) else (out,)
    for target, each in zip(targets, result if isinstance(result, (tuple, list)) else (result,), strict=False):
        each = lite(each)
        if not isinstance(target, ModelTensor):
            if is_constant(each):
                target.resize_(each.shape).copy_(each.data) if target.numel() == 0 else target.copy_(each.data)
                continue
            if target.shape != each.shape and target.numel() == 0:
                target.resize_(each.shape)
            target = adopt(target, "out=")
        elif target.numel() == 0 and target._stand.view is None:
            target._stand.value = each
            continue
        write(target, each, "out=")
    return out


def pure_of(name: str) -> Callable[..., Any] | None:
    """Give the function that returns what ``name`` writes: for ``add_`` torch's ``add``."""
    name = _SIGNS.get(name, name.rstrip("_"))
    for place in (Tensor, torch, F, torch._C._nn):
        found = getattr(place, name, None)
        if found in RULES:
            return found  # type: ignore[no-any-return]
    return None


_SIGNS = {
    "__iadd__": "add", "__isub__": "sub", "__imul__": "mul", "__itruediv__": "div", "__idiv__": "div",
    "__ipow__": "pow", "__ifloordiv__": "floor_divide", "__imod__": "remainder", "__iand__": "bitwise_and",
    "__ior__": "bitwise_or", "__ixor__": "bitwise_xor", "__ilshift__": "bitwise_left_shift",
    "__irshift__": "bitwise_right_shift", "__setitem__": "",
}  # fmt: skip


def lite(value: Any) -> Any:
    """Give a value that nobody else can write into as a LiteTensor."""
    value = seen(value)
    return wrap(value) if isinstance(value, Tensor) else value


def copied(target: Any, source: Any, non_blocking: bool = False) -> Any:  # noqa: ARG001  a copy is done at once
    """Give what a tensor stands for once another one has been copied into it."""
    source = seen(source)
    if isinstance(source, TensorBase):
        return source
    now = value_of(target).data
    return wrap(torch.as_tensor(source, dtype=now.dtype, device=now.device).detach().clone())


def _fill(target: Any, value: Any) -> Any:
    value = seen(value)
    if isinstance(value, TensorBase):
        return value
    now = value_of(target).data
    return wrap(torch.full_like(now, unwrap(value)))


def _fill_diagonal(target: Any, fill_value: Any, wrap: bool = False) -> Any:
    now = value_of(target)
    diagonal = torch.zeros(now.shape, dtype=torch.bool, device=now.device).fill_diagonal_(True, wrap)
    return masked_fill(now, diagonal, fill_value)


def _part(target: Any, index: Any) -> Any:
    """Give the view that a basic index leads to (of ints, slices, None and ...); None for any other index."""
    items = index if type(index) is tuple else (index,)
    if any(type(each) not in (int, slice, type(None), type(...)) for each in items):
        return None
    part = take_view(Tensor.__getitem__, (target, index), {}, given)
    return part if isinstance(part, ModelTensor) else None


def _set_item(target: Any, index: Any, value: Any) -> Any:
    now = value_of(target)
    value = seen(value)
    if isinstance(value, Tensor):
        value = value.detach()
    index = _index(index)
    return beside(leaves_of(index), IndexedUpdate(now, index).set, value)


def _index(index: Any) -> Any:
    """Give an index with torch's tensors in it, or numbers."""
    return map_leaves(seen(index), unwrap)


def _drawn(name: str) -> Callable[..., Any]:
    def draw(target: Any, *args: Any, **kwargs: Any) -> Any:
        """Draw the elements anew."""
        values = torch.empty_like(value_of(target).data)
        plain = map_leaves(tuple([seen(each) for each in args]), unwrap)
        return wrap(getattr(values, name)(*plain, **map_leaves(kwargs, unwrap)))

    return draw


_PURE: dict[str, Callable[..., Any]] = {
    "copy_": copied,
    "fill_": _fill,
    "zero_": lambda target: _fill(target, 0),
    "fill_diagonal_": _fill_diagonal,
    "__setitem__": _set_item,
    **{
        name: _drawn(name)
        for name in (
            "normal_",
            "uniform_",
            "bernoulli_",
            "random_",
            "exponential_",
            "cauchy_",
            "geometric_",
            "log_normal_",
        )
    },
}


_RESHAPES = {
    f"{name}_": getattr(Tensor, name)
    for name in ("squeeze", "unsqueeze", "transpose", "t", "swapaxes", "swapdims", "as_strided", "detach")
}


def _reshape_in_place(target: Any, name: str, args: Any, kwargs: dict[str, Any]) -> Any:
    """Answer ``x.unsqueeze_(0)``: the tensor becomes a view of what it was, as its other views go on to be."""
    call = target._stand.call
    if name == "detach_" and target._stand.view is None and not target._stand.is_viewed:
        target._stand.value = wrap(value_of(target).data)
        return target
    before = stand_in(value_of(target), call)
    before._stand = target._stand
    target._stand = take_view(_RESHAPES[name], (before, *args), kwargs, given)._stand
    if name == "detach_":
        target._stand.view.cut.in_place = True
    if any(each() is target for each, _ in call.adopted):
        with torch._C.DisableTorchFunctionSubclass():
            getattr(Tensor, name)(target, *args, **kwargs)
    return target


def _cannot_write(name: str) -> InputError:
    pure = name.rstrip("_")
    return InputError(
        message(
            f"torch's {name} writes into a tensor in a way that nexnet does not follow.",
            remedy=f"use what {pure} returns, or x.copy_(...) of it"
            if hasattr(torch, pure)
            else "make another tensor, x = ..., or write the elements with x.copy_(...) or x[i] = ...",
        )
    )
