"""Torch's recurrent layers, which keep their parameters in a list too, as functions of their parameters."""

import pytest
import torch
from torch import nn
from torch.nn.utils import rnn

import nexnet as nx

LAYERS = {
    "LSTM": lambda: nn.LSTM(3, 4, num_layers=2, bidirectional=True, dtype=torch.float64),
    "LSTM, projections": lambda: nn.LSTM(3, 4, proj_size=2, dtype=torch.float64),
    "GRU": lambda: nn.GRU(3, 4, batch_first=True, dropout=0.5, num_layers=2, dtype=torch.float64),
    "RNN": lambda: nn.RNN(3, 4, nonlinearity="relu", bias=False, dtype=torch.float64),
    "LSTM, float32": lambda: nn.LSTM(3, 4),
}


class Classifier(nn.Module):
    """An embedding, a recurrent layer of packed sequences, and a linear layer of its last state."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(5, 3)
        self.layer = nn.LSTM(3, 4, bidirectional=True)
        self.out = nn.Linear(8, 2)

    def forward(self, tokens, lengths):
        packed = rnn.pack_padded_sequence(self.embedding(tokens), lengths, enforce_sorted=False)
        _, (h, _) = self.layer(packed)
        return self.out(torch.cat([*h], 1))


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer(name, compare):
    torch.manual_seed(0)
    layer = LAYERS[name]()
    compare.models(layer, torch.randn(5, 2, 3, dtype=next(layer.parameters()).dtype))


@pytest.mark.parametrize("cell", [nn.LSTMCell, nn.GRUCell, nn.RNNCell])
def test_a_cell(cell, compare):
    torch.manual_seed(0)
    compare.models(cell(3, 4, dtype=torch.float64), torch.randn(2, 3, dtype=torch.float64))


def test_a_model_of_packed_sequences(compare):
    torch.manual_seed(0)
    model = Classifier().double()
    compare.models(model, torch.tensor([[0, 1, 2], [3, 4, 0], [1, 0, 0]]), [2, 3, 1])


def test_the_list_is_as_it_was():
    layer = nn.LSTM(3, 4)
    before = [*layer._flat_weights]
    nx.functional_call(layer, nx.parameters_of(layer), (torch.zeros(2, 1, 3),))
    assert all(now is then for now, then in zip(layer._flat_weights, before, strict=True))
    with pytest.raises(RuntimeError, match="input_size"):
        nx.functional_call(layer, nx.parameters_of(layer), (torch.zeros(2, 1, 7),))
    assert all(now is then for now, then in zip(layer._flat_weights, before, strict=True))
