"""Published models trained by torch's AdamW: with nexnet's gradients the losses are those of PyTorch's own."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

import nexnet as nx

STEPS = 20


def losses_of(model: nn.Module, put_gradients: Callable[[nn.Module], float]) -> list[float]:
    """Give the loss before each step of AdamW; the function puts the gradients into ``.grad``."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    torch.manual_seed(1)
    losses = []
    for _ in range(STEPS):
        losses.append(put_gradients(model))
        optimizer.step()
    return losses


def check(model: nn.Module, loss: Callable[[Callable[..., Any]], Any]) -> None:
    """Train two copies of a model; ``loss`` is given what calls it."""
    model.train()

    def with_torch(model: nn.Module) -> float:
        model.zero_grad()
        value = loss(model)
        value.backward()
        return value.item()  # type: ignore[no-any-return]

    def with_nexnet(model: nn.Module) -> float:
        value, gradients = nx.value_and_grad(
            lambda p: loss(lambda *args, **kwargs: nx.functional_call(model, p, args, kwargs))
        )(nx.parameters_of(model))
        nx.set_gradients(model, gradients)
        return value.item()  # type: ignore[no-any-return]

    mine, theirs = copy.deepcopy(model), copy.deepcopy(model)
    expected = losses_of(theirs, with_torch)
    assert expected[-1] < 0.9 * expected[0]
    torch.testing.assert_close(losses_of(mine, with_nexnet), expected, rtol=1e-5, atol=1e-5)
    for one, other in zip(mine.buffers(), theirs.buffers(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_a_gpt2_with_dropout() -> None:
    """GPT-2 of transformers, in training: dropout draws what it draws in PyTorch."""
    transformers = pytest.importorskip("transformers", reason="a package that is compared where it is installed")
    torch.manual_seed(0)
    options = {"n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": 60, "n_positions": 32}
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(**options))
    ids = torch.randint(0, 60, (4, 16))
    check(model, lambda call: call(input_ids=ids, labels=ids).loss)


def test_a_resnet18_with_its_running_statistics() -> None:
    """ResNet-18 of torchvision; in training the module writes its running statistics."""
    pytest.importorskip("torchvision", reason="a package that is compared where it is installed")
    from torchvision.models import resnet18

    torch.manual_seed(0)
    images, labels = torch.randn(8, 3, 32, 32), torch.arange(8)
    check(resnet18(num_classes=8), lambda call: functional.cross_entropy(call(images), labels))
