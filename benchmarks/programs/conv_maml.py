"""Second-order MAML of a convolutional network: two tasks, each of a support and a query of 10 images, 5 ways."""

import torch
from torch.nn import functional

import nexnet
import nexnet_nn as nn


def tasks(draw):
    """Draw two tasks: images (10, 1, 14, 14) and labels to learn from, and others to be judged by."""
    y = torch.arange(10) % 5
    return [
        [(torch.randn(10, 1, 14, 14, generator=draw) + y[:, None, None, None], y) for _ in range(2)] for _ in range(2)
    ]


class TorchNet(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = torch.nn.Conv2d(1, 16, 3, padding=1), torch.nn.Conv2d(16, 16, 3, padding=1)
        self.head = torch.nn.Linear(144, 5)

    def forward(self, x):
        x = functional.max_pool2d(torch.relu(self.conv1(x)), 2)
        return self.head(functional.max_pool2d(torch.relu(self.conv2(x)), 2).flatten(1))


def in_torch(weights, draw):
    model = TorchNet()
    model.load_state_dict(weights)
    adam = torch.optim.Adam(model.parameters(), 1e-3)

    def loss(params, x, y):
        return functional.cross_entropy(torch.func.functional_call(model, params, (x,)), y)

    while True:
        total = 0
        for support, query in tasks(draw):
            params = dict(model.named_parameters())
            grads = torch.autograd.grad(loss(params, *support), list(params.values()), create_graph=True)
            learned = {name: p - 0.1 * g for (name, p), g in zip(params.items(), grads, strict=True)}
            total = total + loss(learned, *query)
        adam.zero_grad()
        total.backward()
        adam.step()
        yield total


class Net(nn.Module):
    def __init__(self):
        self.conv1, self.conv2 = nn.Conv2d(1, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1)
        self.head = nn.Linear(144, 5)

    def __call__(self, x):
        x = nexnet.max_pool2d(nexnet.relu(self.conv1(x)), 2)
        return self.head(nexnet.max_pool2d(nexnet.relu(self.conv2(x)), 2).flatten(1))


def in_nexnet(weights, draw):
    model = nn.from_torch(weights, into=Net())
    adam = nn.Adam(1e-3)
    state = adam.init(model)

    def loss(model, x, y):
        return nn.cross_entropy(model(x), y)

    @nexnet.value_and_grad
    def outer(model, tasks):
        total = 0
        for support, query in tasks:
            grads = nexnet.grad(loss)(model, *support)
            total = total + loss(nexnet.tree.map(lambda p, g: p - 0.1 * g, model, grads), *query)
        return total

    while True:
        value, grads = outer(model, tasks(draw))
        model, state = adam.update_(model, grads, state)
        yield value


start = TorchNet
