"""Activations: against torch to third order, and torch's conventions at every kink."""

import math

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

import nexnet as nx
from nexnet.errors import InputError
from nexnet.policy import RULES

CASES = {
    "relu": (nx.relu, F.relu, {}),
    "hardshrink": (nx.hardshrink, F.hardshrink, {}),
    "hardshrink, lambd": (nx.hardshrink, F.hardshrink, {"lambd": 1.0}),
    "softshrink": (nx.softshrink, F.softshrink, {}),
    "softshrink, lambd": (nx.softshrink, F.softshrink, {"lambd": 1.0}),
    "tanhshrink": (nx.tanhshrink, F.tanhshrink, {}),
    "rrelu, not training": (nx.rrelu, F.rrelu, {}),
    "relu6": (nx.relu6, F.relu6, {}),
    "threshold": (nx.threshold, F.threshold, {"threshold": 0.5, "value": -1.0}),
    "leaky_relu": (nx.leaky_relu, F.leaky_relu, {}),
    "leaky_relu, slope": (nx.leaky_relu, F.leaky_relu, {"negative_slope": 0.3}),
    "hardtanh": (nx.hardtanh, F.hardtanh, {}),
    "hardtanh, bounds": (nx.hardtanh, F.hardtanh, {"min_val": -0.5, "max_val": 1.5}),
    "hardswish": (nx.hardswish, F.hardswish, {}),
    "silu": (nx.silu, F.silu, {}),
    "mish": (nx.mish, F.mish, {}),
    "softplus": (nx.softplus, F.softplus, {}),
    "softplus, beta": (nx.softplus, F.softplus, {"beta": 3, "threshold": 2}),
    "softsign": (nx.softsign, F.softsign, {}),
    "logsigmoid": (nx.logsigmoid, F.logsigmoid, {}),
    "gelu": (nx.gelu, F.gelu, {}),
    "gelu, tanh": (nx.gelu, F.gelu, {"approximate": "tanh"}),
    "elu": (nx.elu, F.elu, {}),
    "elu, alpha": (nx.elu, F.elu, {"alpha": 2.0}),
    "celu": (nx.celu, F.celu, {"alpha": 2.0}),
    "selu": (nx.selu, F.selu, {}),
}
SHAPES = [(), (7,), (2, 3), (0, 2)]
KINKS = torch.tensor([-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 3.0, 6.0], dtype=torch.float64)


def slopes(fn, *values):
    """Give the derivative of fn at a point by each argument, as floats."""
    grads = nx.grad(fn, tuple(range(len(values))))(*[nx.LiteTensor(value, dtype=torch.float64) for value in values])
    return tuple(each.item() for each in grads)


@pytest.mark.parametrize("case", CASES)
class TestElementwise:
    def test_against_torch(self, case, draw, check_against_torch):
        ours, theirs, options = CASES[case]
        for shape in SHAPES:
            x = draw(*shape, low=-4, high=4)
            check_against_torch(lambda x: ours(x, **options), lambda x: theirs(x, **options), x, order=2)

    def test_at_the_kinks(self, case, check_against_torch):
        ours, theirs, options = CASES[case]
        order = 1 if case.startswith("softplus, beta") else 2
        check_against_torch(lambda x: ours(x, **options), lambda x: theirs(x, **options), KINKS, order=order)

    def test_non_contiguous_and_expanded(self, case, draw, check_against_torch):
        ours, theirs, options = CASES[case]
        for x in (draw(3, 4, low=-4, high=4).T[::2], draw(3).expand(2, 3)):
            check_against_torch(lambda x: ours(x, **options), lambda x: theirs(x, **options), x)

    def test_in_single_precision(self, case, draw, check_against_torch):
        ours, theirs, options = CASES[case]
        x = draw(50, low=-4, high=4, dtype=torch.float32)
        check_against_torch(lambda x: ours(x, **options), lambda x: theirs(x, **options), x, rtol=1e-4)

    def test_the_third_order_is_the_derivative_of_the_second(self, case, draw):
        ours, _, options = CASES[case]
        x = draw(20, low=-4, high=4)
        second = nx.grad(nx.grad(lambda x: ours(x, **options)))
        third = nx.grad(second)(nx.LiteTensor(x)).data
        step = 1e-5
        slope = (second(nx.LiteTensor(x + step)).data - second(nx.LiteTensor(x - step)).data) / (2 * step)
        torch.testing.assert_close(third, slope, rtol=1e-6, atol=1e-7)

    def test_far_out_every_order_is_finite(self, case):
        ours, _, options = CASES[case]
        for x in (-1000.0, 1000.0):
            assert math.isfinite(slopes(lambda x: ours(x, **options), x)[0])
            assert slopes(nx.grad(lambda x: ours(x, **options)), x)[0] == pytest.approx(0, abs=1e-8)

    def test_on_the_meta_device(self, case):
        ours, _, options = CASES[case]
        x = nx.LiteTensor(torch.empty(2, 3, device="meta"))
        assert nx.grad(lambda x: ours(x, **options))(x).shape == (2, 3)

    def test_torch_reaches_it(self, case, draw):
        ours, theirs, options = CASES[case]
        x = draw(4)
        assert RULES[theirs] is ours
        assert torch.equal(theirs(nx.LiteTensor(x), **options).data, theirs(x, **options))


def test_hardsigmoid(draw):
    """Beside the formula: torch's gradient kernel has 1/6 in float32, and no second derivative (which is zero)."""
    for x in (draw(2, 5, low=-4, high=4), KINKS):
        torch.testing.assert_close(nx.hardsigmoid(x).data, F.hardsigmoid(x))
        slope = ((x > -3) & (x < 3)) * x.new_tensor(1 / 6)
        torch.testing.assert_close(nx.grad(nx.hardsigmoid)(x).data, slope, rtol=1e-15, atol=0)
        assert torch.equal(nx.grad(nx.grad(nx.hardsigmoid))(nx.LiteTensor(x)).data, torch.zeros_like(x))
    assert slopes(nx.hardsigmoid, -3.0) == slopes(nx.hardsigmoid, 3.0) == (0.0,)


def test_conventions_at_kinks():
    """Those of torch, each written beside its rule."""
    assert slopes(nx.relu, 0.0) == (0.0,)
    assert slopes(nx.relu6, 0.0) == slopes(nx.relu6, 6.0) == (0.0,)
    assert slopes(nx.leaky_relu, 0.0) == (0.01,)
    assert slopes(nx.hardtanh, -1.0) == slopes(nx.hardtanh, 1.0) == (0.0,)
    assert slopes(nx.elu, 0.0) == slopes(nx.celu, 0.0) == (1.0,)
    assert slopes(lambda x: nx.threshold(x, 0.5, 0.0), 0.5) == (0.0,)
    assert slopes(nx.hardswish, -3.0) == (0.0,)
    assert slopes(nx.hardswish, 3.0) == (1.0,)
    assert slopes(nx.softsign, 0.0) == (1.0,)
    assert slopes(nx.grad(nx.softplus), 0.0) == (0.25,)
    assert slopes(nx.hardshrink, 0.5) == slopes(nx.softshrink, -0.5) == (0.0,)
    assert slopes(nx.prelu, 0.0, 0.3) == (0.3, 0.0)
    assert slopes(lambda x: nx.rrelu(x, 0.25, 0.25, training=True), 0.0) == (0.25,)


class TestPrelu:
    @pytest.mark.parametrize(
        ("shape", "weight"), [((2, 3), 3), ((2, 3, 4), 3), ((2, 3), 1), ((5,), 1), ((), 1), ((0, 2), 2)]
    )
    def test_against_torch(self, shape, weight, draw, check_against_torch):
        check_against_torch(nx.prelu, F.prelu, draw(*shape), draw(weight), order=3)

    def test_one_weight_without_dimensions(self, draw, check_against_torch):
        check_against_torch(nx.prelu, F.prelu, draw(2, 3).T, draw())

    def test_weights_that_are_not_the_channels(self):
        with pytest.raises(InputError, match=r"one for each channel(.|\n)*\(3,\)(.|\n)*got: +\(2,\)"):
            nx.prelu(nx.zeros(2, 3), nx.zeros(2))


class TestGlu:
    @pytest.mark.parametrize(("shape", "dim"), [((2, 4), 1), ((4, 3), 0), ((2, 3, 6), -1), ((2,), 0), ((0, 2), -1)])
    def test_against_torch(self, shape, dim, draw, check_against_torch):
        check_against_torch(lambda x: nx.glu(x, dim), lambda x: F.glu(x, dim), draw(*shape), order=3)

    def test_an_odd_dimension(self):
        with pytest.raises(RuntimeError, match="dimension must be even"):
            nx.glu(nx.zeros(3))


class TestRandomSlopes:
    def test_draws_as_torch_does(self, draw):
        x = draw(50)
        torch.manual_seed(1)
        expected = F.rrelu(x, 0.2, 0.4, training=True)
        torch.manual_seed(1)
        torch.testing.assert_close(nx.rrelu(nx.LiteTensor(x), 0.2, 0.4, training=True).data, expected)

    def test_the_slopes_are_drawn_once_at_every_order(self, draw):
        x = nx.LiteTensor(draw(50))
        slopes = nx.grad(lambda x: nx.rrelu(x, training=True, generator=torch.Generator().manual_seed(0)))(x)

        def cube(x):
            return nx.rrelu(x, training=True, generator=torch.Generator().manual_seed(0)) ** 3

        torch.testing.assert_close(nx.grad(nx.grad(cube))(x).data, (6 * slopes**3 * x).data)


@pytest.mark.parametrize(
    "name",
    [
        "relu",
        "relu6",
        "rrelu",
        "leaky_relu",
        "hardtanh",
        "hardswish",
        "hardsigmoid",
        "silu",
        "mish",
        "elu",
        "celu",
        "selu",
    ],
)
def test_inplace_is_refused(name):
    with pytest.raises(InputError, match="inplace=True writes into a tensor") as raised:
        getattr(nx, name)(nx.LiteTensor(torch.ones(3)), inplace=True)
    assert name in str(raised.value)
