"""Arithmetic: every rule against torch to second order, on every kind of shape, and its special points."""

import math

import numpy as np
import pytest
import torch

import nexnet as nx

inf, nan = math.inf, math.nan

BINARY = {
    "add": (nx.add, torch.add),
    "sub": (nx.sub, torch.sub),
    "rsub": (nx.rsub, torch.rsub),
    "mul": (nx.mul, torch.mul),
    "div": (nx.div, torch.div),
    "remainder": (nx.remainder, torch.remainder),
    "fmod": (nx.fmod, torch.fmod),
    "pow": (nx.pow, torch.pow),
}
SHAPES = [((3, 2), (3, 2)), ((3, 1), (4,)), ((), (2, 3)), ((), ()), ((0, 2), (1,)), ((2, 3), ())]


def slopes(fn, *values):
    """Give the derivative of fn at a point by each argument, as floats."""
    grads = nx.grad(fn, tuple(range(len(values))))(*[nx.LiteTensor(value, dtype=torch.float64) for value in values])
    return tuple(each.item() for each in grads)


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("name", BINARY)
def test_against_torch(name, shapes, draw, check_against_torch):
    check_against_torch(*BINARY[name], draw(*shapes[0], low=0.3), draw(*shapes[1], low=0.3), order=3)


@pytest.mark.parametrize("name", BINARY)
class TestOperands:
    def test_of_mixed_dtype(self, name, draw, check_against_torch):
        x, y = draw(3, low=0.3, dtype=torch.float32), draw(2, 1, low=0.3)
        check_against_torch(*BINARY[name], x, y, rtol=1e-5)
        check_against_torch(*BINARY[name], y, torch.tensor([1, 2, 3]))
        check_against_torch(*BINARY[name], torch.tensor([1, 2, 3]), y)

    def test_non_contiguous_and_expanded(self, name, draw, check_against_torch):
        check_against_torch(*BINARY[name], draw(3, 4, low=0.3).T[::2], draw(3, low=0.3).expand(2, 3))

    def test_the_same_tensor_twice(self, name, draw, check_against_torch):
        ours, theirs = BINARY[name]
        check_against_torch(lambda x: ours(x, x), lambda x: theirs(x, x), draw(3, low=0.3))

    def test_two_arguments_that_share_one_storage(self, name, draw, check_against_torch):
        x = draw(3, low=0.3)
        check_against_torch(*BINARY[name], x, x)

    def test_a_constant_of_torch_or_numpy(self, name, draw, check_against_torch):
        ours, theirs = BINARY[name]
        x, constant = draw(3, low=0.3), draw(3, low=0.3)
        check_against_torch(lambda x: ours(x, constant), lambda x: theirs(x, constant), x)
        check_against_torch(lambda x: ours(constant, x), lambda x: theirs(constant, x), x)
        check_against_torch(lambda x: ours(x, constant.numpy()), lambda x: theirs(x, constant), x)

    def test_a_number_on_the_right(self, name, draw, check_against_torch):
        ours, theirs = BINARY[name]
        for number in (3, 0.5, np.float64(0.5)):
            check_against_torch(
                lambda x, c=number: ours(x, c), lambda x, c=number: theirs(x, float(c)), draw(3, low=0.3)
            )

    def test_a_number_on_the_left(self, name, draw, check_against_torch):
        if name == "fmod":
            pytest.skip("torch.fmod takes no number on the left")
        ours, theirs = BINARY[name]
        for number in (3, 0.5):
            check_against_torch(
                lambda x, c=number: ours(c, x),
                lambda x, c=number: theirs(torch.tensor(float(c), dtype=torch.float64), x),
                draw(3, low=0.3),
            )

    def test_on_the_meta_device(self, name):
        x, y = (nx.LiteTensor(torch.empty(*shape, device="meta")) for shape in ((3, 1), (4,)))
        grads = nx.grad(BINARY[name][0], (0, 1))(x, y)
        assert [tuple(each.shape) for each in grads] == [(3, 1), (4,)]
        assert grads[0].device.type == "meta"


@pytest.mark.parametrize(
    "operator",
    [
        lambda a, b: a + b,
        lambda a, b: a - b,
        lambda a, b: a * b,
        lambda a, b: a / b,
        lambda a, b: a % b,
        lambda a, b: a**b,
    ],
)
def test_a_torch_tensor_on_the_left_of_an_operator(operator, draw, check_against_torch):
    left = draw(3, low=0.3)
    check_against_torch(lambda x: operator(left, x), lambda x: operator(left, x), draw(3, low=0.3))


@pytest.mark.parametrize("name", ["rsub", "rtruediv", "rdiv", "rpow", "rmatmul"])
def test_torchs_methods_for_an_operand_on_the_left(name, draw, check_against_torch):
    method = getattr(torch.Tensor, f"__{name}__")
    check_against_torch(method, method, draw(3, 3, low=0.5), draw(3, 3, low=0.5))
    if name != "rmatmul":
        check_against_torch(lambda x: method(x, 2.0), lambda x: method(x, 2.0), draw(3, low=0.5))


def test_alpha_scales_the_second_operand(draw, check_against_torch):
    x, y = draw(3), draw(2, 3)
    for ours, theirs in ((nx.add, torch.add), (nx.sub, torch.sub), (nx.rsub, torch.rsub)):
        check_against_torch(lambda x, y, f=ours: f(x, y, alpha=2.5), lambda x, y, f=theirs: f(x, y, alpha=2.5), x, y)


@pytest.mark.parametrize("mode", ["floor", "trunc"])
def test_rounded_division_is_flat(mode, draw, check_against_torch):
    x, y = draw(3, low=3, high=9), draw(3, low=1)
    check_against_torch(
        lambda x, y: nx.div(x, y, rounding_mode=mode), lambda x, y: torch.div(x, y, rounding_mode=mode), x, y
    )
    check_against_torch(
        lambda y: nx.div(7.5, y, rounding_mode=mode), lambda y: torch.div(torch.tensor(7.5), y, rounding_mode=mode), y
    )


@pytest.mark.parametrize("name", ["remainder", "fmod"])
def test_remainders_of_negative_numbers(name, draw, check_against_torch):
    for x, y in ((-7.3, 2.1), (7.3, -2.1), (-7.3, -2.1)):
        check_against_torch(*BINARY[name], torch.tensor([x]).double(), torch.tensor([y]).double())


def test_neg_and_positive(draw, check_against_torch):
    check_against_torch(nx.neg, torch.neg, draw(2, 3))
    check_against_torch(nx.positive, torch.positive, draw(2, 3))


class TestThreeOperands:
    def test_addcmul(self, draw, check_against_torch):
        args = draw(3), draw(2, 1), draw(2, 3)
        check_against_torch(nx.addcmul, torch.addcmul, *args, order=3)
        check_against_torch(lambda *a: nx.addcmul(*a, value=-2), lambda *a: torch.addcmul(*a, value=-2), *args)

    def test_addcdiv(self, draw, check_against_torch):
        args = draw(3), draw(2, 1), draw(2, 3, low=0.3)
        check_against_torch(nx.addcdiv, torch.addcdiv, *args, order=3)
        check_against_torch(lambda *a: nx.addcdiv(*a, value=-2), lambda *a: torch.addcdiv(*a, value=-2), *args)

    def test_lerp(self, draw, check_against_torch):
        check_against_torch(nx.lerp, torch.lerp, draw(3), draw(2, 3), draw(2, 1), order=3)
        check_against_torch(lambda x, y: nx.lerp(x, y, 0.3), lambda x, y: torch.lerp(x, y, 0.3), draw(3), draw(2, 3))


class TestPow:
    @pytest.mark.parametrize("exponent", [0, 1, 1.0, 2, 2.0, 3, 0.5, -1, -2.5, -0.0])
    def test_by_the_base(self, exponent, draw, check_against_torch):
        check_against_torch(lambda x: nx.pow(x, exponent), lambda x: torch.pow(x, exponent), draw(4, low=0.3), order=3)

    @pytest.mark.parametrize("exponent", [0, 1, 2, 3, -1, -2])
    def test_a_negative_base_to_an_integer(self, exponent, draw, check_against_torch):
        x = draw(4, low=-2, high=-0.3)
        check_against_torch(lambda x: nx.pow(x, exponent), lambda x: torch.pow(x, exponent), x, order=3)

    @pytest.mark.parametrize("base", [2, 0.5, 1.0])
    def test_by_the_exponent(self, base, draw, check_against_torch):
        check_against_torch(lambda n: nx.pow(base, n), lambda n: torch.pow(base, n), draw(4), order=3)

    def test_a_base_of_zero_is_flat_to_the_right_of_zero(self):
        assert slopes(lambda n: nx.pow(0.0, n), 0.0) == (0.0,)
        assert slopes(lambda n: nx.pow(0.0, n), 2.0) == (0.0,)
        assert slopes(lambda n: nx.pow(0.0, n), -1.0) == (-inf,)
        assert slopes(lambda n: nx.pow(0, n), 0.5) == (0.0,)

    def test_zero_to_the_zero(self):
        assert slopes(nx.pow, 0.0, 0.0) == (0.0, 0.0)
        assert slopes(lambda x: nx.pow(x, 0), 0.0) == (0.0,)
        assert slopes(nx.grad(lambda x: nx.pow(x, 0.0)), 0.0) == (0.0,)
        by_base, mixed = slopes(nx.grad(nx.pow), 0.0, 0.0)
        assert by_base == 0.0
        assert math.isnan(mixed)

    def test_zero_to_a_number(self):
        assert slopes(lambda x: nx.pow(x, 0.5), 0.0) == (inf,)
        assert slopes(nx.pow, 0.0, 0.5) == (inf, 0.0)
        assert slopes(nx.pow, 0.0, 1.0) == (1.0, 0.0)
        assert slopes(nx.pow, 0.0, -1.0) == (-inf, -inf)

    def test_the_second_derivative_at_zero(self):
        assert slopes(nx.grad(lambda x: nx.pow(x, 1.0)), 0.0) == (0.0,)
        assert slopes(nx.grad(lambda x: nx.pow(x, 2.0)), 0.0) == (2.0,)
        assert slopes(nx.grad(lambda x: nx.pow(x, 3)), 0.0) == (0.0,)

    def test_a_negative_base_by_the_exponent(self):
        by_base, by_exponent = slopes(nx.pow, -2.0, 2.0)
        assert by_base == -4.0
        assert math.isnan(by_exponent)
        assert math.isnan(slopes(lambda n: nx.pow(-2.0, n), 2.0)[0])

    def test_the_mixed_derivative_at_exponent_zero_is_one_over_x(self):
        """torch gives 0 on one of the two ways: it masks the whole of n x^(n-1) at n = 0."""
        assert slopes(nx.grad(nx.pow, 0), 2.0, 0.0)[1] == 0.5
        assert slopes(nx.grad(nx.pow, 1), 2.0, 0.0)[0] == 0.5


def test_division_at_zero():
    assert slopes(nx.div, 1.0, 0.0) == (inf, -inf)
    assert slopes(lambda x: nx.div(0.0, x), 2.0) == (0.0,)
