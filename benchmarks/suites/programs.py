"""Steps of the fourteen programs, as whoever writes them would: PyTorch's in PyTorch, nexnet's in nexnet."""

from functools import partial

from ..interleaved import Case
from ..programs import PROGRAMS, steps


def cases() -> list[Case]:
    """Give a case for each."""
    return [Case("program", each.__name__.rpartition(".")[2], partial(steps, each), rtol=1e-4) for each in PROGRAMS]
