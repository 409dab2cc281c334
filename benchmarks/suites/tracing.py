"""What looking inside costs: the trace of GPT-2 (4 layers of 128, in PyTorch) beside the plain value and gradients."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

import nexnet

from ..gpu.transformers import Size, module, torch_loss
from ..interleaved import Case

AIMS = {"trace without values": 1.3, "trace": 1.6, "trace with gradients": 2.0}


def make(batch: int, tokens: int) -> dict[str, Callable[[], Any]]:
    """Make the contenders; each gives the loss."""
    model = module(Size(layers=4, features=128, heads=4, batch=batch, tokens=tokens, vocabulary=1000))
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randint(1000, (batch, tokens), generator=generator) for _ in range(2))
    params = nexnet.parameters_of(model)

    def loss(params: Any) -> Any:
        return torch_loss(lambda x: nexnet.functional_call(model, params, (x,)), x, y)

    def in_torch() -> Any:
        value = torch_loss(model, x, y)
        torch.autograd.grad(value, list(model.parameters()))
        return value.detach()

    step = nexnet.value_and_grad(loss)
    traces = {
        "trace without values": nexnet.trace(loss, values=False),
        "trace": nexnet.trace(loss),
        "trace with gradients": nexnet.trace(loss, gradients=True),
    }
    traced: dict[str, Callable[[], Any]] = {
        who: lambda traced=traced: traced(params)[0] for who, traced in traces.items()
    }
    return {"nexnet": lambda: step(params)[0], "PyTorch": in_torch, **traced}


def cases() -> list[Case]:
    """Give one case where time goes into kernels, and one where it goes into Python."""
    return [
        Case("trace of GPT-2", f"{batch} x {tokens} tokens", partial(make, batch, tokens), aims=AIMS, long=batch > 1)
        for batch, tokens in ((1, 16), (8, 128))
    ]
