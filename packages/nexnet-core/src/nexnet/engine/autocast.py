"""torch.autocast around a rule's call: what torch casts is cast where the tapes see it.

Torch's autocast stands above its autograd: it casts the arguments, each cast is differentiated, and the operator sees
one dtype. Here the kernel itself has cast, unseen: its output's dtype says so. The call is then made again, with its
arguments cast by the rule for ``to`` and autocast at rest, so that what is saved, and every promise of the rule, is of
one dtype, and a gradient comes back in its parameter's. A rule of the user's may do several things, each cast in its
own way: it keeps its call, and its backward runs under the autocast that its forward ran under.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .._nested import leaves_of
from .._random_state import RandomState
from .products import multiplied
from .rule import Node, make_node, new_node
from .tensor import HALVES, TensorBase, unwrap

is_on = torch._C._is_any_autocast_enabled
at_rest = torch._C._DisableAutocast


def is_half_on(args: tuple[Any, ...]) -> bool:
    """Say whether autocast is on, and may have to do with these arguments: one is of half precision."""
    return any(isinstance(each, TensorBase) and each.dtype in HALVES for each in args) and bool(is_on())


_targets: dict[Any, Any] = {}  # of calls, by operator and dtypes: what autocast casts the arguments to, or None
_rules: dict[Any, Any] = {}


def register_rules(rules: dict[Any, Any]) -> None:
    """Name the rules by torch's functions: torch itself is asked what its autocast makes of one."""
    global _rules
    _rules = rules


def called_again(operator: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> Any:
    """Make the call again with its arguments cast as autocast casts them; None if it has no part in it."""
    if not operator.policy.__module__.startswith("nexnet."):
        return None
    out = next((each.data.dtype for each in leaves_of(result) if each.data.is_floating_point()), None)
    kind = (operator, out, *[each.dtype if isinstance(each, TensorBase) else type(each) for each in args])
    if kind not in _targets:
        _targets[kind] = _target(operator, args, kwargs, out)
    dtype = _targets[kind]
    if dtype is None:
        return None
    cast = [each.to(dtype) if _is_cast(each, dtype) else each for each in args]
    with at_rest():
        return operator(*cast, **kwargs)


def cast_for(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """Give the arguments of a function of torch's, which nexnet makes of several rules, as autocast casts them."""
    given = [unwrap(each) for each in args]
    random_state = RandomState((*args, *kwargs.values()))
    raises = _dtype_of(lambda: function(*given, **{name: unwrap(each) for name, each in kwargs.items()}))
    random_state.restore()
    if raises is not torch.float32:
        return args
    return tuple([each.to(torch.float32) if _is_cast(each, torch.float32) else each for each in args])


def remembering(node: Node, result: Any) -> Node:
    """Give the node of a user's rule with a backward that runs under the autocast of now."""
    if type(node).__module__.startswith("nexnet."):
        return node
    device = leaves_of(result)[0].device.type
    policy = _under(type(node), device, torch.get_autocast_dtype(device))
    return make_node(policy, node.saved, node.parents, node.links, node.output)


def _target(operator: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Any:
    """Give the dtype to which autocast casts the arguments of a call that gave one of dtype ``out``."""
    random_state = RandomState((*args, *kwargs.values()))
    data = list(map(unwrap, args))
    try:
        if any(_is_cast(each, out) for each in args):
            node: Any = new_node(operator.policy, (None,) * len(args))
            with at_rest():
                alone = _dtype_of(lambda: node.forward(*data, **kwargs))
            return None if alone is out else out
        own = [function for function, rule in _rules.items() if rule is operator]
        found = {_dtype_of(lambda: function(*data, **kwargs)) for function in own}  # noqa: B023
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
