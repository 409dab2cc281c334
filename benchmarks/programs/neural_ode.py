"""A neural differential equation: a spiral is followed by 20 steps of Runge and Kutta's, and differentiated through."""

import torch

import nexnet
import nexnet_nn as nn

TIMES = torch.linspace(0, 2, 21)
SPIRAL = torch.stack([(-0.2 * TIMES).exp() * (3 * TIMES).cos(), (-0.2 * TIMES).exp() * (3 * TIMES).sin()], -1)
H = 0.1


def start():
    return torch.nn.ModuleDict({"inner": torch.nn.Linear(2, 32), "outer": torch.nn.Linear(32, 2)})


def in_torch(weights, _):
    model = start()
    model.load_state_dict(weights)
    adam = torch.optim.Adam(model.parameters(), 1e-2)

    def slope(y):
        return model["outer"](torch.tanh(model["inner"](y)))

    def loss():
        path = [SPIRAL[0]]
        for _ in range(20):
            y = path[-1]
            k1 = slope(y)
            k2 = slope(y + H / 2 * k1)
            k3 = slope(y + H / 2 * k2)
            path.append(y + H / 6 * (k1 + 2 * k2 + 2 * k3 + slope(y + H * k3)))
        return (torch.stack(path) - SPIRAL).square().mean()

    while True:
        value = loss()
        adam.zero_grad()
        value.backward()
        adam.step()
        yield value


def in_nexnet(weights, _):
    model = nn.from_torch(weights, into={"inner": nn.Linear(2, 32), "outer": nn.Linear(32, 2)})
    adam = nn.Adam(1e-2)
    state = adam.init(model)

    @nexnet.value_and_grad
    def loss(model):
        def slope(y):
            return model["outer"](nexnet.tanh(model["inner"](y)))

        path = [SPIRAL[0]]
        for _ in range(20):
            y = path[-1]
            k1 = slope(y)
            k2 = slope(y + H / 2 * k1)
            k3 = slope(y + H / 2 * k2)
            path.append(y + H / 6 * (k1 + 2 * k2 + 2 * k3 + slope(y + H * k3)))
        return (nexnet.stack(path) - SPIRAL).square().mean()

    while True:
        value, grads = loss(model)
        model, state = adam.update_(model, grads, state)
        yield value
