"""Learn a learning rate by its own gradient: the derivative of the final loss goes back through 100 steps of SGD.

D. Maclaurin, D. Duvenaud, R. Adams, "Gradient-based hyperparameter optimization through reversible learning" (2015).
"""

import math

import torch

import nexnet
import nexnet_nn as nn
from nexnet_nn import meta

STEPS = 100
generator = torch.Generator().manual_seed(0)
x = torch.randn(64, 4, generator=generator)
y = torch.sin(x.sum(1, keepdim=True)) + 0.1 * torch.randn(64, 1, generator=generator)
x_held, y_held = x[48:], y[48:]
x, y = x[:48], y[:48]
start = nn.MLP([4, 16, 1], nexnet.tanh, generator=generator)


def loss(model, x, y):
    """Give the mean squared error."""
    return nn.mse_loss(model(x), y)


def final_loss(log_lr, momentum, steps=STEPS, model=start):
    """Give the loss on held-out points after training with this logarithm of the learning rate, and this momentum."""
    sgd = nn.SGD(lr=torch.exp(log_lr), momentum=momentum)
    return loss(meta.adapt(loss, model, x, y, optimizer=sgd, steps=steps), x_held, y_held)


hypergradient = nexnet.value_and_grad(final_loss, argnums=(0, 1))


def main():
    """Descend on the learning rate and the momentum."""
    log_lr, momentum = nexnet.tensor(math.log(0.01)), nexnet.tensor(0.5)
    for round in range(13):
        value, (by_log_lr, by_momentum) = hypergradient(log_lr, momentum)
        if round % 3 == 0:
            print(f"lr {math.exp(log_lr.item()):.4f}  momentum {momentum.item():.3f}  loss {value.item():.4f}"
                  f"  d/d(log lr) {by_log_lr.item():+.4f}  d/d(momentum) {by_momentum.item():+.4f}")  # fmt: skip
        if round == 0:
            first = value.item()
        log_lr = log_lr - 2.0 * by_log_lr.clamp(-0.25, 0.25)
        momentum = (momentum - 0.5 * by_momentum.clamp(-0.1, 0.1)).clamp(0, 0.95)
    assert value.item() < 0.9 * first


if __name__ == "__main__":
    main()
