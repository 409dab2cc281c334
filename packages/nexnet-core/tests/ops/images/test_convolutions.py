"""Convolutions: against torch to third order, the kernel's own rule, and what is asked for."""

import pytest
import torch

import nexnet as nx

SPATIAL = {1: (5,), 2: (4, 5), 3: (3, 4, 3)}
KERNEL = {1: (3,), 2: (2, 3), 3: (2, 1, 3)}
DIRECT = {n: (getattr(nx, f"conv{n}d"), getattr(torch, f"conv{n}d")) for n in (1, 2, 3)}
TRANSPOSED = {n: (getattr(nx, f"conv_transpose{n}d"), getattr(torch, f"conv_transpose{n}d")) for n in (1, 2, 3)}
every_size = pytest.mark.parametrize("dims", [1, 2, 3])


def with_options(pair, *args, **options):
    return tuple(lambda *tensors, fn=fn: fn(*tensors, *args, **options) for fn in pair)


@every_size
class TestAgainstTorch:
    @pytest.mark.parametrize("options", [{}, {"stride": 2, "padding": 1}, {"dilation": 2, "padding": 2}])
    def test_direct(self, dims, options, draw, check_against_torch):
        x, w, b = draw(2, 2, *SPATIAL[dims]), draw(3, 2, *KERNEL[dims]), draw(3)
        check_against_torch(*with_options(DIRECT[dims], **options), x, w, b)

    @pytest.mark.parametrize("options", [{}, {"stride": 2, "output_padding": 1}, {"dilation": 2, "padding": 1}])
    def test_transposed(self, dims, options, draw, check_against_torch):
        x, w, b = draw(2, 2, *SPATIAL[dims]), draw(2, 3, *KERNEL[dims]), draw(3)
        check_against_torch(*with_options(TRANSPOSED[dims], **options), x, w, b)

    def test_groups(self, dims, draw, check_against_torch):
        x = draw(1, 4, *SPATIAL[dims])
        for pair, shape in ((DIRECT[dims], (6, 2)), (TRANSPOSED[dims], (4, 3))):
            check_against_torch(*with_options(pair, groups=2), x, draw(*shape, *KERNEL[dims]), draw(6))

    def test_without_batch(self, dims, draw, check_against_torch):
        x, w = draw(2, *SPATIAL[dims]), draw(2, 2, *KERNEL[dims])
        for pair in (DIRECT[dims], TRANSPOSED[dims]):
            check_against_torch(*pair, x, w)

    def test_of_nothing(self, dims, draw, check_against_torch):
        for pair in (DIRECT[dims], TRANSPOSED[dims]):
            check_against_torch(*pair, draw(0, 2, *SPATIAL[dims]), draw(2, 2, *KERNEL[dims]), draw(2))


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_padding_by_name(padding, draw, check_against_torch):
    check_against_torch(*with_options(DIRECT[2], padding=padding, dilation=2), draw(2, 5, 6), draw(2, 2, 3, 2))


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
def test_same_padding_is_uneven_for_even_sizes(draw, check_against_torch):
    for front in ((2, 2), (2,)):
        x, w, b = draw(*front, 5, 6), draw(3, 2, 2, 4), draw(3)
        check_against_torch(*with_options(DIRECT[2], padding="same"), x, w, b)


def test_to_third_order(draw, check_against_torch):
    x, w, b = draw(2, 2, 4), draw(2, 2, 2), draw(2)
    for pair in (DIRECT[1], TRANSPOSED[1]):
        check_against_torch(*with_options(pair, stride=2), x, w, b, order=3)


def test_the_general_function(draw, check_against_torch):
    x, w = draw(2, 2, 4, 5), draw(2, 2, 3, 2)
    for transposed in (False, True):
        options = ([2, 1], [1, 0], [1, 2], transposed, [0, 0], 1)
        check_against_torch(*with_options((nx.convolution, torch.convolution), *options), x, w, draw(2))


def test_over_time(draw, check_against_torch):
    check_against_torch(*with_options((nx.conv_tbc, torch.conv_tbc), 1), draw(4, 2, 3), draw(2, 3, 2), draw(2), order=1)


def test_of_other_layouts(draw, check_against_torch):
    x = draw(2, 5, 6, 2).permute(0, 3, 1, 2)  # channels last
    check_against_torch(*DIRECT[2], x, draw(2, 1, 1, 1).expand(2, 2, 3, 3))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dtypes(dtype, draw):
    x, w = (nx.LiteTensor(draw(*shape, dtype=dtype)) for shape in ((1, 2, 5, 5), (2, 2, 3, 3)))
    value, grads = nx.value_and_grad(lambda x, w: nx.conv2d(x, w).sum(), (0, 1))(x, w)
    assert {value.dtype, *(each.dtype for each in grads)} == {dtype}


def test_torchs_functions_and_keywords(draw):
    x, w, b = (nx.LiteTensor(draw(*shape)) for shape in ((1, 2, 5), (3, 2, 2), (3,)))
    expected = nx.conv1d(x, w, b, 2).data
    assert torch.equal(torch.nn.functional.conv1d(x, w, bias=b, stride=2).data, expected)
    assert torch.equal(nx.conv1d(x, w, bias=b, stride=(2,)).data, expected)


def test_only_what_is_asked_for_is_computed(draw):
    x, w, b = (nx.LiteTensor(draw(*shape)) for shape in ((1, 2, 5), (3, 2, 2), (3,)))
    for argnum, like in enumerate((x, w, b)):
        gradient = nx.grad(nx.conv1d, argnum)(x, w, b)
        assert gradient.shape == like.shape


def test_under_vmap(draw):
    x, w = draw(3, 2, 5), draw(4, 2, 2)
    by_example = nx.vmap(nx.grad(lambda w, x: nx.conv1d(x, w).square().sum()), in_dims=(None, 0))
    got = by_example(nx.LiteTensor(w), nx.LiteTensor(x))
    for i in range(3):
        single = nx.grad(lambda w, i=i: nx.conv1d(nx.LiteTensor(x[i]), w).square().sum())(nx.LiteTensor(w))
        torch.testing.assert_close(got.data[i], single.data)


def test_on_the_meta_device():
    x, w = (nx.LiteTensor(torch.empty(*shape, device="meta")) for shape in ((2, 2, 5, 5), (3, 2, 3, 3)))
    assert [tuple(each.shape) for each in nx.grad(nx.conv2d, (0, 1))(x, w)] == [(2, 2, 5, 5), (3, 2, 3, 3)]


def test_bad_calls_raise_what_torch_raises():
    x = nx.zeros(1, 2, 5)
    with pytest.raises(RuntimeError, match=r"to have 3 channels, but got 2 channels"):
        nx.conv1d(x, nx.zeros(4, 3, 2))
    with pytest.raises(RuntimeError, match=r"padding='same' is not supported for strided convolutions"):
        nx.conv1d(x, nx.zeros(4, 2, 3), stride=2, padding="same")
    with pytest.raises(RuntimeError, match=r"[Kk]ernel size"):
        nx.conv1d(x, nx.zeros(4, 2, 7))


class TestComplex:
    """The gradient by a complex tensor is torch's, dL/d(re) + i dL/d(im)."""

    @pytest.mark.parametrize("options", [{}, {"stride": 2, "padding": 1}])
    def test_of_a_real_loss(self, options):
        generator = torch.Generator().manual_seed(0)
        shapes = {"conv2d": ((1, 2, 5, 4), (3, 2, 2, 3), (3,)), "conv_transpose1d": ((1, 2, 5), (2, 3, 2), (3,))}
        for name, shape in shapes.items():
            tensors = [torch.randn(each, dtype=torch.complex128, generator=generator) for each in shape]

            def loss(space, name=name):
                return lambda x, w, b: (space.abs(getattr(space, name)(x, w, b, **options)) ** 3).sum()

            leaves = [each.clone().requires_grad_() for each in tensors]
            expected = torch.autograd.grad(loss(torch)(*leaves), leaves)
            got = nx.grad(loss(nx), (0, 1, 2))(*map(nx.LiteTensor, tensors))
            for mine, theirs in zip(got, expected, strict=True):
                torch.testing.assert_close(mine.data, theirs)

    def test_to_second_order(self):
        generator = torch.Generator().manual_seed(0)
        x, w = (torch.randn(each, dtype=torch.complex128, generator=generator) for each in ((1, 2, 5), (3, 2, 2)))

        def penalty(space, gradient):
            def call(w):
                by_x = gradient(lambda x: (space.abs(space.conv1d(x, w)) ** 3).sum())
                return (space.abs(by_x) ** 2).sum()

            return call

        leaf = w.clone().requires_grad_()
        inner = x.clone().requires_grad_()
        expected = torch.autograd.grad(
            penalty(torch, lambda fn: torch.autograd.grad(fn(inner), inner, create_graph=True)[0])(leaf), leaf
        )[0]
        got = nx.grad(penalty(nx, lambda fn: nx.grad(fn)(nx.LiteTensor(x))))(nx.LiteTensor(w))
        torch.testing.assert_close(got.data, expected)
