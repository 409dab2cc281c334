"""The engine: a tensor's identity, a rule's call, the tape, and the backward loop.

Plain Python, which Cython compiles with the ``.pxd`` file beside each room (the types, and nothing else). Compiled it
is fast; uncompiled it can be stepped through with a debugger, and the same tests run on both forms. It only moves
references and calls rules: its arithmetic is the sum of gradients, and of products among them.

The rooms, what others build on first::

    cpython        what is assumed of CPython: type flags, slots, the garbage collector's books
    tensor         a LiteTensor's storage, and its identity on the tapes
    products       a gradient that is a product, left to the backward loop
    rule           a rule's call: what it keeps for its backward, and the node that it becomes
    promises       the debug form, NEXNET_CHECK=1: every promise of a rule is checked
    tape           tapes, and which of them are active
    operands       what forward gets for the arguments, and what becomes of what it returns
    spelling       by position, by keyword or left out: an argument comes to the same place
    recording      how a call becomes a node on the tapes
    higher_orders  how what a rule saved is itself differentiated
    call           the operator call: read this first
    kernel_call    its fast form, for rules that are one kernel
    arithmetic     Python's signs
    fitting        what backward returned, made to fit the arguments
    in_place       the backward loop's fast forms
    backward       the backward loop: read this second
    observed       who looks on is told, and the backward loop one node at a time
    ownership      what is handed out: gradients that are the user's alone
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch

from . import backward as _backward
from .arithmetic import Arithmetic, register_arithmetic
from .backward import backward, saved_versions
from .call import OperatorBase
from .kernel_call import SAVES, KernelCall, KernelOperator
from .observed import Observer, Observers, Turn, also, looking_on, turns
from .operands import scalar
from .ownership import gradients, zeros_like
from .products import multiplied
from .promises import CHECKED
from .recording import aliases, record_composite
from .rule import Context, Node, make_node, passes_on, times_saved, uncollected
from .tape import (
    TapeBase,
    TapeContext,
    check_may_leave,
    evaluate,
    is_recording,
    is_tracked,
    mapping,
    register_anomalies,
    this_thread,
)
from .tensor import COMPLEX, DIFFERENTIABLE, Key, TensorBase, is_wrapped, register_tensor_type, unwrap, wrap

__all__ = [
    "CHECKED",
    "COMPILED",
    "COMPLEX",
    "DIFFERENTIABLE",
    "SAVES",
    "Arithmetic",
    "Context",
    "KernelCall",
    "KernelOperator",
    "Key",
    "Node",
    "Observer",
    "Observers",
    "OperatorBase",
    "TapeBase",
    "TapeContext",
    "TensorBase",
    "Turn",
    "aliases",
    "also",
    "backward",
    "check_may_leave",
    "evaluate",
    "gradients",
    "is_recording",
    "is_tracked",
    "is_wrapped",
    "kernels_only",
    "looking_on",
    "make_node",
    "mapping",
    "multiplied",
    "passes_on",
    "record_composite",
    "register_anomalies",
    "register_arithmetic",
    "register_tensor_type",
    "saved_versions",
    "scalar",
    "this_thread",
    "times_saved",
    "turns",
    "uncollected",
    "unwrap",
    "wrap",
    "zeros_like",
]

#: Whether this engine is the compiled one.
COMPILED = not str(_backward.__file__).endswith(".py")

#: Torch's kernels without its autograd dispatch; what they make are ordinary tensors, unlike inference_mode's.
#: A private name, measured 0.1 us cheaper per call than no_grad, which serves where a torch does not have it.
kernels_only: Callable[[], AbstractContextManager[Any]] = getattr(torch._C, "_AutoDispatchBelowAutograd", torch.no_grad)
