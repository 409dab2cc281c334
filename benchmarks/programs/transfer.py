"""Transfer: a network of torch's, frozen, and a new head on what it sees."""

import torch
from torch.nn import functional

import nexnet
import nexnet_nn as nn

torch.manual_seed(0)
BODY = torch.nn.Sequential(
    torch.nn.Conv2d(3, 16, 3, 2, 1),
    torch.nn.ReLU(),
    torch.nn.Conv2d(16, 32, 3, 2, 1),
    torch.nn.ReLU(),
    torch.nn.Flatten(),
)


def start():
    return torch.nn.Linear(512, 10)


def batch(draw):
    """Draw images (32, 3, 16, 16), and labels."""
    return torch.randn(32, 3, 16, 16, generator=draw), torch.randint(10, (32,), generator=draw)


def in_torch(weights, draw):
    head = start()
    head.load_state_dict(weights)
    adam = torch.optim.Adam(head.parameters(), 1e-3)

    while True:
        x, y = batch(draw)
        with torch.no_grad():
            seen = BODY(x)
        loss = functional.cross_entropy(head(seen), y)
        adam.zero_grad()
        loss.backward()
        adam.step()
        yield loss


def in_nexnet(weights, draw):
    head = nn.from_torch(weights, into=nn.Linear(512, 10))
    adam = nn.Adam(1e-3)
    state = adam.init(head)
    loss = nexnet.value_and_grad(lambda head, x, y: nn.cross_entropy(head(x), y))

    while True:
        x, y = batch(draw)
        with torch.no_grad():
            seen = BODY(x)
        value, grads = loss(head, seen, y)
        head, state = adam.update_(head, grads, state)
        yield value
