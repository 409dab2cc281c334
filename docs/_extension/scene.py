"""What the examples of the docstrings begin with; the reference's first page shows it."""

import torch

import nexnet
import nexnet_nn as nn

model = nn.MLP([3, 4, 2], generator=torch.Generator().manual_seed(0))
x, y = nexnet.ones(8, 3), torch.tensor([0, 1] * 4)
batches = [(x, y), (x, y)]


def loss(model, x, y):
    return nn.cross_entropy(model(x), y)


sgd, adam = nn.SGD(lr=0.1), nn.Adam(lr=1e-3)
