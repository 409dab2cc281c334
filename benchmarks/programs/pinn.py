"""A network that solves Burgers' equation, u_t + u u_x = 0.01 u_xx: derivatives by x and t of a batch."""

import torch

import nexnet
import nexnet_nn as nn


def start():
    tanh = torch.nn.Tanh()
    return torch.nn.Sequential(torch.nn.Linear(2, 32), tanh, torch.nn.Linear(32, 32), tanh, torch.nn.Linear(32, 1))


def points(draw):
    """Draw x and t, (256,) each."""
    return torch.rand(256, generator=draw) * 2 - 1, torch.rand(256, generator=draw)


def in_torch(weights, draw):
    model = start()
    model.load_state_dict(weights)
    adam = torch.optim.Adam(model.parameters(), 1e-3)

    def u(x, t):
        return model(torch.stack([x, t], -1)).squeeze(-1)

    def loss(x, t):
        value = u(x, t)
        u_x, u_t = torch.autograd.grad(value.sum(), (x, t), create_graph=True)
        (u_xx,) = torch.autograd.grad(u_x.sum(), x, create_graph=True)
        x0 = x.detach()
        residual = u_t + value * u_x - 0.01 * u_xx
        return residual.square().mean() + (u(x0, 0 * x0) + torch.sin(torch.pi * x0)).square().mean()

    while True:
        value = loss(*(each.requires_grad_() for each in points(draw)))
        adam.zero_grad()
        value.backward()
        adam.step()
        yield value


def in_nexnet(weights, draw):
    net = nn.Sequential(nn.Linear(2, 32), nexnet.tanh, nn.Linear(32, 32), nexnet.tanh, nn.Linear(32, 1))
    model = nn.from_torch(weights, into=net, rename={"*": "layers.*"})
    adam = nn.Adam(1e-3)
    state = adam.init(model)

    def u(model, x, t):
        return model(nexnet.stack([x, t], -1)).squeeze(-1)

    def residual(model, x, t):
        value, (u_x, u_t) = nexnet.value_and_grad(u, (1, 2))(model, x, t)
        u_xx = nexnet.grad(nexnet.grad(u, 1), 1)(model, x, t)
        return u_t + value * u_x - 0.01 * u_xx

    @nexnet.value_and_grad
    def loss(model, x, t):
        inside = nexnet.vmap(residual, (None, 0, 0))(model, x, t)
        return inside.square().mean() + (u(model, x, 0 * t) + nexnet.sin(torch.pi * x)).square().mean()

    while True:
        value, grads = loss(model, *points(draw))
        model, state = adam.update_(model, grads, state)
        yield value
