"""A vector-quantised autoencoder: codes from a book, the gradient straight through the choice."""

import torch
from torch.nn import functional

import nexnet
import nexnet_nn as nn


def batch(draw):
    """Draw images (32, 1, 16, 16)."""
    return torch.rand(32, 1, 16, 16, generator=draw)


class TorchVQVAE(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.down, self.code = torch.nn.Conv2d(1, 32, 4, 2, 1), torch.nn.Conv2d(32, 16, 4, 2, 1)
        self.book = torch.nn.Embedding(64, 16)
        self.up, self.pixels = torch.nn.ConvTranspose2d(16, 32, 4, 2, 1), torch.nn.ConvTranspose2d(32, 1, 4, 2, 1)

    def forward(self, x):
        code = self.code(torch.relu(self.down(x))).permute(0, 2, 3, 1)
        chosen = self.book(torch.cdist(code.detach().flatten(0, 2), self.book.weight.detach()).argmin(-1)).view_as(code)
        kept = functional.mse_loss(chosen, code.detach()) + 0.25 * functional.mse_loss(code, chosen.detach())
        through = code + (chosen - code).detach()
        out = self.pixels(torch.relu(self.up(through.permute(0, 3, 1, 2))))
        return functional.mse_loss(out, x) + kept


def in_torch(weights, draw):
    model = TorchVQVAE()
    model.load_state_dict(weights)
    adam = torch.optim.Adam(model.parameters(), 1e-3)

    while True:
        loss = model(batch(draw))
        adam.zero_grad()
        loss.backward()
        adam.step()
        yield loss


class VQVAE(nn.Module):
    def __init__(self):
        self.down, self.code = nn.Conv2d(1, 32, 4, 2, 1), nn.Conv2d(32, 16, 4, 2, 1)
        self.book = nn.Embedding(64, 16)
        self.up, self.pixels = nn.ConvTranspose2d(16, 32, 4, 2, 1), nn.ConvTranspose2d(32, 1, 4, 2, 1)

    def __call__(self, x):
        code = self.code(nexnet.relu(self.down(x))).permute(0, 2, 3, 1)
        chosen = self.book(nexnet.cdist(code.detach().flatten(0, 2), self.book.weight.detach()).argmin(-1)).view_as(
            code
        )
        kept = nn.mse_loss(chosen, code.detach()) + 0.25 * nn.mse_loss(code, chosen.detach())
        through = code + (chosen - code).detach()
        out = self.pixels(nexnet.relu(self.up(through.permute(0, 3, 1, 2))))
        return nn.mse_loss(out, x) + kept


def in_nexnet(weights, draw):
    model = nn.from_torch(weights, into=VQVAE())
    adam = nn.Adam(1e-3)
    state = adam.init(model)
    loss = nexnet.value_and_grad(lambda model, x: model(x))

    while True:
        value, grads = loss(model, batch(draw))
        model, state = adam.update_(model, grads, state)
        yield value


start = TorchVQVAE
