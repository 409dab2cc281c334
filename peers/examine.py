"""One operator or layer of a database, all its samples in all modes: what was compared, and what came up."""

from __future__ import annotations

import random
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

import nexnet
from nexnet.errors import NexnetError

from .known import Finding
from .modes import MODES, Reference
from .problem import Problem, problems

__all__ = ["Examined", "drawn", "examine", "sides_with"]

DTYPES = (torch.float64, torch.complex128)


@dataclass
class Examined:
    """What came of an operator or a layer.

    Attributes:
        samples: how many there were.
        compared: by mode, how often nexnet gave what torch gives.
        without: samples that torch itself does not differentiate.
        findings: what it did not give, each with the problem.
    """

    samples: int = 0
    compared: Counter[str] = field(default_factory=Counter)
    without: int = 0
    findings: list[tuple[Finding, Reference]] = field(default_factory=list)


def examine(name: str, problems: Iterable[Problem], modes: Sequence[str] = tuple(MODES)) -> Examined:
    """Put samples to nexnet."""
    found = Examined()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own remarks: of deprecated functions, layouts, vmap's fallbacks
        for problem in problems:
            found.samples += 1
            try:
                reference = Reference(problem)
            except RuntimeError:  # a complex output, an output without a derivative: torch says so
                found.without += 1
                continue
            if not problem.outs:
                found.without += 1
                continue
            for mode in modes:
                finding = _compare(name, mode, reference)
                if finding is None:
                    found.compared[mode] += 1
                else:
                    found.findings.append((finding, reference))
    return found


def drawn(name: str, record: Any, limit: int | None = None) -> Iterator[Problem]:
    """Give an operator's samples; with a limit, as many of each dtype, drawn by the operator's name."""
    for dtype in DTYPES:
        if dtype in record.supported_dtypes("cpu"):
            found = list(problems(name, record, dtype))
            if limit is not None and limit < len(found):
                found = random.Random(f"{name}, {dtype}").sample(found, limit)
            yield from found


def _compare(name: str, mode: str, reference: Reference) -> Finding | None:
    label = reference.problem.label
    try:
        differences = [each for each in (pair.differ() for pair in MODES[mode](reference)) if each]
    except NexnetError as error:
        return Finding(name, label, mode, "refused", f"{type(error).__name__}: {error}")
    except Exception as error:
        return Finding(name, label, mode, "fails", f"{type(error).__name__}: {error}")
    return Finding(name, label, mode, "differs", "; ".join(differences)) if differences else None


def sides_with(reference: Reference) -> str:
    """Say with whom finite differences of torch's own function side: "nexnet", "torch", "both" or "neither"."""
    problem = reference.problem
    directions = reference.tangents

    def at(s: float) -> float:
        outs = problem.differentiable(*[p + s * d for p, d in zip(problem.points, directions, strict=True)])
        return _dot(outs, reference.cotangents)

    h = 1e-3
    slope = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)
    lite = [nexnet.LiteTensor(each) for each in problem.points]
    mine = nexnet.vjp(problem.differentiable, *lite)[1]([nexnet.LiteTensor(each) for each in reference.cotangents])
    right = {
        "nexnet": _dot([each.data for each in mine], directions),
        "torch": _dot(reference.gradients, directions),
    }
    errors = {who: abs(each - slope) for who, each in right.items()}
    best = min(errors, key=lambda who: errors[who])
    other = max(errors, key=lambda who: errors[who])
    if errors[best] > 1e-5 * max(1.0, abs(slope)):
        return "neither"
    return best if errors[other] > 10 * errors[best] else "both"


def _dot(a: Sequence[Tensor], b: Sequence[Tensor]) -> float:
    return float(sum((x.detach() * y.detach().conj()).sum().real for x, y in zip(a, b, strict=True)))
