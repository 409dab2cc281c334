"""python -m nexnet.look: the backward in a terminal."""

import pytest

from nexnet import look
from nexnet.errors import InputError

SCRIPT = """
import torch
import nexnet as nx

weights = nx.tensor([1.0, -2.0])

def loss(w, x):
    return torch.relu(w * x).sum()
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "model.py"
    path.write_text(SCRIPT)
    return path


def test_goes_through_the_backward(script, capsys):
    look.main([f"{script}:loss", "--args", "weights", "[3.0, 4.0]", "--script", "f;u relu;b;e w;p %0;x;q"])
    told = capsys.readouterr().out
    assert "%2 sum(%1)" in told
    assert "%1 relu(%0)" in told
    assert "the gradient of w is as it should be" in told
    assert "%0 = mul(w, x)" in told
    assert "no such command: x" in told


def test_changes_a_gradient_by_hand(script, capsys):
    look.main([f"{script}:loss", "--args", "weights", "[3.0, 4.0]"], ["c %0 10", "f", "f", "f", "f"])
    told = capsys.readouterr().out
    assert "in    [10.0, 0.0]" in told
    assert told.rstrip().endswith("the end")


def test_writes_a_page(script, tmp_path, capsys):
    look.main([f"{script}:loss", "--args", "weights", "[3.0, 4.0]", "--html", str(tmp_path / "page.html")])
    assert "3 operations" in capsys.readouterr().out
    assert (tmp_path / "page.html").exists()


def test_a_function_that_is_not_there_is_an_error(script):
    with pytest.raises(InputError, match="no function of this name"):
        look.main([f"{script}:other"])
