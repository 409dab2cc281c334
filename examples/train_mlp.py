"""Train an MLP on two spirals: the whole loop, with nothing hidden."""

import math

import torch

import nexnet
import nexnet_nn as nn


def spirals(points, generator):
    """Draw points of two interleaved spirals: coordinates (2 points, 2) and labels (2 points,)."""
    t = torch.rand(2, points, generator=generator).sqrt() * 3 * math.pi
    turn = torch.tensor([[0.0], [math.pi]])
    xy = torch.stack([t * torch.cos(t + turn), t * torch.sin(t + turn)], dim=-1) / math.pi
    return xy.reshape(-1, 2), torch.arange(2).repeat_interleave(points)


def loss(model, x, y):
    """Give the mean cross-entropy of the model's logits."""
    return nn.cross_entropy(model(x), y)


generator = torch.Generator().manual_seed(0)
x, y = spirals(200, generator)
model = nn.MLP([2, 64, 64, 2], activation=nexnet.tanh, init=nn.init.xavier_uniform, generator=generator)
sgd = nn.SGD(lr=0.3, momentum=0.9)
state = sgd.init(model)
step = nexnet.value_and_grad(loss)

for epoch in range(601):
    value, grads = step(model, x, y)
    model, state = sgd.update_(model, grads, state)
    if epoch % 200 == 0:
        accuracy = (model(x).data.argmax(1) == y).float().mean().item()
        print(f"epoch {epoch:4d}  loss {value.item():.4f}  accuracy {accuracy:.3f}")

assert accuracy > 0.95
