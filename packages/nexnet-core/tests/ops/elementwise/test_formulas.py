"""Elementwise functions: the formula sheet against torch to third order, their singular points, and other layouts."""

import importlib
import math
import pickle

import pytest
import torch

import nexnet as nx
from nexnet.policy import RULES

inf, nan = math.inf, math.nan

# name: the interval that the samples are drawn from
UNARY = {
    "abs": (-2, 2),
    "acos": (-0.9, 0.9),
    "acosh": (1.2, 3),
    "asin": (-0.9, 0.9),
    "asinh": (-2, 2),
    "atan": (-2, 2),
    "atanh": (-0.9, 0.9),
    "cos": (-3, 3),
    "cosh": (-2, 2),
    "erf": (-2, 2),
    "erfc": (-2, 2),
    "exp": (-2, 2),
    "exp2": (-2, 2),
    "expm1": (-2, 2),
    "frac": (0.1, 0.9),
    "log": (0.2, 3),
    "log10": (0.2, 3),
    "log1p": (-0.8, 3),
    "log2": (0.2, 3),
    "logit": (0.1, 0.9),
    "reciprocal": (0.3, 2),
    "rsqrt": (0.3, 2),
    "sigmoid": (-3, 3),
    "sin": (-3, 3),
    "sinh": (-2, 2),
    "sqrt": (0.3, 2),
    "square": (-2, 2),
    "tan": (-1.2, 1.2),
    "tanh": (-2, 2),
}
BINARY = ["atan2", "hypot", "logaddexp", "logaddexp2", "xlogy"]
SHAPES = [(), (3,), (2, 3), (0, 2), (1, 0)]


def slopes(fn, *values):
    """Give the derivative of fn at a point by each argument, as floats."""
    grads = nx.grad(fn, tuple(range(len(values))))(*[nx.LiteTensor(value, dtype=torch.float64) for value in values])
    return tuple(each.item() for each in grads)


@pytest.mark.parametrize("name", UNARY)
class TestUnary:
    def test_against_torch(self, name, draw, check_against_torch):
        low, high = UNARY[name]
        for shape in SHAPES:
            check_against_torch(
                getattr(nx, name), getattr(torch, name), draw(*shape, low=low, high=high), order=3, rtol=1e-8
            )

    def test_non_contiguous_and_expanded(self, name, draw, check_against_torch):
        low, high = UNARY[name]
        check_against_torch(getattr(nx, name), getattr(torch, name), draw(3, 4, low=low, high=high).T[::2])
        check_against_torch(getattr(nx, name), getattr(torch, name), draw(3, low=low, high=high).expand(2, 3))

    def test_in_single_and_half_precision(self, name, draw, check_against_torch):
        low, high = UNARY[name]
        for dtype in (torch.float32, torch.float16):
            x = draw(5, low=low, high=high, dtype=dtype)
            check_against_torch(
                getattr(nx, name), getattr(torch, name), x, order=1, rtol=0.02 if dtype is torch.float16 else 1e-4
            )

    def test_on_the_meta_device(self, name):
        x = nx.LiteTensor(torch.empty(2, 3, device="meta"))
        (gradient,) = nx.grad(getattr(nx, name), (0,))(x)
        assert gradient.shape == (2, 3)
        assert gradient.device.type == "meta"

    def test_torch_reaches_it_and_it_says_its_formula(self, name):
        operator = getattr(nx, name)
        assert RULES[getattr(torch, name)] is operator
        assert operator.__name__ == name
        assert "dx = " in operator.__doc__


@pytest.mark.parametrize("name", BINARY)
class TestBinary:
    def test_against_torch(self, name, draw, check_against_torch):
        for one, two in (((3, 1), (4,)), ((), (2,)), ((), ()), ((0, 2), (1,))):
            args = draw(*one, low=0.3), draw(*two, low=0.3)
            check_against_torch(getattr(nx, name), getattr(torch, name), *args, order=3)

    def test_of_mixed_dtype_and_layout(self, name, draw, check_against_torch):
        x, y = draw(3, low=0.3, dtype=torch.float32), draw(2, low=0.3).expand(3, 2).T
        check_against_torch(getattr(nx, name), getattr(torch, name), x, y, rtol=1e-5)

    def test_the_same_tensor_twice(self, name, draw, check_against_torch):
        ours, theirs = getattr(nx, name), getattr(torch, name)
        check_against_torch(lambda x: ours(x, x), lambda x: theirs(x, x), draw(3, low=0.3))

    def test_a_constant(self, name, draw, check_against_torch):
        ours, theirs, c = getattr(nx, name), getattr(torch, name), draw(3, low=0.3)
        check_against_torch(lambda x: ours(x, c), lambda x: theirs(x, c), draw(3, low=0.3))
        check_against_torch(lambda x: ours(c, x), lambda x: theirs(c, x), draw(3, low=0.3))


@pytest.mark.parametrize(
    ("alias", "name"),
    [("absolute", "abs"), ("expit", "sigmoid")]
    + [("arc" + name, "a" + name) for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "tan2")],
)
def test_aliases(alias, name):
    assert getattr(nx, alias) is getattr(nx, name)
    assert RULES[getattr(torch, alias, torch.special.expit)] is getattr(nx, name)


def test_logit_with_eps(draw, check_against_torch):
    x = torch.tensor([-0.2, 0.05, 0.1, 0.3, 0.95, 1.3], dtype=torch.float64)
    check_against_torch(lambda x: nx.logit(x, 0.1), lambda x: torch.logit(x, 0.1), x, order=3)
    check_against_torch(lambda x: nx.logit(x, eps=0.1), lambda x: torch.logit(x, eps=0.1), x)


def test_xlogy_with_a_number(draw, check_against_torch):
    check_against_torch(lambda x: nx.xlogy(x, 2.0), lambda x: torch.xlogy(x, 2.0), draw(3, low=0.3))
    check_against_torch(lambda x: nx.xlogy(2.0, x), lambda x: torch.xlogy(2.0, x), draw(3, low=0.3))


class TestSpecialPoints:
    """PyTorch's conventions, each written beside its rule."""

    def test_abs_at_zero(self):
        assert slopes(nx.abs, 0.0) == (0.0,)
        assert slopes(nx.grad(nx.abs), 0.0) == (0.0,)

    def test_sqrt_at_zero(self):
        assert slopes(nx.sqrt, 0.0) == (inf,)
        assert math.isnan(slopes(lambda x: nx.sqrt(nx.mul(x, x)), 0.0)[0])

    def test_logarithms_at_zero(self):
        assert slopes(nx.log, 0.0) == slopes(nx.log2, 0.0) == slopes(nx.log10, 0.0) == slopes(nx.log1p, -1.0) == (inf,)

    def test_inverse_functions_at_the_ends_of_their_domain(self):
        assert slopes(nx.asin, 1.0) == slopes(nx.atanh, 1.0) == slopes(nx.acosh, 1.0) == slopes(nx.logit, 0.0) == (inf,)
        assert slopes(nx.acos, 1.0) == (-inf,)

    def test_reciprocal_at_zero(self):
        assert slopes(nx.reciprocal, 0.0) == slopes(nx.rsqrt, 0.0) == (-inf,)

    def test_hypot_at_the_origin(self):
        assert all(math.isnan(each) for each in slopes(nx.hypot, 0.0, 0.0))

    def test_atan2_at_the_origin(self):
        assert slopes(nx.atan2, 0.0, 0.0) == (0.0, 0.0)

    def test_atan2_near_the_origin_where_the_squares_underflow(self):
        assert slopes(nx.atan2, 1e-200, 1e-200) == pytest.approx((0.5e200, -0.5e200))
        assert slopes(nx.atan2, 1e200, 1e200) == pytest.approx((0.5e-200, -0.5e-200))

    def test_xlogy_at_zero(self):
        assert slopes(nx.xlogy, 0.0, 0.0)[0] == 0.0
        assert slopes(nx.xlogy, 0.0, 2.0) == (math.log(2.0), 0.0)
        assert slopes(nx.grad(nx.xlogy), 0.0, 2.0) == (0.0, 0.5)

    def test_logaddexp_of_infinities(self):
        assert slopes(nx.logaddexp, inf, 1.0) == (1.0, 0.0)
        assert slopes(nx.logaddexp, -inf, 1.0) == (0.0, 1.0)

    def test_tails_stay_finite_at_second_order(self):
        for fn in (nx.tanh, nx.sigmoid, nx.erf):
            assert slopes(nx.grad(fn), 800.0) == (0.0,)
            assert slopes(nx.grad(fn), -800.0) == (0.0,)
        assert slopes(nx.grad(lambda x: nx.logaddexp(x, 0.0 * x)), 800.0)[0] == 0.0

    def test_near_the_ends_of_the_domain_the_slope_is_exact(self):
        x = 1 - 1e-10
        exact = 1 / math.sqrt((1 - x) * (1 + x))
        assert slopes(nx.asin, x)[0] == pytest.approx(exact, rel=1e-14)
        assert slopes(nx.atanh, x)[0] == pytest.approx(exact**2, rel=1e-14)


def test_half_the_operators_save_only_their_output():
    """The input's storage is free as soon as the user drops it."""
    for operator in (nx.exp, nx.sqrt, nx.tanh, nx.sigmoid, nx.rsqrt, nx.reciprocal):
        x = nx.LiteTensor(0.5)
        output, tape = nx.trace(operator)(x)
        (saved,) = tape.nodes[0].saved
        assert saved is output.data
        assert saved is not x.data


@pytest.mark.parametrize(
    "name",
    [
        *(
            "constant",
            "layers.activation",
            "layers.rectifier",
            "losses.regression",
            "reductions.sums",
            "shapes.reshaping",
        ),
        *(f"elementwise.{each}" for each in ("arithmetic", "exponential", "trigonometric", "piecewise", "selection")),
        *(
            "elementwise.gamma",
            "elementwise.special",
            "images.max_pooling",
            "signals.fourier",
            "shapes.copies",
            "shapes.views",
        ),
    ],
)
def test_every_operator_pickles_by_its_name(name):
    module = importlib.import_module(f"nexnet.ops.{name}")
    for each in module.__all__:
        assert pickle.loads(pickle.dumps(getattr(module, each))) is getattr(module, each)
