"""A run that trains, saves every third step, and goes on from there; in its first life a process of it may die.

program.py FOLDER [kill | raise]
"""

import os
import signal
import sys
import time
from pathlib import Path

import torch

import nexnet
import nexnet_nn as nn

STEPS, DIES_AT = 12, 8


@nn.parallel.main(backend="gloo")
def run(folder, trouble):
    """Train with dropout, from one generator for each process."""
    rank, size = nn.parallel.rank(), nn.parallel.size()
    first_life = os.environ.get("TORCHELASTIC_RESTART_COUNT") == "0"
    kept = Path(folder, "run.safetensors")
    model = nn.MLP([6, 16, 3], generator=torch.Generator().manual_seed(0))
    adam = nn.Adam(1e-2)
    state = {"model": model, "adam": adam.init(model), "step": 0}
    if kept.exists():
        state = nn.load(state, kept)
    dropout = nn.Dropout(0.2)

    def loss(model, x, y, generator):
        return nn.cross_entropy(model(dropout(x, generator)), y)

    step = nn.parallel.value_and_grad(loss, bucket_bytes=200)
    for i in range(state["step"], STEPS):
        batch = torch.Generator().manual_seed(i)
        x, y = torch.randn(8, 6, generator=batch)[rank::size], torch.randint(3, (8,), generator=batch)[rank::size]
        if trouble and first_life and rank == 1 and i == DIES_AT:
            Path(folder, "died").write_text(str(time.time()))
            if trouble == "raise":
                raise ValueError("out of luck")
            os.kill(os.getpid(), signal.SIGKILL)
        _, grads = step(state["model"], x, y, nn.parallel.generator(i))
        model, moments = adam.update(state["model"], grads, state["adam"])
        state = {"model": model, "adam": moments, "step": i + 1}
        if (i + 1) % 3 == 0 and rank == 0:
            nn.save(state, kept)
    if rank == 0:
        Path(folder, "ended").write_text(f"{nexnet.tree.ravel(state['model'])[0].data.numpy().tobytes().hex()}")


if __name__ == "__main__":
    run(sys.argv[1], (*sys.argv, "")[2])
