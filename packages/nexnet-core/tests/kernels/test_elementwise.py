"""tanh by oneDNN's kernel: as near to the true value as torch's, at every order; what does not suit it is torch's."""

import pytest
import torch

import nexnet as nx
from nexnet.engine import BySize
from nexnet.kernels import elementwise

pytestmark = pytest.mark.cpu_only("the form is for it")
MANY = elementwise.LARGE


@pytest.fixture(autouse=True)
def _always(always):
    pass


def test_is_near_the_true_value(calls):
    x = torch.cat([torch.linspace(-12, 12, MANY), torch.logspace(-38, 1, MANY), -torch.logspace(-38, 1, MANY)])
    mine = nx.tanh(x.reshape(2, 1, 3, 1, 1, -1)).data
    assert mine.shape == (2, 1, 3, 1, 1, MANY // 2)
    assert calls
    expected = x.double().tanh()
    error = (mine.flatten().double() - expected).abs() / torch.finfo(torch.float32).eps
    assert (error <= expected.abs()).all()


def test_of_what_is_no_number(calls):
    x = torch.tensor([torch.nan, torch.inf, -torch.inf, -0.0]).repeat(MANY)
    mine = nx.tanh(x).data
    assert calls
    torch.testing.assert_close(mine, x.tanh(), rtol=0, atol=0, equal_nan=True)
    assert torch.equal(mine.signbit(), x.tanh().signbit())


def test_derivatives_are_torchs(calls):
    x = torch.linspace(-3, 3, MANY)
    leaf = x.clone().requires_grad_()
    first = torch.autograd.grad(leaf.tanh().square().sum(), leaf, create_graph=True)[0]
    second = torch.autograd.grad(first.sum(), leaf)[0]
    mine = nx.hvp(lambda x: nx.tanh(x).square().sum(), (x,), (torch.ones_like(x),))
    assert calls
    torch.testing.assert_close(
        nx.grad(lambda x: nx.tanh(x).square().sum())(x).data, first.detach(), rtol=1e-5, atol=1e-6
    )
    torch.testing.assert_close(mine[1][0].data, second, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "x",
    [
        torch.linspace(-1, 1, MANY - 1),
        torch.linspace(-1, 1, MANY).double(),
        torch.linspace(-1, 1, 2 * MANY)[::2],
        torch.complex(torch.linspace(-1, 1, MANY), torch.ones(MANY)),
        torch.linspace(-1, 1, MANY).bfloat16(),
    ],
    ids=["small", "float64", "strided", "complex", "bfloat16"],
)
def test_what_it_does_not_suit_is_torchs(x, calls):
    assert torch.equal(nx.tanh(x).data, x.tanh())
    assert not calls


def test_a_batch_of_vmap_is_torchs(calls):
    x = torch.linspace(-1, 1, 2 * MANY).reshape(2, -1)
    assert torch.equal(nx.vmap(nx.tanh)(x).data, x.tanh())
    assert not calls


def test_a_function_by_size():
    either = BySize(torch.sin, torch.cos, 3)
    assert torch.equal(either(torch.zeros(2)), torch.zeros(2))
    assert torch.equal(either(torch.zeros(3)), torch.ones(3))
