"""The docstrings' examples run, each by itself in the scene that the reference shows; and every name has one.

An example is plain code, or ``>>>`` with what it gives. An operator's is made of its row of arguments: see test_site.
"""

import doctest
import inspect
import re
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

from _extension.docstrings import examples, members  # noqa: E402  what is beside the pages
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
    "nexnet.CheckpointCost": "nexnet.checkpoint",
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


#: How a docstring says a shape: by one of these words, or as ``(batch, channels, ...)``, ``(..., n)``, ``(N, L, E)``.
SHAPE = re.compile(r"\b([Ss]hapes?|dimensions?|scalar|[Ee]lementwise)\b|``\((batch|\.\.\.|[A-Z]\b|n,)")
ERRORS = re.compile(r"^ *Raises:$", re.MULTILINE)
REFERENCE = re.compile(r"[Ss]ee\s+``([\w.]+)``")


def told(name: str) -> str:
    """Give what is said of a thing: of it, of the methods that it is shown with, and of what it says to see."""
    thing = look_up(name)
    shown = [thing, *(member for _, member in members(thing))] if isinstance(thing, type) else [thing]
    text = "\n".join(without_example(inspect.getdoc(each) or "") for each in shown)
    near = (f"{name.rpartition('.')[0]}.{other}" for other in REFERENCE.findall(text))
    return "\n".join([text, *(told(other) for other in near if other in spellings() and other != name)])


def without_example(doc: str) -> str:
    """Leave out the example: that a call has a shape there does not say which."""
    return re.sub(r"^Example::\n(\n| .*\n?)*", "", doc, flags=re.MULTILINE)


def test_every_public_name_says_its_shapes():
    silent = {name for name in spellings() if not _needs_none(name) and not SHAPE.search(told(name))}
    assert silent == SHAPELESS.keys()


def test_every_public_name_says_its_errors():
    silent = {name for name in spellings() if not _needs_none(name) and not ERRORS.search(told(name))}
    assert silent == ERRORLESS.keys()


def test_an_example_says_neither():
    doc = "Do it.\n\nExample::\n\n    >>> x.shape\n    (2,)\n\nRaises:\n    InputError: where it can't be done.\n"
    assert SHAPE.search(doc)
    assert not SHAPE.search(without_example(doc))
    assert ERRORS.search(without_example(doc))


SCHEDULES = [
    f"nexnet_nn.schedules.{name}"
    for name in (
        "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "ExponentialLR", "LinearLR", "MultiStepLR",
        "PolynomialLR", "StepLR", "WarmupLR",
    )
]  # fmt: skip

#: What has no shape to say, and why.
SHAPELESS = {
    "nexnet.MemoryBudget": "it takes a number",
    "nexnet.TapeContext": "it takes tapes",
    "nexnet.explain": "it takes a trace and a name in it",
    "nexnet.manual_seed": "it takes a number",
    **dict.fromkeys(("nexnet.debug_nans", "nexnet.no_tape"), "a block of code"),
    **dict.fromkeys(
        (f"nexnet.kernels.{name}" for name in ("describe", "use_forms", "use_onednn", "use_triton")), "a setting"
    ),
    **dict.fromkeys((f"nexnet.modules.current_{name}" for name in ("modules", "path")), "where the code is at work"),
    **dict.fromkeys(
        (f"nexnet.tree.{name}" for name in ("flatten", "leaves", "map", "paths", "structure", "unflatten")),
        "leaves may be anything",
    ),
    **dict.fromkeys(
        (f"nexnet_nn.{name}" for name in ("combine", "freeze", "partition", "unfreeze", "with_buffers")),
        "the tensors of a model stay as they are",
    ),
    **dict.fromkeys(
        (*SCHEDULES, *(f"nexnet_nn.schedules.{name}" for name in ("CyclicLR", "OneCycleLR", "SequentialLR"))),
        "a number for a number of steps",
    ),
    "nexnet_nn.schedules.ReduceLROnPlateau": "a number for a metric",
    **dict.fromkeys((f"nexnet_nn.parallel.{name}" for name in ("generator", "main", "rank", "size")), "processes"),
}

#: What has no error to say, and why.
ERRORLESS = {
    "nexnet.implements": "it takes down what will be called, with errors of its own",
    **dict.fromkeys(
        ("nexnet.stop_gradient", *(f"nexnet.tree.{name}" for name in ("flatten", "leaves", "paths", "structure"))),
        "it takes anything",
    ),
    "nexnet_nn.Identity": "it takes anything",
    **dict.fromkeys(
        ("nexnet.kernels.describe", "nexnet_nn.parallel.rank", "nexnet_nn.parallel.size"), "it takes nothing"
    ),
    **dict.fromkeys((f"nexnet.modules.current_{name}" for name in ("modules", "path")), "it takes nothing"),
    **dict.fromkeys(SCHEDULES, "its numbers are calculated with as they are"),
}
