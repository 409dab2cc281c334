"""The state of the random generators, for code that is run a second time on the same numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch


class RandomState:
    """The generators that a call may draw from, as they were when this was made.

    These are torch's default generators, of the CPU and of the arguments' devices, and generators among the arguments.
    """

    def __init__(self, args: Iterable[Any]) -> None:
        args = list(args)
        generators = [torch.default_generator, *(each for each in args if isinstance(each, torch.Generator))]
        devices = {each.data.device for each in args if isinstance(getattr(each, "data", None), torch.Tensor)}
        generators += [torch.cuda.default_generators[device.index] for device in devices if device.type == "cuda"]
        self.states = [(generator, generator.get_state()) for generator in generators]

    def keep_drawn(self) -> None:
        """Forget the generators from which nothing was drawn since: a state of torch's takes 5 KB."""
        self.states = [(each, state) for each, state in self.states if not torch.equal(each.get_state(), state)]

    def restore(self) -> None:
        """Set every generator back."""
        for generator, state in self.states:
            generator.set_state(state)

    @contextmanager
    def replayed(self) -> Iterator[None]:
        """Set every generator back for a ``with`` block, and then to where it was before."""
        now = [(generator, generator.get_state()) for generator, _ in self.states]
        self.restore()
        try:
            yield
        finally:
            for generator, state in now:
                generator.set_state(state)
