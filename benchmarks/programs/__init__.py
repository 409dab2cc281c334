"""Fourteen programs of the kinds that researchers write, in PyTorch and in nexnet, line beside line.

Each module has ``start``, whose state dict is the weights that both begin with, and ``in_torch(weights, draw)`` and
``in_nexnet(weights, draw)``: generators that train, draw each batch of ``draw``, and give one loss after the other.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import torch

import nexnet_nn as nn

from . import (
    bfloat16,
    conv_maml,
    dp_sgd,
    gaussian_process,
    gpt,
    laplace,
    lstm,
    neural_ode,
    pinn,
    reinforce,
    resnet,
    transfer,
    vae,
    vq_vae,
)

__all__ = ["PROGRAMS", "lines", "steps"]

PROGRAMS: tuple[ModuleType, ...] = (
    gpt, pinn, vae, resnet, lstm, gaussian_process, neural_ode, conv_maml, reinforce, vq_vae, dp_sgd, laplace, bfloat16,
    transfer,
)  # fmt: skip


def steps(program: ModuleType) -> dict[str, Callable[[], Any]]:
    """Give a program's training step in each, from the same weights and with the same draws."""
    torch.manual_seed(0)
    weights = program.start().state_dict()

    def draw() -> torch.Generator:
        return torch.Generator().manual_seed(1)

    runs = {"PyTorch": program.in_torch(weights, draw()), "nexnet": program.in_nexnet(weights, draw())}
    return {who: partial(next, run) for who, run in runs.items()}


def lines(program: ModuleType) -> dict[str, int]:
    """Count the lines of code of each: its function, and the classes of models that are its own."""
    own = {each for each in vars(program).values() if inspect.isclass(each) and each.__module__ == program.__name__}
    parts = {
        "PyTorch": [program.in_torch, *(each for each in own if issubclass(each, torch.nn.Module))],
        "nexnet": [program.in_nexnet, *(each for each in own if issubclass(each, nn.Module))],
    }
    return {who: sum(_lines_of(part) for part in some) for who, some in parts.items()}


def _lines_of(part: Any) -> int:
    return sum(bool(line.strip()) for line in inspect.getsource(part).splitlines())
