"""A Gaussian process: logarithms of length, scale and noise by the marginal likelihood of 100 points, in float64."""

import math

import torch

import nexnet
import nexnet_nn as nn

X = torch.linspace(0, 5, 100, dtype=torch.float64)
Y = torch.sin(2 * X) + 0.1 * torch.randn(100, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
GAPS, EYE = (X[:, None] - X).square(), torch.eye(100, dtype=torch.float64)


def start():
    return torch.nn.ParameterDict({name: torch.zeros((), dtype=torch.float64) for name in ("length", "noise", "scale")})


def in_torch(weights, _):
    logs = {name: each.clone().requires_grad_() for name, each in weights.items()}
    adam = torch.optim.Adam(logs.values(), 0.05)

    def loss():
        length, noise, scale = logs["length"].exp(), logs["noise"].exp(), logs["scale"].exp()
        factor = torch.linalg.cholesky(scale * torch.exp(-GAPS / (2 * length**2)) + noise * EYE)
        solved = torch.cholesky_solve(Y[:, None], factor)[:, 0]
        return (Y @ solved) / 2 + factor.diagonal().log().sum() + 50 * math.log(2 * math.pi)

    while True:
        value = loss()
        adam.zero_grad()
        value.backward()
        adam.step()
        yield value


def in_nexnet(weights, _):
    logs = {name: nexnet.LiteTensor(each.clone()) for name, each in weights.items()}
    adam = nn.Adam(0.05)
    state = adam.init(logs)

    @nexnet.value_and_grad
    def loss(logs):
        length, noise, scale = logs["length"].exp(), logs["noise"].exp(), logs["scale"].exp()
        factor = nexnet.linalg.cholesky(scale * nexnet.exp(-GAPS / (2 * length**2)) + noise * EYE)
        solved = nexnet.cholesky_solve(Y[:, None], factor)[:, 0]
        return (Y @ solved) / 2 + factor.diagonal().log().sum() + 50 * math.log(2 * math.pi)

    while True:
        value, grads = loss(logs)
        logs, state = adam.update_(logs, grads, state)
        yield value
