"""Every argument of every operator, by position, by keyword and left out: the value and every gradient are the same."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from every_argument import ROWS
from every_argument.results import floating_in, in_nexnet, in_torch
from every_argument.row import Refused
from every_argument.spellings import Call, spellings

import nexnet as nx
from nexnet.errors import NexnetError
from nexnet.ops._listing import PLACES, Listed
from nexnet.policy import RULES

LISTING = {each.name: each for each in nx.ops.listing()}

pytestmark = pytest.mark.filterwarnings("ignore")  # of torch's, of what it is to deprecate

#: What torch only says of that it was removed: nexnet still has it.
GONE = {"qr"} if tuple(map(int, torch.__version__.split(".")[:2])) >= (2, 14) else set()


def test_every_operator_has_a_row():
    assert sorted(ROWS) == sorted(LISTING)


@pytest.mark.parametrize("name", sorted({*ROWS} & {*LISTING}))
def test_every_argument_has_a_value_or_a_reason(name):
    row = ROWS[name]
    names = {each.name for each in row.parameters(getattr(nx.ops, name))}
    tried = {*row.values(getattr(nx.ops, name))}
    assert names == tried | {*row.untried}
    assert not tried & {*row.untried}


@pytest.mark.parametrize("name", sorted({*ROWS} & {*LISTING}))
def test_the_spelling_changes_nothing(name):
    row, operator = ROWS[name], getattr(nx.ops, name)
    parameters = row.parameters(operator)
    for what, given in row.calls(name, operator):
        moved = given if LISTING[name].differentiable else {}
        points = floating_in({key: each for key, each in moved.items() if key not in row.constants})
        torchs_points = floating_in({key: each for key, each in moved.items() if key not in row.constants | row.ours})
        places = [i for i, each in enumerate(points) if any(each is point for point in torchs_points)]
        expected, compared = None, 0
        for door, mine, torchs in doors(LISTING[name], operator):
            for how, call in spellings(parameters, given):
                where = f"{door}, {what}, {how}"
                if door != "nexnet":
                    call = as_called(call, door, torchs, parameters)
                    if call is None:
                        continue
                if any(isinstance(each, Refused) for each in given.values()):
                    with pytest.raises(NexnetError if door == "nexnet" else (NexnetError, TypeError)):
                        in_nexnet(mine, call, [], row.through)
                    compared += 1
                    continue
                beside = by_name(call, parameters) if row.torch_misreads else call
                torchs_call = as_called(beside, door, torchs, parameters)
                beside = torchs_call and in_torch_if_it_can(torchs, torchs_call, torchs_points, row.through)
                if beside is None and door != "nexnet":
                    continue
                try:
                    got = in_nexnet(mine, call, points, row.through, (door, what) == ("nexnet", "as by default"))
                except Exception as error:
                    error.add_note(where)
                    raise
                expected = expected or got
                if door == "nexnet" or RULES.get(torchs, operator) is operator:  # else it has other defaults
                    check(got, expected, where)
                if beside is not None:
                    compared += 1
                    beside = (beside[0], None if row.torch_is_wrong else beside[1])
                    check((got[0], [got[1][i] for i in places] if got[1] else []), beside, f"torch beside {where}")
        ours = name in GONE or {"*", what.partition("=")[0]} & row.own
        assert compared or ours, f"torch refuses every spelling of {what}"


def in_torch_if_it_can(function, call, points, through):
    if function is None:
        return None
    try:
        return in_torch(function, call, points, through)
    except Exception:
        return None


def doors(record: Listed, operator: Callable[..., Any]) -> Iterator[tuple[str, Any, Any]]:
    """Give, by name, the ways to an operator, and torch's own function or method of that name."""
    functions = {path: getattr(PLACES[path.rpartition(".")[0]], path.rpartition(".")[2]) for path in record.torch}
    functions = {path: each for path, each in functions.items() if not path.startswith("torch.Tensor.")}
    first = next(iter(sorted(functions.items(), key=lambda each: "functional" not in each[0])), (None, None))
    yield "nexnet", operator, first[1] or getattr(torch.Tensor, record.name, None)
    for path, function in functions.items():
        yield path, function, function
    for name in dir(nx.LiteTensor):
        if getattr(nx.LiteTensor, name) is operator and not name.startswith("_"):
            yield f"x.{name}", operator, getattr(torch.Tensor, name, None)


def as_called(call: Call, door: str, function: Any, parameters: Any) -> Call | None:
    """Give a call as it is of a method, or of a function of torch's; None if its arguments stand in other places."""
    args, kwargs = call
    if door.startswith("x."):
        first = parameters[0].name
        if first not in kwargs:
            return call
        return (kwargs[first], *args), {name: each for name, each in kwargs.items() if name != first}
    if not inspect.isfunction(function):
        return call
    theirs = inspect.signature(function).parameters
    if any(each.kind is each.VAR_POSITIONAL for each in theirs.values()):
        return call
    names = [*theirs][: len(args)]
    return call if names == [each.name for each in parameters][: len(args)] else None


def by_name(call: Call, parameters: Any) -> Call:
    """Give a call with all but its first argument by keyword."""
    named = {each.name: value for each, value in zip(parameters[1:], call[0][1:], strict=False)}
    return call[0][:1], {**named, **call[1]}


def check(got, expected, where):
    everything = [each for side in (got, expected) for part in side for each in part or ()]
    rough = torch.float32 in {getattr(each, "dtype", None) for each in everything}

    def close(a, b):
        if not isinstance(a, torch.Tensor) or not isinstance(b, torch.Tensor):
            assert (type(a), a) == (type(b), b), where
            return
        torch.testing.assert_close(
            a,
            b,
            rtol=1e-4 if rough else 1e-9,
            atol=1e-4 if rough else 1e-9,
            equal_nan=True,
            msg=lambda text: f"{where}: {text}",
        )

    assert len(got[0]) == len(expected[0]), where
    for a, b in zip(got[0], expected[0], strict=True):
        close(a, b)
    if expected[1] is not None and (got[1] or expected[1]):
        assert len(got[1]) == len(expected[1]), where
        for a, b in zip(got[1], expected[1], strict=True):
            close(a, b)
