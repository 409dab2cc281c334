"""Pooling: against torch, the first of ties, indices, and what is refused."""

import pytest
import torch
from torch.nn import functional

import nexnet as nx

SPATIAL = {1: (7,), 2: (5, 6), 3: (4, 3, 5)}
every_size = pytest.mark.parametrize("dims", [1, 2, 3])


def pair(name, *args, **options):
    """Nexnet's function of a name and torch's, with the same further arguments."""
    return tuple(lambda x, fn=fn: fn(x, *args, **options) for fn in (getattr(nx, name), getattr(functional, name)))


@every_size
class TestAverages:
    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"stride": 1, "padding": 1},
            {"padding": 1, "count_include_pad": False, "ceil_mode": True},
        ],
    )
    def test_average(self, dims, options, draw, check_against_torch):
        for front in ((2, 1), (2,), (0, 2)):
            check_against_torch(*pair(f"avg_pool{dims}d", 2, **options), draw(*front, *SPATIAL[dims]))

    def test_sizes_for_each_dimension(self, dims, draw, check_against_torch):
        size, stride = (2, 3, 1)[:dims], (1, 2, 2)[:dims]
        check_against_torch(*pair(f"avg_pool{dims}d", size, stride), draw(1, 2, *SPATIAL[dims]))

    def test_another_divisor(self, dims, draw, check_against_torch):
        if dims > 1:
            check_against_torch(*pair(f"avg_pool{dims}d", 2, divisor_override=5), draw(1, 2, *SPATIAL[dims]))

    @pytest.mark.parametrize("size", [1, 3])
    def test_adaptive(self, size, dims, draw, check_against_torch):
        for front in ((2, 1), (2,), (0, 2)):
            check_against_torch(*pair(f"adaptive_avg_pool{dims}d", size), draw(*front, *SPATIAL[dims]))

    @pytest.mark.parametrize("p", [1, 2, 3.0, float("inf"), -float("inf")])
    def test_powers(self, p, dims, draw, check_against_torch):
        x = draw(1, 2, *SPATIAL[dims], low=0.5)
        check_against_torch(*pair(f"lp_pool{dims}d", p, 2, ceil_mode=True), x)


@every_size
class TestGreatest:
    @pytest.mark.parametrize("options", [{}, {"stride": 1, "dilation": 2}, {"padding": 1, "ceil_mode": True}])
    def test_greatest(self, dims, options, draw, check_against_torch):
        for front in ((2, 1), (2,), (0, 2)):
            check_against_torch(*pair(f"max_pool{dims}d", 2, **options), draw(*front, *SPATIAL[dims]), order=3)

    def test_with_indices(self, dims, draw, check_against_torch):
        x = draw(2, 2, *SPATIAL[dims])
        check_against_torch(*pair(f"max_pool{dims}d", 2, return_indices=True), x)
        check_against_torch(*pair(f"max_pool{dims}d_with_indices", 2), x)
        check_against_torch(*pair(f"adaptive_max_pool{dims}d_with_indices", 2), x)

    def test_adaptive(self, dims, draw, check_against_torch):
        for front in ((2, 1), (2,), (0, 2)):
            check_against_torch(*pair(f"adaptive_max_pool{dims}d", 2), draw(*front, *SPATIAL[dims]))

    def test_fractional(self, dims, draw, check_against_torch):
        if dims > 1:
            where = draw(2, 2, dims, low=0, high=1)
            for name in (f"fractional_max_pool{dims}d", f"fractional_max_pool{dims}d_with_indices"):
                fns = pair(name, 2, output_size=(2, 2, 3)[:dims], _random_samples=where)
                check_against_torch(*fns, draw(2, 2, *(4, 5, 6)[:dims]))

    def test_unpool(self, dims, draw, check_against_torch):
        x = draw(2, 2, *(4, 6, 4)[:dims])
        values, indices = getattr(functional, f"max_pool{dims}d")(x, 2, return_indices=True)
        fns = [getattr(space, f"max_unpool{dims}d") for space in (nx, functional)]
        check_against_torch(*(lambda x, fn=fn: fn(x, indices, 2) * 3 for fn in fns), values)

    def test_pool_and_unpool_together(self, dims, draw, check_against_torch):
        def autoencode(space):
            def call(x):
                values, indices = getattr(space, f"max_pool{dims}d")(x, 2, return_indices=True)
                return getattr(space, f"max_unpool{dims}d")(values * values, indices, 2)

            return call

        check_against_torch(autoencode(nx), autoencode(functional), draw(1, 2, *(4, 6, 4)[:dims]))


def test_the_first_of_ties_is_chosen():
    x = nx.LiteTensor([[[1.0, 1.0], [1.0, 1.0]]])
    first = [[[1.0, 0.0], [0.0, 0.0]]]
    assert nx.grad(lambda x: nx.max_pool2d(x, 2))(x).tolist() == first
    assert nx.grad(lambda x: nx.adaptive_max_pool2d(x, 1))(x).tolist() == first
    assert nx.grad(lambda x: nx.max_pool1d(x[0], 2))(x).tolist() == [[[1.0, 0.0], [1.0, 0.0]]]


def test_nan_is_the_greatest():
    x = nx.LiteTensor([[1.0, float("nan"), 2.0]])
    assert nx.grad(lambda x: nx.max_pool1d(x, 3))(x).tolist() == [[0.0, 1.0, 0.0]]


@pytest.mark.parametrize("shape", [(2, 4, 24, 25), (3, 8, 16, 16), (64, 16, 2, 2), (2, 8, 6, 8, 8)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("options", [{}, {"stride": 1, "padding": 1}, {"ceil_mode": True, "dilation": 2}], ids=str)
def test_many_channels_are_pooled_bit_for_bit_as_by_torch(shape, dtype, options, draw):
    """By another of its kernels: of ties, among them, and of NaN."""
    x = (4 * draw(*shape)).round().to(dtype)
    x.view(-1)[::97] = torch.nan
    size = 2 if options.get("dilation", 1) < min(shape[2:]) else 1
    mine, theirs = pair(f"max_pool{x.ndim - 2}d", size, return_indices=True, **options)
    for got, each in zip(mine(x), theirs(x), strict=True):
        torch.testing.assert_close(got.data, each, rtol=0, atol=0, equal_nan=True)
        assert got.stride() == each.stride()
    given = x.clone().requires_grad_()
    expected = torch.autograd.grad(theirs(given)[0].sum(), given)[0]
    assert torch.equal(nx.grad(lambda x: mine(x)[0].sum())(x).data, expected)


def test_random_places_are_drawn_once():
    x = nx.LiteTensor(torch.rand(1, 1, 6, 6, generator=torch.Generator().manual_seed(0)))

    def loss(x):
        return (nx.fractional_max_pool2d(x, 2, output_size=3) ** 2).sum()

    torch.manual_seed(3)
    gradient = nx.grad(loss)(x)
    torch.manual_seed(3)
    curvature = nx.grad(lambda x: nx.grad(loss)(x).sum())(x)
    torch.testing.assert_close(curvature.data * x.data, gradient.data)


def test_torchs_functions(draw):
    x = nx.LiteTensor(draw(1, 2, 6, 6))
    values, indices = functional.max_pool2d(x, 2, stride=1, return_indices=True)
    assert torch.equal(values.data, torch.max_pool2d(x, 2, 1).data)
    assert indices.dtype == torch.int64
    for both in (torch.max_pool1d_with_indices(x[0], 2), torch.adaptive_max_pool1d(x[0], 3)):
        assert [each.shape for each in both] == [(2, 6, 3), (2, 6, 3)]
    assert torch.equal(functional.avg_pool2d(x, kernel_size=2).data, nx.avg_pool2d(x, 2).data)
    assert torch.equal(functional.lp_pool2d(x, 2, 2).data, nx.lp_pool2d(x, 2, 2).data)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dtypes(dtype, draw):
    x = nx.LiteTensor(draw(1, 2, 6, 6, dtype=dtype))
    for pool in (nx.max_pool2d, nx.avg_pool2d, nx.adaptive_avg_pool2d, nx.adaptive_max_pool2d):
        assert nx.grad(lambda x, pool=pool: pool(x, 2))(x).dtype == dtype


def test_on_the_meta_device():
    x = nx.LiteTensor(torch.empty(2, 2, 6, 6, device="meta"))
    for pool in (nx.max_pool2d, nx.avg_pool2d, nx.adaptive_avg_pool2d, nx.adaptive_max_pool2d):
        assert nx.grad(lambda x, pool=pool: pool(x, 2))(x).shape == x.shape


def test_bad_calls_raise_what_torch_raises():
    x = nx.zeros(1, 2, 4, 4)
    with pytest.raises(RuntimeError, match="pad should be at most half of effective kernel size"):
        nx.max_pool2d(x, 2, padding=2)
    with pytest.raises(RuntimeError, match=r"stride should not be zero|stride must be greater than zero"):
        nx.avg_pool2d(x, 2, 0)
    with pytest.raises(ValueError, match="output_size or an output_ratio"):
        nx.fractional_max_pool2d(x, 2)
    with pytest.raises(ValueError, match="invalid output_size"):
        nx.max_unpool2d(x, nx.zeros(1, 2, 4, 4, dtype=torch.int64), 2, output_size=(20, 20))


@pytest.mark.parametrize("dims", [2, 3])
def test_the_gradient_of_windows_at_random_places_asks_for_no_layout_of_the_indices(dims):
    pool = (nx.fractional_max_pool2d_with_indices, nx.fractional_max_pool3d_with_indices)[dims - 2]
    kernel = getattr(torch.ops.aten, f"fractional_max_pool{dims}d_backward").default
    x, samples = nx.randn(3, 2, *range(4, 4 + dims), dtype=torch.float64), torch.rand(3, 2, dims, dtype=torch.float64)
    window, size = [2] * dims, [2] * dims
    out, indices = pool(x, window, size, None, _random_samples=samples)
    grad = torch.randn_like(out.data)
    expected = kernel(grad, x.data, window, size, indices.data)
    turned = indices.data.mT.contiguous().mT
    got = kernel(nx.LiteTensor(grad), x, window, size, nx.LiteTensor(turned))
    torch.testing.assert_close(got.data, expected)
    many = torch.stack([grad, -grad])
    mapped = nx.vmap(lambda g: nx.vjp(lambda x: pool(x, window, size, None, _random_samples=samples)[0], x)[1](g)[0])
    torch.testing.assert_close(mapped(nx.LiteTensor(many)).data, torch.stack([expected, -expected]))
