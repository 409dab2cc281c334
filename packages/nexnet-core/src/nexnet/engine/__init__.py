"""The engine: a tensor's identity, a rule's call, the tape, and the backward loop.

Plain Python, which Cython compiles with the ``.pxd`` file beside each room (the types, and nothing else). Compiled it
is fast; uncompiled it can be stepped through with a debugger, and the same tests run on both forms. It only moves
references and calls rules: its arithmetic is the sum of gradients, and of products among them.

The rooms, what others build on first::

    cpython        what is assumed of CPython: type flags, slots, the garbage collector's books
    key            a tensor's identity on the tapes
    tensor         a LiteTensor's storage, and its key
    promises       the debug form, NEXNET_CHECK=1: every promise of a rule is checked
    direct         torch's functions of tensors, called below its parser of arguments
    products       a gradient that is a product, left to the backward loop
    rule           a rule's call: what it keeps for its backward, and the node that it becomes
    tape           tapes, and which of them are active
    alone          whether a tensor is alone with its memory
    context        who makes them active and who hides them
    noted          what is added to an error: the operator, the shapes, the module
    operands       what forward gets for the arguments, and what becomes of what it returns
    first_example  under vmap, what a call refuses of one example it refuses of all
    spelling       by position, by keyword or left out: an argument comes to the same place, a number as a number
    autocast       what torch's autocast casts, cast where the tapes see it
    recording      how a call becomes a node on the tapes
    batched        a call on one example, as the call on the whole batch
    higher_orders  how what a rule saved is itself differentiated
    call           the operator call: read this first
    by_size        a function that computes large tensors another way
    kernel_call    the call's fast form, for rules that are one kernel
    arithmetic     Python's signs
    fitting        what backward returned, made to fit the arguments
    in_place       the backward loop's fast forms
    backward       the backward loop: read this second
    observed       who looks on is told, and the backward loop one node at a time
    ownership      what is handed out: gradients that are the user's alone
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch

from .._nested import register_nodes
from . import backward as _backward
from .arithmetic import Arithmetic, register_arithmetic
from .autocast import register_rules
from .backward import backward, saved_versions
from .batched import append_batched, identify, key_of_batch
from .by_size import BySize
from .call import OperatorBase
from .context import Only, TapeContext
from .debug import CHECKED
from .direct import direct, directly
from .first_example import try_first, try_first_of
from .kernel_call import SAVES, KernelCall, KernelOperator
from .kernel_or_rule import KernelOrRule
from .key import COMPLEX, DIFFERENTIABLE, Key
from .observed import Observer, Observers, Turn, also, cut_off, looking_on, turns
from .operands import MetStandIn, register_stand_ins, register_trees, scalar, stand_ins
from .ownership import gradients, zeros_like
from .products import multiplied
from .recording import aliases, record_composite
from .rule import Context, Node, make_node, passes_less, passes_on, times_saved, uncollected
from .spelling import number
from .tape import (
    TapeBase,
    check_may_leave,
    evaluate,
    is_recording,
    is_tracked,
    mapping,
    register_anomalies,
    this_thread,
)
from .tensor import TensorBase, is_wrapped, register_tensor_type, unwrap, wrap

__all__ = [
    "CHECKED",
    "COMPILED",
    "COMPLEX",
    "DIFFERENTIABLE",
    "SAVES",
    "Arithmetic",
    "BySize",
    "Context",
    "KernelCall",
    "KernelOperator",
    "KernelOrRule",
    "Key",
    "MetStandIn",
    "Node",
    "Observer",
    "Observers",
    "Only",
    "OperatorBase",
    "TapeBase",
    "TapeContext",
    "TensorBase",
    "Turn",
    "aliases",
    "also",
    "append_batched",
    "backward",
    "check_may_leave",
    "cut_off",
    "direct",
    "directly",
    "evaluate",
    "gradients",
    "identify",
    "is_recording",
    "is_tracked",
    "is_wrapped",
    "kernels_only",
    "key_of_batch",
    "looking_on",
    "make_node",
    "mapping",
    "multiplied",
    "number",
    "passes_less",
    "passes_on",
    "record_composite",
    "register_anomalies",
    "register_arithmetic",
    "register_nodes",
    "register_rules",
    "register_stand_ins",
    "register_tensor_type",
    "register_trees",
    "saved_versions",
    "scalar",
    "stand_ins",
    "this_thread",
    "times_saved",
    "try_first",
    "try_first_of",
    "turns",
    "uncollected",
    "unwrap",
    "wrap",
    "zeros_like",
]

#: Whether this engine is the compiled one.
COMPILED = not str(_backward.__file__).endswith(".py")

#: Torch's kernels without its autograd dispatch; what they make are ordinary tensors, unlike inference_mode's.
_below_autograd: Callable[[], AbstractContextManager[Any]] = torch._C._AutoDispatchBelowAutograd


def kernels_only() -> AbstractContextManager[Any]:
    """Make the context in which a transform runs: torch's kernels without its autograd dispatch.

    Inside of ``torch.no_grad()`` or ``inference_mode()`` a transform differentiates all the same, as torch.func's do;
    to the tapes outside of the block what it gives is a constant.
    """
    return _below_autograd() if torch.is_grad_enabled() else _apart()


@contextmanager
def _apart() -> Iterator[None]:
    with TapeContext.only(()), torch.inference_mode(False), _below_autograd():
        yield
