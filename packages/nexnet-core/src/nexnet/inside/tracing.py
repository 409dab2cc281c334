"""TracedTape: the tape of an evaluation that ``trace`` looks on, and the trace that is read off it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from .._storage import tensors_in
from ..engine import (
    Observers,
    TensorBase,
    also,
    evaluate,
    is_recording,
    looking_on,
    this_thread,
    unwrap,
    wrap,
)
from ..tape import Tape
from .nans import anomalies
from .operation import Operation
from .reading import Leaf, Reader
from .recorder import Recorder
from .trace import Trace

__all__ = ["TracedTape"]


class TracedTape(Trace, Tape):
    """The tape of one evaluation, and what is known of each of its operations."""

    def __init__(self, recorder: Recorder) -> None:
        self._observers = (*anomalies(), recorder)
        Tape.__init__(self, also(this_thread().observers, *self._observers))
        self._recorder = recorder
        self._leaves: list[Leaf] = []
        self._reader: Reader | None = None
        self._outs: list[Any] = []
        recorder.tape = self

    def run(self, inputs: Sequence[Any], fn: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
        """Evaluate a function with the tape active."""
        with looking_on(*self._observers):  # what tapes inside of it do is looked on too
            value = evaluate(self, inputs, fn, args, kwargs)
        return value

    def name(self, names: Sequence[str], tensors: Sequence[Any]) -> None:
        """Say what the inputs are called."""
        self._leaves = [Leaf(name, each) for name, each in zip(names, tensors, strict=True)]

    def returned(self, outs: Sequence[Any]) -> None:
        """Say what the function returned."""
        self._outs = [each.key for each in outs if isinstance(each, TensorBase)]

    def seeds(self, given: Sequence[Any] | None = None) -> dict[Any, Any]:
        """Give the gradients that a backward begins with, by key: ones for each output, or those that are given."""
        grads: dict[Any, Any] = {}
        recorded = is_recording()
        for i, key in enumerate(self._outs):
            if key is not None and self.tracks(key):
                seed = torch.ones(key.shape, dtype=key.dtype, device=key.device) if given is None else unwrap(given[i])
                seed = wrap(seed) if recorded else seed
                grads[key] = grads[key] + seed if key in grads else seed
        return grads

    def run_back(self) -> None:
        """Go back from all outputs, each seeded with ones, and keep what every rule returns."""
        grads = self.seeds()
        observers: Observers = self.observers
        observers.go_back(self, grads, False, is_recording())
        for leaf in self._leaves:
            found = grads.get(leaf.key)
            leaf.gradient = None if found is None else unwrap(found)

    def finish(self) -> None:
        """Take nothing down any more."""
        self._recorder.finish()

    def _held(self) -> Iterator[Tensor]:
        yield from super()._held()
        for each in self.nodes:  # what the rules have saved
            yield from tensors_in(each.saved)

    def inputs(self) -> Sequence[Leaf]:
        """Give the inputs of the traced function."""
        return self._leaves

    def read(self) -> Reader:
        """Read the notes, when somebody first asks."""
        if self._reader is None:
            self._reader = Reader(self._recorder.notes, self._leaves, self._recorder.ends)
        return self._reader

    @property
    def operations(self) -> Sequence[Operation]:  # type: ignore[override]
        """The operations, in order."""
        return self.read().operations

    @property
    def leaves(self) -> Sequence[Operation]:  # type: ignore[override]
        """The inputs of the traced function."""
        return self.read().leaves

    @property
    def ends(self) -> Sequence[Operation]:  # type: ignore[override]
        """The operations of which nothing carries a gradient on."""
        return self.read().ends

    @property
    def outputs(self) -> Sequence[str]:  # type: ignore[override]
        """The label of each tensor that the function returned."""
        return [self.read().name_of(key) for key in self._outs]

    def __len__(self) -> int:
        return len(self.nodes)

    def __repr__(self) -> str:
        return Tape.__repr__(self)
