"""Gradients of gradients: a Taylor series by repeated grad, and a rule that keeps its gradient at every order."""

# ruff: noqa: D102  forward and backward are described by their class's formula

import math

import torch

import nexnet
from nexnet import Policy, function

# sin x around 0, from nothing but grad of grad of grad ...
coefficients = []
derivative = nexnet.sin
for order in range(6):
    coefficients.append(derivative(nexnet.LiteTensor(0.0)).item() / math.factorial(order))
    derivative = nexnet.grad(derivative)
print("sin x =", " + ".join(f"{c:.4f} x^{i}" for i, c in enumerate(coefficients) if c))
assert [round(c * math.factorial(i)) for i, c in enumerate(coefficients)] == [0, 1, 0, -1, 0, 1]


@function
class quantise(Policy):
    """x rounded to steps of 1/4, straight through:  dx = g."""

    def forward(self, x):
        return torch.round(x * 4) / 4

    def backward(self, grad):
        return grad


def energy(x):
    """Sum the squares of the quantised x: its gradient is 2 quantise(x), its curvature 2."""
    q = quantise(x)
    return (q * q).sum()


x = nexnet.LiteTensor([0.3, 0.9])
slope = nexnet.grad(energy)
curvature = nexnet.grad(lambda x: slope(x).sum())
print("slope    ", slope(x).tolist())
print("curvature", curvature(x).tolist())
assert slope(x).tolist() == [0.5, 2.0]
assert curvature(x).tolist() == [2.0, 2.0]
