"""The pytest plugin: a fixture ``check_gradients`` and a marker ``gradients``.

pytest loads this module at every start, also where no test asks for it: nexnet and torch are imported when one does.
"""

from __future__ import annotations

import inspect
import zlib
from collections.abc import Callable
from typing import Any

import pytest

__all__ = ["check_gradients"]

MARKER = (
    "gradients(shapes=[(3, 4), (4,)], positive=['x'], **options): the gradients of this test, a function of tensors of "
    "these shapes that returns tensors, are checked; without shapes: options of the check_gradients fixture"
)
OWN = ("shapes", "positive")
NOT_OPTIONS = ("fn", "args", "report", "name", "reproduce")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--gradients-seed``."""
    parser.getgroup("nexnet-verify").addoption(
        "--gradients-seed",
        type=int,
        default=0,
        help="other numbers for the gradient checks of every test (default: %(default)s)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", MARKER)


@pytest.fixture
def check_gradients(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """``nexnet_verify.check_gradients`` with a seed of the test's own, and the options of its ``gradients`` marker."""
    from . import GradientMismatch
    from . import check_gradients as checked

    item = request.node
    defaults: dict[str, Any] = {"seed": _seed(item)}
    for mark in reversed(list(item.iter_markers("gradients"))):  # the closest has the last word
        defaults.update(mark.kwargs)

    def check(fn: Callable[..., Any], *args: Any, **options: Any) -> Any:
        __tracebackhide__ = True  # a failure is shown where the test is, not where the check found it
        try:
            return checked(fn, *args, **{**defaults, **options})
        except GradientMismatch as error:
            raise error.with_traceback(None) from None

    return check


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each ``gradients`` marker that names shapes, whose first arguments are tensors."""
    marks = list(metafunc.definition.iter_markers("gradients"))
    if not marks:
        return
    _check_options(metafunc, marks)
    drawn = [mark for mark in reversed(marks) if "shapes" in mark.kwargs]
    if not drawn:
        if "check_gradients" not in metafunc.fixturenames:
            _refuse(metafunc, "give it shapes=[...], or let the test use the fixture check_gradients")
        return
    names = _free_arguments(metafunc)[: len(drawn[0].kwargs["shapes"])]
    rows = []
    for mark in drawn:
        shapes = [(shape,) if isinstance(shape, int) else tuple(shape) for shape in mark.kwargs["shapes"]]
        if len(shapes) != len(names):
            _refuse(metafunc, f"{len(shapes)} shapes do not fit the arguments {', '.join(names) or '(none)'}")
        positive = mark.kwargs.get("positive", ())
        unknown = [each for each in positive if each not in names and each not in range(len(names))]
        if unknown:
            _refuse(metafunc, f"positive={unknown} is no argument; they are {', '.join(names)}")
        places = [i for i, name in enumerate(names) if i in positive or name in positive]
        options = {name: value for name, value in mark.kwargs.items() if name not in OWN}
        label = "-".join("x".join(map(str, shape)) or "scalar" for shape in shapes)
        rows.append(pytest.param(*[_Place(i, shapes, places, options) for i in range(len(names))], id=label))
    metafunc.parametrize(names, rows)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> object | None:
    """Check the gradients of a test that is a function of drawn tensors, in place of calling it."""
    arguments: dict[str, Any] = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    names = [name for name, value in arguments.items() if isinstance(value, _Place)]
    if not names:
        return None
    from . import GradientMismatch
    from . import check_gradients as check
    from .target import draw_arguments

    first: _Place = arguments[names[0]]
    options = {"seed": _seed(pyfuncitem), **first.options}
    command = f"pytest '{pyfuncitem.nodeid}'"
    if pyfuncitem.config.getoption("--gradients-seed"):
        command += f" --gradients-seed {pyfuncitem.config.getoption('--gradients-seed')}"
    options.update(name=pyfuncitem.name, reproduce=command)

    def fn(*tensors: Any) -> Any:
        return pyfuncitem.obj(**{**arguments, **dict(zip(names, tensors, strict=True))})

    try:
        check(fn, *draw_arguments(first.shapes, first.positive, options["seed"]), **options)
    except GradientMismatch as error:
        pytest.fail(str(error), pytrace=False)
    return True


class _Place:
    """Stands for a tensor to be drawn, until the test runs."""

    def __init__(self, index: int, shapes: list[tuple[int, ...]], positive: list[int], options: dict[str, Any]) -> None:
        self.index, self.shapes, self.positive, self.options = index, shapes, positive, options


def _seed(item: pytest.Item) -> int:
    return zlib.crc32(item.nodeid.encode()) % 10_000 + int(item.config.getoption("--gradients-seed"))


def _free_arguments(metafunc: pytest.Metafunc) -> list[str]:
    """Name the test's arguments that no parametrize mark gives."""
    taken: set[str] = {"self"} if metafunc.cls is not None else set()
    for mark in metafunc.definition.iter_markers("parametrize"):
        given = mark.args[0] if mark.args else mark.kwargs["argnames"]
        taken |= {name.strip() for name in given.split(",")} if isinstance(given, str) else set(given)
    return [name for name in inspect.signature(metafunc.function).parameters if name not in taken]


def _check_options(metafunc: pytest.Metafunc, marks: list[pytest.Mark]) -> None:
    from . import check_gradients as check

    known = [*OWN, *(name for name in inspect.signature(check).parameters if name not in NOT_OPTIONS)]
    for mark in marks:
        if mark.args:
            _refuse(metafunc, f"it takes keyword arguments only: {', '.join(known)}")
        for name in mark.kwargs:
            if name not in known:
                _refuse(metafunc, f"it has no option {name!r}; they are {', '.join(known)}")


def _refuse(metafunc: pytest.Metafunc, text: str) -> None:
    pytest.fail(f"the gradients marker of {metafunc.function.__name__}: {text}", pytrace=False)
