"""Writes into tensors, inside of a model: what is written into stands for another value from then on.

A write into a view is one into what it is a view of; every other view of that follows. A torch tensor into which
something goes that is being differentiated becomes a ModelTensor itself, for the rest of the call, and so do the views
of it that are alive.
"""

from __future__ import annotations

import gc
import weakref
from typing import Any

import torch
from torch import Tensor

from .._complaints import requires_grad
from .._nested import leaves_of
from ..engine import is_wrapped, wrap
from ..errors import InputError, message
from ..ops import expand, to
from ..ops.shapes.arranging import places, shares
from .scattering import Part, in_base, in_memory, laid, overwritten, replaced
from .tensors import Cut, ModelTensor, View, check_not_left, is_constant, new_stand, running, value_of

__all__ = ["adopt", "check_unsaved", "is_alias", "storage_of", "was_saved", "write"]


def write(target: Any, value: Any, function: str) -> Any:
    """Let a ModelTensor stand for a LiteTensor of its shape, whose dtype is made its own; give the ModelTensor."""
    stand = target._stand
    view = stand.view
    now = value_of(target)
    base = stand if view is None else view.base
    held = base.value
    value = _fitted(value, now, function)
    part = Part(() if view is None else view.steps, held.data.stride(), held.dtype)
    _check_memory(part, now.data, held.data, function)
    if base in stand.call.handed:
        raise _shared(function, now.data, "numpy shares")
    recorded = torch.is_grad_enabled()
    cut = None if view is None else view.cut
    if cut is not None and cut.in_place:
        raise _detached_in_place(function)
    if recorded and cut is not None and not is_constant(value):
        cut.written = function
    elif recorded and cut is None and now.key is None and held.key is not None:
        raise _made_without_gradient(function)
    silent = not recorded or cut is not None
    if silent and held.key is not None:
        with torch.enable_grad():
            base.value = replaced(held, wrap(value.data), part)
    elif view is not None:
        base.value = overwritten(held, value, part)
    elif value.data.stride() != part.stride:
        base.value = overwritten(wrap(held.data), value, part)
    else:
        base.value = value
    return target


def _fitted(value: Any, now: Any, function: str) -> Any:
    """Give what is written in the dtype and shape of what it is written into."""
    if value.dtype != now.dtype:
        if function not in _CONVERTING and not torch.can_cast(value.dtype, now.dtype):
            raise InputError(
                message(
                    "the result can't be written into a tensor of this dtype.",
                    rule=function,
                    expected=f"what torch casts to {now.dtype}",
                    got=value.dtype,
                    remedy="convert what is written, or use the function that returns its result",
                )
            )
        value = to(value, now.dtype)
    if value.shape != now.shape:
        try:
            fits = torch.broadcast_shapes(value.shape, now.shape) == now.shape
        except RuntimeError:
            fits = False
        if not fits:
            raise InputError(
                message(
                    "the result does not fit into the tensor that it is written into.",
                    rule=function,
                    expected=f"a shape that broadcasts to {tuple(now.shape)}",
                    got=tuple(value.shape),
                )
            )
        value = expand(value, now.shape)
    return value


def _detached_in_place(function: str) -> InputError:
    return InputError(
        message(
            "a tensor was written into after x.detach_(), while it has views: their gradient would not be torch's.",
            rule=function,
            remedy="x = x.detach().clone()",
        )
    )


def _made_without_gradient(function: str) -> InputError:
    return InputError(
        message(
            "a view that was made under torch.no_grad() was written into outside of it, as torch refuses, too.",
            rule=function,
            remedy="make the view outside of the no_grad() block, or write within it",
        )
    )


_CONVERTING = frozenset({"copy_", "fill_", "__setitem__", "index_put_", "out="})


def _check_memory(written: Part, part: Tensor, whole: Tensor, function: str) -> None:
    """Refuse to write where torch does, and into what shares its memory in a way that nobody can follow."""
    taken = [step.function for step in written.steps]
    if in_memory in taken:
        part = written.of(whole)
    if shares(part.shape, part.stride()) and len(set(places(part.shape, part.stride(), 0).tolist())) < part.numel():
        raise InputError(
            message(
                "a tensor was written into of which several elements are one place in memory.",
                rule=function,
                got=f"a tensor of shape {tuple(part.shape)} and strides {part.stride()}",
                remedy="x.clone(), or x.contiguous(), is one of its own",
            )
        )
    strided = [each in _AS_STRIDED for each in taken]
    if any(strided) and (any(strided[1:]) or whole.storage_offset() or not _is_dense(whole)):
        raise InputError(
            message(
                "as_strided of a view, or of a tensor with gaps in memory, was written into: it may reach what lies "
                "beside that.",
                rule=function,
                remedy="take as_strided of x.clone(), or use narrow, select and the like",
            )
        )


def _is_dense(x: Tensor) -> bool:
    """Say whether a tensor has no gaps in memory, so that a copy of it has the same strides."""
    return laid(x, x.stride(), copied=True).stride() == x.stride()


_AS_STRIDED = (Tensor.as_strided, torch.as_strided)


# Torch's own tensors --------------------------------------------------------------------------------------------------


def adopt(tensor: Tensor, function: str) -> Any:
    """Make a ModelTensor of one of torch's, and of all that share its memory, for the rest of the call."""
    if tensor.requires_grad:
        raise requires_grad(function, tensor)
    call: Any = running()
    check_unsaved(tensor, function)
    check_not_left(tensor)
    base = tensor if tensor._base is None else tensor._base
    known = {id(base): base, id(tensor): tensor}
    if _uses(base) > len(known) and not is_wrapped(base):
        storage = storage_of(base)
        for each in gc.get_objects():
            if issubclass(type(each), Tensor) and type(each) in _ADOPTED and storage_of(each) == storage:
                known[id(each)] = each
    if _uses(base) > len(known) or any(type(each) not in _ADOPTED for each in known.values()):
        raise _shared(function, tensor, f"{_uses(base)} tensors share")
    if not is_wrapped(base) and not base.untyped_storage().resizable():
        raise _shared(function, tensor, "numpy, or another process, shares")
    parts = {number: in_base(each, base) for number, each in known.items() if each is not base}
    if parts and (None in parts.values() or not _is_dense(base)):
        raise _shared(function, tensor, "a tensor of another dtype or extent shares")
    kinds = {number: type(each) for number, each in known.items()}
    roots = {number: id(each if each._base is None else each._base) for number, each in known.items()}
    cuts = {root: Cut() for root in roots.values()} | {id(base): None}
    held = wrap(laid(base.detach(), base.stride(), copied=True))
    home = new_stand(held, call, None)
    for number, each in known.items():
        view = None
        if number in parts:
            view = View(home, None, in_memory, (parts[number],), {}, None, None, cuts[roots[number]], base)
        each.__class__ = ModelTensor
        made: Any = each
        made._stand = home if view is None else new_stand(held, call, view)
        call.adopted.append((weakref.ref(each), kinds[number]))
    call.homes.append(weakref.ref(base))
    return tensor


def _shared(function: str, tensor: Tensor, by: str) -> InputError:
    return InputError(
        message(
            "a value that is being differentiated was written into memory that something else shares, which would "
            "not see it.",
            rule=function,
            got=f"a tensor of shape {tuple(tensor.shape)}, whose memory {by}",
            remedy="write into tensor.clone()",
        )
    )


_ADOPTED = (Tensor, torch.nn.Parameter, torch.nn.Buffer)


def _uses(tensor: Tensor) -> int:
    """Count the tensors on a tensor's memory."""
    return _storage_uses(tensor) - _ALONE + 1


def _storage_uses(tensor: Tensor) -> int:
    return int(torch._C._storage_Use_Count(storage_of(tensor)))  # type: ignore[attr-defined]


def storage_of(tensor: Tensor) -> int:
    """Give the number of a tensor's memory; a tensor of a vmap has that of the tensor of all examples."""
    while torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        tensor = torch._C._functorch.get_unwrapped(tensor)
    try:
        return int(tensor.untyped_storage()._cdata)
    except (NotImplementedError, RuntimeError):  # a tensor that has none, as sparse ones
        return id(tensor)


_ALONE = _storage_uses(torch.zeros(1))


def is_alias(a: Tensor, b: Tensor) -> bool:
    """Say whether two tensors lie in the same memory."""
    return a is b or storage_of(a) == storage_of(b)


def check_unsaved(tensor: Tensor, function: str) -> None:
    """Refuse to write into memory that a rule has kept for its backward since the call began, as torch does."""
    storage = None
    call: Any = running()
    for tape, mark in call.marks:
        for node in tape.nodes[mark:]:
            for each in leaves_of(node.saved):
                if isinstance(each, Tensor):
                    storage = storage_of(tensor) if storage is None else storage
                    if each is tensor or storage_of(each) == storage:
                        raise was_saved(node.name, function)


def was_saved(rule: str, function: str) -> InputError:
    """A tensor is written into that a rule has kept for its backward."""
    return InputError(
        message(
            f"a tensor was written into, by {function}, that a rule needs as it was for its gradient.",
            rule=rule,
            remedy="write into tensor.clone()",
        )
    )
