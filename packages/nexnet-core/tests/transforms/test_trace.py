"""trace, and the table that a tape prints."""

import torch

import nexnet as nx


def test_gives_the_value_and_the_tape():
    value, tape = nx.trace(lambda x, scale: (x * x).sum() * scale)(torch.ones(2, 3), 2.0)
    assert value.item() == 12.0
    assert str(tape) == (
        "output  rule  inputs     shape   dtype\n"
        "------  ----  ---------  ------  -------\n"
        "%0      mul   x, x       (2, 3)  float32\n"
        "%1      sum   %0         ()      float32\n"
        "%2      mul   %1, scale  ()      float32"
    )
    assert repr(tape) == "<nexnet Tape: 3 nodes>"


def test_shows_constants_and_several_outputs():
    @nx.function
    class both(nx.Policy):
        def forward(self, x):
            return x * 2, x * 3

        def backward(self, first, second):
            return first * 2 + second * 3

    def fn(tree):
        first, second = both(tree["x"])
        return first * second * 2.0 * nx.ones(1)

    _, tape = nx.trace(fn)({"x": torch.ones(1)})
    assert tape.rows() == [
        ("%0.0", "both", "x", "(1,)", "float32"),
        ("%0.1", "both", "x", "(1,)", "float32"),
        ("%1", "mul", "%0.0, %0.1", "(1,)", "float32"),
        ("%2", "mul", "%1, other=2.0", "(1,)", "float32"),
        ("%3", "mul", "%2, ·", "(1,)", "float32"),
    ]


def test_shows_what_a_gradient_does():
    _, tape = nx.trace(nx.grad(lambda x: x * x))(torch.ones(2))
    assert [node.name for node in tape.nodes] == ["alias", "mul", "mul", "mul", "add", "clone"]


def test_integers_are_followed_by_nobody():
    value, tape = nx.trace(lambda x, k: x * k)(2.0, torch.tensor(3))
    assert value.item() == 6.0
    assert tape.rows()[0][2] == "x, k"
    assert [each.kind for each in tape[0].inputs] == ["argument", "constant"]


def test_an_empty_tape_prints_its_header():
    _, tape = nx.trace(lambda x: x)(1.0)
    assert str(tape).splitlines()[0].split() == ["output", "rule", "inputs", "shape", "dtype"]
    assert len(tape) == 0
