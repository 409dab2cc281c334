"""What these tests share: a function as a module, and PyTorch's value and gradients beside nexnet's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import nexnet as nx


class Program(nn.Module):
    """A function as a module."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        super().__init__()
        self.fn = fn

    def forward(self, *args: Any) -> Any:
        return self.fn(*args)


class Compare:
    """Runs a program both ways."""

    x = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64)

    def nexnet(self, fn: Callable[..., Any]) -> tuple[float, list[float]]:
        """Give nexnet's value and gradient."""
        x = self.x.clone()
        value, gradient = nx.value_and_grad(lambda x: nx.functional_call(Program(fn), {}, (x,)))(nx.LiteTensor(x))
        assert torch.equal(x, self.x), "what went in was written into"
        return value.item(), gradient.tolist()

    def torch(self, fn: Callable[..., Any]) -> tuple[float, list[float]]:
        """Give PyTorch's."""
        x = self.x.clone().requires_grad_()
        value = fn(x)
        (gradient,) = torch.autograd.grad(value, x)
        return value.item(), gradient.tolist()

    def models(self, model: nn.Module, *args: Any, **kwargs: Any) -> None:
        """Check a model's output and the gradients of its sum by all parameters, with one seed."""
        torch.manual_seed(0)
        state = {name: each.clone() for name, each in model.state_dict().items()}
        loss = total(model(*args, **kwargs))
        loss.backward()
        wanted = [each.grad for each in model.parameters()]
        buffers = {name: each.clone() for name, each in model.named_buffers()}
        model.load_state_dict(state)
        torch.manual_seed(0)
        value, gradients = nx.value_and_grad(lambda p: total(nx.functional_call(model, p, args, kwargs)))(
            nx.parameters_of(model)
        )
        torch.testing.assert_close(value.data, loss.detach())
        for (name, parameter), each in zip(model.named_parameters(), wanted, strict=True):
            each = torch.zeros_like(parameter) if each is None else each
            torch.testing.assert_close(gradients[name].data, each, msg=lambda text, name=name: f"{name}: {text}")
        for name, each in model.named_buffers():
            torch.testing.assert_close(each, buffers[name], msg=lambda text, name=name: f"{name}: {text}")
            assert type(each) is torch.Tensor
        assert all(type(each) is nn.Parameter for each in model.parameters())


def total(value: Any) -> Any:
    """Add up all elements of a tensor, or of the tensors of a tuple."""
    if isinstance(value, tuple):
        return sum(total(each) for each in value if each is not None)
    return (value * value).sum()


@pytest.fixture
def compare() -> Compare:
    return Compare()
