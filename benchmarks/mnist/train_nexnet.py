"""The experiment in nexnet, as a user would write it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

import nexnet
import nexnet_nn as nn

SIZES = (784, 256, 64, 10)


def loss(model: nn.MLP, x: Any, y: Any) -> tuple[nexnet.LiteTensor, nexnet.LiteTensor]:
    """Give the mean cross-entropy of a batch, and its logits."""
    logits = model(x)
    return nn.cross_entropy(logits, y), logits


class Trainer:
    """The model and the optimiser."""

    name = "nexnet"

    def __init__(self, seed: int, lr: float, device: torch.device, dtype: torch.dtype) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.model = nn.MLP(
            SIZES, nexnet.relu, init=nn.init.xavier_uniform, generator=generator, dtype=dtype, device=device
        )
        self.sgd = nn.SGD(lr=lr)
        self.state = self.sgd.init(self.model)
        self.loss_and_grad = nexnet.value_and_grad(loss, has_aux=True, low_rank=True)

    def step(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Train on a batch; give its loss and its logits, both from before the step."""
        (value, logits), grads = self.loss_and_grad(self.model, x, y)
        self.model, self.state = self.sgd.update_(self.model, grads, self.state)
        return value.data, logits.data

    def evaluate(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Give the loss and the logits of a batch."""
        value, logits = loss(self.model, x, y)
        return value.data, logits.data
