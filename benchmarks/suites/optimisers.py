"""Steps of optimisers with given gradients: on the few parameters of an MLP, on many small ones, on some large ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import torch

import nexnet
import nexnet_nn as nn

from ..interleaved import Case
from .mlp_step import SIZES

SHAPES = {
    "MLP": [shape for size_in, size_out in pairwise(SIZES) for shape in ((size_out, size_in), (size_out,))],
    "200 of (64,)": [(64,)] * 200,
}
OPTIMISERS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "SGD": (torch.optim.SGD, nn.SGD, {"lr": 1e-3}),
    "SGD, momentum": (torch.optim.SGD, nn.SGD, {"lr": 1e-3, "momentum": 0.9}),
    "Adam": (torch.optim.Adam, nn.Adam, {"lr": 1e-3}),
    "AdamW": (torch.optim.AdamW, nn.AdamW, {"lr": 1e-3}),
}
LARGE = {"4 of (1024, 1024)": [(1024, 1024)] * 4}


def make(name: str, shapes: list[tuple[int, ...]]) -> dict[str, Callable[[], Any]]:
    """Make the contenders: the parameters after a step. PyTorch's default on a CPU is a loop over the parameters."""
    generator = torch.Generator().manual_seed(0)
    start, grads = ([torch.randn(shape, generator=generator) for shape in shapes] for _ in range(2))
    torch_class, nexnet_class, options = OPTIMISERS[name]

    def in_torch(**how: bool) -> Callable[[], Any]:
        params = [torch.nn.Parameter(each.clone()) for each in start]
        for p, g in zip(params, grads, strict=True):
            p.grad = g.clone()
        optimizer = torch_class(params, **options, **how)

        def step() -> Any:
            optimizer.step()
            return params

        return step

    def in_nexnet(method: str) -> Callable[[], Any]:
        optimizer = nexnet_class(**options)
        model = [nexnet.LiteTensor(each.clone()) for each in start]
        slopes = [nexnet.LiteTensor(each) for each in grads]
        state = optimizer.init(model)
        update = getattr(optimizer, method)

        def step() -> Any:
            nonlocal model, state
            model, state = update(model, slopes, state)
            return model

        return step

    return {
        "PyTorch": in_torch(),
        "nexnet": in_nexnet("update_"),
        "nexnet, pure update": in_nexnet("update"),
        "PyTorch, foreach": in_torch(foreach=True),
        "PyTorch, fused": in_torch(fused=True),
    }


def cases() -> list[Case]:
    """Give a case for each optimiser and set of parameters."""
    return [
        Case("optimiser", f"{name}, {which}", partial(make, name, shapes))
        for name in OPTIMISERS
        for which, shapes in (SHAPES | LARGE if name == "AdamW" else SHAPES).items()
    ]
