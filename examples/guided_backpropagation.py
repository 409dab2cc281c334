"""Guided backpropagation through a network that knows nothing of it: one rule replaced from outside.

J. Springenberg et al., "Striving for simplicity: the all convolutional net" (2015): what is negative, on the way
forward or on the way back, ends at a ReLU.
"""

# ruff: noqa: D102  forward and backward are described by their class's formula

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

import nexnet


@nexnet.function
class guided_relu(nexnet.Policy):
    """max(x, 0):  dx = g where x > 0 and g > 0, else 0."""

    def forward(self, x):
        self.ctx.save(x)
        return x.clamp(min=0)

    def backward(self, grad):
        (x,) = self.ctx.release
        return grad * (x > 0) * (grad > 0)


def saliency(model: nn.Module, image: torch.Tensor, label: int) -> torch.Tensor:
    """Give the guided gradient of a label's score by the image."""

    def score(image):
        return nexnet.functional_call(model, {}, (image[None],))[0, label]

    with nexnet.override({F.relu: guided_relu}):  # however the model spells it: nn.ReLU, torch.relu, x.relu()
        return nexnet.grad(score)(image).data


if __name__ == "__main__":
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4),
    )  # fmt: skip
    image = torch.randn(3, 16, 16)
    found = saliency(model, image, 2)
    print(f"guided saliency: {found.abs().sum():.4f} in all, at most {found.abs().max():.4f}")
