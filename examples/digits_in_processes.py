"""Handwritten digits, learned by as many processes as there are: each has a part of every batch.

    torchrun --standalone --nproc-per-node 2 examples/digits_in_processes.py --checkpoint run.safetensors

One process, without torchrun, learns the same. A run that was ended goes on from its checkpoint; with
``--max-restarts 3`` torchrun sees to that itself.
"""

import argparse
import gzip
from pathlib import Path

import torch
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

import nexnet
import nexnet_nn as nn

DATA = Path(__file__).resolve().parents[1] / "benchmarks" / "mnist" / "data"
BATCH = 128  # of all processes together


def read(name, count):
    """Read the first images (count, 784), scaled to mean 0 and deviation 1, or labels (count,), of an IDX file."""
    raw = torch.frombuffer(bytearray(gzip.decompress((DATA / name).read_bytes())), dtype=torch.uint8)
    if "labels" in name:
        return raw[8:][:count].long()
    return (raw[16:].view(-1, 784)[:count] / 255 - 0.1307) / 0.3081


def loss(model, x, y):
    """Give the mean cross-entropy of a process's examples."""
    return nn.cross_entropy(model(x), y)


@nn.parallel.main
def train():
    """Learn, and say what was learned."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="with few images")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--checkpoint", type=Path, help="where the run is kept, and goes on from")
    options = parser.parse_args()

    rank, size = nn.parallel.rank(), nn.parallel.size()
    count = 2048 if options.quick else 60_000
    digits = TensorDataset(*(read(f"train-{kind}-ubyte.gz", count) for kind in ("images-idx3", "labels-idx1")))
    sampler = DistributedSampler(digits, size, rank, seed=0)
    loader = DataLoader(digits, BATCH // size, sampler=sampler)

    model = nn.MLP([784, 64, 10], generator=torch.Generator().manual_seed(0))  # one seed: one model everywhere
    adam = nn.Adam(1e-3)
    run = {"model": model, "state": adam.init(model), "epoch": 0}
    if options.checkpoint and options.checkpoint.exists():
        run = nn.load(run, options.checkpoint)

    step = nn.parallel.value_and_grad(loss)
    for epoch in range(run["epoch"], options.epochs):
        sampler.set_epoch(epoch)
        losses = []
        for x, y in loader:
            value, grads = step(run["model"], x, y)
            run["model"], run["state"] = adam.update(run["model"], grads, run["state"])
            losses.append(value)
        run["epoch"] = epoch + 1
        mean = nn.parallel.average(nexnet.stack(losses).mean())
        if rank == 0:
            print(f"epoch {epoch}  loss {mean.item():.7f}", flush=True)
            if options.checkpoint:
                nn.save(run, options.checkpoint)

    if rank == 0:
        images, labels = read("t10k-images-idx3-ubyte.gz", 1000), read("t10k-labels-idx1-ubyte.gz", 1000)
        accuracy = (run["model"](images).data.argmax(1) == labels).float().mean().item()
        print(f"{size} process{'es' * (size > 1)}: {accuracy:.3f} of the digits that it has not seen are read right")
        assert accuracy > 0.8


if __name__ == "__main__":
    train()
