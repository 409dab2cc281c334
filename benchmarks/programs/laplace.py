"""Laplace's approximation: the evidence of a small network, by the determinant of its loss's Hessian."""

import torch
from torch.nn import functional

import nexnet

X = torch.randn(50, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
SIZES = [24, 8, 8, 1]
Y = X[:, :1].sin() + X[:, 1:2] * X[:, 2:]


def start():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)).double()


def in_torch(weights, _):
    parts = [each.clone() for each in weights.values()]
    flat = torch.cat([each.flatten() for each in parts])

    def loss(flat):
        w1, b1, w2, b2 = (each.view_as(p) for each, p in zip(flat.split(SIZES), parts, strict=True))
        out = functional.linear(torch.tanh(functional.linear(X, w1, b1)), w2, b2)
        return (out - Y).square().sum() + flat.square().sum() / 2

    while True:
        hessian = torch.func.jacrev(torch.func.grad(loss))(flat)  # its own hessian warns of torch.jit
        slope, value = torch.func.grad_and_value(loss)(flat)
        flat = flat - 0.01 * slope
        yield value + torch.linalg.slogdet(hessian)[1] / 2


def in_nexnet(weights, _):
    parts = [each.clone() for each in weights.values()]
    flat = nexnet.cat([nexnet.LiteTensor(each).flatten() for each in parts])

    def loss(flat):
        w1, b1, w2, b2 = (each.view_as(p) for each, p in zip(flat.split(SIZES), parts, strict=True))
        out = nexnet.linear(nexnet.tanh(nexnet.linear(X, w1, b1)), w2, b2)
        return (out - Y).square().sum() + flat.square().sum() / 2

    while True:
        hessian = nexnet.hessian(loss)(flat)
        value, slope = nexnet.value_and_grad(loss)(flat)
        flat = flat - 0.01 * slope
        yield value + nexnet.linalg.slogdet(hessian)[1] / 2
