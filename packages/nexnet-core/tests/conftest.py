"""What every test of the core shares: the choice of the engine's form, and a fixed seed."""

import sys
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path

import pytest

COMPILED = (
    "nexnet.engine",
    "nexnet.modules",
    "nexnet.ops.layers",
    "nexnet.ops.matrices",
    "nexnet.ops.shapes",
    "nexnet.transforms",
)


class PlainEngine:
    """Finds the compiled rooms as their source files, so that the tests run on the uncompiled form."""

    def find_spec(self, name: str, path: list[str] | None, target: object = None) -> ModuleSpec | None:
        package, _, room = name.rpartition(".")
        if package not in COMPILED or path is None:
            return None
        source = Path(next(iter(path)), f"{room}.py")
        if not source.exists():  # C++, without which the engine does
            raise ModuleNotFoundError(f"the plain engine has no {room}", name=name)
        return spec_from_file_location(name, source)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--engine", choices=("compiled", "python"), default="compiled", help="the engine's form to test")
    parser.addoption("--drawn", type=int, default=8, help="how many drawn shapes each Triton kernel is tried on")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "process: what is tested runs in processes of its own, whatever --engine says")
    if config.getoption("--engine") == "python":
        if "nexnet.engine" in sys.modules:
            raise pytest.UsageError("--engine=python: something has imported nexnet before the tests could choose")
        sys.meta_path.insert(0, PlainEngine())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--engine") == "python":
        for item in items:
            if item.get_closest_marker("process"):
                item.add_marker(
                    pytest.mark.skip(reason="its processes have the engine that is installed: tested with that")
                )


def pytest_report_header(config: pytest.Config) -> str:
    from nexnet import engine

    form = "compiled" if engine.COMPILED else "python"
    assert form == config.getoption("--engine"), "the engine is not of the form that was asked for"
    return f"nexnet engine: {form}{', every promise checked' if engine.CHECKED else ''}"


@pytest.fixture(autouse=True)
def seed() -> None:
    """Every test draws the same random numbers, alone or in company."""
    import torch

    torch.manual_seed(0)
