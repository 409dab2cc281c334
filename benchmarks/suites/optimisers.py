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
LBFGS: dict[str, dict[str, Any]] = {
    "L-BFGS": {"lr": 0.1, "max_iter": 10, "history_size": 5},
    "L-BFGS, strong Wolfe": {"max_iter": 10, "history_size": 5, "line_search_fn": "strong_wolfe"},
}
ENDLESS = {"tolerance_grad": 0.0, "tolerance_change": 0.0}  # every step is one of all its iterations


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

    optimizer = nexnet_class(**options)
    return {
        "PyTorch": in_torch(),
        "nexnet": in_nexnet(optimizer, "update_", start, grads),
        "nexnet, pure update": in_nexnet(optimizer, "update", start, grads),
        "PyTorch, foreach": in_torch(foreach=True),
        "PyTorch, fused": in_torch(fused=True),
    }


def in_nexnet(optimizer: Any, method: str, start: list[Any], grads: list[Any]) -> Callable[[], Any]:
    """Make nexnet's: the parameters after a step by one of an optimiser's methods."""
    model = [nexnet.LiteTensor(each.clone()) for each in start]
    slopes = [nexnet.LiteTensor(each) for each in grads]
    state = optimizer.init(model)
    update = getattr(optimizer, method)

    def step() -> Any:
        nonlocal model, state
        model, state = update(model, slopes, state)
        return model

    return step


def lion(shapes: list[tuple[int, ...]]) -> dict[str, Callable[[], Any]]:
    """Make the contenders of a step of Lion's, which torch.optim hasn't: its formula by a loop, or by torch's lists."""
    generator = torch.Generator().manual_seed(0)
    start, grads = ([torch.randn(shape, generator=generator) for shape in shapes] for _ in range(2))
    lr, beta1, beta2, decay = 1e-3, 0.9, 0.99, 0.1

    def by_loop(params: list[Any], means: list[Any]) -> None:
        for p, g, mean in zip(params, grads, means, strict=True):
            p.mul_(1 - lr * decay)
            p.add_(torch.lerp(mean, g, 1 - beta1).sign_(), alpha=-lr)
            mean.lerp_(g, 1 - beta2)

    def by_lists(params: list[Any], means: list[Any]) -> None:
        torch._foreach_mul_(params, 1 - lr * decay)
        ahead = torch._foreach_lerp(means, grads, 1 - beta1)
        torch._foreach_sign_(ahead)
        torch._foreach_add_(params, ahead, alpha=-lr)
        torch._foreach_lerp_(means, grads, 1 - beta2)

    def in_torch(how: Callable[[list[Any], list[Any]], None]) -> Callable[[], Any]:
        params, means = [each.clone() for each in start], [torch.zeros_like(each) for each in start]

        def step() -> Any:
            how(params, means)
            return params

        return step

    return {
        "PyTorch": in_torch(by_loop),
        "nexnet": in_nexnet(nn.Lion(lr, (beta1, beta2), decay), "update_", start, grads),
        "PyTorch, foreach": in_torch(by_lists),
    }


def lbfgs(name: str, shapes: list[tuple[int, ...]]) -> dict[str, Callable[[], Any]]:
    """Make the contenders of L-BFGS's first step, of ten iterations down a quadratic that wants more of them."""
    generator = torch.Generator().manual_seed(0)
    start = [torch.randn(shape, generator=generator) for shape in shapes]
    scales = [torch.rand(shape, generator=generator) + 0.01 for shape in shapes]

    def loss(params: Any) -> Any:
        return sum((p * p * scale).sum() for p, scale in zip(params, scales, strict=True)) / len(scales)

    def in_torch() -> Any:
        params = [torch.nn.Parameter(each.clone()) for each in start]
        optimizer = torch.optim.LBFGS(params, **LBFGS[name], **ENDLESS)

        def closure() -> Any:
            optimizer.zero_grad()
            value = loss(params)
            value.backward()
            return value

        optimizer.step(closure)
        return params

    optimiser = nn.LBFGS(**LBFGS[name], **ENDLESS)

    def in_nexnet() -> Any:
        model = [nexnet.LiteTensor(each.clone()) for each in start]
        return optimiser.update_(model, loss, optimiser.init(model))[0]

    return {"PyTorch": in_torch, "nexnet": in_nexnet}


def cases() -> list[Case]:
    """Give a case for each optimiser and set of parameters."""
    many = {each: SHAPES[each] for each in SHAPES if each != "MLP"} | LARGE
    makers = [(name, partial(make, name), SHAPES | LARGE if name == "AdamW" else SHAPES) for name in OPTIMISERS] + [
        ("Lion", lion, many),
        *((name, partial(lbfgs, name), many) for name in LBFGS),
    ]
    return [
        Case("optimiser", f"{name}, {which}", partial(maker, shapes))
        for name, maker, sets in makers
        for which, shapes in sets.items()
    ]
