"""A small GPT learns to write, one character after the other; its blocks are divided among the processes.

    torchrun --standalone --nproc-per-node 2 examples/characters_in_processes.py

Of every block each process keeps a part of the parameters, and of the optimiser's state; a block is whole while it is
called, and once more in the backward loop. One process, without torchrun, learns the same.
"""

import argparse
from pathlib import Path

import torch

import nexnet
import nexnet_nn as nn

TEXT = (Path(__file__).resolve().parents[1] / "docs" / "explanations" / "design.md").read_text(encoding="utf-8")
CHARACTERS = sorted(set(TEXT))
CODES = torch.tensor([CHARACTERS.index(each) for each in TEXT])
FEATURES, HEADS, BLOCKS, LENGTH, BATCH = 32, 4, 2, 48, 16


class Causal(nn.Module):
    """A transformer's block that looks back only."""

    block: nn.TransformerBlock

    def __call__(self, x):
        """Map ``x`` of shape (batch, length, features)."""
        return self.block(x, is_causal=True)


class GPT(nn.Module):
    """Characters (batch, length) in, scores of each next one (batch, length, characters) out."""

    characters: nn.Embedding
    places: nn.Embedding
    blocks: tuple
    norm: nn.LayerNorm
    scores: nn.Dense

    def __call__(self, codes):
        """Give the scores."""
        x = self.characters(codes) + self.places(torch.arange(codes.shape[-1]))
        for block in self.blocks:
            x = block(x)
        return self.scores(self.norm(x))


def gpt(generator):
    """Draw a model, and give each process its part of every block and of the rest."""
    options = {"generator": generator}
    model = GPT(
        nn.Embedding(len(CHARACTERS), FEATURES, **options),
        nn.Embedding(LENGTH, FEATURES, **options),
        tuple(Causal(nn.TransformerBlock(FEATURES, HEADS, **options)) for _ in range(BLOCKS)),
        nn.LayerNorm(FEATURES),
        nn.Dense(FEATURES, len(CHARACTERS), **options),
    )
    parts = {name: getattr(model, name) for name in ("characters", "places", "norm", "scores")}
    return model.replace(
        blocks=tuple(nn.parallel.shard(each) for each in model.blocks),
        **{name: nn.parallel.shard(each) for name, each in parts.items()},
    )


def loss(model, codes):
    """Give the mean cross-entropy of each character but the first of texts (batch, length + 1)."""
    return nn.cross_entropy(model(codes[:, :-1]).reshape(-1, len(CHARACTERS)), codes[:, 1:].reshape(-1))


@nn.parallel.main
def train():
    """Learn, and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a few steps")
    steps = 21 if parser.parse_args().quick else 400

    rank, size = nn.parallel.rank(), nn.parallel.size()
    generator = torch.Generator().manual_seed(0)  # one seed: the same model, and the same batches, everywhere
    model = gpt(generator)
    adam = nn.AdamW(3e-3)
    state = adam.init(model)
    for step in range(steps):
        starts = torch.randint(len(CODES) - LENGTH - 1, (BATCH,), generator=generator)[rank::size]
        codes = torch.stack([CODES[i : i + LENGTH + 1] for i in starts])
        value, grads = nexnet.value_and_grad(loss)(model, codes)  # of parts: they are means already
        model, state = adam.update(model, grads, state)
        mean = nn.parallel.average(value).item()
        if rank == 0 and (step % 20 == 0 or step == steps - 1):
            print(f"step {step}  loss {mean:.7f}", flush=True)
    assert mean < 3.5

    written = TEXT[:16]
    for _ in range(16):
        seen = torch.tensor([[CHARACTERS.index(each) for each in written[-LENGTH:]]])
        chances = nexnet.softmax(model(seen)[0, -1], -1).data
        written += CHARACTERS[torch.multinomial(chances, 1, generator=generator).item()]
    if rank == 0:
        kept = sum(each.data.numel() for each in model.parameters())
        print(f"{size} process{'es' * (size > 1)}, {kept:,} parameters in this one: {written!r}")


if __name__ == "__main__":
    train()
