"""What one attempt of a fuzzer has come to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Fuzzer", "Outcome", "Tell"]

#: Called with what is about to be done, so that a process that dies of it leaves a note.
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """What one attempt has come to.

    Attributes:
        kind: "fine"; "refused", an error of a sensible class, where that is all that can be asked; "torch is wrong", as
            differences have said; "unclear", an error that names no argument; "finding".
        text: of a finding: what is wrong, and a program that shows it.
        group: of a finding: findings of one group are shown once.
    """

    kind: str
    text: str = ""
    group: str = ""


class Fuzzer(Protocol):
    """Makes attempts, by number: the same one for the same seed."""

    def __init__(self, seed: int) -> None: ...

    def numbers(self, first: int) -> Iterator[int]:
        """Give the numbers of attempts, in order, from this one on."""

    def attempt(self, number: int, tell: Tell) -> Outcome:
        """Make an attempt."""
