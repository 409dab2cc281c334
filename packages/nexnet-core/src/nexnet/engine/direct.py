"""Torch's functions of tensors, called at its dispatcher: below the parser of Python's arguments.

Torch finds out at every call which of a function's signatures the arguments are meant for: a fifth of the time that a
product of two small tensors takes. A function that is called directly looks only whether its arguments are plain (torch
tensors, no subclass nor torch.func's, all by position, nobody's mode active) and goes to the same entry of torch's
dispatcher that the parser goes to; autocast, a profiler and another device see no difference. Whatever is not plain,
and whatever ends in an error, goes Python's way from the start. Python's lock is kept while a small kernel runs on the
CPU, and let go for all others.

The entries are found in torch's libraries by their names (see ``native``), and each function is compared with Python's
before it is used. Where anything is not as expected, functions are Python's; ``nexnet.kernels.describe()`` says so. In
the debug form each call is made both ways.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from types import BuiltinFunctionType
from typing import Any

import torch
from torch import Tensor

from . import cpython
from .debug import CHECKED
from .native import NATIVE, OBSTACLE
from .promises import check_equal

__all__ = ["OPAQUE", "describe", "direct", "directly"]

_nn, _aten = torch._C._nn, torch.ops.aten

#: By the form of their arguments (see _forms.h): functions as Python has them, with their names in C++.
FUNCTIONS: dict[str, dict[Any, str]] = {
    "t": {
        each: each.__name__
        for each in (
            torch.abs,
            torch.cos,
            torch.exp,
            torch.log,
            torch.neg,
            torch.sigmoid,
            torch.sin,
            torch.sqrt,
            torch.t,
            torch.tanh,
        )
    },
    "tt": {
        operator.mul: "mul_Tensor",
        torch.mm: "mm",
        _aten.tanh_backward.default: "tanh_backward",
        _aten.sigmoid_backward.default: "sigmoid_backward",
    },
    "tt1": {operator.add: "add_Tensor", operator.sub: "sub_Tensor"},
    "ttt1": {torch.addcmul: "addcmul"},
    "ttt11": {torch.addmm: "addmm"},
    "tt?": {_nn.linear: "linear"},
    "tl": {torch.reshape: "reshape", Tensor.view: "view"},
    "tdi": {torch.transpose: "transpose_int"},
    "ttlmm??w=": {_aten.native_layer_norm_backward.default: "native_layer_norm_backward"},
    "ttn": {_aten.threshold_backward.default: "threshold_backward"},
    "ti": {Tensor.sum: "sum_dim_IntList"},
    "tti": {_nn.mse_loss: "mse_loss"},
    "ttti": {_aten.mse_loss_backward.default: "mse_loss_backward"},
    "tc?ii=": {_aten.nll_loss_forward.default: "nll_loss_forward"},
    "stc?iis": {_aten.nll_loss_backward.default: "nll_loss_backward"},
    "t_": {Tensor.relu_: "relu_"},
    "tt_": {Tensor.mul_: "mul__Tensor"},
    "tt1_": {Tensor.add_: "add__Tensor", Tensor.sub_: "sub__Tensor"},
    "ttt1_": {Tensor.addcmul_: "addcmul_"},
    "ttt11_": {Tensor.addmm_: "addmm_"},
}


#: Functions of Python's that are called directly, too, with their forms: see ``directly``.
DECORATED: dict[Any, str] = {}


def direct(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a function of torch's, called directly where it can be; any other function as it is."""
    return _known.get(function, function)


def directly(form: str, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a function of Python's that is, for plain tensors, the function of torch's of that form and C++ name."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        DECORATED[function] = form
        _known[function] = made = _made(function, form, name)
        return made  # type: ignore[no-any-return]

    return decorate


def describe() -> str:
    """Say whether functions are called directly, or why not."""
    if NATIVE is None:
        return f"Functions of tensors are called Python's way: {OBSTACLE}."
    count = sum(made is not function for function, made in _known.items())
    return f"{count} functions of tensors are called below torch's parser of arguments."


def _made(function: Any, form: str, name: str) -> Any:
    """Give a function in its direct form, if there is one that gives what it gives."""
    if NATIVE is None:
        return function
    mangled = f"_ZN2at4_ops{len(name)}{name}4callE{NATIVE.mangled(form)}"
    address = cpython.symbol("libtorch_cpu.so", mangled)
    made = NATIVE.make(function, form, address) if address else function
    results = []
    for each in (made, function):
        args = examples(form)
        results.append((each(*args), args[0]))
    if not all(map(_are_equal, *results)):
        return function
    return _both_ways(made, function, form) if CHECKED else made


def examples(form: str, dtype: torch.dtype = torch.float64) -> list[Any]:
    """Give arguments for a function of that form."""
    matrix = torch.tensor([[0.5, 0.25], [2.0, 1.5]], dtype=torch.float64, device="cpu").to(dtype)
    classes = torch.tensor([0, 1], device="cpu")
    kinds: dict[str, Any] = {"t": matrix, "T": matrix, "?": matrix[0], "s": matrix[1, 0], "c": classes, "n": 1, "i": 1}
    kinds |= {"m": matrix[:, :1], "d": 0, "l": (4,) if form == "tl" else (2,), "w": (True, True, True)}
    return [kinds[kind].clone() if kind in "tT?scm" else kinds[kind] for kind in form.rstrip("1_=")]


def _are_equal(one: Any, other: Any) -> bool:
    pair = (one, other) if isinstance(other, tuple) else ((one,), (other,))
    return all(torch.equal(*each) for each in zip(*pair, strict=True))


def _both_ways(made: Any, function: Any, form: str) -> Callable[..., Any]:
    """Give the debug form of a direct call, which compares it with Python's."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        again = [args[0].clone(), *args[1:]] if form.endswith("_") else args
        out, theirs = made(*args, **kwargs), function(*again, **kwargs)
        for mine, other in zip(out, theirs, strict=True) if isinstance(theirs, tuple) else [(out, theirs)]:
            check_equal(function.__name__, "direct", mine, other)
        return out

    return call


_known = {
    getattr(each, "_op", each): _made(getattr(each, "_op", each), form, name)  # an overload without Python's call of it
    for form, functions in FUNCTIONS.items()
    for each, name in functions.items()
}

#: The types of torch's own functions: no code of Python's sees what they are given.
OPAQUE = (BuiltinFunctionType, BuiltinFunctionType if NATIVE is None else NATIVE.Direct)
