"""Calls with arguments that torch's front door would have checked: nothing dies; each result is torch's or an error."""

from __future__ import annotations

from collections.abc import Callable

import optree
from torch import Tensor

import nexnet

from ..cases import Case, Sample
from .calls import differences_agree, differs, modes, senseless, torchs
from .mutations import Mutation, call_text, hostile_values, kernels, right_calls
from .outcome import Outcome, Tell
from .sweep import Sweep

__all__ = ["Processes", "again", "program_of"]


class Processes(Sweep):
    """Every mutation of every operator."""

    def calls(self, name: str, kind: str) -> list[tuple[Sample, Mutation]]:
        """Give an operator's calls: the typical one with every mutation, and those of other layouts as they are."""
        (_, typical), *others = right_calls(name, kind)
        nothing: Mutation = ("nothing", {})
        return [(typical, each) for each in hostile_values(typical)] + [(sample, nothing) for _, sample in others]

    def attempt(self, number: int, tell: Tell) -> Outcome:
        """Make an attempt."""
        case, sample, words = self.at(number)
        refused = False
        for mode, run in modes(case, sample):
            program = program_of(case, sample, mode)
            tell(f"{case.kind}.{case.name}, {words}, {mode}\n{program}")
            result: object
            try:
                result = run()
            except Exception as error:
                result = error
            tell(f"torch's {case.name}\n{program}")
            beside = torchs(case, sample, mode)
            about = f"{case.kind}.{case.name}, {words}, {mode}"
            if isinstance(result, Exception):
                refused = True
                if senseless(result, beside):
                    text = f"{type(result).__name__}: {str(result)[:300]}"
                    return Outcome("finding", f"{about}: {text}\n{program}", f"{case.name} {type(result).__name__}")
                if mode == "forward":
                    break
            elif isinstance(beside, list) and not case.draws:
                wrong = _wrong(case, sample, mode, result, beside)  # type: ignore[arg-type]
                if wrong:
                    return Outcome("finding", f"{about}: {wrong}\n{program}", f"{case.name} differs in {mode}")
        return Outcome("refused" if refused else "fine")


def _wrong(case: Case, sample: Sample, mode: str, got: list[Tensor], beside: list[Tensor]) -> str:
    """Say how values differ from torch's where there are numbers; of a gradient, only if differences say so too."""
    tensors = [each.data for each in optree.tree_leaves(sample.args) if isinstance(each, nexnet.LiteTensor)]
    if any(_beyond(each) for each in tensors):
        return ""
    wrong = differs(got, beside, [each.dtype for each in (*tensors, *beside)])
    return "" if wrong and mode == "gradient" and differences_agree(case, sample, got) else wrong


def _beyond(x: Tensor) -> bool:
    return x.is_floating_point() and x.numel() > 0 and not bool((x.abs() <= 1e30).all())


def again(kind: str, name: str, mode: str, arguments: Callable[[Callable[..., Sample]], Sample]) -> list[Tensor]:
    """Make a call in a mode: what the printed programs do."""
    case = next(each for each in kernels() if (each.kind, each.name) == (kind, name))
    return dict(modes(case, arguments(Sample)))[mode]()


def program_of(case: Case, sample: Sample, mode: str) -> str:
    """Write a program that does the same."""
    return f"""\
import math, torch, nexnet
from nexnet_verify.fuzz.processes import again
again({case.kind!r}, {case.name!r}, {mode!r}, lambda call: {call_text(sample)})"""
