"""The options of the benchmarks, and the table of paired ratios that ends their run."""

import pytest
import torch
from rich.console import Console

from benchmarks.interleaved import Measured, table

RESULTS = pytest.StashKey[list[Measured]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --quick, --save and --compare."""
    group = parser.getgroup("nexnet benchmarks")
    group.addoption("--quick", action="store_true", help="run each benchmark once, and time nothing")
    group.addoption("--save", metavar="NAME", help="save the times under this name")
    group.addoption("--compare", metavar="NAME", help="compare with the times saved under this name")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Hand the options on to pytest-benchmark, and take one thread."""
    torch.set_num_threads(1)
    config.stash[RESULTS] = []
    config.option.benchmark_disable |= config.getoption("--quick")
    config.option.benchmark_save = config.getoption("--save") or config.option.benchmark_save
    if config.getoption("--compare"):
        config.option.benchmark_compare = f"*_{config.getoption('--compare')}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table."""
    if config.stash[RESULTS]:
        console = Console(file=terminalreporter._tw._file, width=110)
        console.print(table(config.stash[RESULTS], title=f"one thread, torch {torch.__version__}"))


@pytest.fixture
def results(pytestconfig: pytest.Config) -> list[Measured]:
    """What the table at the end shows."""
    return pytestconfig.stash[RESULTS]
