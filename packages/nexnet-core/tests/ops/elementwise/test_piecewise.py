"""Signs, scales and replacements: against torch, at their joints, and in the dtypes that torch gives them."""

import math

import pytest
import torch

import nexnet as nx

inf, nan = math.inf, math.nan


def gradient(fn, *values):
    tensors = [nx.LiteTensor(each, dtype=torch.float64) for each in values]
    found = nx.grad(fn, tuple(range(len(values))))(*tensors)
    return [each.tolist() for each in found]


@pytest.mark.parametrize("name", ["copysign", "ldexp", "float_power"])
def test_two_operands_against_torch(name, draw, check_against_torch):
    mine, theirs = getattr(nx, name), getattr(torch, name)
    check_against_torch(mine, theirs, draw(2, 3, low=0.2), draw(3, low=0.2))
    check_against_torch(theirs, theirs, draw(2, 3, low=0.2), draw(1, low=0.2))


def test_numbers_as_operands(draw, check_against_torch):
    x = draw(3, low=0.2)
    check_against_torch(lambda x: nx.copysign(x, -1.0), lambda x: torch.copysign(x, -1.0), x)
    check_against_torch(lambda x: nx.float_power(x, 3), lambda x: torch.float_power(x, 3), x)
    check_against_torch(lambda x: nx.float_power(2, x), lambda x: torch.float_power(2, x), x)
    check_against_torch(lambda x: x.float_power(0.5), lambda x: x.float_power(0.5), x)
    n = torch.tensor([1, 2, -3])
    check_against_torch(lambda x: nx.ldexp(x, n), lambda x: x * torch.exp2(n.double()), x)
    assert nx.ldexp(nx.LiteTensor(x.half()), n).dtype == torch.float16


def test_float_power_is_float64_whatever_comes():
    x = nx.LiteTensor([2.0, 3.0])
    assert nx.float_power(x, 2).dtype == torch.float64
    assert nx.grad(lambda x: nx.float_power(x, 2).sum())(x).dtype == torch.float32
    assert nx.float_power(nx.LiteTensor([2, 3]), 2).tolist() == [4.0, 9.0]


def test_degrees_and_radians(draw, check_against_torch):
    check_against_torch(nx.deg2rad, torch.deg2rad, draw(3))
    check_against_torch(lambda x: x.rad2deg(), torch.rad2deg, draw(2))
    assert nx.deg2rad(nx.LiteTensor([180])).item() == pytest.approx(math.pi)


def test_frexp(draw, check_against_torch):
    check_against_torch(lambda x: nx.frexp(x).mantissa, lambda x: torch.frexp(x).mantissa, draw(2, 3, low=0.1, high=30))
    mantissa, exponent = torch.frexp(nx.LiteTensor([6.0]))
    assert (mantissa.item(), exponent.item()) == (0.75, 3)


def test_copysign_at_zero():
    assert gradient(nx.copysign, [0.0, -0.0, 1.0], [1.0, -1.0, -0.0]) == [[0, 0, -1], [0, 0, 0]]


def test_heaviside_has_the_gradient_of_its_value_at_zero():
    x, values = [-1.0, 0.0, 2.0], [5.0, 6.0, 7.0]
    assert nx.heaviside(nx.LiteTensor(x), nx.LiteTensor(values)).tolist() == [0, 6, 1]
    assert gradient(nx.heaviside, x, values) == [[0, 0, 0], [0, 1, 0]]


def test_nan_to_num():
    x = nx.LiteTensor([1.0, nan, inf, -inf])
    value, grad = nx.value_and_grad(lambda x: nx.nan_to_num(x, 5.0, posinf=6.0))(x)
    assert value.tolist()[:3] == [1, 5, 6]
    assert grad.tolist() == [1, 0, 0, 0]


class TestFakeQuantize:
    def test_per_tensor(self, draw, check_against_torch):
        x = draw(4, 5)
        for scale, zero_point in [(0.1, 0), (torch.tensor(0.1), torch.tensor(2, dtype=torch.int32))]:
            args = scale, zero_point, -10, 10
            check_against_torch(
                lambda x, a=args: nx.fake_quantize_per_tensor_affine(x, *a),
                lambda x, a=args: torch.fake_quantize_per_tensor_affine(x, *a),
                x.float() if isinstance(scale, torch.Tensor) else x,
                order=1,
            )

    def test_per_channel(self, draw, check_against_torch):
        args = torch.tensor([0.1, 0.2, 0.05]), torch.zeros(3, dtype=torch.int32), 0, -10, 10
        check_against_torch(
            lambda x: nx.fake_quantize_per_channel_affine(x, *args),
            lambda x: torch.fake_quantize_per_channel_affine(x, *args),
            draw(3, 4, dtype=torch.float32),
            order=1,
        )

    def test_the_gradient_passes_straight_through_at_every_order(self):
        def cube(x):
            return nx.fake_quantize_per_tensor_affine(x, 1.0, 0, -8, 7) ** 3

        assert nx.grad(cube)(1.9).item() == 12
        assert nx.grad(nx.grad(cube))(1.9).item() == 12


def test_what_varies_without_a_gradient_refuses_to_be_differentiated():
    assert nx.unique(nx.LiteTensor([2.0, 1.0, 2.0])).tolist() == [1, 2]
    assert torch.unique(nx.LiteTensor([2, 1, 2]), return_counts=True)[1].tolist() == [1, 2]
    assert nx.histogram(nx.LiteTensor([1.0, 2.0]), 2).hist.tolist() == [1, 1]
    with pytest.raises(nx.NoGradientRule, match="torch has no gradient for this function"):
        nx.grad(lambda x: nx.unique(x).sum())(nx.ones(3))
