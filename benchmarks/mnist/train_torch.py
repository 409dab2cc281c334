"""The experiment in PyTorch, as a user would write it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812  its usual name
from torch import Tensor, nn


class MLP(nn.Module):
    """784-256-64-10 with ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(784, 256)
        self.fc2 = nn.Linear(256, 64)
        self.fc3 = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Give the logits (n, 10) of images (n, 784)."""
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


class Trainer:
    """The model and the optimiser. ``parameters`` are the initial weights and biases, in order."""

    name = "PyTorch"

    def __init__(self, parameters: Sequence[Tensor], lr: float) -> None:
        self.model = MLP().to(device=parameters[0].device, dtype=parameters[0].dtype)
        with torch.no_grad():
            for own, given in zip(self.model.parameters(), parameters, strict=True):
                own.copy_(given)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=lr)

    def step(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Train on a batch; give its loss and its logits, both from before the step."""
        self.optimizer.zero_grad()
        logits = self.model(x)
        loss = F.cross_entropy(logits, y)
        loss.backward()
        self.optimizer.step()
        return loss.detach(), logits.detach()

    @torch.no_grad()
    def evaluate(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Give the loss and the logits of a batch."""
        logits = self.model(x)
        return F.cross_entropy(logits, y), logits
