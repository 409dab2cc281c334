"""What ``import nexnet`` takes after ``import torch``, beside what that takes: each in a new process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..child import InChild
from ..interleaved import Case

CODE = """
import time
{before}
start = time.perf_counter()
import {module}
seconds = time.perf_counter() - start
from benchmarks.child import report
report([{result}], seconds=seconds)
"""


def make() -> dict[str, Callable[[], Any]]:
    """Make the contenders; what they compute shows that what was imported works."""
    of_torch = "torch.func.grad(torch.sin)(torch.zeros(())).item()"
    of_nexnet = "nexnet.grad(nexnet.sin)(0.0).item()"
    return {
        "PyTorch": InChild(CODE.format(before="", module="torch", result=of_torch)),
        "nexnet": InChild(CODE.format(before="import torch", module="nexnet", result=of_nexnet)),
    }


def cases() -> list[Case]:
    """Give the one case."""
    return [Case("import", "import torch; import nexnet", make, rounds=10, reads="seconds")]
