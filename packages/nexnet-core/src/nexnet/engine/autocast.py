"""torch.autocast around a rule's call: what torch casts is cast where the tapes see it.

Torch's autocast stands above its autograd: it casts the arguments, each cast is differentiated, and the operator sees
one dtype. Here the kernel itself has cast, unseen: its output's dtype says so. The call is then made again, with its
arguments cast by the rule for ``to`` and autocast at rest, so that what is saved, and every promise of the rule, is of
one dtype, and a gradient comes back in its parameter's. A later call of the same kind is cast before it is made, and
made once. A rule of the user's may do several things, each cast in its own way: it keeps its call, and its backward
runs under the autocast that its forward ran under.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import torch
from torch import Tensor

from .._nested import leaves_of, map_leaves
from .._random_state import RandomState
from .key import HALVES
from .operands import constant
from .products import multiplied
from .rule import Node, make_node, new_node
from .tensor import TensorBase, is_wrapped, unwrap

is_on = torch._C._is_any_autocast_enabled
at_rest = torch._C._DisableAutocast
_torchs_transforms: Callable[[], Any] = torch._C._functorch.get_interpreter_stack  # None outside of torch.func's

_targets: dict[Any, Any] = {}  # of calls, by their kind: what autocast casts the arguments to, or None
_MANY = 1000  # of them, with each number of arguments that was met, are enough to keep
_UNKNOWN = object()
_BY_VALUE = (bool, str, type(None), torch.dtype)  # arguments that may decide what is computed, and in which dtype
_rules: dict[Any, Any] = {}


def register_rules(rules: dict[Any, Any]) -> None:
    """Name the rules by torch's functions: torch itself is asked what its autocast makes of one."""
    global _rules
    _rules = rules


def called_again(operator: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> Any:
    """Make the call again with its arguments cast as autocast casts them; None if it has no part in it."""
    args = _of_tensors(operator, args)
    dtype = _remembered(_kind(operator, args, kwargs), lambda: _target(operator, args, kwargs, result))
    if dtype is None:
        return None
    operator.cast = True
    return _called(operator, args, kwargs, dtype)


def called_as_before(operator: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Make a call whose like autocast has cast, with its arguments cast, once; None if there was no such call."""
    args = _of_tensors(operator, args)
    dtype = _targets.get(_kind(operator, args, kwargs))
    return None if dtype is None else _called(operator, args, kwargs, dtype)


def _called(operator: Any, args: tuple[Any, ...], kwargs: dict[str, Any], dtype: Any) -> Any:
    """Make a call with its arguments cast, which autocast then leaves as it is."""
    with at_rest():
        return operator(*[each.to(dtype) if _is_cast(each, dtype) else each for each in args], **kwargs)


def _of_tensors(operator: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Give the arguments with arrays of numpy's as the tensors that forward gets for them, which can be cast."""
    return tuple([constant(each, operator.name, args) if isinstance(each, numpy.ndarray) else each for each in args])


def _kind(operator: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Give all of a call that decides what autocast makes of it: no sizes, and of numbers nothing but their types."""
    devices: dict[str, Any] = {}
    transforms = _torchs_transforms()
    kinds = [_kind_of(each, devices, transforms) for each in args]
    if kwargs:
        kinds += [(name, _kind_of(each, devices, transforms)) for name, each in kwargs.items()]
    if transforms:
        kinds += [(each.key(), each.level()) for each in transforms]
    return (operator, *kinds, *devices.items())


def _kind_of(value: Any, devices: dict[str, Any], transforms: Any) -> Any:
    if isinstance(value, (TensorBase, Tensor)):
        device = value.device.type
        if device not in devices:
            devices[device] = _halves(device)
        levels = _levels(unwrap(value)) if transforms else None
        return type(value), value.dtype, value.ndim, device, levels
    if isinstance(value, (tuple, list)):
        return tuple([_kind_of(each, devices, transforms) for each in value])
    return value if isinstance(value, _BY_VALUE) else type(value)


def _levels(data: Tensor) -> tuple[int, ...]:
    """Give the vmaps by which a tensor is mapped: these take some functions apart, and autocast sees the parts."""
    found = []
    while is_wrapped(data):
        found.append(torch._C._functorch.maybe_get_level(data))
        data = torch._C._functorch.get_unwrapped(data)
    return tuple(found)


def _halves(device: str) -> Any:
    """Give the half precision that autocast casts to on a device; None where it is off, or there is none."""
    is_known = torch._C._is_autocast_available(device)
    return torch.get_autocast_dtype(device) if is_known and torch.is_autocast_enabled(device) else None


def cast_for(rule: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Give the arguments of a function that is made of several rules as autocast casts those of torch's function."""
    function = next(iter(_functions_of(rule)), None)
    tensors = [each for each in leaves_of((args, kwargs)) if isinstance(each, (TensorBase, Tensor))]
    if function is None or not any(isinstance(each, TensorBase) for each in tensors):
        return args, kwargs
    device = tensors[0].device.type
    halves = _halves(device)
    if halves is None:
        return args, kwargs
    kind = (function, device, halves, kwargs.get("dtype"), *[each.dtype for each in tensors])
    dtype = _remembered(kind, lambda: _target_in_torch(function, args, kwargs, device))
    if dtype is None:
        return args, kwargs

    def cast(value: Any) -> Any:
        return value.to(dtype) if _is_cast(value, dtype) else value

    return map_leaves(args, cast), map_leaves(kwargs, cast)


def _functions_of(rule: Any) -> list[Any]:
    """Give the functions of torch's that a rule answers to, once and for all."""
    found: list[Any] = _remembered(rule, lambda: [each for each, own in _rules.items() if own is rule])
    return found


def _remembered(kind: Any, ask: Callable[[], Any]) -> Any:
    """Give the answer to a question that was asked before."""
    found = _targets.get(kind, _UNKNOWN)
    if found is _UNKNOWN:
        found = ask()
        if len(_targets) >= _MANY:
            _targets.clear()
        _targets[kind] = found
    return found


def _target_in_torch(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], device: str) -> Any:
    """Give the dtype to which torch casts the arguments of a function of its own; None if it casts what is inside."""
    random_state = RandomState((*args, *kwargs.values()))
    found = _dtype_of(lambda: function(*map_leaves(args, unwrap), **map_leaves(kwargs, unwrap)))
    random_state.restore()
    if found in HALVES:
        return found if _is_cast_as_a_whole(function.__name__, f"Autocast{device.upper()}") else None
    return found if found is torch.float32 else None


def _is_cast_as_a_whole(name: str, key: str) -> bool:
    """Say whether torch's autocast knows a function, and not what it is made of alone."""
    schemas = torch._C._jit_get_schemas_for_operator(f"aten::{name}")
    names = [f"aten::{name}.{each.overload_name}".rstrip(".") for each in schemas]
    has, has_for = torch._C._dispatch_has_kernel, torch._C._dispatch_has_kernel_for_dispatch_key
    return any(has(each) and has_for(each, key) for each in names)


def remembering(node: Node, result: Any) -> Node:
    """Give the node of a user's rule with a backward that runs under the autocast of now."""
    device = leaves_of(result)[0].device.type
    halves = _halves(device)
    if halves is None:
        return node
    policy = _under(type(node), device, halves)
    return make_node(policy, node.saved, node.parents, node.links, node.output)


def _target(operator: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> Any:
    """Give the dtype to which autocast has cast the arguments of a call that gave ``result``; None if to none."""
    out = next((each.data.dtype for each in leaves_of(result) if each.data.is_floating_point()), None)
    random_state = RandomState((*args, *kwargs.values()))
    data = list(map(unwrap, args))
    try:
        if any(_is_cast(each, out) for each in args):
            node: Any = new_node(operator.policy, (None,) * len(args))
            with at_rest():
                alone = _dtype_of(lambda: node.forward(*data, **kwargs))
            return None if alone is out else out
        found = {_dtype_of(lambda: function(*data, **kwargs)) for function in _functions_of(operator)}  # noqa: B023
        return torch.float32 if torch.float32 in found and out in HALVES else None
    finally:
        random_state.restore()


def _dtype_of(call: Any) -> Any:
    """Give the dtype of what a call gives; None for an error, as operands of two dtypes often are."""
    try:
        return next((each.dtype for each in leaves_of(call()) if isinstance(each, Tensor)), None)
    except Exception:
        return None


def _is_cast(value: Any, dtype: Any) -> bool:
    if not isinstance(value, (TensorBase, Tensor)):
        return False
    own = value.dtype
    return own is not dtype and (own in HALVES or own is torch.float32) and (dtype in HALVES or own in HALVES)


def _under(policy: Any, device: str, dtype: Any) -> Any:
    """Give a rule's form whose backward runs under autocast."""
    forms = policy.__dict__.get("_autocast")
    if forms is None:
        forms = policy._autocast = {}
    if (device, dtype) not in forms:

        def backward(self: Any, *grads: Any) -> Any:
            with torch.autocast(device, dtype=dtype, cache_enabled=False):
                result = policy.backward(self, *grads)
                if isinstance(result, (tuple, list)):
                    return tuple([multiplied(each) for each in result])
                return multiplied(result)

        own = {"backward": backward, "jvp": policy.jvp, "__module__": policy.__module__}
        forms[device, dtype] = type(policy)(policy.__name__, (policy,), own)
    return forms[device, dtype]
