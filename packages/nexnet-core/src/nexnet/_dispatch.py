"""What stands between torch's functions and nexnet's rules, and what is said where there is no rule."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from . import _complaints
from .engine import TensorBase, autocast, unwrap
from .engine.spelling import own_name
from .errors import InputError, MissingAttributeError, NoGradientRule, message
from .policy import RULES, Operator

# Keywords that torch's functions hand on and that most rules do not have, with the values that change nothing.
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "_stacklevel": (1, 2, 3, 4, 5),
    "dtype": (None,),
    "generator": (None,),
    "inplace": (False,),
    "layout": (None, torch.strided),
    "memory_format": (None, torch.preserve_format, torch.contiguous_format),
    "out": (None,),
    "pin_memory": (None, False),
    "reduce": (None,),
    "requires_grad": (None, False),
    "size_average": (None,),
    "sparse_grad": (False,),
}

_AUTOGRAD = {
    "backward": "nexnet.value_and_grad(fn)(x), or nexnet.vjp, gives gradients as values",
    "grad": "nexnet.value_and_grad(fn)(x) returns the gradient: no tensor carries one",
    "grad_fn": "nexnet.trace(fn)(x) returns the tape, which prints as a table",
    "is_leaf": "what is differentiated is what you pass to nexnet.value_and_grad",
    "register_hook": "a rule of your own (nexnet.custom_grad) sees and changes the gradient",
    "requires_grad": "what is differentiated is what you pass to nexnet.value_and_grad",
    "requires_grad_": "what is differentiated is what you pass to nexnet.value_and_grad",
    "retain_grad": "pass the tensor to nexnet.value_and_grad to have its gradient",
    "detach_": "x = x.detach(), or nexnet.stop_gradient(x)",
}

_OWNERS = (("torch", torch), ("torch.Tensor", Tensor), ("torch.nn.functional", torch.nn.functional))

_OTHERWISE = {
    "Tensor": "nexnet.LiteTensor",
    "enable_grad": "nothing need be enabled: what is differentiated is what you pass to nexnet.value_and_grad",
    "nn": "import nexnet_nn, a distribution of its own",
    "no_grad": "nexnet.no_tape(); outside of a transform nothing is recorded anyway",
    "optim": "import nexnet_nn, which has torch's optimisers",
}


#: Arguments that torch's functions in Python take, and forget to hand on.
FORGOTTEN = {functional.l1_loss: "weight"}


def _forgotten(func: Callable[..., Any], name: str) -> Any:
    """Take from torch's own function, which is running, the value of an argument that it does not hand on."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code is not getattr(func, "__code__", None):
        frame = frame.f_back
    return None if frame is None else frame.f_locals[name]


def call_rule(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> Any:
    """Call the rule for a torch function, without the keywords that are torch's own affair."""
    rule = RULES.get(func)
    if rule is None:
        if not _is_question(func):
            raise no_rule(func)
        return func(*map(unwrap, args), **{name: unwrap(value) for name, value in (kwargs or {}).items()})
    if not isinstance(rule, Operator) and autocast.is_on():
        args, kwargs = autocast.cast_for(rule, args, kwargs or {})
    if func in FORGOTTEN:
        name = FORGOTTEN[func]
        kwargs = {name: _forgotten(func, name)} | (kwargs or {})
    try:
        if not kwargs:
            return rule(*args)
        return rule(*args, **(kwargs if _are_own(rule, tuple(kwargs)) else _own_keywords(func, rule, kwargs)))
    except RecursionError:
        if _calls_itself(func):
            raise _no_place(func) from None
        raise


def _own_keywords(func: Callable[..., Any], rule: Callable[..., Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Give the keywords as the rule calls them, without those that are torch's own affair."""
    known = keywords_of(rule)
    for name in [name for name in kwargs if name in _NEUTRAL and name not in known]:
        if kwargs[name] not in _NEUTRAL[name]:
            raise InputError(
                message(
                    "nexnet is functional: nothing is written into a tensor that exists."
                    if name in ("out", "inplace")
                    else "nexnet's rule does not take this argument.",
                    rule=func.__name__,
                    argument=name,
                    got=kwargs[name] if name != "out" else "a tensor",
                    remedy="use the value that the function returns" if name in ("out", "inplace") else None,
                )
            )
        del kwargs[name]
    return {own_name(name, known): value for name, value in kwargs.items()}


def _calls_itself(func: Callable[..., Any]) -> bool:
    """Say whether the call of this function that has gone too deep was made by nexnet's own answer to it."""
    frame = sys._getframe(1)  # call_rule's
    for _ in range(8):
        if frame.f_back is None:
            return False
        frame = frame.f_back
        if frame.f_code is call_rule.__code__:
            return frame.f_locals["func"] is func
    return False


def _no_place(func: Callable[..., Any]) -> TypeError:
    """Say that a LiteTensor was given where torch's function takes none, so that it asked nexnet again, and again."""
    return TypeError(
        message(
            "one of these arguments can't be a tensor, and a LiteTensor was given for it.",
            rule=func.__name__,
            got="a LiteTensor",
            remedy="x.item(), or x.tolist(), of a constant",
        )
    )


@functools.cache
def _is_question(func: Callable[..., Any]) -> bool:
    """Say whether a function of torch's has no tensor among its results: Python's values have no gradient."""
    schemas = torch._C._jit_get_schemas_for_operator(f"aten::{getattr(func, '__name__', '')}")
    results = [str(each.type) for schema in schemas for each in schema.returns]
    return bool(results) and not any(each.is_mutable for each in schemas) and not any("Tensor" in r for r in results)


@functools.cache
def _are_own(rule: Callable[..., Any], names: tuple[str, ...]) -> bool:
    """Say whether a rule has keywords of these names: then they are given as they are."""
    return keywords_of(rule).issuperset(names)


@functools.cache
def keywords_of(rule: Callable[..., Any]) -> frozenset[str]:
    """Give the names by which a rule's arguments can be given."""
    return frozenset(inspect.signature(rule).parameters)


# The methods behind the signs that numpy's arrays know by these names.
_SIGNS = {
    "add": ("__add__", "__radd__"),
    "bitwise_and": ("__and__", "__rand__"),
    "bitwise_or": ("__or__", "__ror__"),
    "bitwise_xor": ("__xor__", "__rxor__"),
    "divide": ("__truediv__", "__rtruediv__"),
    "equal": ("__eq__", "__eq__"),
    "floor_divide": ("__floordiv__", "__rfloordiv__"),
    "greater": ("__gt__", "__lt__"),
    "greater_equal": ("__ge__", "__le__"),
    "less": ("__lt__", "__gt__"),
    "less_equal": ("__le__", "__ge__"),
    "matmul": ("__matmul__", "__rmatmul__"),
    "multiply": ("__mul__", "__rmul__"),
    "not_equal": ("__ne__", "__ne__"),
    "power": ("__pow__", "__rpow__"),
    "remainder": ("__mod__", "__rmod__"),
    "subtract": ("__sub__", "__rsub__"),
}


def call_sign(ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Answer a function of numpy's that meets a LiteTensor: a sign between an array and it, or an error."""
    name = ufunc.__name__
    if name in _SIGNS and method == "__call__" and not kwargs:
        straight, reflected = _SIGNS[name]
        left, right = inputs
        found = getattr(left, straight, None) if isinstance(left, TensorBase) else None
        return found(right) if found is not None else getattr(right, reflected)(left)
    known = method == "__call__" and "out" not in kwargs and getattr(torch, name, None) in RULES
    raise InputError(
        message(
            f"numpy's {name if method == '__call__' else f'{name}.{method}'} was called on a LiteTensor.",
            remedy=(f"nexnet.{name}" if known else "nexnet's function for it") + "; or x.numpy(), which leaves nexnet",
        )
    )


def no_rule(func: Callable[..., Any]) -> Exception:
    """Make the error for a function of torch's that has no rule."""
    name = getattr(func, "__name__", repr(func))
    if name == "__setitem__":
        return InputError(
            message(
                "item assignment with a LiteTensor would write into a torch tensor, and nexnet is functional.",
                remedy="x.at[i].set(v), with x = nexnet.LiteTensor(tensor)",
            )
        )
    if name.endswith("_") and not name.endswith("__"):
        return InputError(
            message(
                f"torch's {name} writes into a tensor, and nexnet is functional.",
                remedy=_complaints.remedy_or_call(f"use what {name.rstrip('_')} returns"),
            )
        )
    if getattr(func, "__module__", "").startswith("torch.autograd") and name in _AUTOGRAD:
        return NoGradientRule(
            message(f"torch's {name} follows torch's graph, and a LiteTensor is in none.", remedy=_AUTOGRAD[name])
        )
    if getattr(func, "namespace", "") == "prims":  # of torch's kernels for tensors without elements
        return NoGradientRule(
            message(
                "inside of a model torch's own transforms do not know what a tensor stands for.",
                got=f"torch's {name}, in torch.func.vmap, torch.func.grad, or what else works below torch's functions",
                remedy="nexnet.vmap, nexnet.grad and the others of nexnet's in their place",
            )
        )
    return NoGradientRule(
        message(
            f"nexnet has no gradient rule for torch's {name}.",
            remedy="define one:\n"
            f"      @nexnet.implements({_path(func)})\n"
            "      @nexnet.function\n"
            f"      class {name.replace('.', '_')}(nexnet.Policy):\n"
            "          def forward(self, x): ...  # self.ctx.save(x), and return a torch tensor\n"
            "          def backward(self, grad): ...  # (x,) = self.ctx.release, and return the gradient for x\n"
            "    or, for a constant, call it on x.detach().data",
        )
    )


def _path(func: Callable[..., Any]) -> str:
    """Say how one writes a function of torch's in Python."""
    if isinstance(func, (torch._ops.OpOverload, torch._ops.OpOverloadPacket)):
        return f"torch.ops.{func}"
    name = getattr(func, "__name__", repr(func))
    known = None if name.startswith("_") else torch.overrides.resolve_name(func)
    return known or next((f"{place}.{name}" for place, owner in _OWNERS if getattr(owner, name, None) is func), name)


def missing_function(name: str) -> AttributeError:
    """Make the error for what ``nexnet`` does not have, and torch has."""
    remedy = _OTHERWISE.get(name)
    if remedy is None and not name.startswith("_") and callable(getattr(torch, name, None)):
        remedy = (
            f"write a rule for torch.{name} with nexnet.Policy and nexnet.implements, or, for a constant, call it on "
            "x.data; python -m nexnet.ops lists what there is"
        )
    text = f"module 'nexnet' has no attribute {name!r}"
    return MissingAttributeError(message(text, remedy=remedy)) if remedy else AttributeError(text)


def missing_attribute(name: str) -> AttributeError:
    """Make the error for an attribute that a LiteTensor does not have."""
    if name in _AUTOGRAD:
        return MissingAttributeError(
            message(f"a LiteTensor has no {name}: it knows nothing about gradients.", remedy=_AUTOGRAD[name])
        )
    if name.startswith("_") or not hasattr(Tensor, name):
        return AttributeError(f"'LiteTensor' object has no attribute {name!r}")
    if name.endswith("_"):
        pure = name.rstrip("_")
        known = getattr(Tensor, pure, None) in RULES
        return MissingAttributeError(
            message(
                f"a LiteTensor has no {name}: it would write into its storage, and nexnet is functional.",
                remedy=_complaints.remedy_or_call(
                    f"x = x.{pure}(...)" if known else "make a new one: nexnet.zeros_like(x), x.at[i].set(v), ..."
                ),
            )
        )
    return MissingAttributeError(
        message(
            f"nexnet has no rule for torch.Tensor.{name}.",
            remedy=f"write one with nexnet.Policy and nexnet.implements(torch.Tensor.{name}), "
            f"or, for a constant, use x.detach().data.{name}",
        )
    )
