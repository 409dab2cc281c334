"""The state of the random generators, for code that is run a second time on the same numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch

from .errors import ReplayError, message

_DRAWN_ONCE: ContextVar[bool] = ContextVar("drawn_once", default=False)


class RandomState:
    """The generators that a call may draw from, as they were when this was made.

    These are torch's default generators, of the CPU and, once CUDA is used, of every GPU, and generators among the
    arguments.
    """

    def __init__(self, args: Iterable[Any]) -> None:
        generators = [torch.default_generator, *(each for each in args if isinstance(each, torch.Generator))]
        if torch.cuda.is_initialized():  # if not, nothing has been drawn there, and asking would start it
            generators += torch.cuda.default_generators
        self.states = [(generator, generator.get_state()) for generator in generators]

    def keep_drawn(self) -> None:
        """Forget the generators from which nothing was drawn since: a state of torch's takes 5 KB."""
        self.states = [(each, state) for each, state in self.states if not torch.equal(each.get_state(), state)]

    def restore(self) -> None:
        """Set back every generator from which something was drawn."""
        for generator, state in self.states:
            if not torch.equal(generator.get_state(), state):
                generator.set_state(state)

    @contextmanager
    def replayed(self) -> Iterator[None]:
        """Set every generator back for a ``with`` block, and then to where it was before.

        Raises:
            ReplayError: within ``drawn_once``.
        """
        if self.states and _DRAWN_ONCE.get():
            raise ReplayError(
                message(
                    "a step that is recorded can't draw the same random numbers a second time.",
                    remedy="draw outside of what is checkpointed (a mask, say), and pass what was drawn as an argument",
                )
            )
        now = [(generator, generator.get_state()) for generator, _ in self.states]
        self.restore()
        try:
            yield
        finally:
            for generator, state in now:
                generator.set_state(state)


@contextmanager
def drawn_once() -> Iterator[None]:
    """Refuse, for a ``with`` block, to draw any numbers again: a recording of CUDA's can't set a generator back."""
    token = _DRAWN_ONCE.set(True)
    try:
        yield
    finally:
        _DRAWN_ONCE.reset(token)
