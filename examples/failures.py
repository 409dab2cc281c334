"""Three trainings that fail, and where: each is found in three lines.

A variational autoencoder whose variance is zero, a network whose ReLUs are dead, and a recurrence that explodes.
"""

import torch

import nexnet
from nexnet.errors import NonFiniteError

generator = torch.Generator().manual_seed(0)


def normal(*shape: int) -> torch.Tensor:
    """Draw from the standard normal distribution."""
    return torch.randn(*shape, generator=generator)


# 1. A VAE: the divergence from a standard normal takes the logarithm of a variance that a ReLU has made zero.


def divergence(params, x):
    """Give the divergence from a standard normal."""
    mean, variance = x @ params["mean"], torch.relu(x @ params["variance"])
    return (mean**2 + variance - nexnet.log(variance) - 1).sum() / 2


vae = {"mean": normal(4, 2), "variance": normal(4, 2)}
try:
    with nexnet.debug_nans(infinities=True):
        nexnet.grad(divergence)(vae, normal(8, 4))
except NonFiniteError as error:
    print(error, "\n")
    born = error
assert (born.rule, born.reason) == ("log", "the logarithm of 0")


# 2. A network that learns nothing: a bias has pushed all of a layer below zero.


def loss(params, x):
    """Give the squared error of two layers."""
    hidden = torch.relu(x @ params["first.weight"] + params["first.bias"])
    return ((hidden @ params["second.weight"] - 1) ** 2).mean()


network = {"first.weight": normal(4, 8), "first.bias": torch.full((8,), -50.0), "second.weight": normal(8, 1)}
_, tape = nexnet.trace(loss, gradients=True)(network, normal(16, 4))
found = nexnet.explain(tape, "first.weight")
print(found, "\n")
assert (found.verdict, found.operation.rule) == ("zero", "relu")


# 3. A recurrent network whose gradient explodes.


def recurrent(params, h):
    """Take thirty steps."""
    for _ in range(30):
        h = nexnet.sin(h * 0.1) + h @ params["hidden"]
    return h.sum()


_, tape = nexnet.trace(recurrent, gradients=True)({"hidden": torch.eye(4) * 2}, normal(2, 4))
found = nexnet.explain(tape, "h")
print(found)
assert (found.verdict, found.operation.rule) == ("huge", "matmul")
