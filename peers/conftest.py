"""The options of the peers' suites, and the figures that end their run."""

from __future__ import annotations

from collections import Counter

import pytest
import torch


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --part and --hips."""
    group = parser.getgroup("nexnet's peers")
    group.addoption("--part", type=int, metavar="N", help="N samples of each operator and dtype, instead of all")
    group.addoption("--hips", metavar="FOLDER", help="the tests of HIPS autograd, which are run on nexnet")


def pytest_configure() -> None:
    """Take one thread: the workers share the cores."""
    torch.set_num_threads(1)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the workers have counted."""
    counted: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for each in reports:
            for name, count in getattr(each, "user_properties", ()):
                if getattr(each, "when", "") == "call":
                    counted[name] += count
    if counted:
        terminalreporter.section("PyTorch's databases")
        for name, count in sorted(counted.items()):
            terminalreporter.write_line(f"{count:8}  {name}")
