"""Batch normalisation by sums over rows: values, running statistics and gradients are those of torch's kernel."""

import pytest
import torch
from torch.nn import functional

import nexnet as nx

pytestmark = pytest.mark.cpu_only("the form is for it")
SHAPES = ((32, 16, 16, 16), (8, 4, 2048), (4, 16, 8, 8, 16))
FORM = "batch normalisation, by rows"


@pytest.fixture(autouse=True)
def _always(always):
    pass


def of(norm, affine):
    """The normalisation as a function of x and of the parameters that there are."""

    def call(x, *rest):
        rest = iter(rest)
        return norm(x, *[None if each is None else next(rest) for each in affine])

    return call


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize(("weighed", "biased"), [(False, False), (True, False), (True, True), (False, True)])
def test_everything_is_torchs(shape, dtype, tolerance, weighed, biased, calls):
    c = shape[1]
    x, g = (torch.randn(shape, dtype=dtype) for _ in range(2))
    x = 3 * x + torch.arange(c, dtype=dtype).view(1, c, *[1] * (len(shape) - 2))
    before = torch.randn(c, dtype=dtype), torch.rand(c, dtype=dtype) + 0.5
    affine = [torch.rand(c, dtype=dtype) + 0.5 if each else None for each in (weighed, biased)]
    expected, written = ([each.clone() for each in before] for _ in range(2))
    leaves = [each.clone().requires_grad_() for each in (x, *affine) if each is not None]
    out = of(lambda x, w, b: functional.batch_norm(x, *expected, w, b, True), affine)(*leaves)
    theirs = out.detach(), *torch.autograd.grad(out, leaves, g)
    for norm in (
        lambda x, w, b: nx.batch_norm(x, *written, w, b, True),
        lambda x, w, b: nx.batch_norm_with_statistics(x, *before, w, b)[0],
    ):
        mine, back = nx.vjp(of(norm, affine), *[each.detach() for each in leaves])
        for got, want in zip((mine, *back(g)), theirs, strict=True):
            torch.testing.assert_close(got.data, want, rtol=tolerance, atol=100 * tolerance)
    _, *told = nx.batch_norm_with_statistics(x, *before, *affine)
    for one, other, want in zip(written, told, expected, strict=True):
        torch.testing.assert_close(one, want, rtol=tolerance, atol=tolerance)
        torch.testing.assert_close(other.data, want, rtol=tolerance, atol=tolerance)
    assert calls == [FORM] * 3


def test_of_means_far_from_zero(calls):
    x = torch.randn(32, 16, 16, 16) + 1e4
    mine = nx.batch_norm(x, None, None, training=True).data.double()
    assert calls
    exact = functional.batch_norm(x.double(), None, None, training=True)
    theirs = functional.batch_norm(x, None, None, training=True).double()
    assert (mine - exact).abs().max() <= 2 * (theirs - exact).abs().max()


def test_a_channel_of_one_value():
    x = nx.zeros(32, 16, 16, 16) + 3
    out, mean, var = nx.batch_norm_with_statistics(x, torch.zeros(16), torch.ones(16))
    assert not out.data.any()
    torch.testing.assert_close(mean.data, torch.full((16,), 0.3))
    torch.testing.assert_close(var.data, torch.full((16,), 0.9))


@pytest.mark.parametrize(
    "x",
    [
        torch.ones(8, 16, 16, 16),
        torch.ones(4096, 32),
        torch.ones(32, 16, 16, 16).bfloat16(),
        torch.ones(32, 16, 16, 16).contiguous(memory_format=torch.channels_last),
    ],
    ids=["small", "short rows", "halves", "channels last"],
)
def test_what_it_does_not_suit_is_torchs(x, calls):
    mine = nx.batch_norm(x, None, None, training=True).data
    assert torch.equal(mine, functional.batch_norm(x, None, None, training=True))
    assert not calls


def test_running_statistics_of_another_dtype_are_torchs(calls):
    x, running = torch.randn(32, 16, 16, 16), torch.zeros(16, dtype=torch.float64)
    with pytest.raises(RuntimeError, match="expect parameter to have scalar type of Float"):
        nx.batch_norm(x, running, running + 1, training=True)
    assert not calls
