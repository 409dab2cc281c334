"""A step that is looked at while it runs: what it writes into, what it reads from elsewhere, what can't be recorded."""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from .._random_state import drawn_once
from ..errors import ReplayError, message

_aten = torch.ops.aten
_OURS = (str(Path(torch.__file__).parent), str(Path(__file__).parents[1]))

#: Operators that wait for values, and how what they compute is written without that. (What torch itself marks so is
#: refused too, without a remedy as good.)
_REMEDIES = {
    "_local_scalar_dense": "keep numbers as tensors (no item(), float(), bool() or print of one); where a branch "
    "hangs on a value, compute both and choose by nexnet.where",
    "equal": "compare by (a == b).all(), and keep that as a tensor",
    "nonzero": "use nexnet.where with a mask: the size of a result must not depend on values",
    "masked_select": "multiply by the mask or use nexnet.where: the size of a result must not depend on values",
    "repeat_interleave": "pass output_size",
}
_MASKED = "use nexnet.where with the mask: an index that is a mask makes a size that depends on values"
_COPIES = "make the tensor on the GPU once, outside of the step, and pass it as an argument"


class Observer(TorchDispatchMode):
    """Sees every operation of torch's in a ``with`` block, and refuses those that can't be replayed.

    Attributes:
        written: the storages that the block has written into and not made.
        read: tensors that it has read and neither made nor been given: what it closes over.
    """

    def __init__(self, given: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.written: set[int] = set()
        self.read: list[Tensor] = []
        self._given = {_storage(each) for each in given}
        self._made: set[int] = set()
        self._seen: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Look at an operation, and run it."""
        kwargs = kwargs or {}
        tensors = list(_tensors((args, tuple(kwargs.values()))))
        self._refuse_values(func, args, tensors)
        self._refuse_transfer(func, tensors)
        for each in tensors:
            self._note(each)
        for each in _written_by(func, args, kwargs):
            self._note_written(func, each)
        out = func(*args, **kwargs)
        for each in _tensors((out,)):
            self._refuse_transfer(func, tensors, each)
            storage = _storage(each)
            if storage not in self._given and storage not in self._seen:
                self._made.add(storage)
        return out

    def _note(self, tensor: Tensor) -> None:
        storage = _storage(tensor)
        if storage not in self._given and storage not in self._made and storage not in self._seen:
            self._seen.add(storage)
            self.read.append(tensor)

    def _note_written(self, func: Any, tensor: Tensor) -> None:
        storage = _storage(tensor)
        if storage in self._made:
            return
        if tensor.device.type == "cpu":
            raise _refusal(func, "a step that is recorded can't write into a tensor on the CPU", _COPIES)
        self.written.add(storage)

    def _refuse_values(self, func: Any, args: Any, tensors: list[Tensor]) -> None:
        if all(each.device.type == "cpu" for each in tensors):
            return  # nothing waits for a GPU, and what is computed of constants is one
        name = func.overloadpacket.__name__
        masks = name in ("index", "index_put", "index_put_", "_index_put_impl_")
        waits = torch.Tag.data_dependent_output in func.tags or torch.Tag.dynamic_output_shape in func.tags
        if masks:
            waits = any(each.dtype in (torch.bool, torch.uint8) for each in _tensors((args[1],)))
        if waits:
            remedy = _MASKED if masks else _REMEDIES.get(name, "keep what depends on values in tensors of fixed sizes")
            raise _refusal(func, "a step that is recorded can't wait for the values of a tensor", remedy)

    def _refuse_transfer(self, func: Any, tensors: list[Tensor], out: Tensor | None = None) -> None:
        """Refuse to copy; a number on the CPU beside tensors on the GPU is passed to the kernel, and so is constant."""
        copies = func.overloadpacket.__name__ in ("copy_", "_to_copy")
        devices = {each.device.type for each in tensors if copies or each.ndim or each.device.type != "cpu"}
        if out is not None and devices:
            devices.add(out.device.type)
        if len(devices) > 1:
            raise _refusal(func, "a step that is recorded can't copy between the CPU and the GPU", _COPIES)


def observe(call: Callable[[], Any], given: Iterable[Tensor]) -> tuple[Any, Observer]:
    """Run a step; give its result, and what was seen.

    Raises:
        ReplayError: it does what can't be recorded: looks at values, copies between CPU and GPU, writes into memory of
            the CPU, or draws random numbers of the host's.
    """
    before = _host_generators()
    with Observer(given) as observer, drawn_once():
        result = call()
    for name, now in _host_generators().items():
        if now != before[name]:
            raise ReplayError(
                message(
                    "the step draws random numbers on the host: replayed, it would use the same ones each time.",
                    got=name,
                    remedy="draw on the GPU (nexnet.randn(..., device='cuda'), nexnet.dropout of a tensor there, a "
                    "torch.Generator of the GPU), or outside of the step, and pass what was drawn as an argument",
                )
            )
    return result, observer


def _host_generators() -> dict[str, Any]:
    of_numpy = numpy.random.get_state(legacy=True)
    return {
        "Python's random": random.getstate(),
        "numpy.random": (of_numpy[1].tobytes(), *of_numpy[2:]),  # type: ignore[index,union-attr]
        "torch's generator of the CPU": torch.default_generator.get_state().numpy().tobytes(),
    }


def _refusal(func: Any, problem: str, remedy: str) -> ReplayError:
    where = _line()
    name = func.overloadpacket.__name__
    return ReplayError(message(f"{problem}.", got=f"{name}, at {where}" if where else name, remedy=remedy))


def _line() -> str:
    """Say on which line of the user's the step is."""
    for frame in reversed(traceback.extract_stack()):
        if not frame.filename.startswith(_OURS) and Path(frame.filename).exists():
            return f"{frame.filename}:{frame.lineno}"
    return ""


def _tensors(values: Iterable[Any]) -> Iterable[Tensor]:
    for each in values:
        if isinstance(each, Tensor):
            yield each
        elif isinstance(each, (tuple, list)):
            yield from _tensors(each)


def _written_by(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterable[Tensor]:
    for i, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            yield from _tensors((args[i] if i < len(args) else kwargs.get(argument.name),))


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
