"""Max pooling with the channels last chooses the same elements as torch, bit by bit."""

import itertools

import pytest
import torch

import nexnet as nx
from nexnet.kernels import pooling

pytestmark = pytest.mark.cpu_only("the form is for it")


@pytest.fixture(autouse=True)
def _always(always):
    pass


def bits(x):
    return x.contiguous().view(torch.int32)


@pytest.mark.parametrize(("size", "stride", "padding"), [*itertools.product((1, 2, 3), (1, 2, 3), (0, 1))])
@pytest.mark.parametrize(("dilation", "ceil_mode"), [(1, False), (2, False), (1, True)])
def test_of_ties_nans_and_infinities(size, stride, padding, dilation, ceil_mode, calls):
    if padding > size // 2:
        pytest.skip("torch refuses it")
    x = torch.randint(0, 4, (5, 11, 40, 33)).float()
    for value in (float("nan"), -float("inf"), float("inf"), -0.0):
        x[torch.rand(x.shape) < 0.1] = value
    options = [size], [stride], [padding], [dilation], ceil_mode
    out, indices = pooling.max_pool2d_with_indices(x, *options)
    assert calls
    expected, expected_indices = torch.nn.functional.max_pool2d_with_indices(x, *options)
    assert torch.equal(indices, expected_indices)
    assert torch.equal(bits(out), bits(expected))
    assert out.is_contiguous()
    assert indices.is_contiguous()


@pytest.mark.parametrize("shape", [(2, 4, 24, 25), (3, 8, 16, 16), (64, 16, 2, 2), (2, 8, 8, 8, 8)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
def test_of_other_shapes_and_dtypes(shape, dtype, calls):
    x = (4 * torch.rand(shape)).round().to(dtype)
    name = f"max_pool{len(shape) - 2}d"
    mine = getattr(nx, name)(x, 2, return_indices=True)
    assert calls or (dtype is torch.bfloat16 and shape[1] == 4)
    for got, want in zip(mine, getattr(torch.nn.functional, name)(x, 2, return_indices=True), strict=True):
        assert torch.equal(got.data, want)
        assert got.data.stride() == want.stride()


def test_gradients_are_torchs(calls):
    x = torch.randn(4, 16, 40, 40)
    mine = nx.grad(lambda x: nx.max_pool2d(x, 3, 2, 1).square().sum())(x).data
    assert calls
    leaf = x.clone().requires_grad_()
    torch.nn.functional.max_pool2d(leaf, 3, 2, 1).square().sum().backward()
    assert torch.equal(mine, leaf.grad)


@pytest.mark.parametrize(
    "x",
    [
        torch.ones(4, 3, 50, 50),
        torch.ones(4, 8, 8, 8),
        torch.ones(4, 4, 40, 40).bfloat16(),
        torch.ones(16, 40, 400),
        torch.ones(4, 16, 40, 40).contiguous(memory_format=torch.channels_last),
    ],
    ids=["few channels", "small", "few halves", "one image", "channels last"],
)
def test_what_it_does_not_suit_is_torchs(x, calls):
    assert torch.equal(nx.max_pool2d(x, 2).data, torch.nn.functional.max_pool2d(x, 2))
    assert not calls


def test_a_batch_of_vmap_is_torchs(calls):
    x = torch.randn(2, 4, 16, 40, 40)
    assert torch.equal(
        nx.vmap(lambda x: nx.max_pool2d(x, 2))(x).data,
        torch.nn.functional.max_pool2d(x.flatten(0, 1), 2).reshape(2, 4, 16, 20, 20),
    )
    assert not calls
