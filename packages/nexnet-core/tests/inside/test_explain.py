"""explain: the operation at which a gradient died, was born as a NaN, or grew."""

import re

import pytest
import torch

import nexnet as nx
from nexnet.errors import InputError


def explained(fn, name, *args):
    _, tape = nx.trace(fn, gradients=True)(*args)
    return nx.explain(tape, name)


ONES = torch.ones(3)


@pytest.mark.parametrize(
    ("fn", "rule", "reason"),
    [
        (lambda x: torch.relu(x - 5), "relu", "dead ReLU"),
        (lambda x: x.clamp(2, 3), "(clamp|clip|between)", "outside of its range|returned zero"),
        (lambda x: torch.sigmoid(x * 1000), "sigmoid", "saturated"),
        (lambda x: nx.where(x > 5, x, 0.0), "where", "never takes this branch"),
        (lambda x: nx.cat([x, nx.ones(2)])[3:], "cat", "other elements"),
        (lambda x: x * nx.zeros(3), "mul", "multiplied by is zero"),
        (lambda x: torch.exp(x * -1000), "exp", "exp underflows"),
    ],
)
def test_zero_by_an_operation(fn, rule, reason):
    found = explained(lambda x: fn(x * 1.0).sum(), "x", ONES)
    assert found.verdict == "zero"
    assert pytest.approx(found.norm) == 0
    assert re.fullmatch(rule, found.operation.rule.strip("_"))
    assert re.search(reason, found.reason)
    assert found.steps[-1].operation.rule == "mul"


def test_zero_since_gradients_cancel():
    found = explained(lambda x, y: (x - x + y).sum(), "x", ONES, ONES)
    assert (found.verdict, found.operation.label) == ("zero", "x")
    assert "from its 2 uses adds up to zero" in found.reason


@pytest.mark.parametrize(
    ("fn", "reason"),
    [
        (lambda x, y: (nx.stop_gradient(x * 2) * y).sum(), "stop_gradient"),
        (lambda x, y: y.sum() + (nx.stop_gradient(x) * 2).sum(), "stop_gradient(x) takes it out"),
        (lambda x, y: y.sum() + (x * 2).sin().detach().sum(), "detach(%2) takes it out"),
        (lambda x, y: (x.long() * y).sum(), "goes into to, of which nothing carries a gradient"),
        (lambda x, y: y.sum(), "no operation takes it"),
        (lambda x, y: (y * 2 + 0 * len(str((x * 2).shape))).sum(), "goes into no output"),
    ],
)
def test_not_there(fn, reason):
    found = explained(fn, "x", ONES, ONES)
    assert found.verdict == "none"
    assert reason in found.reason


def test_a_cut_is_named_where_it_is_made():
    def fn(x, y):
        target = x.exp().detach()
        return ((y - target.sqrt()) ** 2).sum()

    found = explained(fn, "x", ONES, ONES)
    assert found.operation.called() == "detach(%0)"
    assert found.operation.source.code == "target = x.exp().detach()"
    assert "line:" in str(found)


def test_nan_names_the_operation_that_made_it():
    found = explained(lambda x: nx.where(x > 0, nx.sqrt(x), 0.0).sum() * 2, "x", torch.tensor([0.0, 1.0]))
    assert (found.verdict, found.operation.rule) == ("nan", "sqrt")
    assert "the trap of where" in found.reason
    assert [each.operation.rule for each in found.steps] == ["mul", "sum", "where", "sqrt"]


def test_nan_from_a_value_that_is_one():
    found = explained(lambda x, w: (x * w).sum(), "x", ONES, torch.tensor([1.0, float("nan"), 1.0]))
    assert found.operation.rule == "mul"
    assert "is not finite itself" in found.reason


@pytest.mark.parametrize(("scale", "verdict", "verb"), [(3.0, "huge", "grows"), (0.3, "vanishing", "shrinks")])
def test_size_says_by_how_much_at_each_of_how_many(scale, verdict, verb):
    def recurrent(w, h):
        for _ in range(20):
            h = h @ w
        return h.sum()

    found = explained(recurrent, "h", torch.eye(3) * scale, ONES)
    assert found.verdict == verdict
    assert found.reason.startswith(f"it {verb} 20 times at matmul, by {scale:.3g} each")
    assert "..." in str(found)


def test_fine_is_fine():
    found = explained(lambda x: x.sin().sum(), "x", ONES)
    assert (found.verdict, found.operation, found.reason) == ("fine", None, "")


def test_prints():
    found = explained(lambda x: torch.relu(x - 5).sum(), "x", ONES)
    lines = str(found).splitlines()
    assert lines[0].startswith("the gradient of x is zero: all of its inputs are negative or zero")
    assert lines[1] == "  operation: %1 = relu(%0)"
    assert lines[-3:] == [
        "    %2 sum                   1 -> 1.73  by input",
        "    %1 relu                  1.73 -> 0  by input  <--",
        "    %0 sub                   0 -> 0  by input",
    ]


def test_needs_gradients():
    _, tape = nx.trace(lambda x: x.sum())(ONES)
    with pytest.raises(InputError, match="no gradients to explain"):
        nx.explain(tape, "x")


@pytest.mark.parametrize("wrong", [3, nx.Tape()], ids=["number", "tape"])
def test_needs_a_trace(wrong):
    kind = type(wrong).__name__
    with pytest.raises(InputError, match=rf"reads the tape of a trace(.|\n)*tape\n.*{kind}\n(.|\n)*gradients=True"):
        nx.explain(wrong, "x")
