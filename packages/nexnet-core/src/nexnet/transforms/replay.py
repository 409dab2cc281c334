"""replay: a step recorded once as a CUDA graph, and launched as a whole from then on.

A step of many small operations takes the time in which Python launches its kernels, not the time in which the GPU runs
them. A CUDA graph (``torch.cuda.CUDAGraph``) holds the kernels that ran, in order, with the addresses of their
operands, and launches them all at once. It is no compiler: what is replayed is what ran.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from functools import update_wrapper
from typing import Any

import optree
import torch
from torch import Tensor

from .. import _trees as trees
from ..engine import is_recording, is_wrapped
from ..errors import InputError, NexnetError, ReplayError, message
from ..tensor import LiteTensor
from ._evaluate import check_function, path_to
from ._observed import Observer, observe

__all__ = ["replay"]


def replay(step: Callable[..., Any], *, lend: bool = False, keep: int = 8) -> Replayed:
    """Make a function that does what ``step`` does, on a GPU by replaying what was recorded of it.

    For each kind of call (the structure of the arguments, the shapes, dtypes and devices of their tensors, and
    everything else in them by value) the first call runs the step and looks at it, the second records it, and both it
    and the following ones replay that. What comes out is what the step would give::

        @nexnet.replay
        def step(model, state, x, y):
            loss, grads = nexnet.value_and_grad(loss_fn)(model, x, y)
            model, state = sgd.update_(model, grads, state)
            return loss, model, state

    An argument's values are copied to where the recording reads them. Two kinds of arguments are used where they are,
    without a copy: those that the step writes into (the parameters that ``update_`` steps), and those that came as the
    same tensors in the first two calls. If they come in other memory later, the step is recorded anew.

    Results are the caller's own, copied from where the recording left them; an argument that the step returns is that
    argument. Random numbers of the GPU are those that the step would draw. What Python does beside tensors happens when
    the step runs and when it is recorded, not when it is replayed: what the step closes over is what it was then, and
    tensors among it are read where they were then.

    Tensors that belong to the structure of an argument (a module's buffers) are read where they were: a call with
    others is another kind of call. A step that gives new ones each time is never recorded.

    On the CPU, without a tensor on a GPU among the arguments, and within other transforms, the step is run as it is.
    ``how`` says what happened.

    Args:
        step: a function of pytrees of LiteTensors and torch tensors that returns such. Anything else among the
            arguments must be hashable, and takes part by value.
        lend: whether results are handed out where they are, and not copied: the next call writes over them.
        keep: how many recordings are kept; the one that was not used for longest goes first.

    Raises:
        InputError: no function; no recording to keep; an argument that is on the CPU beside others on a GPU, or that
            can't be hashed.
        ReplayError: the step can't be recorded: it looks at values (``item()``, a branch), copies between the CPU and
            the GPU, writes into memory of the CPU, or draws random numbers on the host.
    """
    check_function(step, 0, "replay")
    if keep < 1:
        raise InputError(message("at least one recording is kept.", argument="keep", got=keep))
    return Replayed(step, lend, keep)


class Replayed:
    """A step as ``replay`` made it.

    Attributes:
        how: how the latest call was run, in words.
    """

    def __init__(self, step: Callable[..., Any], lend: bool, keep: int) -> None:
        self.how = "not called yet"
        self._step, self._lend, self._keep = step, lend, keep
        self._plans: OrderedDict[Any, _Plan] = OrderedDict()
        self._lock = threading.RLock()
        update_wrapper(self, step)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Do what the step does."""
        leaves, structure = trees.flatten((args, kwargs) if kwargs else args)
        tensors = [each.data if type(each) is LiteTensor else each for each in leaves]
        reason = _why_eager(tensors)
        if reason:
            self.how = f"run as it is: {reason}"
            return self._step(*args, **kwargs)
        with self._lock:
            held = trees.held(args)
            key = (structure, tuple([_kind(each) for each in tensors]), tuple(map(id, held)))
            try:
                plan = self._plans.get(key)
            except TypeError:
                raise _unhashable(leaves, structure) from None
            if plan is None:
                return self._observe(key, args, kwargs, leaves, tensors, structure, held)
            self._plans.move_to_end(key)
            return self._replay(plan, leaves, tensors)

    def _observe(
        self,
        key: Any,
        args: Any,
        kwargs: Any,
        leaves: list[Any],
        tensors: list[Any],
        structure: optree.PyTreeSpec,
        held: list[LiteTensor],
    ) -> Any:
        device = _device(tensors, structure)
        given = [each for each in tensors if isinstance(each, Tensor)]
        result, observer = observe(lambda: self._step(*args, **kwargs), given)
        self._plans[key] = plan = _Plan(self._step, structure, bool(kwargs), device, tensors, observer)
        plan.held = held  # kept, as the key names them
        self._drop_oldest()
        self.how = "run as it is, and looked at; the next such call records it"
        return result

    def _replay(self, plan: _Plan, leaves: list[Any], tensors: list[Any]) -> Any:
        recording = plan.recording_for(tensors)
        if recording is None:
            recording = plan.record(leaves, tensors)
            self._drop_oldest()
            self.how = "recorded, and replayed"
        else:
            self.how = "replayed"
        return recording.run(leaves, tensors, self._lend)

    def _drop_oldest(self) -> None:
        while sum(max(1, len(plan.recordings)) for plan in self._plans.values()) > self._keep:
            oldest = next(iter(self._plans.values()))
            if oldest.recordings and (len(oldest.recordings) > 1 or len(self._plans) > 1):
                oldest.recordings.pop(0)
            if not oldest.recordings:
                self._plans.popitem(last=False)

    def __repr__(self) -> str:
        count = sum(len(plan.recordings) for plan in self._plans.values())
        name = getattr(self._step, "__qualname__", repr(self._step))
        return f"<replay of {name}: {count} recording{'s' * (count != 1)}, the latest call was {self.how}>"


class _Plan:
    """How a kind of call is recorded: which arguments are used where they are, and what was recorded so far."""

    def __init__(
        self,
        step: Callable[..., Any],
        structure: optree.PyTreeSpec,
        with_keywords: bool,
        device: torch.device,
        tensors: list[Any],
        observer: Observer,
    ) -> None:
        self.step, self.structure, self.with_keywords, self.device = step, structure, with_keywords, device
        self.closed_over = observer.read  # kept: a recording reads them where they were
        self.on_cpu = [(each, each._version) for each in observer.read if each.device.type == "cpu"]
        places = [i for i, each in enumerate(tensors) if isinstance(each, Tensor)]
        self.written = {i for i in places if tensors[i].untyped_storage()._cdata in observer.written}
        self.first = {i: weakref.ref(tensors[i]) for i in places if i not in self.written}
        self.fixed: set[int] | None = None  # known when a second call has come
        self.recordings: list[_Recording] = []
        self.held: list[LiteTensor] = []

    def recording_for(self, tensors: list[Any]) -> _Recording | None:
        """Give the recording that suits a call's arguments, the latest one first."""
        if any(each._version != version for each, version in self.on_cpu):
            self.on_cpu = [(each, each._version) for each, _ in self.on_cpu]
            self.recordings.clear()  # a value that was on the CPU is part of what was recorded
        for recording in reversed(self.recordings):
            if recording.suits(tensors):
                return recording
        return None

    def record(self, leaves: list[Any], tensors: list[Any]) -> _Recording:
        """Record the step for these arguments."""
        if self.fixed is None:
            self.fixed = self.written | {i for i, first in self.first.items() if first() is tensors[i]}
        elif self.recordings:  # what moved since is copied from now on
            latest = self.recordings[-1]
            moved = {i for i in self.fixed - self.written if not latest.is_at(i, tensors[i])}
            if moved:
                self.fixed -= moved
                self.recordings.clear()
        made = _Recording(self, leaves, tensors, self.fixed)
        self.recordings.append(made)
        return made


class _Recording:
    """One CUDA graph, the memory that it reads and the memory in which it leaves its results."""

    def __init__(self, plan: _Plan, leaves: list[Any], tensors: list[Any], fixed: set[int]) -> None:
        self.device = plan.device
        self.fixed = {i: tensors[i] for i in fixed}
        self.places = {i: (each.data_ptr(), each.stride()) for i, each in self.fixed.items()}
        self.copied = [i for i, each in enumerate(tensors) if isinstance(each, Tensor) and i not in fixed]
        own = list(leaves)
        for i in self.copied:
            buffer = torch.empty_like(tensors[i])
            own[i] = LiteTensor(buffer) if type(leaves[i]) is LiteTensor else buffer
        self.buffers = [own[i].data if type(own[i]) is LiteTensor else own[i] for i in self.copied]
        self._copy_in(tensors)
        arguments = trees.unflatten(plan.structure, own)
        args, kwargs = arguments if plan.with_keywords else (arguments, {})
        self.graph = torch.cuda.CUDAGraph()
        for each in leaves:
            if isinstance(each, torch.Generator) and each.device.type == "cuda":
                self.graph.register_generator_state(each)
        stream = torch.cuda.Stream(self.device)
        self.stream = torch.cuda.current_stream(self.device)
        trouble: Exception | None = None
        try:
            with (
                torch.cuda.device(self.device),
                torch.cuda.graph(self.graph, stream=stream, capture_error_mode="thread_local"),
            ):
                try:
                    result = plan.step(*args, **kwargs)
                except Exception as error:
                    trouble = error
                    raise
        except Exception as error:  # of the step; or of CUDA, which says what it could not record when it is to end
            raise _translated(trouble or error) from None
        outs, self.structure = trees.flatten(result)
        self.closed_over = plan.closed_over
        ours = {id(each): i for i, each in enumerate(own) if isinstance(each, (LiteTensor, Tensor))}
        self.outs = outs
        self.returned = {j: ours[id(each)] for j, each in enumerate(outs) if id(each) in ours}
        tensors_out = {j: _data(each) for j, each in enumerate(outs) if j not in self.returned}
        self.results = {j: each for j, each in tensors_out.items() if isinstance(each, Tensor)}

    def suits(self, tensors: list[Any]) -> bool:
        """Say whether all arguments that are used where they are are still there."""
        for i in self.fixed:  # noqa: SIM110  all() would make a generator
            if not self.is_at(i, tensors[i]):
                return False
        return True

    def is_at(self, i: int, tensor: Tensor) -> bool:
        """Say whether an argument is in the memory that was recorded."""
        place, stride = self.places[i]
        return tensor.data_ptr() == place and (tensor is self.fixed[i] or tensor.stride() == stride)

    def run(self, leaves: list[Any], tensors: list[Any], lend: bool) -> Any:
        """Replay it for these arguments, on the current stream."""
        stream = torch.cuda.current_stream(self.device)
        if stream != self.stream:  # the memory is used by what was started there
            stream.wait_stream(self.stream)
            self.stream = stream
        with torch.cuda.device(self.device):
            self._copy_in(tensors)
            self.graph.replay()
            results = list(self.results.values())
            if results and not lend:
                results = _copies(results)
        outs = list(self.outs)
        for j, result in zip(self.results, results, strict=True):
            outs[j] = LiteTensor(result) if type(outs[j]) is LiteTensor else result
        for j, i in self.returned.items():
            outs[j] = leaves[i]
        return trees.unflatten(self.structure, outs)

    def _copy_in(self, tensors: list[Any]) -> None:
        if self.buffers:
            torch._foreach_copy_(self.buffers, [tensors[i] for i in self.copied])


def _copies(tensors: list[Tensor]) -> list[Tensor]:
    """Copy tensors, in one kernel where their dtype is one."""
    if len(tensors) == 1:
        return [tensors[0].clone()]
    made = [torch.empty_like(each) for each in tensors]
    torch._foreach_copy_(made, tensors)
    return made


def _data(value: Any) -> Any:
    return value.data if isinstance(value, LiteTensor) else value


def _kind(value: Any) -> Any:
    """Give what a recording holds for: a tensor's shape, dtype and device; anything else, and its type."""
    if isinstance(value, Tensor):
        return value.shape, value.dtype, value.device
    return type(value), value


def _why_eager(tensors: list[Any]) -> str:
    """Say why a step can't be recorded where it is called; nothing if it can."""
    on_gpu = False
    for each in tensors:
        if isinstance(each, Tensor):
            if is_wrapped(each):
                return "it is called within a transform of torch's"
            on_gpu = on_gpu or each.is_cuda
    if not on_gpu:
        return "no argument is a tensor on an NVIDIA GPU"
    if is_recording():
        return "it is called within another transform, which looks into it"
    return "it is part of what is recorded already" if torch.cuda.is_current_stream_capturing() else ""


def _device(tensors: list[Any], structure: optree.PyTreeSpec) -> torch.device:
    """Give the one device of the arguments."""
    device = next(each.device for each in tensors if isinstance(each, Tensor) and each.is_cuda)
    for i, each in enumerate(tensors):
        if isinstance(each, Tensor) and each.device != device:
            raise InputError(
                message(
                    "the tensors of a step that is recorded are on one GPU.",
                    argument=path_to(structure, i, "args")(),
                    expected=f"a tensor on {device}",
                    got=f"one on {each.device}",
                    remedy="move it there once, before the step; Adam counts its steps there with capturable=True",
                )
            )
        if isinstance(each, Tensor) and each.requires_grad:
            raise InputError(
                message(
                    "a tensor that requires grad is torch's to differentiate: replayed, it would be cut.",
                    argument=path_to(structure, i, "args")(),
                    remedy="pass x.detach() or nexnet.LiteTensor(x), and differentiate by nexnet.value_and_grad",
                )
            )
    return device


def _unhashable(leaves: list[Any], structure: optree.PyTreeSpec) -> InputError:
    for i, each in enumerate(leaves):
        try:
            hash(each)
        except TypeError:
            return InputError(
                message(
                    "what is no tensor takes part by value, and must be hashable.",
                    argument=path_to(structure, i, "args")(),
                    got=f"{type(each).__name__}",
                    remedy="pass tensors, numbers, strings and the like, or close over it",
                )
            )
    return InputError(message("the structure of the arguments must be hashable.", got=structure))


def _translated(error: Exception) -> Exception:
    """Say what an error of CUDA's while recording means; give one that is the step's own as it is."""
    if not isinstance(error, RuntimeError) or isinstance(error, NexnetError):
        return error
    told = ReplayError(
        message(
            "the step can't be recorded.",
            got=str(error).strip().split("\n")[0],
            remedy="no values of tensors may be waited for, no tensor made of Python's or numpy's numbers on the GPU "
            "(nexnet.full is made there), and no generator drawn from that is not an argument",
        )
    )
    told.__cause__ = error
    return told
