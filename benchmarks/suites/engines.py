"""What compiling the engine brings: the same work on the compiled one and on the plain one, each in its own process."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import optree
import torch

import nexnet.engine

from ..child import InChild, report
from ..interleaved import Case
from . import mlp_step, operator_chain

SECONDS = 0.3  # how long each process measures

CODE = """
from benchmarks.child import use_plain_engine
if {plain}:
    use_plain_engine()
from benchmarks.suites.engines import run
run({work!r}, {who!r}, {plain})
"""


def chain(who: str) -> Callable[[], Any]:
    """Make the chain of tiny operators."""
    make = {"PyTorch": operator_chain.in_torch, "nexnet": operator_chain.in_nexnet}[who]
    return make(*operator_chain.data((64,)))


def step(who: str) -> Callable[[], Any]:
    """Make the training step on a small batch."""
    make = {"PyTorch": mlp_step.in_torch, "nexnet": mlp_step.in_nexnet}[who]
    return make(*mlp_step.data(8))


CHAIN = f"chain of {operator_chain.LENGTH} operators (64,)"
WORK = {CHAIN: chain, "MLP step, batch 8": step}


def run(work: str, who: str, plain: bool) -> None:
    """Report the results of the first call, and the median time of the following ones."""
    assert nexnet.engine.COMPILED is not plain, "the engine is not of the form that was asked for"
    torch.set_num_threads(1)
    call = WORK[work](who)
    results = [each.tolist() for each in optree.tree_leaves(call(), namespace="nexnet")]
    times = []
    end = time.perf_counter() + SECONDS
    while (start := time.perf_counter()) < end or not times:
        call()
        times.append(time.perf_counter() - start)
    report(results, seconds=sorted(times)[len(times) // 2])


def make(work: str) -> dict[str, Callable[[], Any]]:
    """Make the contenders."""
    return {
        "PyTorch": InChild(CODE.format(work=work, who="PyTorch", plain=False)),
        "nexnet": InChild(CODE.format(work=work, who="nexnet", plain=False)),
        "nexnet, engine not compiled": InChild(CODE.format(work=work, who="nexnet", plain=True)),
    }


def cases() -> list[Case]:
    """Give a case for each kind of work."""
    return [Case("engine", work, partial(make, work), rounds=7, reads="seconds", long=work != CHAIN) for work in WORK]
