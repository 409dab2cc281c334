"""Differentially private SGD: each example's gradient is clipped, and noise is added; torch by torch.func."""

from functools import partial

import torch
from torch.nn import functional

import nexnet
import nexnet_nn as nn


def start():
    return torch.nn.Sequential(torch.nn.Linear(20, 64), torch.nn.Tanh(), torch.nn.Linear(64, 4))


def batch(draw):
    """Draw inputs (64, 20), and labels."""
    return torch.randn(64, 20, generator=draw), torch.randint(4, (64,), generator=draw)


def in_torch(weights, draw):
    model = start()
    model.load_state_dict(weights)
    params = {name: each.detach() for name, each in model.named_parameters()}

    def loss(params, x, y):
        return functional.cross_entropy(torch.func.functional_call(model, params, (x,)), y)

    while True:
        grads, values = torch.func.vmap(torch.func.grad_and_value(loss), (None, 0, 0))(params, *batch(draw))
        norms = sum(each.square().flatten(1).sum(1) for each in grads.values()).sqrt()
        scales = (1 / norms).clamp(max=1)
        for name, g in grads.items():
            noisy = torch.einsum("i,i...->...", scales, g) + 0.5 * torch.randn(g.shape[1:], generator=draw)
            params[name] = params[name] - 0.1 / 64 * noisy
        yield values.mean()


def in_nexnet(weights, draw):
    net = nn.Sequential(nn.Linear(20, 64), nexnet.tanh, nn.Linear(64, 4))
    model = nn.from_torch(weights, into=net, rename={"*": "layers.*"})

    def loss(model, x, y):
        return nn.cross_entropy(model(x), y)

    def noisy(scales, p, g):
        return p - 0.1 / 64 * (torch.einsum("i,i...->...", scales, g) + 0.5 * torch.randn(p.shape, generator=draw))

    while True:
        values, grads = nexnet.vmap(nexnet.value_and_grad(loss), (None, 0, 0))(model, *batch(draw))
        norms = sum(each.square().flatten(1).sum(1) for each in grads.parameters()).sqrt()
        scales = (1 / norms).clamp(max=1)
        model = nexnet.tree.map(partial(noisy, scales), model, grads)
        yield values.mean()
