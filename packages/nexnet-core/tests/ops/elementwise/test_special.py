"""Special functions against torch, the neighbourhood of 0, where torch's derivatives fail, and the far ends."""

import math

import pytest
import torch

import nexnet as nx

# name in torch.special: the interval that the samples are drawn from
UNARY = {
    "digamma": (0.3, 4),
    "entr": (0.2, 3),
    "erfcx": (-2, 2),
    "erfinv": (-0.9, 0.9),
    "gammaln": (0.3, 4),
    "i0": (-3, 3),
    "i0e": (0.3, 3),
    "i1": (-3, 3),
    "i1e": (0.3, 3),
    "log_ndtr": (-3, 3),
    "ndtr": (-3, 3),
    "ndtri": (0.1, 0.9),
    "psi": (0.3, 4),
    "sinc": (0.3, 2),
}


def slopes(fn, point, orders):
    """The derivatives of fn at a point, of order 1, 2, ..."""
    found = []
    for _ in range(orders):
        fn = nx.grad(fn)
        found.append(fn(nx.LiteTensor(point, dtype=torch.float64)).item())
    return found


@pytest.mark.parametrize("name", UNARY)
def test_against_torch(name, draw, check_against_torch):
    low, high = UNARY[name]
    for shape in [(), (3,), (2, 3), (0, 2)]:
        x = draw(*shape, low=low, high=high)
        check_against_torch(getattr(nx.special, name), getattr(torch.special, name), x)
        check_against_torch(getattr(torch.special, name), getattr(torch.special, name), x, order=1)


def test_two_arguments(draw, check_against_torch):
    x, y = draw(2, 3), draw(3, low=0.2, high=3)
    check_against_torch(nx.special.xlog1py, torch.special.xlog1py, x, y)
    check_against_torch(lambda y: nx.special.xlog1py(0.5, y), lambda y: torch.special.xlog1py(0.5, y), y)
    check_against_torch(lambda x: nx.special.polygamma(2, x), lambda x: torch.special.polygamma(2, x), y)
    check_against_torch(lambda x: x.polygamma(1), lambda x: x.polygamma(1), y)
    check_against_torch(lambda x: nx.special.multigammaln(x, 2), lambda x: torch.mvlgamma(x, 2), y + 1)
    check_against_torch(lambda q: nx.special.zeta(2.5, q), lambda q: torch.special.zeta(2.5, q), y)
    a = torch.full((3,), 1.5, dtype=torch.float64)
    check_against_torch(lambda x: nx.igamma(a, x), lambda x: torch.igamma(a, x), y)
    check_against_torch(lambda x: nx.special.gammaincc(a, x), lambda x: torch.igammac(a, x), y)


@pytest.mark.parametrize("name", ["zeta", "gammainc", "gammaincc"])
def test_what_has_no_derivative_by_its_first_argument_says_so(name):
    with pytest.raises(nx.NoGradientRule, match="by its second argument only"):
        nx.grad(getattr(nx.special, name))(2.0, 1.0)


class TestAroundZero:
    def test_sinc_is_right_at_every_order(self):
        assert slopes(nx.sinc, 0.0, 4) == pytest.approx([0, -(math.pi**2) / 3, 0, math.pi**4 / 5])

    def test_sinc_is_accurate_beside_zero(self):
        x = 1e-5
        assert slopes(nx.sinc, x, 1)[0] == pytest.approx(-(math.pi**2) * x / 3, rel=1e-9)

    @pytest.mark.parametrize("name", ["sinc", "i1", "i1e", "bessel_j1", "spherical_bessel_j0"])
    def test_series_and_formula_meet(self, name):
        end = torch.finfo(torch.float64).eps ** 0.125
        below, above = (slopes(getattr(nx.special, name), end + step, 2) for step in (-1e-12, 1e-12))
        assert below == pytest.approx(above, rel=1e-8)

    def test_bessel_functions(self):
        assert slopes(nx.special.i1, 0.0, 3) == pytest.approx([0.5, 0, 3 / 8])
        assert slopes(nx.special.bessel_j1, 0.0, 3) == pytest.approx([0.5, 0, -3 / 8])
        assert slopes(nx.special.spherical_bessel_j0, 0.0, 2) == pytest.approx([0, -1 / 3])


def test_log_ndtr_far_out():
    assert slopes(nx.special.log_ndtr, -40.0, 2) == pytest.approx([40.02496882, -0.99937733], rel=1e-6)
    assert slopes(nx.special.log_ndtr, 60.0, 2) == [0, 0]


def test_scaled_functions_do_not_overflow():
    assert slopes(nx.special.i1e, 800.0, 1)[0] == pytest.approx(-8.8031e-06, rel=1e-4)


def test_torch_takes_these_for_constants_but_nexnet_differentiates_them():
    x = nx.LiteTensor([0.7, 1.9], dtype=torch.float64)
    for name, slope in {
        "bessel_j0": lambda x: -torch.special.bessel_j1(x),
        "bessel_y0": lambda x: -torch.special.bessel_y1(x),
        "modified_bessel_k0": lambda x: -torch.special.modified_bessel_k1(x),
    }.items():
        torch.testing.assert_close(nx.grad(getattr(torch.special, name))(x).data, slope(x.data))


def test_on_the_meta_device():
    x = nx.LiteTensor(torch.empty(2, 3, device="meta"))
    for name in UNARY:
        assert nx.grad(getattr(nx.special, name))(x).shape == (2, 3)


def test_every_differentiable_name_of_torch_special_is_there():
    skipped = ("airy_ai", "chebyshev", "hermite", "laguerre", "legendre", "shifted")  # constants to torch
    names = [name for name in torch.special.__all__ if not name.startswith(skipped)]
    assert [name for name in names if not hasattr(nx.special, name)] == []
