"""Model-agnostic meta-learning in one screen: learn where to start, by differentiating through gradient descent.

Each task is a sinusoid of its own amplitude and phase, seen at ten points. C. Finn, P. Abbeel, S. Levine,
"Model-agnostic meta-learning for fast adaptation of deep networks" (2017), section 5.1, made small.
"""

import math

import torch

import nexnet
import nexnet_nn as nn

INNER_LR = 0.02
TASKS = 8
generator = torch.Generator().manual_seed(0)


def draw_task():
    """Give one task's ten points to learn from and ten to be judged by: (x, y), (x, y)."""
    amplitude, phase = 0.1 + 4.9 * torch.rand((), generator=generator), math.pi * torch.rand((), generator=generator)
    x = torch.rand(2, 10, 1, generator=generator) * 10 - 5
    y = amplitude * torch.sin(x + phase)
    return (x[0], y[0]), (x[1], y[1])


def loss(model, x, y):
    """Give the mean squared error."""
    return nn.mse_loss(model(x), y)


sgd = nn.SGD(lr=INNER_LR)


def adapt(model, x, y, steps=1):
    """Take steps of gradient descent. ``update`` is pure, so they can be differentiated."""
    state = sgd.init(model)
    for _ in range(steps):
        model, state = sgd.update(model, nexnet.grad(loss)(model, x, y), state)
    return model


def meta_loss(model, tasks):
    """Give the mean loss on the judging points, after adapting to each task."""
    return sum(loss(adapt(model, *seen), *judged) for seen, judged in tasks) / len(tasks)


model = nn.MLP([1, 32, 32, 1], activation=nexnet.relu, init=nn.init.xavier_uniform, generator=generator)
outer = nn.SGD(lr=0.005, momentum=0.9)
state = outer.init(model)
meta_gradient = nexnet.value_and_grad(meta_loss)
held_out = [draw_task() for _ in range(50)]
before = meta_loss(model, held_out).item()

for _ in range(300):
    value, grads = meta_gradient(model, [draw_task() for _ in range(TASKS)])
    model, state = outer.update_(model, grads, state)

after = meta_loss(model, held_out).item()
print(f"loss on new tasks after one step of adaptation: {before:.2f} before meta-learning, {after:.2f} after")
assert after < 0.6 * before
