"""The engine's C++, once it knows what it needs of torch: where a tensor lies in its Python object, and what in it.

Places are found by looking at tensors of which the answers are known, torch's functions by their names. Where anything
is not as expected (another platform's names, no C++ compiler at hand when nexnet was installed, the uncompiled engine),
or with ``NEXNET_DIRECT=never`` in the environment, there is none.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from . import cpython

__all__ = ["NATIVE", "OBSTACLE", "READERS"]

_Key, _keys = torch._C.DispatchKey, torch._C.DispatchKeySet

_NEEDED = (
    ("libtorch_python.so", "_Z16THPVariable_WrapON2at10TensorBaseE"),
    ("libtorch_cpu.so", "aoti_torch_delete_tensor_object"),
    ("libtorch_cpu.so", "_ZN2at4_ops19_local_scalar_dense4callERKNS_6TensorE"),
    ("libtorch_cpu.so", "_ZN2at4impl27torch_function_mode_enabledEv"),
    ("libc10.so", "_ZN3c104impl20TorchDispatchModeTLS13any_modes_setEb"),
    ("libtorch_cpu.so", "_ZN2at4_ops1t4callERKNS_6TensorE"),
    ("libc10.so", "_ZN3c104impl23ExcludeDispatchKeyGuardC1ENS_14DispatchKeySetE"),
    ("libc10.so", "_ZN3c104impl23ExcludeDispatchKeyGuardD1Ev"),
)

_DTYPES = (
    torch.float32,
    torch.float64,
    torch.float16,
    torch.bfloat16,
    torch.complex64,
    torch.complex128,
    torch.bool,
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
)


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
        wrapped = _keys(_Key.FuncTorchBatched) | _keys(_Key.FuncTorchGradWrapper)
        keys = [each.raw_repr() for each in (torch._C._dispatch_keys(some), wrapped, _keys(_Key.ADInplaceOrView))]
        native.prepare(Tensor, zero, one, zero._cdata, some, some.numel(), *keys, *found)
    except (LookupError, AttributeError) as error:
        return None, str(error)
    return native, ""


def _readers() -> tuple[int, ...]:
    """Give the addresses of what reads a tensor, for ``attributes``; zeros where a tensor is not as expected."""
    nowhere = (0,) * 7
    if NATIVE is None:
        return nowhere
    some = torch.zeros(97, 127, dtype=torch.float32, device="cpu")
    try:
        found: tuple[int, ...] = NATIVE.readers(torch.Size, some, [(some.to(each), each) for each in _DTYPES])
    except LookupError:
        return nowhere
    return found


#: The compiled module, or None and why there is none.
NATIVE, OBSTACLE = _prepare()
READERS = _readers()
