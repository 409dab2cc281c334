"""debug_nans: the first operation that makes a NaN, or an infinity, out of numbers that have none.

Two look on. A mode of torch's sees each kernel that runs on this thread, within rules and without; an observer sees
what tapes record and each turn of a backward loop, and so which rule a kernel belongs to, and the line of its call.
What a rule computes on its way and does not give out (one branch of a ``where`` of its own, say) is nobody's fault: a
kernel's NaN inside of a rule counts when the rule is done and has given it out.
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import CodeType, FrameType
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from .._nested import leaves_of
from ..engine import (
    Key,
    Node,
    Observer,
    Observers,
    TapeBase,
    Turn,
    also,
    looking_on,
    register_anomalies,
    this_thread,
    unwrap,
)
from ..errors import NonFiniteError, message
from ..modules.path import current_path
from .reading import parameters_of
from .reasons import Case, reason_for, reason_in_backward
from .source import here, is_library, source_of
from .storage import unbatched

__all__ = ["debug_nans"]

#: Kernels whose results are not computed: memory as it comes.
_UNSET = frozenset(
    ["empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "empty_permuted", "resize_", "set_"]
)
#: Kernels that write over their first argument whatever it held.
_FILLS = frozenset({"copy_", "fill_", "zero_", "normal_", "uniform_", "random_", "bernoulli_", "exponential_"})


def debug_nans(*, infinities: bool = False) -> AbstractContextManager[None]:
    """Make a block, or a decorator, in which the first operation that makes a NaN of numbers is an error.

    Forward or backward, at any order, in rules of nexnet's and of users', and in torch's kernels beside them. Each
    result is looked at, so it takes time: it is there to find a fault. ``NEXNET_DEBUG_NANS=1`` in the environment
    does it for the whole process, and ``torch.autograd.detect_anomaly()`` for what is differentiated inside of it.

    Args:
        infinities: whether an infinity, made of finite numbers, is one as well. (A mask is filled with -inf on
            purpose; that is none.)

    Raises:
        NonFiniteError: names the rule, the user's line, the module, the ranges of what went in, the elements, and,
            where it is known, the reason and the remedy.

    Example::

        with nexnet.debug_nans():
            nexnet.grad(lambda x: nexnet.sqrt(x).sum())(nexnet.zeros(2))
    """
    return _debugging(infinities)


@contextmanager
def _debugging(infinities: bool) -> Iterator[None]:
    watch = Watch(infinities)
    with looking_on(watch), watch.kernels():
        yield
        watch.settle()


class _Event:
    """A kernel that made a number which is not finite."""

    def __init__(self, name: str, inputs: list[tuple[str, Tensor]], numbers: list[Any], out: Tensor) -> None:
        self.name, self.inputs, self.numbers, self.out = name, inputs, numbers, out
        self.place: tuple[CodeType, int] | None = None
        self.module = ""


class _Thread(threading.local):
    """What one thread is at."""

    def __init__(self) -> None:
        self.turns: list[tuple[TapeBase, Turn]] = []
        self.event: _Event | None = None  # the first in a rule that is not done
        self.rule: tuple[str, int] | None = None  # that rule
        self.carriers: list[weakref.ref[Tensor]] = []  # the tensors that have it since
        self.watched = False  # whether the mode sees this thread's kernels


class _Line:
    """Where an operation was called, and what it is connected with: for its backward."""

    __slots__ = ("module", "name", "node_output", "parents", "place")

    def __init__(self, node: Node, place: tuple[CodeType, int] | None, module: str) -> None:
        self.name, self.parents, self.node_output = node.name, node.parents, node.outputs
        self.place, self.module = place, module


class Watch(Observer):
    """Looks on for numbers that are not finite."""

    def __init__(self, infinities: bool) -> None:
        self.infinities = infinities
        self._lines: weakref.WeakKeyDictionary[TapeBase, list[_Line]] = weakref.WeakKeyDictionary()
        self._at = _Thread()

    # The observer

    def recorded(self, tape: TapeBase, node: Node, args: tuple[Any, ...], result: Any) -> None:
        """Look at the result of an operation that a tape has recorded."""
        at = self._at
        place, module = self._where(3)
        self._lines.setdefault(tape, []).append(_Line(node, place, module))
        event, at.event, at.carriers = at.event, None, []
        if (event is None and at.watched) or not args:
            return
        for out in _tensors(result):
            inputs = [(name, each) for name, each in zip(parameters_of(type(node)), map(unwrap, args), strict=False)]
            tensors = [(name, each) for name, each in inputs if isinstance(each, Tensor)]
            if self._is_born(out, [each for _, each in tensors]):
                numbers = [each for _, each in inputs if isinstance(each, (int, float))]
                raise self._error(node.name, "forward", place, module, tensors, numbers, out, event, None)

    def forgot(self, tape: TapeBase, length: int) -> None:
        """Forget the lines of what the tape has dropped."""
        if tape in self._lines:
            del self._lines[tape][length:]

    def turned(self, tape: TapeBase, turn: Turn) -> None:
        """Look at what a rule's backward has returned."""
        at = self._at
        if turn.returned is None:
            self.settle()
            at.turns.append((tape, turn))
            return
        at.turns.pop()
        event, at.event, at.carriers = at.event, None, []
        grads = list(_tensors(turn.incoming))
        for grad in turn.returned:
            for out in _tensors(grad):
                if self._is_born(out, grads):
                    raise self._backward_error(tape, turn, out, event)

    def stopped(self, tape: TapeBase) -> None:
        """Forget the turns of a loop that has ended."""
        at = self._at
        while at.turns and at.turns[-1][0] is tape:
            at.turns.pop()
            at.event = None

    # The mode

    @contextmanager
    def kernels(self) -> Iterator[None]:
        """Make a block in which the kernels of this thread are looked at."""
        at = self._at
        with _Kernels(self):
            before, at.watched = at.watched, True
            try:
                yield
            finally:
                at.watched = before

    def saw(self, name: str, inputs: list[tuple[str, Tensor]], numbers: list[Any], outs: list[Tensor]) -> None:
        """Look at what a kernel has done."""
        at = self._at
        rule = ("", 0) if at.turns else rule_at_work(4)
        if at.event is not None and rule != at.rule:
            self.settle()
        for out in outs:
            if at.event is not None:
                if self._is_bad(out).any():
                    at.carriers.append(weakref.ref(out))
            elif self._is_born(out, [each for _, each in inputs], numbers):
                event = _Event(name, inputs, numbers, out)
                event.place, event.module = self._where(4)
                if rule is None:
                    raise self._error(name, "forward", event.place, event.module, inputs, numbers, out, None, None)
                at.event, at.rule, at.carriers = event, rule, [weakref.ref(out)]
                event.out = out.detach().clone() if rule[0] else out

    def settle(self) -> None:
        """See whether a rule that is done has given out what was found in it."""
        at = self._at
        event, rule, at.event = at.event, at.rule, None
        if event is None or rule is None or not rule[0]:
            return
        if any(each() is not None for each in at.carriers):
            raise self._error(
                rule[0], "forward", event.place, event.module, event.inputs, event.numbers, event.out, event, None
            )

    # What is found

    def _where(self, depth: int) -> tuple[tuple[CodeType, int] | None, str]:
        """Give the user's line and the module: within a backward, those of the operation that it belongs to."""
        at = self._at
        if at.turns:
            tape, turn = at.turns[-1]
            lines = self._lines.get(tape, [])
            if turn.index < len(lines):
                return lines[turn.index].place, lines[turn.index].module
        return here(depth), current_path()

    def _is_bad(self, value: Tensor) -> Tensor:
        return ~value.isfinite() if self.infinities else value.isnan()

    def _is_born(self, out: Tensor, inputs: list[Tensor], numbers: Iterable[Any] = ()) -> bool:
        """Say whether what is not finite in a result was not so in what it was made of."""
        if not _is_number(out):
            return False
        out = unbatched(out)
        given = [unbatched(each) for each in inputs if _is_number(each)]
        if bool(out.isnan().any()):
            return not any(bool(each.isnan().any()) for each in given) and not any(each != each for each in numbers)
        if not self.infinities or not bool(out.isinf().any()):
            return False
        scalars = [each for each in numbers if isinstance(each, float)]
        return all(bool(each.isfinite().all()) for each in given) and all(abs(each) < float("inf") for each in scalars)

    def _backward_error(self, tape: TapeBase, turn: Turn, out: Tensor, event: _Event | None) -> NonFiniteError:
        lines = self._lines.get(tape, [])
        line = lines[turn.index] if turn.index < len(lines) else None
        grads = [("gradient", each) for each in _tensors(turn.incoming)]
        saved = [("saved", each) for each in _tensors(turn.node.saved) if _is_number(each)]
        masked = line is not None and _leads_to_choice(lines, turn.index)
        found = reason_in_backward(
            turn.node.name, [unbatched(each) for _, each in grads], [unbatched(each) for _, each in saved], masked
        )
        return self._error(
            turn.node.name, "backward", line.place if line else None, line.module if line else "",
            [*grads, *saved], [], out, event, found,
        )  # fmt: skip

    def _error(
        self,
        rule: str,
        phase: str,
        place: tuple[CodeType, int] | None,
        module: str,
        inputs: list[tuple[str, Tensor]],
        numbers: list[Any],
        out: Tensor,
        event: _Event | None,
        reason: tuple[str, str] | None,
    ) -> NonFiniteError:
        with torch.no_grad():
            out = unbatched(out)
            inputs = [(name, unbatched(each)) for name, each in inputs if _is_number(each)]
            bad = self._is_bad(out)
            if not bool(bad.any()):
                bad = ~out.isfinite()
            if reason is None:
                reason = self._reason(rule, phase, inputs, numbers, out, bad, event)
            indices = tuple(tuple(map(int, each)) for each in bad.nonzero()[:3])
            source = source_of(place)
            what = "a NaN" if bool(out.isnan().any()) else "an infinity"
            inner = f", in its {event.name}" if event is not None and event.name != rule.strip("_") else ""
            text = message(
                f"{rule} made {what} out of numbers that have none.",
                rule=f"{rule} ({phase}{inner})",
                line=f"{source}, in {source.function}: {source.code}" if source else None,
                module=module or None,
                inputs="; ".join(f"{name} {_range(each)}" for name, each in inputs) or None,
                elements=_elements(indices, int(bad.sum()), bad.numel(), inputs, out),
                reason=reason[0] if reason else None,
                remedy=reason[1] if reason else None,
            )
        error = NonFiniteError(text)
        error.rule, error.phase, error.source, error.module = rule, phase, source, module
        error.indices, error.reason = indices, reason[0] if reason else ""
        return error

    def _reason(
        self,
        rule: str,
        phase: str,
        inputs: list[tuple[str, Tensor]],
        numbers: list[Any],
        out: Tensor,
        bad: Tensor,
        event: _Event | None,
    ) -> tuple[str, str] | None:
        if phase == "forward":
            found = reason_for(Case(rule.strip("_"), [each for _, each in inputs], numbers, out, bad))
            if found is not None:
                return found
        if event is None:
            return None
        made = unbatched(event.out)
        inner = self._is_bad(made)
        tensors = [unbatched(each) for _, each in event.inputs]
        return reason_for(Case(event.name.strip("_"), tensors, event.numbers, made, inner))


class _Kernels(TorchDispatchMode):
    """Shows a watch what each of torch's kernels makes."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._watch = watch

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run a kernel, and look at it."""
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name in _UNSET or func.is_view:
            return out
        outs = [each for each in _tensors(out) if _is_number(each)]
        if outs:
            given = args[1:] if name in _FILLS else args
            inputs, numbers = _inputs(func, given, len(args) - len(given))
            self._watch.saw(name.strip("_"), inputs, numbers, outs)
        return out


def _inputs(func: Any, args: Any, skipped: int) -> tuple[list[tuple[str, Tensor]], list[Any]]:
    names = [each.name for each in func._schema.arguments][skipped:]
    tensors = [
        (name, each) for name, arg in zip(names, args, strict=False) for each in _tensors(arg) if _is_number(each)
    ]
    return tensors, [each for each in args if isinstance(each, (int, float))]


def rule_at_work(depth: int) -> tuple[str, int] | None:
    """Name the rule whose forward, in Python, is running on top of the user's code, and say which call it is."""
    frame: FrameType | None = sys._getframe(depth)
    while frame is not None:
        code = frame.f_code
        if code.co_name in ("forward", "backward", "jvp") and code.co_varnames[:1] == ("self",):
            node = frame.f_locals.get("self")
            if isinstance(node, Node):
                return node.name, id(node)
        if not is_library(frame):
            return None
        frame = frame.f_back
    return None


def _leads_to_choice(lines: list[_Line], index: int, steps: int = 4) -> bool:
    """Say whether what an operation made goes, in a few steps, into a ``where`` or a mask."""
    keys: set[Key] = {key for key in lines[index].node_output if key is not None}
    for line in lines[index + 1 :]:
        if steps and not keys.isdisjoint([key for key in line.parents if key is not None]):
            if line.name.strip("_") in ("where", "masked_fill", "masked_select", "nan_to_num", "clamp"):
                return True
            keys |= {key for key in line.node_output if key is not None}
            steps -= 1
    return False


def _tensors(value: Any) -> Iterator[Tensor]:
    for each in leaves_of(value):
        data = unwrap(each)
        if isinstance(data, Tensor):
            yield data


def _is_number(value: Any) -> bool:
    return isinstance(value, Tensor) and (value.is_floating_point() or value.is_complex()) and not value.is_meta


def _range(value: Tensor) -> str:
    kind = f"{list(value.shape)}"
    if not value.numel():
        return f"{kind} (empty)"
    real = value.abs() if value.is_complex() else value
    finite = real[real.isfinite()]
    if not finite.numel():
        return f"{kind} without a finite element"
    rest = value.numel() - finite.numel()
    return f"{kind} from {float(finite.min()):.4g} to {float(finite.max()):.4g}" + (
        f", {rest} not finite" if rest else ""
    )


def _elements(
    indices: tuple[tuple[int, ...], ...], count: int, total: int, inputs: list[tuple[str, Tensor]], out: Tensor
) -> str:
    shown = []
    for index in indices:
        beside = [
            f"{name} {_number(each.expand(out.shape)[index])}"
            for name, each in inputs
            if each.ndim <= out.ndim
            and all(a in (1, b) for a, b in zip(each.shape[::-1], out.shape[::-1], strict=False))
        ]
        made = f"{list(index)}: " if index else ""
        shown.append(f"{made}{', '.join(beside)}{' -> ' if beside else ''}{_number(out[index])}")
    return f"{count} of {total}; " + "; ".join(shown)


def _number(value: Tensor) -> str:
    number = value.item()
    return f"{number:.4g}" if isinstance(number, (float, complex)) else str(number)


# Torch's own switch, and the environment's ----------------------------------------------------------------------------


def _anomalies() -> Observers | None:
    """Give the observers of a tape inside of ``torch.autograd.detect_anomaly()``."""
    if not torch.is_anomaly_check_nan_enabled():
        return None
    return also(this_thread().observers, Watch(False))


register_anomalies(_anomalies)


def debug_process() -> None:
    """Look on for NaNs from now on, on this thread's kernels and on all tapes that it makes."""
    block = _debugging(os.environ.get("NEXNET_DEBUG_NANS") == "infinities")
    block.__enter__()
    _kept.append(block)


_kept: list[Any] = []  # a block that is never left: at its collection it would end
