"""Quantised training of an unmodified model: weights and activations are rounded, and gradients pass straight through.

Y. Bengio et al., "Estimating or propagating gradients through stochastic neurons" (2013); B. Jacob et al.,
"Quantization and training of neural networks for efficient integer-arithmetic-only inference" (2018).
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

import nexnet


def quantised(x: Any, bits: int = 4) -> Any:
    """Round to so many bits, evenly up to the largest value; the gradient is that of x."""
    scale = nexnet.stop_gradient(x.abs().max()) / (2 ** (bits - 1) - 1) + 1e-12
    return x + nexnet.stop_gradient((x / scale).round() * scale - x)


def quantised_linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """Multiply what was rounded: ``F.linear`` is, in a rule, what it was before the block."""
    return F.linear(quantised(input), quantised(weight), bias)


def train(model: nn.Module, x: torch.Tensor, y: torch.Tensor, steps: int) -> list[float]:
    """Train with quantised layers and an optimiser of torch's; give the losses."""
    optimiser = torch.optim.Adam(model.parameters(), 0.02)

    def loss(parameters):
        return F.mse_loss(nexnet.functional_call(model, parameters, (x,)), y)

    losses = []
    for _ in range(steps):
        with nexnet.override({F.linear: quantised_linear}):
            value, gradients = nexnet.value_and_grad(loss)(nexnet.parameters_of(model))
        nexnet.set_gradients(model, gradients)
        optimiser.step()
        losses.append(value.item())
    return losses


if __name__ == "__main__":
    torch.manual_seed(0)
    x = torch.randn(64, 2)
    losses = train(nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1)), x, x.prod(1, keepdim=True), 60)
    print(f"4-bit loss: {losses[0]:.4f} at first, {losses[-1]:.4f} after {len(losses)} steps")
    assert losses[-1] < losses[0] / 2
