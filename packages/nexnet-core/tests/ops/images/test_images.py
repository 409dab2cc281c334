"""Interpolation, sampling at grids, patches and pixels: against torch, at kinks, and what is refused."""

import pytest
import torch
from torch.nn import functional

import nexnet as nx

SPATIAL = {1: (5,), 2: (4, 5), 3: (2, 3, 4)}
LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}
SIZES = [{"size": 6}, {"scale_factor": 1.7}, {"scale_factor": 0.6, "recompute_scale_factor": True}]


def pair(name, *args, **options):
    """Nexnet's function of a name and torch's, with the same further arguments."""
    fns = [getattr(space, name) for space in (nx, functional if hasattr(functional, name) else torch)]
    return tuple(lambda *tensors, fn=fn: fn(*tensors, *args, **options) for fn in fns)


class TestInterpolate:
    @pytest.mark.parametrize("dims", [1, 2, 3])
    @pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "linear", "area"])
    def test_every_mode(self, mode, dims, draw, check_against_torch):
        mode = LINEAR[dims] if mode == "linear" else mode
        for options in SIZES:
            check_against_torch(*pair("interpolate", mode=mode, **options), draw(2, 1, *SPATIAL[dims]))

    @pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
    @pytest.mark.parametrize("extra", [{"align_corners": True}, {"antialias": True}])
    def test_images(self, mode, extra, draw, check_against_torch):
        for options in SIZES:
            check_against_torch(*pair("interpolate", mode=mode, **extra, **options), draw(2, 1, 4, 5))

    def test_a_factor_for_each_dimension(self, draw, check_against_torch):
        check_against_torch(*pair("interpolate", scale_factor=(0.5, 2.3), mode="bilinear"), draw(1, 2, 4, 5))

    def test_of_nothing(self, draw, check_against_torch):
        for mode in ("nearest", "bilinear", "area"):
            check_against_torch(*pair("interpolate", size=(3, 7), mode=mode), draw(0, 2, 4, 5))

    @pytest.mark.filterwarnings("ignore:.*deprecated")
    def test_earlier_names(self, draw, check_against_torch):
        for name in ("upsample", "upsample_nearest", "upsample_bilinear"):
            check_against_torch(*pair(name, scale_factor=2), draw(1, 2, 3, 4))
            x = nx.LiteTensor(draw(1, 2, 3, 4))
            assert torch.equal(getattr(functional, name)(x, 6).data, getattr(nx, name)(x, 6).data)

    def test_bad_calls_raise_what_torch_raises(self):
        x = nx.zeros(1, 1, 4, 4)
        with pytest.raises(ValueError, match="only one of size or scale_factor"):
            nx.interpolate(x, 3, 2)
        with pytest.raises(NotImplementedError, match="linear mode needs 3D input"):
            nx.interpolate(x, 3, mode="linear")


class TestGridSample:
    @pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
    @pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
    @pytest.mark.parametrize("align_corners", [False, True])
    def test_against_torch(self, mode, padding, align_corners, draw, check_against_torch):
        options = {"mode": mode, "padding_mode": padding, "align_corners": align_corners}
        fns = pair("grid_sample", **options)
        check_against_torch(*fns, draw(2, 2, 3, 4), draw(2, 3, 2, 2, low=-1.7, high=1.7), order=1)
        if mode != "bicubic":
            check_against_torch(*fns, draw(2, 1, 3, 2, 4), draw(2, 2, 1, 3, 3, low=-1.7, high=1.7), order=1)

    @pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
    def test_the_second_order_is_the_slope_of_the_first(self, mode, draw):
        x, grid = draw(1, 1, 4, 4), draw(1, 1, 2, 2, low=-0.9, high=0.9)

        def loss(grid):
            return (nx.grid_sample(nx.LiteTensor(x), grid, mode, align_corners=True) ** 2).sum()

        step = 1e-6 * draw(*grid.shape)
        first = nx.grad(loss)
        ahead, behind = (first(nx.LiteTensor(grid + sign * step)).data for sign in (1, -1))
        _, slope = nx.jvp(first, (nx.LiteTensor(grid),), (nx.LiteTensor(step),))
        torch.testing.assert_close(slope.data, (ahead - behind) / 2, rtol=1e-6, atol=1e-12)

    def test_of_nothing(self, draw, check_against_torch):
        check_against_torch(*pair("grid_sample", align_corners=True), draw(0, 2, 3, 4), draw(0, 2, 2, 2), order=1)
        x, grid = nx.LiteTensor(draw(0, 2, 3, 4)), nx.LiteTensor(draw(0, 2, 2, 2))
        second = nx.grad(lambda g: nx.grad(lambda g: nx.grid_sample(x, g, align_corners=True).sum())(g).sum())(grid)
        assert second.shape == grid.shape

    @pytest.mark.parametrize("mode", ["bilinear", "nearest"])
    def test_a_point_that_is_nowhere_has_no_part_in_the_second_order(self, mode, draw):
        x, grid = draw(1, 1, 3, 3), draw(1, 1, 2, 2, low=-0.9, high=0.9)
        grid[0, 0, 0] = float("nan")

        def by_x(x, g):
            return nx.grad(lambda x: (nx.grid_sample(x, g, mode, align_corners=True) ** 2).sum())(x)

        of_both = nx.grad(lambda x: by_x(x, nx.LiteTensor(grid)).sum())(nx.LiteTensor(x))
        of_one = nx.grad(lambda x: by_x(x, nx.LiteTensor(grid[:, :, 1:])).sum())(nx.LiteTensor(x))
        torch.testing.assert_close(of_both.data, of_one.data)

    def test_torchs_functions(self, draw):
        x, grid = nx.LiteTensor(draw(1, 1, 3, 3)), nx.LiteTensor(draw(1, 2, 2, 2))
        expected = nx.grid_sample(x, grid, "nearest", "border", True)
        assert torch.equal(torch.grid_sampler(x, grid, 1, 1, True).data, expected.data)
        assert torch.equal(nx.grid_sampler_2d(x, grid, 1, 1, True).data, expected.data)
        assert torch.equal(functional.grid_sample(x, grid, "nearest", "border", True).data, expected.data)

    def test_bad_calls_raise_what_torch_raises(self):
        x = nx.zeros(1, 1, 4, 4)
        with pytest.raises(ValueError, match="expected mode to be"):
            nx.grid_sample(x, nx.zeros(1, 2, 2, 2), "cubic")
        with pytest.raises(RuntimeError, match="size 2 in last dimension"):
            nx.grid_sample(x, nx.zeros(1, 2, 2, 3), align_corners=True)
        with pytest.warns(UserWarning, match="Default grid_sample and affine_grid behavior"):
            nx.grid_sample(x, nx.zeros(1, 2, 2, 2))


class TestAffineGrid:
    @pytest.mark.parametrize("size", [(2, 3, 2, 3), (2, 1, 2, 3, 2)])
    def test_against_torch(self, size, draw, check_against_torch):
        theta = draw(2, len(size) - 2, len(size) - 1)
        for align_corners in (False, True):
            check_against_torch(*pair("affine_grid", size, align_corners), theta)
            check_against_torch(*pair("affine_grid_generator", list(size), align_corners), theta)

    def test_a_spatial_transformer(self, draw, check_against_torch):
        def transform(space):
            def call(x, theta):
                return space.grid_sample(x, space.affine_grid(theta, (2, 1, 3, 3), False), "bilinear", "zeros", False)

            return call

        check_against_torch(
            transform(nx), transform(functional), draw(2, 1, 4, 4), draw(2, 2, 3, low=-1, high=1), order=1
        )


class TestPatches:
    @pytest.mark.parametrize("options", [(2,), ((2, 3), (2, 1), 1), (2, 1, 0, (1, 2))])
    def test_unfold_and_fold(self, options, draw, check_against_torch):
        for front in ((2, 2), (2,)):
            x = draw(*front, 4, 5)
            check_against_torch(*pair("unfold", *options), x)
            check_against_torch(*pair("fold", (4, 5), *options), functional.unfold(x, *options))

    def test_windows(self, draw, check_against_torch):
        for shape, options in (((5,), (0, 3, 2)), ((2, 4, 3), (1, 2, 1)), ((), (0, 1, 1)), ((0, 4), (-1, 2, 1))):
            check_against_torch(
                lambda x, options=options: x.unfold(*options) ** 2,
                lambda x, options=options: x.unfold(*options) ** 2,
                draw(*shape),
            )

    def test_windows_by_torchs_functions(self, draw):
        x = nx.LiteTensor(draw(5))
        assert torch.equal(torch.unfold_copy(x, 0, 2, 1).data, nx.unfold_copy(x, 0, 2, 1).data)
        assert torch.equal(nx.unfold_copy(x, 0, 2, 1).data, x.unfold(dimension=0, size=2, step=1).data)


class TestPixels:
    def test_shuffles(self, draw, check_against_torch):
        for front in ((2,), (), (1, 2)):
            check_against_torch(*pair("pixel_shuffle", 2), draw(*front, 8, 2, 3))
            check_against_torch(*pair("pixel_unshuffle", 2), draw(*front, 2, 4, 6))
        check_against_torch(*pair("channel_shuffle", 3), draw(2, 6, 2, 2))
        check_against_torch(
            lambda x: nx.native_channel_shuffle(x, 2), lambda x: torch.channel_shuffle(x, 2), draw(1, 6, 3)
        )

    def test_a_shuffle_of_nothing_has_a_gradient_where_torch_fails(self):
        assert nx.grad(lambda x: nx.pixel_shuffle(x, 2))(nx.zeros(0, 8, 2, 3)).shape == (0, 8, 2, 3)

    def test_bad_calls_raise_what_torch_raises(self):
        with pytest.raises(RuntimeError, match="divisible"):
            nx.pixel_shuffle(nx.zeros(1, 3, 2, 2), 2)
        with pytest.raises(RuntimeError, match="divisible"):
            nx.channel_shuffle(nx.zeros(1, 4, 2, 2), 3)


def test_on_the_meta_device():
    x = nx.LiteTensor(torch.empty(2, 4, 4, 4, device="meta"))
    grid = nx.LiteTensor(torch.empty(2, 3, 3, 2, device="meta"))
    for fn in (
        lambda x: nx.interpolate(x, scale_factor=2, mode="bilinear"),
        lambda x: nx.pixel_shuffle(x, 2),
        lambda x: nx.unfold(x, 2),
        lambda x: x.unfold(-1, 2, 1),
        lambda x: nx.grid_sample(x, grid, align_corners=True),
    ):
        assert nx.grad(fn)(x).shape == x.shape


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dtypes(dtype, draw):
    x = nx.LiteTensor(draw(1, 4, 4, 4, dtype=dtype))
    for fn in (
        lambda x: nx.interpolate(x, size=6, mode="bilinear"),
        lambda x: nx.pixel_shuffle(x, 2),
        lambda x: nx.unfold(x, 2),
    ):
        assert nx.grad(fn)(x).dtype == dtype


@pytest.mark.parametrize(("modes", "argument"), [((-1, 0), "interpolation_mode"), ((0, 3), "padding_mode")])
def test_a_mode_of_the_grid_sampler_that_is_none(modes, argument):
    with pytest.raises(nx.InputError, match=rf"no such mode(.|\n)*grid_sampler(.|\n)*{argument}(.|\n)*0 \("):
        nx.grid_sampler(nx.ones(1, 1, 2, 2), nx.zeros(1, 1, 1, 2), *modes, False)
