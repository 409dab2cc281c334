"""The options of the benchmarks, and the table of paired ratios that ends their run."""

import pytest
import torch
from rich.console import Console

from benchmarks.interleaved import Measured, table
from benchmarks.report import save
from benchmarks.scaled import SIZES

RESULTS = pytest.StashKey[list[Measured]]()
OPERATORS = pytest.StashKey[list[Measured]]()
WORST = 10


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
    config.stash[RESULTS], config.stash[OPERATORS] = [], []
    config.option.benchmark_disable |= config.getoption("--quick")
    config.option.benchmark_save = config.getoption("--save") or config.option.benchmark_save
    if config.getoption("--compare"):
        config.option.benchmark_compare = f"*_{config.getoption('--compare')}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the tables, and write what was measured to reports/."""
    console = Console(file=terminalreporter._tw._file, width=120)
    results, operators = config.stash[RESULTS], config.stash[OPERATORS]
    if results:
        console.print(table(results, title=f"one thread, torch {torch.__version__}"))
    for size in SIZES if operators else ():
        of_size = [each for each in operators if each.case.name.endswith(f", {size}")]
        worst = sorted(of_size, key=lambda each: -each.ratios("nexnet")[1])[:WORST]
        console.print(
            table(worst, title=f"the {len(worst)} of {len(of_size)} operators with the highest ratios, {size}")
        )
        for each in worst:
            console.print(f"{each.case.name}: {each.why or 'within its limit'}", highlight=False)
    if results or operators:
        for path in save(results + operators):
            console.print(f"written: {path}", highlight=False)


@pytest.fixture
def results(pytestconfig: pytest.Config) -> list[Measured]:
    """What the table at the end shows."""
    return pytestconfig.stash[RESULTS]


@pytest.fixture
def operators(pytestconfig: pytest.Config) -> list[Measured]:
    """Of which the worst are shown at the end."""
    return pytestconfig.stash[OPERATORS]
