"""Convolutions in another form: equal to those of float64, whatever the geometry; what does not suit is torch's."""

import itertools

import pytest
import torch
from torch.nn import functional

import nexnet as nx
from nexnet import kernels

pytestmark = pytest.mark.cpu_only("the forms are for it")
PADDED, BY_IMAGE, TURNED = "C depthwise, amply padded", "W depthwise, wide or dilated", "X depthwise, dilated"
FOLDED, BY_PATCHES = "X to few channels", "W of many weights, few positions"


@pytest.fixture(autouse=True)
def _always(always):
    pass


def gradients_of(conv, x, w, b, options, cast=lambda each: each):
    """The value, and the gradients of all operands, of a loss that weighs each element differently."""
    operands = [cast(each) for each in (x, w, b)]

    def loss(*operands):
        out = conv(*operands, *options)
        return (out * torch.linspace(-1, 1, out.numel(), dtype=operands[0].dtype).reshape(out.shape)).square().sum()

    return loss, operands


def check(conv, theirs, x, w, b, *options):
    """Compare the gradients with torch's of float64, and a product of the loss's Hessian with each operand's."""
    loss, operands = gradients_of(conv, x, w, b, options)
    mine = nx.grad(loss, argnums=(0, 1, 2))(*operands)
    reference, leaves = gradients_of(theirs, x, w, b, options, lambda each: each.double().requires_grad_())
    expected = torch.autograd.grad(reference(*leaves), leaves, create_graph=True)
    products = nx.hvp(loss, tuple(operands), tuple(operands))[1]
    expected_products = torch.autograd.grad(expected, leaves, [each.detach() for each in leaves])
    for got, want in zip((*mine, *products), (*expected, *expected_products), strict=True):
        assert got.data.is_contiguous()
        torch.testing.assert_close(got.data.double(), want.detach(), rtol=1e-3, atol=1e-4 * want.abs().max().item())


@pytest.mark.parametrize("size", [1, 3, 4, 7, 13])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 5), (9, 14)])
def test_depthwise(size, height, width, calls):
    x, b = torch.randn(2, 3, height, width), torch.randn(3)
    for stride, dilation, kernel in itertools.product((1, 2), (1, 2), ((size, size), (size, 3))):
        reach = [dilation * (each - 1) for each in kernel]
        for around in ([each // 2 for each in reach], reach, [0, reach[1]]):
            if height + 2 * around[0] > reach[0] and width + 2 * around[1] > reach[1]:
                w = torch.randn(3, 1, *kernel)
                check(nx.conv2d, functional.conv2d, x, w, b, stride, around, dilation, 3)
    assert {PADDED, BY_IMAGE, TURNED} <= set(calls) or size == 1


@pytest.mark.parametrize(("size", "padding"), [(4, 3), (7, 3), (31, 15)])
def test_depthwise_in_one_dimension(size, padding, calls):
    check(
        nx.conv1d, functional.conv1d, torch.randn(2, 3, 40), torch.randn(3, 1, size), torch.randn(3), 1, padding, 1, 3
    )
    assert BY_IMAGE in calls


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("size", "stride", "padding", "dilation"), [(3, 1, 1, 1), (4, 4, 0, 1), (7, 2, 3, 1), (2, 1, 2, 2)]
)
def test_of_few_channels(channels, size, stride, padding, dilation, calls):
    x, w = torch.randn(2, channels, 16, 12), torch.randn(6, channels, size, size)
    check(nx.conv2d, functional.conv2d, x, w, torch.randn(6), stride, padding, dilation)
    assert FOLDED in calls


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("size", "stride", "padding", "beyond", "dilation"),
    [(3, 1, 1, 0, 1), (4, 2, 1, 0, 1), (3, 2, 1, 1, 1), (2, 2, 1, 1, 2)],
)
def test_transposed_to_few_channels(channels, size, stride, padding, beyond, dilation, calls):
    x, w, b = torch.randn(2, 6, 5, 7), torch.randn(6, channels, size, size), torch.randn(channels)
    check(nx.conv_transpose2d, functional.conv_transpose2d, x, w, b, stride, padding, beyond, 1, dilation)
    assert FOLDED in calls
    calls.clear()
    options = [[stride] * 2, [padding] * 2, [dilation] * 2, True, [beyond] * 2, 1]
    check(nx.convolution, torch.convolution, x, w, b, *options)
    assert FOLDED in calls


@pytest.mark.parametrize(("height", "stride"), [(1, 1), (2, 1), (4, 2), (3, 3)])
def test_of_many_weights(height, stride, calls):
    x, w = torch.randn(2, 256, height, height), torch.randn(256, 256, 3, 3) / 48
    check(nx.conv2d, functional.conv2d, x, w, torch.randn(256), stride, 1)
    assert BY_PATCHES in calls


def test_aten_s_function_takes_them_too(calls):
    g, x, w = torch.randn(2, 4, 9, 9), torch.randn(2, 4, 9, 9), torch.randn(4, 1, 5, 5)
    options = [1, 1], [2, 2], [1, 1], False, [0, 0], 4
    for mask in itertools.product((True, False), repeat=3):
        expected = torch.ops.aten.convolution_backward(g, x, w, [4], *options, mask)
        mine = torch.ops.aten.convolution_backward.default(nx.LiteTensor(g), x, w, [4], *options, mask)
        for got, want in zip(mine, expected, strict=True):
            assert (got is None) == (want is None)
            if want is not None:
                torch.testing.assert_close(got.data, want, rtol=1e-4, atol=1e-4)
    assert set(calls) == {BY_IMAGE}


def same(fn, x, w, *options):
    """Give whether nexnet's gradients are torch's, bit by bit."""
    mine = nx.grad(lambda x, w: getattr(nx, fn)(x, w, None, *options).square().sum(), argnums=(0, 1))(x, w)
    leaves = [each.clone().requires_grad_() for each in (x, w)]
    expected = torch.autograd.grad(getattr(functional, fn)(*leaves, None, *options).square().sum(), leaves)
    return all(torch.equal(got.data, want) for got, want in zip(mine, expected, strict=True))


@pytest.mark.parametrize(
    ("fn", "x", "w", "options"),
    [
        ("conv2d", torch.ones(2, 3, 8, 8).double(), torch.ones(3, 1, 7, 7).double(), (1, 9, 1, 3)),
        ("conv2d", torch.ones(2, 4, 8, 8), torch.ones(4, 2, 7, 7), (1, 9, 1, 2)),
        ("conv2d", torch.ones(2, 3, 8, 8), torch.ones(6, 1, 7, 7), (1, 9, 1, 3)),
        ("conv2d", torch.ones(3, 8, 8), torch.ones(3, 1, 3, 3), (1, 1, 1, 3)),
        ("conv3d", torch.ones(2, 3, 8, 8, 8), torch.ones(3, 1, 5, 5, 5), (1, 2, 1, 3)),
        ("conv_transpose2d", torch.ones(2, 3, 8, 8), torch.ones(3, 1, 7, 7), (1, 3, 0, 3)),
    ],
    ids=["float64", "channels in pairs", "two of each channel", "one image", "3 dimensions", "transposed"],
)
def test_what_they_do_not_suit_is_torchs(fn, x, w, options, calls):
    assert same(fn, x, w, *options)
    assert not calls


def test_under_autocast_is_torchs(calls):
    x, w = torch.randn(2, 3, 8, 8), torch.randn(3, 1, 7, 7)
    with torch.autocast("cpu", torch.bfloat16):
        out = nx.conv2d(x, w, None, 1, 9, 1, 3)
        assert torch.equal(out.data, functional.conv2d(x, w, None, 1, 9, 1, 3))
    assert out.dtype is torch.bfloat16
    assert not calls


def test_under_vmap_is_torchs(calls):
    x, w = torch.randn(2, 2, 3, 8, 8), torch.randn(3, 1, 7, 7)
    mine = nx.vmap(lambda x: nx.grad(lambda w: nx.conv2d(x, w, None, 1, 3, 1, 3).square().sum())(w))(x)
    assert not calls
    for each, example in zip(mine.data, x, strict=True):
        leaf = w.clone().requires_grad_()
        functional.conv2d(example, leaf, None, 1, 3, 1, 3).square().sum().backward()
        torch.testing.assert_close(each, leaf.grad, rtol=1e-4, atol=1e-3)


def test_a_wrong_shape_is_torchs_error():
    x, w = nx.ones(2, 3, 8, 8), nx.ones(3, 1, 7, 7)
    with pytest.raises(RuntimeError, match="expected bias to be 1-dimensional"):
        nx.conv2d(x, w, nx.ones(4), 1, 9, 1, 3)
    with pytest.raises(RuntimeError, match="output padding must be smaller"):
        nx.conv_transpose2d(nx.ones(2, 6, 5, 5), nx.ones(6, 1, 3, 3), None, 1, 0, 1)
    with pytest.raises(RuntimeError, match="to have 6 channels"):
        nx.conv2d(x, w.repeat(2, 1, 1, 1), None, 1, 9, 1, 6)


def test_taken_where_they_are_faster():
    kernels.use_forms("auto")
    x, w = torch.randn(2, 3, 16, 16), torch.randn(3, 1, 7, 7)
    nx.grad(lambda w: nx.conv2d(nx.LiteTensor(x), w, None, 1, 3, 1, 3).sum())(w)
    assert kernels.describe().count(BY_IMAGE) == 1
