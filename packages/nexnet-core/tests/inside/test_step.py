"""step: the backward, one node at a time."""

import pytest
import torch

import nexnet as nx
from nexnet.errors import InputError


def fn(x, w):
    return (torch.relu(x * w) * x).sum()


@pytest.fixture
def tape():
    return nx.trace(fn)(torch.tensor([1.0, 2.0]), torch.tensor([3.0, -1.0]))[1]


def test_gives_what_came_in_what_was_returned_and_what_it_was_added_to(tape):
    events = list(nx.step(tape))
    assert [each.operation.rule for each in events] == ["sum", "mul", "relu", "mul"]
    last = events[-1]
    assert [each.tolist() for each in last.incoming] == [[1.0, 0.0]]
    assert [each.tolist() for each in last.returned] == [[3.0, 0.0], [1.0, 0.0]]
    assert [(name, total.tolist()) for name, total in last.added] == [("x", [6.0, 0.0]), ("w", [1.0, 0.0])]
    assert "  to x, now [6.0, 0.0]" in str(last)


def test_the_end_is_the_gradient(tape):
    found = nx.step(tape).finish()
    expected = nx.grad(fn, argnums=(0, 1))(torch.tensor([1.0, 2.0]), torch.tensor([3.0, -1.0]))
    for one, other in zip(found.values(), expected, strict=True):
        torch.testing.assert_close(one, other.data)


def test_goes_back_and_forth(tape):
    walk = nx.step(tape)
    events = [walk.forward() for _ in range(3)]
    walk.back(2)
    assert len(walk.events) == 1
    again = [walk.forward(), walk.forward()]
    for one, other in zip(events[1:], again, strict=True):
        assert [each.tolist() for each in one.incoming] == [each.tolist() for each in other.incoming]


def test_stops_at_a_rule_and_at_a_norm(tape):
    walk = nx.step(tape)
    assert walk.until(rule="relu").operation.label == "%1"
    walk.restart()
    assert walk.until(above=2.9).operation.label == "%2"
    assert walk.until(rule="no such") is None
    assert walk.forward() is None


def test_a_gradient_is_changed_by_hand(tape):
    walk = nx.step(tape)
    walk.change("%0", lambda grad: grad * 10)
    assert walk.finish()["w"].tolist() == [10.0, 0.0]
    walk.change("%0", torch.tensor([0.0, 5.0]))
    walk.restart()
    assert walk.finish()["w"].tolist() == [0.0, 10.0]


def test_a_change_that_does_not_fit_is_refused(tape):
    with pytest.raises(InputError, match="has the shape of what it is the gradient of"):
        nx.step(tape).change("%0", torch.ones(3))
    for wrong, got in ((lambda grad: grad.sum(), r"shape \(\)"), (lambda _: None, "None")):
        walk = nx.step(tape)
        walk.change("%0", wrong)
        with pytest.raises(InputError, match=rf"has the shape of what it is the gradient of(.|\n)*got: +{got}"):
            walk.finish()


def test_other_seeds(tape):
    assert nx.step(tape, [torch.tensor(2.0)]).finish()["w"].tolist() == [2.0, 0.0]


def test_wants_the_tape_of_a_trace():
    with pytest.raises(InputError, match="goes through the tape of a trace"):
        nx.step(nx.Tape())
