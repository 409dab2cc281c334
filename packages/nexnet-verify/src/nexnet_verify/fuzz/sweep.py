"""Attempts that are a list: every mutation of every operator, the operators in an order of the seed's."""

from __future__ import annotations

import random
from collections.abc import Iterator

from ..cases import Case, Sample
from .mutations import Mutation, kernels, mutated

__all__ = ["Sweep"]

STRIDE = 10_000  # an attempt's number is the operator's times this, and the mutation's


class Sweep:
    """Numbers attempts by operator and mutation, so that a process can begin anywhere."""

    def __init__(self, seed: int) -> None:
        self.order = kernels()
        random.Random(seed).shuffle(self.order)
        self._planned: tuple[Case, list[tuple[Sample, Mutation]]] | None = None

    def calls(self, name: str, kind: str) -> list[tuple[Sample, Mutation]]:
        """Give an operator's right calls, and what is to become of each."""
        raise NotImplementedError

    def numbers(self, first: int) -> Iterator[int]:
        """Give the numbers of attempts, in order, from this one on."""
        for place in range(first // STRIDE, len(self.order)):
            count = len(self._calls(self.order[place]))
            yield from range(max(first, place * STRIDE), place * STRIDE + count)

    def at(self, number: int) -> tuple[Case, Sample, str]:
        """Give the call of a number: the operator, its arguments, and what is wrong with them."""
        case = self.order[number // STRIDE]
        sample, (words, mutation) = self._calls(case)[number % STRIDE]
        return case, mutated(sample, mutation), words

    def _calls(self, case: Case) -> list[tuple[Sample, Mutation]]:
        if self._planned is None or self._planned[0] is not case:
            self._planned = case, self.calls(case.name, case.kind)
        return self._planned[1]
