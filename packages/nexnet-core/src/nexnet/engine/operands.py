"""What forward gets for the arguments of an operator, and what becomes of what it returns."""

from __future__ import annotations

from typing import Any

import numpy
import torch
from torch import Tensor

from .. import _complaints
from .._nested import leaves_of, rebuild
from . import cpython
from .attributes import dtype_of, is_on_cpu
from .key import REALS
from .tape import is_tracked, this_thread
from .tensor import TensorBase, is_wrapped, unwrap, wrap

#: What an operator does that meets a torch tensor which stands for a LiteTensor, as inside of a model of torch's:
#: ``answer(operator, args, kwargs)``.
_answer: Any = None


class MetStandIn(TypeError):  # noqa: N818  it is no error of anybody's
    """An operator was given a torch tensor that stands for a LiteTensor (it has ``__lite__``); with its arguments."""


#: What the user's rules do with containers and modules that hold tensors: ``call(operator, args, kwargs)``.
_call_of_trees: Any = None


def register_trees(call: Any) -> None:
    """Say what an operator does with containers and modules that hold tensors."""
    global _call_of_trees
    _call_of_trees = call


def of_trees(operator: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    """Call an operator that was given such."""
    return _call_of_trees(operator, args, kwargs)


def register_stand_ins(answer: Any) -> None:
    """Say what an operator does that meets one."""
    global _answer
    _answer = answer


def stand_ins(operator: Any, met: MetStandIn, kwargs: Any) -> Any:
    """Call an operator that has met one."""
    return _answer(operator, met.args[0], kwargs or {})


PLAIN = frozenset({float, int, bool, complex, type(None), type(...), str, slice, torch.dtype, torch.device})


def operand(value: Any, rule: str, args: tuple[Any, ...]) -> Any:
    """Give what forward gets for an argument: for a LiteTensor the torch tensor in it."""
    if isinstance(value, TensorBase):
        tensor: TensorBase = value
        return cpython.in_sight(tensor.raw)
    return value if type(value) in PLAIN or _are_plain(value) else constant(value, rule, args)


def _are_plain(value: Any) -> bool:
    """Say whether it is a tuple or list of numbers and the like, as sizes are, at which nobody need look further."""
    if not isinstance(value, (tuple, list)):
        return False
    for each in value:  # noqa: SIM110  all() would make a generator
        if type(each) is not int and type(each) not in PLAIN:
            return False
    return True


def constant(value: Any, rule: str, args: tuple[Any, ...]) -> Any:
    """Take an argument that is no LiteTensor: a constant of the operation."""
    if isinstance(value, Tensor):
        if type(value) is not Tensor and hasattr(value, "__lite__"):
            raise MetStandIn(args)
        if value.requires_grad and torch.is_grad_enabled():
            raise _complaints.requires_grad(rule, value, this_thread().model is not None)
        return value
    if isinstance(value, numpy.ndarray):
        device = next((each.data.device for each in args if isinstance(each, TensorBase)), None)
        return torch.as_tensor(value, device=device)
    if isinstance(value, numpy.generic):
        return value.item()
    if any(isinstance(each, TensorBase) for each in leaves_of(value)):
        raise _complaints.tensor_in_container(rule, value)
    return value


def are_alike_reals(args: tuple[Any, ...]) -> bool:
    """Say whether the tensors among a call's arguments are of real numbers, of one dtype."""
    common = None
    for each in args:
        data = unwrap(each)
        if isinstance(data, Tensor):
            dtype = dtype_of(data)
            if common is None and dtype in REALS:
                common = dtype
            if dtype is not common:
                return False
        elif type(each) not in PLAIN and not _are_plain(each):
            return False
    return True


def holds_tensors(args: tuple[Any, ...]) -> bool:
    """Say whether an argument is a container or module with LiteTensors in it."""
    for each in args:
        if isinstance(each, (TensorBase, Tensor)) or type(each) in PLAIN:
            continue
        for leaf in leaves_of(each):  # any() would make a generator
            if isinstance(leaf, TensorBase):
                return True
    return False


# Torch wraps a Python number anew whenever it meets a tensor, which takes longer than to multiply by it.

_scalars: dict[Any, dict[Any, Any]] = {torch.float32: {}, torch.float64: {}}


def scalar(value: Any, beside: Any) -> Any:
    """Give a number that is met again and again as a tensor of what stands beside it, any other value as it is."""
    if (type(value) is not float and type(value) is not int) or type(beside) is not Tensor:
        return value
    known = _scalars.get(dtype_of(beside))
    if known is None or not is_on_cpu(beside) or not 1e-30 < abs(value) < 1e30:
        return value
    if value not in known:
        if len(known) >= 1000:
            known.clear()
        known[value] = None
        return value
    tensor = known[value]
    if tensor is None:
        tensor = torch.tensor(value, dtype=beside.dtype, device="cpu")
        if type(tensor) is not Tensor or tensor.is_inference() or is_wrapped(tensor):
            return value  # some mode or transform of torch's is on, and would be kept with it
        known[value] = tensor
    return tensor


def wrap_all(out: Any, rule: str) -> Any:
    """Make LiteTensors of forward's outputs: a tensor, or a tuple or list of tensors and Nones."""
    if type(out) is Tensor:
        return wrap(out)
    if isinstance(out, (tuple, list)):
        parts = [wrap(each) if type(each) is Tensor else None if each is None else wrap_all(each, rule) for each in out]
        return tuple(parts) if type(out) is tuple else rebuild(out, parts)
    if isinstance(out, Tensor):
        return wrap(out.detach())
    if isinstance(out, TensorBase) and not is_tracked(out):
        return wrap(out.data)
    raise _complaints.no_output(rule, out, isinstance(out, TensorBase))
