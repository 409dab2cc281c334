"""The formatter that writes every message."""

import pytest

import nexnet as nx
from nexnet.errors import message


def test_a_message_is_the_problem_and_what_is_known():
    assert message("something is wrong.") == "something is wrong."
    assert message("something is wrong.", rule="mul", argument="x", expected=1, got=2, remedy="mend it") == (
        "something is wrong.\n  rule:      mul\n  argument:  x\n  expected:  1\n  got:       2\n  remedy:    mend it"
    )


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (nx.InputError, TypeError),
        (nx.RuleError, TypeError),
        (nx.GradientError, ValueError),
        (nx.HigherOrderError, RuntimeError),
        (nx.TrackedTensorError, RuntimeError),
        (nx.NoGradientRule, NotImplementedError),
    ],
)
def test_every_error_is_a_nexnet_error_and_a_pythonic_one(error, builtin):
    assert issubclass(error, nx.NexnetError)
    assert issubclass(error, builtin)
