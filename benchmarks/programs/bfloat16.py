"""A network in bfloat16, by torch's autocast, with float32 parameters."""

import torch
from torch.nn import functional

import nexnet
import nexnet_nn as nn


def start():
    gelu = torch.nn.GELU()
    return torch.nn.Sequential(
        torch.nn.Linear(64, 128), gelu, torch.nn.Linear(128, 128), gelu, torch.nn.Linear(128, 10)
    )


def batch(draw):
    """Draw inputs (64, 64), and labels."""
    return torch.randn(64, 64, generator=draw), torch.randint(10, (64,), generator=draw)


def in_torch(weights, draw):
    model = start()
    model.load_state_dict(weights)
    adam = torch.optim.AdamW(model.parameters(), 1e-3)

    while True:
        x, y = batch(draw)
        with torch.autocast("cpu", torch.bfloat16):
            loss = functional.cross_entropy(model(x), y)
        adam.zero_grad()
        loss.backward()
        adam.step()
        yield loss


def in_nexnet(weights, draw):
    net = nn.Sequential(nn.Linear(64, 128), nexnet.gelu, nn.Linear(128, 128), nexnet.gelu, nn.Linear(128, 10))
    model = nn.from_torch(weights, into=net, rename={"*": "layers.*"})
    adam = nn.AdamW(1e-3)
    state = adam.init(model)
    loss = nexnet.value_and_grad(lambda model, x, y: nn.cross_entropy(model(x), y))

    while True:
        with torch.autocast("cpu", torch.bfloat16):
            value, grads = loss(model, *batch(draw))
        model, state = adam.update_(model, grads, state)
        yield value
