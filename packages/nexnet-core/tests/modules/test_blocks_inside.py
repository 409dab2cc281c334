"""torch.autocast and nexnet.checkpoint, around and inside of a model."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import nn

import nexnet as nx


def autocast(enabled: bool = True) -> Any:
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled)


class Mixed(nn.Module):
    """Two layers in half precision, the normalisation between them and the loss in float32."""

    def __init__(self, inside: bool) -> None:
        super().__init__()
        self.inside = inside
        self.first, self.norm, self.second = nn.Linear(8, 16), nn.LayerNorm(16), nn.Linear(16, 4, bias=False)

    def forward(self, x: Any) -> Any:
        with autocast() if self.inside else nullcontext():
            x = self.first(x)
            assert x.dtype is torch.bfloat16
            with autocast(enabled=False):
                x = self.norm(x.float())
                assert x.dtype is torch.float32
            x = self.second(torch.relu(x))
        return (x.float() ** 2).sum()


@pytest.mark.parametrize("inside", [True, False])
def test_autocast_gives_torchs_gradients_in_the_parameters_dtype(inside: bool) -> None:
    model, x = Mixed(inside), torch.randn(3, 8)
    around = nullcontext() if inside else autocast()
    with around:
        expected = model(x)
    expected.backward()

    def loss(parameters: Any) -> Any:
        with nullcontext() if inside else autocast():
            return nx.functional_call(model, parameters, x)

    value, gradients = nx.value_and_grad(loss)(nx.parameters_of(model))
    torch.testing.assert_close(value.data, expected.detach())
    for name, each in model.named_parameters():
        assert gradients[name].dtype is torch.float32
        torch.testing.assert_close(gradients[name].data, each.grad, rtol=2e-2, atol=2e-2 * each.grad.abs().max().item())


class Block(nn.Module):
    """A residual block with dropout and a write in place."""

    def __init__(self, checkpoint: Any) -> None:
        super().__init__()
        self.checkpoint, self.runs = checkpoint, 0
        self.inside = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Tanh(), nn.Linear(8, 4)).double()

    def block(self, x: Any) -> Any:
        self.runs += 1
        y = self.inside(x)
        y += x
        return y * y

    def forward(self, x: Any) -> Any:
        return self.checkpoint(self.block)(x).sum()


@pytest.mark.parametrize("inside", [True, False])
def test_what_is_checkpointed_has_the_same_gradients_at_both_orders(inside: bool) -> None:
    plain, model = Block(lambda fn: fn), Block(nx.checkpoint if inside else lambda fn: fn)
    model.load_state_dict(plain.state_dict())
    parameters, x = nx.parameters_of(plain), torch.randn(2, 4, dtype=torch.float64)
    vectors = {name: nx.LiteTensor(torch.randn_like(each.data)) for name, each in parameters.items()}

    def of(module: nn.Module, around: Any, transform: Any) -> Any:
        torch.manual_seed(1)
        return transform(around(lambda p: nx.functional_call(module, p, x)))

    for transform in (lambda fn: nx.grad(fn)(parameters), lambda fn: nx.hvp(fn, (parameters,), (vectors,))[1][0]):
        wanted = of(plain, lambda fn: fn, transform)
        found = of(model, (lambda fn: fn) if inside else nx.checkpoint, transform)
        for name in parameters:
            torch.testing.assert_close(found[name].data, wanted[name].data)
    assert (model.runs > plain.runs) is not inside  # inside of a model it is a plain call
