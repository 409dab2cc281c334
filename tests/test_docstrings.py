"""The docstrings' examples run, each by itself in the scene that the reference shows; and every name has one.

An example is plain code, or ``>>>`` with what it gives. An operator's is made of its row of arguments: see test_site.
"""

import doctest
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import nexnet
from nexnet.ops import listing

sphinx = pytest.importorskip("sphinx", reason="the site's tools are not installed (nox -s docs has them)")

DOCS = Path(__file__).parents[1] / "docs"
sys.path.insert(0, str(DOCS))

from _extension.docstrings import examples  # noqa: E402  what is beside the pages
from _extension.names import look_up, spellings  # noqa: E402

SCENE = compile((DOCS / "_extension" / "scene.py").read_text(encoding="utf-8"), "scene.py", "exec")
OPERATORS = {id(getattr(nexnet.ops, each.name)) for each in listing()}


def documented() -> Iterator[tuple[str, str]]:
    """Give every public thing's docstring, and those of a class's own methods."""
    for name in spellings():
        thing = look_up(name)
        if not callable(thing):
            continue
        yield name, thing.__doc__ or ""
        if isinstance(thing, type):
            for method, member in vars(thing).items():
                if not method.startswith("_"):
                    yield f"{name}.{method}", getattr(member, "__doc__", None) or ""


EXAMPLES = [(name, line, code) for name, doc in documented() for line, code in examples(doc)]


def run(name: str, line: int, code: str) -> None:
    """Run an example; what it gives is compared where it says so."""
    scene: dict[str, Any] = {"__name__": "__example__"}
    exec(SCENE, scene)
    if not code.startswith(">>>"):
        exec(compile("\n" * line + code, f"docstring of {name}", "exec"), scene)
        return
    example = doctest.DocTestParser().get_doctest(code, scene, name, None, line)
    doctest.DebugRunner(verbose=False).run(example)


@pytest.mark.parametrize(("name", "line", "code"), EXAMPLES, ids=[f"{name}:{line}" for name, line, _ in EXAMPLES])
def test_an_example_runs(name, line, code, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    run(name, line, code)


def test_every_public_name_has_an_example():
    shown = {name for name, _, _ in EXAMPLES}
    assert not [name for name in spellings() if name not in shown and not _needs_none(name)]


def _needs_none(name: str) -> bool:
    """Say whether a thing is no function, an operator, an error, or what a function gives, whose example shows it."""
    thing = look_up(name)
    is_error = inspect.isclass(thing) and issubclass(thing, BaseException)
    return not callable(thing) or id(thing) in OPERATORS or is_error or name in GIVEN


#: What nobody makes by hand, and what gives it.
GIVEN = {
    "nexnet.ComputationGraph": "nexnet.build_computation_graph",
    "nexnet.Operator": "nexnet.function",
    "nexnet.Node": "nexnet.Tape",
    "nexnet.tree.Frozen": "nexnet_nn.Module",
    "nexnet.inside.Event": "nexnet.step",
    "nexnet.inside.Stepper": "nexnet.step",
    "nexnet.inside.Explanation": "nexnet.explain",
    "nexnet.inside.Input": "nexnet.trace",
    "nexnet.inside.Operation": "nexnet.trace",
    "nexnet.inside.Source": "nexnet.trace",
    "nexnet.Trace": "nexnet.trace",
    "nexnet.inside.TracedTape": "nexnet.trace",
    "nexnet.inside.Statistics": "nexnet.inside.statistics",
    "nexnet.inside.TorchTrace": "nexnet.inside.torch_trace",
    "nexnet.inside.Watcher": "nexnet.watch",
    "nexnet_nn.LossScaleState": "nexnet_nn.LossScale",
    "nexnet_nn.init.torchs_own": "nexnet_nn.Dense",
    "nexnet_nn.meta.Optimizer": "nexnet_nn.meta.adapt",
    "nexnet_nn.parallel.ShardedParameters": "nexnet_nn.parallel.shard",
    **{
        f"nexnet_nn.{name}State": f"nexnet_nn.{name}"
        for name in ("Adagrad", "Adam", "LBFGS", "Lion", "Muon", "NAdam", "RMSprop", "SGD")
    },
    **{
        f"nexnet_verify.{name}": "nexnet_verify.check_gradients"
        for name in ("Comparison", "Finding", "GradientReport", "Obstacle", "Singular")
    },
}


def test_what_gives_a_thing_has_an_example():
    shown = {name for name, _, _ in EXAMPLES}
    assert GIVEN.keys() <= spellings().keys()
    assert set(GIVEN.values()) <= shown


def test_what_an_example_gives_is_compared():
    with pytest.raises(doctest.DocTestFailure):
        run("one", 0, ">>> 1 + 1\n3\n")


def test_a_formula_is_no_example():
    doc = "With g::\n\n    p = p - lr g\n\nExample::\n\n    >>> 1 + 1\n    2\n"
    assert list(examples(doc)) == [(6, ">>> 1 + 1\n2\n")]
