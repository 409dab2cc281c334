"""A variational autoencoder on vectors of 64 pixels."""

import torch
from torch.nn import functional

import nexnet
import nexnet_nn as nn

IMAGES = (torch.rand(2048, 64, generator=torch.Generator().manual_seed(0)) > 0.7).float()


def batch(draw):
    """Draw images (128, 64), and the noise of their codes."""
    return IMAGES[torch.randint(2048, (128,), generator=draw)], torch.randn(128, 8, generator=draw)


class TorchVAE(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.code = torch.nn.Linear(64, 128), torch.nn.Linear(128, 16)
        self.outer, self.pixels = torch.nn.Linear(8, 128), torch.nn.Linear(128, 64)

    def forward(self, x, noise):
        mean, log_variance = self.code(torch.relu(self.inner(x))).chunk(2, -1)
        code = mean + noise * (log_variance / 2).exp()
        logits = self.pixels(torch.relu(self.outer(code)))
        seen = functional.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        return (seen + (mean.square() + log_variance.exp() - 1 - log_variance).sum() / 2) / len(x)


def in_torch(weights, draw):
    model = TorchVAE()
    model.load_state_dict(weights)
    adam = torch.optim.Adam(model.parameters(), 1e-3)

    while True:
        loss = model(*batch(draw))
        adam.zero_grad()
        loss.backward()
        adam.step()
        yield loss


class VAE(nn.Module):
    def __init__(self):
        self.inner, self.code = nn.Linear(64, 128), nn.Linear(128, 16)
        self.outer, self.pixels = nn.Linear(8, 128), nn.Linear(128, 64)

    def __call__(self, x, noise):
        mean, log_variance = self.code(nexnet.relu(self.inner(x))).chunk(2, -1)
        code = mean + noise * (log_variance / 2).exp()
        logits = self.pixels(nexnet.relu(self.outer(code)))
        seen = nn.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        return (seen + (mean.square() + log_variance.exp() - 1 - log_variance).sum() / 2) / len(x)


def in_nexnet(weights, draw):
    model = nn.from_torch(weights, into=VAE())
    adam = nn.Adam(1e-3)
    state = adam.init(model)
    loss = nexnet.value_and_grad(lambda model, x, noise: model(x, noise))

    while True:
        value, grads = loss(model, *batch(draw))
        model, state = adam.update_(model, grads, state)
        yield value


start = TorchVAE
