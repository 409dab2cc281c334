"""Chains of 1,000 to 1,000,000 operators on tensors of shape (64,): the time and the memory of each."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import optree
import torch

import nexnet

from ..child import InChild, report
from ..interleaved import Case
from ..memory import resident_peak

LENGTHS = {1_000: 40, 10_000: 30, 100_000: 7, 1_000_000: 3}  # and how often each is measured


def chain(length: int, x: Any, w: Any) -> Any:
    """Compute a chain that neither grows nor shrinks, however long it is."""
    for _ in range(length // 4):
        x = x * w + w
        x = x * w - w
    return x.sum()


def in_torch(length: int) -> Callable[[], Any]:
    """Make PyTorch's value and gradients."""
    x, w = (each.requires_grad_() for each in data())

    def call() -> Any:
        out = chain(length, x, w)
        return out.detach(), torch.autograd.grad(out, (x, w))

    return call


def in_nexnet(length: int) -> Callable[[], Any]:
    """Make nexnet's."""
    both = nexnet.value_and_grad(partial(chain, length), argnums=(0, 1))
    x, w = (nexnet.LiteTensor(each) for each in data())
    return lambda: both(x, w)


def data() -> tuple[torch.Tensor, torch.Tensor]:
    """Draw x, and a w so near to 1 that nothing overflows."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(64, generator=generator), torch.ones(64)


def weigh(who: str, length: int) -> None:
    """Report the memory that a contender takes, from a process in which nothing else has happened."""
    torch.set_num_threads(1)
    make = {"PyTorch": in_torch, "nexnet": in_nexnet}[who]
    make(100)()  # what a library sets up once is not counted
    peak, results = resident_peak(make(length))
    leaves = optree.tree_leaves(results, namespace="nexnet")
    report([each.tolist() for each in leaves], bytes=peak)


def timed(length: int) -> dict[str, Callable[[], Any]]:
    """Make the contenders that are timed."""
    return {"PyTorch": in_torch(length), "nexnet": in_nexnet(length)}


def weighed(length: int) -> dict[str, Callable[[], Any]]:
    """Make the contenders that are weighed."""
    code = "from benchmarks.suites.tape_growth import weigh; weigh({!r}, {})"
    return {who: InChild(code.format(who, length)) for who in ("PyTorch", "nexnet")}


def cases() -> list[Case]:
    """Give two cases for each length."""
    made = []
    for length, rounds in LENGTHS.items():
        name, long = f"{length:,} operators (64,)", length > 10_000
        weighing = {"rounds": 3, "reads": "bytes", "aims": {"nexnet": 0.6}}
        made.append(Case("time per node", name, partial(timed, length), rounds=rounds, per=length, long=long))
        made.append(Case("memory per node", name, partial(weighed, length), per=length, long=long, **weighing))
    return made
