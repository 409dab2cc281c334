"""An LSTM that classifies sequences by their last state."""

import torch
from torch.nn import functional

import nexnet
import nexnet_nn as nn


def batch(draw):
    """Draw sequences (32, 24, 8), and whether their sums are positive."""
    x = torch.randn(32, 24, 8, generator=draw)
    return x, (x.sum((1, 2)) > 0).long()


class TorchReader(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.head = torch.nn.LSTM(8, 32, batch_first=True), torch.nn.Linear(32, 2)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


def in_torch(weights, draw):
    model = TorchReader()
    model.load_state_dict(weights)
    adam = torch.optim.Adam(model.parameters(), 1e-3)

    while True:
        x, y = batch(draw)
        loss = functional.cross_entropy(model(x), y)
        adam.zero_grad()
        loss.backward()
        adam.step()
        yield loss


class Reader(nn.Module):
    def __init__(self):
        self.lstm, self.head = nn.LSTM(8, 32, batch_first=True), nn.Linear(32, 2)

    def __call__(self, x):
        return self.head(self.lstm(x)[0][:, -1])


def in_nexnet(weights, draw):
    model = nn.from_torch(weights, into=Reader())
    adam = nn.Adam(1e-3)
    state = adam.init(model)
    loss = nexnet.value_and_grad(lambda model, x, y: nn.cross_entropy(model(x), y))

    while True:
        value, grads = loss(model, *batch(draw))
        model, state = adam.update_(model, grads, state)
        yield value


start = TorchReader
