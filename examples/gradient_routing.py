"""Gradient routing: which examples may train which units of a model is said from outside.

A. Cloud et al., "Gradient routing: masking gradients to localize computation in neural networks" (2024). An example's
gradient passes a hidden unit only where the mask is 1: h = m h + (1 - m) stop_gradient(h).
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

import nexnet


def routed(mask: torch.Tensor) -> Any:
    """Make a rule for a layer's activations that lets gradients through where the mask (examples x units) is 1."""

    @nexnet.function
    class routed_relu(nexnet.Policy):
        """max(x, 0):  dx = m g where x > 0, else 0."""

        def forward(self, x):
            self.ctx.save(x)
            return x.clamp(min=0)

        def backward(self, grad):
            (x,) = self.ctx.release
            return mask * grad * (x > 0)

    return routed_relu


def gradients(model: nn.Module, x: torch.Tensor, y: torch.Tensor, mask: torch.Tensor, within: str) -> Any:
    """Give the gradients of the loss by the parameters, routed at the ReLUs of one part of the model."""

    def loss(parameters):
        return F.mse_loss(nexnet.functional_call(model, parameters, (x,)), y)

    with nexnet.override({F.relu: routed(mask)}, within=within):
        return nexnet.grad(loss)(nexnet.parameters_of(model))


if __name__ == "__main__":
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Sequential(nn.Linear(3, 8), nn.ReLU()), nn.Sequential(nn.Linear(8, 8), nn.ReLU()), nn.Linear(8, 1)
    )
    x, y = torch.randn(6, 3), torch.randn(6, 1)
    first_kind = torch.tensor([True, True, True, False, False, False])
    mask = torch.cat((first_kind[:, None].expand(6, 4), ~first_kind[:, None].expand(6, 4)), 1).float()
    of_first = gradients(model, x[first_kind], y[first_kind], mask[first_kind], "0")["0.0.weight"].data
    print("units that the first kind of examples trains:", of_first.abs().sum(1).nonzero().flatten().tolist())
    assert of_first[:4].abs().sum() > 0
    assert of_first[4:].abs().sum() == 0
