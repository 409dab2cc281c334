"""What torch's functions do with a ModelTensor: nexnet's rule, a view, a write, or torch's own where nothing varies."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  torch's own name for it

from .._dispatch import call_rule
from .._nested import leaves_of, map_leaves, rebuild
from .._resuming import has_overrides, is_overridden
from ..engine import DIFFERENTIABLE, TensorBase, register_stand_ins, unwrap, wrap
from ..engine.noted import note
from ..errors import InputError, message
from ..ops import batch_norm_with_statistics, instance_norm
from ..ops.shapes.indexing import IndexedUpdate
from ..policy import RULES
from ..tensor import LiteTensor
from .tensors import ModelTensor, is_constant, may_vary, running, seen, stand_in, value_of
from .views import VIEWS, take_view
from .writing import adopt, write

__all__ = ["answer"]


def answer(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Answer a torch function, one of whose arguments is a ModelTensor."""
    kind = _KINDS.get(function)
    if kind is None:
        kind = _KINDS[function] = _kind(function)
    try:
        if kwargs and (kwargs.get("out") is not None or kwargs.get("inplace")):
            return _write_result(function, args, kwargs)
        if is_overridden(function):
            return given(_computed(function, args, kwargs))
        if kind is _VIEW and isinstance(args[0], ModelTensor):
            return take_view(function, args, kwargs, given)
        if kind is _WRITE:
            return _write_in_place(function, function.__name__, args, kwargs)
        if kind is _OWN:
            return OWN[function](*args, **kwargs)
        return given(_computed(function, args, kwargs))
    except Exception as error:
        note(error, getattr(function, "__name__", "a function"), args, kwargs)
        raise


_OWN, _VIEW, _WRITE, _OTHER = "own", "view", "write", "other"
_KINDS: dict[Callable[..., Any], str] = {}


def _kind(function: Callable[..., Any]) -> str:
    """Say which answer a function of torch's has."""
    name = getattr(function, "__name__", "")
    if function in OWN:
        return _OWN
    if function in VIEWS:
        return _VIEW
    return _WRITE if name in _SIGNS or (name.endswith("_") and not name.endswith("__")) else _OTHER


def _computed(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Give the result of a function that writes nothing, of LiteTensors, or of torch's tensors where nothing varies."""
    values = tuple([seen(each) for each in args])
    named = {name: seen(each) for name, each in kwargs.items()} if kwargs else kwargs
    if not (may_vary(values) or (kwargs and may_vary(named.values()))) and not has_overrides():
        return function(*map_leaves(values, unwrap), **map_leaves(named, unwrap))
    if function in RULES:
        constants = [each for each in values if type(each) is Tensor]
        if not constants:
            return call_rule(function, values, named)
        call: Any = running()
        before = call.recorded()
        out = call_rule(function, values, named)
        call.constants += [(weakref.ref(each), each._version, before, call.recorded()) for each in constants]
        return out
    if is_constant(values) and is_constant(named):
        return function(*map_leaves(values, unwrap), **map_leaves(named, unwrap))
    method = getattr(LiteTensor, getattr(function, "__name__", ""), None)
    if method is not None and isinstance(values[0], TensorBase):
        return method(*values, **named)
    out = function(*map_leaves(values, unwrap), **map_leaves(named, unwrap))
    if any(isinstance(each, Tensor) and each.dtype in DIFFERENTIABLE for each in leaves_of(out)):
        return call_rule(function, values, named)  # which says that there is none
    return out


def given(value: Any) -> Any:
    """Give a result to the model: what is being differentiated as a ModelTensor, else as one of torch's."""
    if isinstance(value, TensorBase):
        return value.data if value.key is None and not has_overrides() else stand_in(value, running())
    if isinstance(value, (tuple, list)) and type(value) is not torch.Size:
        return rebuild(value, [given(each) for each in value])
    return value


# Writes ---------------------------------------------------------------------------------------------------------------


def _write_in_place(function: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
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
        return _reshape_in_place(target, _RESHAPES[name], args[1:], kwargs)
    if name == "__setitem__" and (part := _part(target, args[1])) is not None:
        return write(part, _copy(part, args[2]), name)
    if name in _PURE:
        return write(target, _lite(_PURE[name](*args, **kwargs)), name)
    pure = _pure(name)
    if pure is None:
        raise _cannot_write(name)
    return write(target, _lite(_computed(pure, args, kwargs)), name)


def _write_result(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Answer a function that was told to write into ``out``, or into its argument (``inplace``)."""
    kwargs = dict(kwargs)
    out = kwargs.pop("out", None)
    inplace = kwargs.pop("inplace", False)
    if "inplace" not in kwargs and inplace:
        out = args[0] if args else next(iter(kwargs.values()))
    result = _computed(function, args, kwargs)
    targets = out if isinstance(out, (tuple, list)) else (out,)
    for target, each in zip(targets, result if isinstance(result, (tuple, list)) else (result,), strict=False):
        each = _lite(each)
        if not isinstance(target, ModelTensor):
            if is_constant(each):
                target.resize_(each.shape).copy_(each.data) if target.numel() == 0 else target.copy_(each.data)
                continue
            if target.shape != each.shape and target.numel() == 0:
                target.resize_(each.shape)
            target = adopt(target, "out=")
        elif target.numel() == 0 and target._view is None:
            target._value = each
            continue
        write(target, each, "out=")
    return out


def _pure(name: str) -> Callable[..., Any] | None:
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


def _lite(value: Any) -> Any:
    """Give a value that nobody else can write into as a LiteTensor."""
    value = seen(value)
    return wrap(value) if isinstance(value, Tensor) else value


def _copy(target: Any, source: Any, non_blocking: bool = False) -> Any:  # noqa: ARG001  a copy is done at once
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
    return IndexedUpdate(now, _index(index)).set(value)


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
    "copy_": _copy,
    "fill_": _fill,
    "zero_": lambda target: _fill(target, 0),
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


_RESHAPES = {f"{name}_": getattr(Tensor, name) for name in ("squeeze", "unsqueeze", "transpose", "t", "swapaxes")}


def _reshape_in_place(target: Any, function: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
    """Answer ``x.unsqueeze_(0)``: the tensor becomes a view of what it was."""
    if target._view is None:
        if target._is_viewed:
            raise _cannot_write(f"{function.__name__}_")
        hidden = stand_in(value_of(target), target._call)
    else:
        hidden = target
    view = take_view(function, (hidden, *args), kwargs, given)
    target._value, target._view = value_of(view), view._view
    return target


def _cannot_write(name: str) -> InputError:
    return InputError(
        message(
            f"torch's {name} writes into a tensor in a way that nexnet does not follow.",
            remedy=f"use what {name.rstrip('_')} returns, or x.copy_(...) of it",
        )
    )


# What has an answer of its own ----------------------------------------------------------------------------------------


def _batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Answer batch_norm: running statistics that stand for LiteTensors are written into, as torch's are."""
    args = (input, running_mean, running_var, weight, bias, training, momentum, eps)
    if not training or not (isinstance(running_mean, ModelTensor) or isinstance(running_var, ModelTensor)):
        return given(_computed(F.batch_norm, args, {}))
    values = [seen(each) for each in args]
    input, mean, var = [_lite(each) for each in values[:3]]
    out, mean, var = batch_norm_with_statistics(input, mean, var, *values[3:5], *values[6:])
    _keep((running_mean, mean.data), (running_var, var.data))
    return given(out)


def _instance_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Answer instance_norm, as batch_norm: it updates copies of the running statistics."""
    args = (input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)
    if not use_input_stats or not isinstance(running_mean, ModelTensor):
        return given(_computed(F.instance_norm, args, {}))
    values = [seen(each) for each in args]
    mean, var = [_lite(each).data.clone() for each in values[1:3]]
    out = instance_norm(_lite(values[0]), mean, var, *values[3:])
    _keep((running_mean, mean), (running_var, var))
    return given(out)


def _keep(*statistics: tuple[Tensor, Tensor]) -> None:
    with torch.no_grad():
        for target, value in statistics:
            if isinstance(target, ModelTensor):
                write(target, wrap(value), "batch_norm")
            else:
                target.copy_(value)


def _embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    """Answer embedding: with ``max_norm`` the rows that it takes are first made that short, in the weight itself."""
    if max_norm is not None and isinstance(weight, ModelTensor):
        rows = unwrap(seen(input)).contiguous()
        with torch.no_grad():
            shorter = torch.embedding_renorm_(value_of(weight).data.clone(), rows, max_norm, norm_type)
            write(weight, wrap(shorter), "embedding")
        max_norm = None
    args = (input, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
    return given(_computed(F.embedding, args, {}))


def _as_it_is(self: Any, requires_grad: bool = True) -> Any:  # noqa: ARG001  torch's argument
    return self


def _detach_in_place(self: Any) -> Any:
    self._value = wrap(value_of(self).data)
    return self


def _set_data(self: Any, value: Any) -> None:
    with torch.no_grad():
        write(self, _copy(self, value), "copy_")


def _operator(operator: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call an operator of nexnet's, or a user's, that has met a ModelTensor."""
    return given(operator(*[seen(each) for each in args], **{name: seen(each) for name, each in kwargs.items()}))


register_stand_ins(_operator)

OWN: dict[Any, Callable[..., Any]] = {
    F.batch_norm: _batch_norm,
    F.embedding: _embedding,
    F.instance_norm: _instance_norm,
    Tensor.detach_: _detach_in_place,
    Tensor.requires_grad_: _as_it_is,
    Tensor.data.__set__: _set_data,  # type: ignore[attr-defined]
    Tensor.share_memory_: _as_it_is,
}
