"""Torch's functions of tensors, called at its dispatcher: below the parser of Python's arguments.

Torch finds out at every call which of a function's signatures the arguments are meant for: a fifth of the time that a
product of two small tensors takes. A function that is called directly looks only whether its arguments are plain (torch
tensors, no subclass nor torch.func's, all by position, nobody's mode active) and goes to the same entry of torch's
dispatcher that the parser goes to; autocast, a profiler and another device see no difference. Whatever is not plain,
and whatever ends in an error, goes Python's way from the start. Python's lock is kept while a small kernel runs on the
CPU, and let go for all others.

The entries are found in torch's libraries by their names, where a tensor lies in its Python object by looking for it,
and each function is compared with Python's before it is used. Where anything is not as expected (another platform's
names, no C++ compiler at hand when nexnet was installed, the uncompiled engine), or with ``NEXNET_DIRECT=never`` in the
environment, functions are Python's; ``nexnet.kernels.describe()`` says so. In the debug form each call is made both
ways.
"""

from __future__ import annotations

import functools
import operator
import os
from collections.abc import Callable
from importlib import import_module
from types import BuiltinFunctionType
from typing import Any

import torch
from torch import Tensor

from . import cpython
from .promises import CHECKED, check_equal

__all__ = ["OPAQUE", "describe", "direct", "directly"]

_nn, _aten = torch._C._nn, torch.ops.aten
_Key, _keys = torch._C.DispatchKey, torch._C.DispatchKeySet

#: By the form of their arguments (see _direct.cpp): functions as Python has them, with their names in C++.
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
    "ttn": {_aten.threshold_backward.default: "threshold_backward"},
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

_NEEDED = (
    ("libtorch_python.so", "_Z16THPVariable_WrapON2at10TensorBaseE"),
    ("libtorch_cpu.so", "aoti_torch_delete_tensor_object"),
    ("libtorch_cpu.so", "_ZN2at4_ops19_local_scalar_dense4callERKNS_6TensorE"),
    ("libtorch_cpu.so", "_ZN2at4impl27torch_function_mode_enabledEv"),
    ("libc10.so", "_ZN3c104impl20TorchDispatchModeTLS13any_modes_setEb"),
)


def direct(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a function of torch's, called directly where it can be; any other function as it is."""
    return _known.get(function, function)


def directly(form: str, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a function of Python's that is, for plain tensors, the function of torch's of that form and C++ name."""
    return lambda function: _made(function, form, name)


def describe() -> str:
    """Say whether functions are called directly, or why not."""
    if _native is None:
        return f"Functions of tensors are called Python's way: {_obstacle}."
    count = sum(made is not function for function, made in _known.items())
    return f"{count} functions of tensors are called below torch's parser of arguments."


def _made(function: Any, form: str, name: str) -> Any:
    """Give a function in its direct form, if there is one that gives what it gives."""
    if _native is None:
        return function
    mangled = f"_ZN2at4_ops{len(name)}{name}4callE{_native.mangled(form)}"
    address = cpython.symbol("libtorch_cpu.so", mangled)
    made = _native.make(function, form, address) if address else function
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
    kinds: dict[str, Any] = {"t": matrix, "?": matrix[0], "s": matrix[1, 0], "c": classes, "n": 1, "i": 1}
    return [kinds[kind].clone() if kind in "t?sc" else kinds[kind] for kind in form.rstrip("1_=")]


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


def _prepare() -> tuple[Any, str]:
    """Give the compiled module, which knows what it needs of torch; or None, and why there is none."""
    if os.environ.get("NEXNET_DIRECT", "auto") == "never":
        return None, "NEXNET_DIRECT is 'never'"
    try:
        native = import_module("._direct", __package__)
    except ImportError:
        return None, "this is the uncompiled engine, or was installed without a C++ compiler"
    found = [cpython.symbol(*each) for each in _NEEDED]
    if 0 in found:
        return None, "this torch is built another way"
    zero, one = torch.tensor(0, device="cpu"), torch.tensor(1, device="cpu")
    some = torch.empty(97, 127, device="cpu")
    try:
        keys, wrapped = torch._C._dispatch_keys(some), _keys(_Key.FuncTorchBatched) | _keys(_Key.FuncTorchGradWrapper)
        native.prepare(Tensor, zero, one, zero._cdata, some, some.numel(), keys.raw_repr(), wrapped.raw_repr(), *found)
    except (LookupError, AttributeError) as error:
        return None, str(error)
    return native, ""


_native, _obstacle = _prepare()
_known = {
    getattr(each, "_op", each): _made(getattr(each, "_op", each), form, name)  # an overload without Python's call of it
    for form, functions in FUNCTIONS.items()
    for each, name in functions.items()
}

#: The types of torch's own functions: no code of Python's sees what they are given.
OPAQUE = (BuiltinFunctionType, BuiltinFunctionType if _native is None else _native.Direct)
