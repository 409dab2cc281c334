"""Cells: against torch to second order, as torch.nn calls them, and the errors."""

import pytest
import torch

import nexnet as nx
from nexnet.errors import InputError

B, D, H = 2, 3, 2
CELLS = {"lstm_cell": (4, 2), "gru_cell": (3, 1), "rnn_tanh_cell": (1, 1), "rnn_relu_cell": (1, 1)}  # gates, states


@pytest.mark.parametrize("biases", [True, False])
@pytest.mark.parametrize("name", CELLS)
def test_to_the_second_order(name, biases, draw, check_against_torch):
    gates, states = CELLS[name]
    hx = [draw(B, H) for _ in range(states)]
    weights = [draw(gates * H, D), draw(gates * H, H), *([draw(gates * H), draw(gates * H)] if biases else [])]

    def cell(which):
        def called(x, *rest):
            return getattr(which, name)(x, tuple(rest[:2]) if states == 2 else rest[0], *rest[states:])

        return called

    check_against_torch(cell(nx), cell(torch), draw(B, D), *hx, *weights)


MODULES = {
    "LSTMCell": torch.nn.LSTMCell(D, H),
    "GRUCell": torch.nn.GRUCell(D, H),
    "RNNCell": torch.nn.RNNCell(D, H),
    "RNNCell, relu": torch.nn.RNNCell(D, H, nonlinearity="relu"),
}


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("shape", [(B, D), (D,)], ids=["batch", "one"])
def test_modules_of_torch_run_as_they_are(name, shape, draw):
    x = draw(*shape, dtype=torch.float32)
    leaf = x.clone().requires_grad_()
    module = MODULES[name]

    def loss(x):
        out = module(x)
        return ((out[0] if isinstance(out, tuple) else out) ** 2).sum()

    for each in module.parameters():
        each.requires_grad_(False)
    expected = torch.autograd.grad(loss(leaf), leaf)[0]
    torch.testing.assert_close(nx.grad(loss)(nx.LiteTensor(x)).data, expected)


@pytest.mark.parametrize("name", CELLS)
def test_shapes_that_do_not_go_together(name, draw):
    gates, states = CELLS[name]
    h = nx.LiteTensor(draw(B, H))
    hx = (h, h) if states == 2 else h
    weights = draw(gates * H, D), draw(gates * H, H)
    with pytest.raises(InputError, match="one step of a batch"):
        getattr(nx, name)(draw(D), hx, *weights)
    with pytest.raises(InputError, match="a state has another shape"):
        getattr(nx, name)(draw(B + 1, D), hx, *weights)
    with pytest.raises(InputError, match=r"input has other features(.|\n)*input\n"):
        getattr(nx, name)(draw(B, D + 1), hx, *weights)


def test_an_lstm_has_two_states(draw):
    with pytest.raises(InputError, match="an LSTM has two states"):
        nx.lstm_cell(draw(B, D), (nx.zeros(B, H),), draw(4 * H, D), draw(4 * H, H))
