"""The debug form of the engine: with ``NEXNET_CHECK=1`` in the environment every promise is checked at every call.

A rule may promise what the engine then need not look at: that its gradients fit (``gradients_fit``), that it is
``elementwise``, that a call can be made a faster way (the defaults of ``calls``, ``scalars_as_tensors``).
Checked, a promise that is broken is an error that names the rule, and the fast forms that rest on them (kernels called
at once, gradients added in place, products left to the loop) stand aside: the plain path does all the work.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy
import torch
from torch import Tensor

from .. import _complaints
from .tensor import TensorBase, is_wrapped, unwrap


def check_elementwise(rule: str, output: Any, operands: tuple[Any, ...]) -> None:
    """Check what an elementwise rule promises of its output: the shape and dtype that the real operands come to."""
    arrays = (Tensor, TensorBase, numpy.ndarray)
    tensors = [torch.as_tensor(unwrap(each)) for each in operands if isinstance(each, arrays)]
    if any(each.is_complex() for each in tensors) or any(type(each) is complex for each in operands):
        return  # nothing rests on it there
    shape = torch.broadcast_shapes(*[each.shape for each in tensors])
    small = [torch.empty((0,) if each.ndim else (), dtype=each.dtype, device="cpu") for each in tensors]
    wanted = torch.empty(shape, dtype=functools.reduce(torch.add, small).dtype, device="meta")
    if not (isinstance(output, Tensor) and output.shape == wanted.shape and output.dtype == wanted.dtype):
        raise _complaints.broken_promise(rule, "elementwise", "what the operands come to", wanted, output)


def check_equal(rule: str, promise: str, fast: Any, plain: Any) -> None:
    """Check that a faster call gives what the plain one does."""
    same = type(fast) is type(plain)
    if same and isinstance(plain, Tensor):
        same = fast.dtype == plain.dtype and fast.shape == plain.shape
        if same and not (plain.is_meta or is_wrapped(plain)):
            try:
                same = torch.allclose(fast, plain, rtol=1e-5, atol=1e-6, equal_nan=True)
            except RuntimeError:  # inside of torch.vmap's older form, which gradcheck takes, no values can be seen
                return
    if not same:
        raise _complaints.broken_promise(rule, promise, "the plain call's result", plain, fast)
