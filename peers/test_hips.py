"""HIPS autograd's own tests, of the version in constraints.txt, unmodified: nexnet passes what torch can say.

``--hips FOLDER`` is where they lie, as in autograd's sdist (its wheel has none); ``nox -s peers`` fetches it.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest

import nexnet

from .hips import NotHere, modules_of_autograd
from .known import HIPS


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each of autograd's test functions as a case."""
    folder = metafunc.config.getoption("--hips")
    cases = [] if folder is None else list(_functions(Path(folder)))
    metafunc.parametrize(("name", "function"), cases, ids=[name for name, _ in cases])


def _functions(folder: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    sys.path.insert(0, str(folder))  # its files import one another
    try:
        for path in sorted(folder.glob("test_*.py")):
            if path.stem in HIPS:
                continue
            with modules_of_autograd():
                spec = importlib.util.spec_from_file_location(f"hips_{path.stem}", path)
                assert spec is not None
                assert spec.loader is not None
                module = importlib.util.module_from_spec(spec)
                spec.loader.exec_module(module)
            for name, each in vars(module).items():
                if name.startswith("test_") and isinstance(each, types.FunctionType):
                    yield from _cases(f"{path.stem}.{name}", each)
    finally:
        sys.path.remove(str(folder))


def _cases(name: str, function: Callable[..., None]) -> Iterator[tuple[str, Callable[[], None]]]:
    """Give a function for each of the arguments that pytest would give it."""
    marks = [each for each in getattr(function, "pytestmark", ()) if each.name == "parametrize"]
    choices = []
    for mark in marks:
        names = [each.strip() for each in mark.args[0].split(",")]
        choices.append(
            [dict(zip(names, values if len(names) > 1 else [values], strict=True)) for values in mark.args[1]]
        )
    for given in itertools.product(*choices):
        arguments = {key: value for each in given for key, value in each.items()}
        words = "".join(f", {key}={value}" for key, value in arguments.items())
        yield name + words, functools.partial(function, **arguments)


@pytest.mark.filterwarnings("ignore")
def test_of_autograds(name: str, function: Callable[[], Any], record_property: Callable[[str, object], None]) -> None:
    """It passes; or torch has not what it is about, or calls it otherwise; or a line of the table says why not."""
    reason = HIPS.get(name.partition(",")[0])
    numpy.random.seed(42)
    try:
        with modules_of_autograd():
            function()
    except NotHere as error:
        record_property("autograd's tests of what torch has not, or calls otherwise", 1)
        pytest.skip(str(error))
    except (
        pytest.fail.Exception,
        AssertionError,
        nexnet.errors.NexnetError,
        TypeError,
        ValueError,
        RuntimeError,
        AttributeError,
    ):
        if reason is None:
            raise
        record_property("autograd's tests, known to differ", 1)
        return
    record_property("autograd's tests, passed", 1)
    assert reason is None, "a line of the table that nothing needs any more"
