"""A small GPT on characters, with AdamW and clipped gradients."""

from pathlib import Path

import torch
from torch.nn import functional

import nexnet
import nexnet_nn as nn

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "explanations" / "design.md").read_text(encoding="utf-8")
CODES = torch.tensor([ord(each) % 128 for each in TEXT])
D, HEADS, LENGTH, BATCH = 64, 4, 64, 16


def batch(generator):
    """Draw characters (batch, length), and the ones that follow."""
    places = torch.randint(len(CODES) - LENGTH, (BATCH, 1), generator=generator) + torch.arange(LENGTH + 1)
    return CODES[places[:, :-1]], CODES[places[:, 1:]]


class TorchBlock(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = torch.nn.LayerNorm(D), torch.nn.LayerNorm(D)
        self.qkv, self.out = torch.nn.Linear(D, 3 * D), torch.nn.Linear(D, D)
        self.inner, self.outer = torch.nn.Linear(D, 4 * D), torch.nn.Linear(4 * D, D)

    def forward(self, x):
        q, k, v = (each.unflatten(-1, (HEADS, -1)).transpose(1, 2) for each in self.qkv(self.norm1(x)).chunk(3, -1))
        seen = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(seen.transpose(1, 2).flatten(2))
        return x + self.outer(functional.gelu(self.inner(self.norm2(x))))


class TorchGPT(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.characters, self.places = torch.nn.Embedding(128, D), torch.nn.Embedding(LENGTH, D)
        self.blocks = torch.nn.Sequential(TorchBlock(), TorchBlock())
        self.norm, self.head = torch.nn.LayerNorm(D), torch.nn.Linear(D, 128)

    def forward(self, x):
        return self.head(self.norm(self.blocks(self.characters(x) + self.places.weight)))


def in_torch(start, draw):
    model = TorchGPT()
    model.load_state_dict(start)
    adam = torch.optim.AdamW(model.parameters(), 1e-3)

    while True:
        x, y = batch(draw)
        loss = functional.cross_entropy(model(x).flatten(0, 1), y.flatten())
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        yield loss


class Block(nn.Module):
    def __init__(self):
        self.norm1, self.norm2 = nn.LayerNorm(D), nn.LayerNorm(D)
        self.qkv, self.out = nn.Linear(D, 3 * D), nn.Linear(D, D)
        self.inner, self.outer = nn.Linear(D, 4 * D), nn.Linear(4 * D, D)

    def __call__(self, x):
        q, k, v = (each.unflatten(-1, (HEADS, -1)).transpose(1, 2) for each in self.qkv(self.norm1(x)).chunk(3, -1))
        seen = nexnet.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(seen.transpose(1, 2).flatten(2))
        return x + self.outer(nexnet.gelu(self.inner(self.norm2(x))))


class GPT(nn.Module):
    def __init__(self):
        self.characters, self.places = nn.Embedding(128, D), nn.Embedding(LENGTH, D)
        self.blocks = [Block(), Block()]
        self.norm, self.head = nn.LayerNorm(D), nn.Linear(D, 128)

    def __call__(self, x):
        x = self.characters(x) + self.places.weight
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


def in_nexnet(start, draw):
    model = nn.from_torch(start, into=GPT())
    adam = nn.AdamW(1e-3)
    state = adam.init(model)

    @nexnet.value_and_grad
    def loss(model, x, y):
        return nn.cross_entropy(model(x).flatten(0, 1), y.flatten())

    while True:
        value, grads = loss(model, *batch(draw))
        model, state = adam.update_(model, nn.clip_by_norm_(grads, 1.0)[0], state)
        yield value


start = TorchGPT
