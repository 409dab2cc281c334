"""where, clamp, the greater and the lesser: against torch to second order, and torch's conventions at every tie."""

import math

import pytest
import torch

import nexnet as nx

inf, nan = math.inf, math.nan
BINARY = ["maximum", "minimum", "fmax", "fmin"]


def slopes(fn, *values):
    """Give the derivative of fn at a point by each argument, as floats."""
    grads = nx.grad(fn, tuple(range(len(values))))(*[nx.LiteTensor(value, dtype=torch.float64) for value in values])
    return tuple(each.item() for each in grads)


class TestWhere:
    def test_against_torch(self, draw, check_against_torch):
        for shapes in (((3, 4), (4,), (3, 1)), ((), (2,), ()), ((2,), (), ()), ((0,), (1,), (0,))):
            condition = draw(*shapes[0]) > 0
            args = condition, draw(*shapes[1]), draw(*shapes[2])
            check_against_torch(nx.where, torch.where, *args)

    def test_mixed_dtypes(self, draw, check_against_torch):
        check_against_torch(nx.where, torch.where, draw(3) > 0, draw(3, dtype=torch.float32), draw(2, 3))

    def test_numbers(self, draw, check_against_torch):
        condition = draw(5) > 0
        check_against_torch(lambda x: nx.where(condition, x, 0), lambda x: torch.where(condition, x, 0), draw(5))
        check_against_torch(lambda x: nx.where(condition, 1.5, x), lambda x: torch.where(condition, 1.5, x), draw(5))

    def test_the_condition_may_be_of_the_argument_itself(self, draw, check_against_torch):
        check_against_torch(
            lambda x: nx.where(nx.gt(x, 0), nx.exp(x), nx.sin(x)),
            lambda x: torch.where(x > 0, x.exp(), x.sin()),
            draw(6),
            order=3,
        )

    def test_the_trap_and_the_safe_form(self):
        assert math.isnan(slopes(lambda x: nx.where(nx.gt(x, 0), nx.sqrt(x), 0), 0.0)[0])

        def safe(x):
            inside = nx.gt(x, 0)
            return nx.where(inside, nx.sqrt(nx.where(inside, x, 1)), 0)

        assert slopes(safe, 0.0) == (0.0,)
        assert slopes(nx.grad(safe), 0.0) == (0.0,)

    def test_of_the_condition_alone(self):
        rows, columns = nx.where(nx.LiteTensor([[0, 1], [1, 0]]))
        assert rows.data.tolist() == [0, 1]
        assert columns.data.tolist() == [1, 0]


class TestClamp:
    @pytest.mark.parametrize("bounds", [(-1, 1), (-0.5, None), (None, 0.5), (0.5, -0.5)])
    def test_numbers(self, bounds, draw, check_against_torch):
        low, high = bounds
        for shape in ((5,), (), (0, 2)):
            check_against_torch(lambda x: nx.clamp(x, low, high), lambda x: torch.clamp(x, low, high), draw(*shape))
        check_against_torch(
            lambda x: nx.clamp(x, min=low, max=high), lambda x: torch.clamp(x, min=low, max=high), draw(3, 4).T
        )

    def test_tensors(self, draw, check_against_torch):
        check_against_torch(nx.clamp, torch.clamp, draw(9), draw(4, 1), draw(4, 9))
        check_against_torch(nx.clamp_min, torch.clamp_min, draw(9), draw(4, 1))
        check_against_torch(nx.clamp_max, torch.clamp_max, draw(9), draw(4, 1))
        check_against_torch(lambda x, b: nx.clamp(x, max=b), lambda x, b: torch.clamp(x, max=b), draw(9), draw(4, 1))

    def test_a_number_and_a_tensor(self, draw, check_against_torch):
        check_against_torch(
            lambda x, b: nx.clamp(x, -0.5, b),
            lambda x, b: torch.clamp(torch.clamp(x, -0.5), max=b),
            draw(9),
            draw(4, 1),
        )

    def test_at_a_bound_x_has_the_whole_gradient(self):
        assert slopes(lambda x: nx.clamp(x, -1, 1), 1.0) == slopes(lambda x: nx.clamp(x, -1, 1), -1.0) == (1.0,)
        assert slopes(nx.clamp_min, 1.0, 1.0) == slopes(nx.clamp_max, 1.0, 1.0) == (1.0, 0.0)
        assert slopes(nx.clamp, 1.0, 1.0, 1.0) == (1.0, 0.0, 0.0)

    def test_an_infinite_gradient_does_not_pass(self):
        assert slopes(lambda x: nx.sqrt(nx.clamp(x, min=0)), -1.0) == (0.0,)

    def test_without_a_bound(self):
        with pytest.raises(RuntimeError, match="'min' or 'max' must not be None"):
            nx.clamp(nx.LiteTensor(1.0))


@pytest.mark.parametrize("name", BINARY)
class TestGreaterAndLesser:
    def test_against_torch(self, name, draw, check_against_torch):
        for one, two in (((3, 1), (4,)), ((), (2,)), ((), ()), ((0, 2), (1,))):
            check_against_torch(getattr(nx, name), getattr(torch, name), draw(*one), draw(*two))

    def test_of_mixed_dtype_and_layout(self, name, draw, check_against_torch):
        x, y = draw(3, dtype=torch.float32), draw(2).expand(3, 2).T
        check_against_torch(getattr(nx, name), getattr(torch, name), x, y, rtol=1e-5)

    def test_ties_and_nan(self, name, check_against_torch):
        x = torch.tensor([1, 2, nan, 1, nan, inf], dtype=torch.float64)
        y = torch.tensor([1, 1, 1, nan, nan, inf], dtype=torch.float64)
        check_against_torch(getattr(nx, name), getattr(torch, name), x, y)

    def test_the_same_tensor_twice(self, name, draw, check_against_torch):
        check_against_torch(lambda x: getattr(nx, name)(x, x), lambda x: getattr(torch, name)(x, x), draw(3))


def test_a_tie_of_maximum_and_minimum_is_shared():
    assert slopes(nx.maximum, 1.0, 1.0) == slopes(nx.minimum, 1.0, 1.0) == (0.5, 0.5)


def test_a_tie_of_fmax_and_fmin_goes_to_the_first():
    assert slopes(nx.fmax, 1.0, 1.0) == slopes(nx.fmin, 1.0, 1.0) == (1.0, 0.0)


def test_a_number_beats_nan_in_fmax_and_fmin():
    assert slopes(nx.fmax, nan, 1.0) == slopes(nx.fmin, nan, 1.0) == (0.0, 1.0)
    assert slopes(nx.fmax, 1.0, nan) == slopes(nx.fmin, 1.0, nan) == (1.0, 0.0)


def test_on_the_meta_device():
    x, y = (nx.LiteTensor(torch.empty(*shape, device="meta")) for shape in ((3, 1), (4,)))
    for fn in (nx.maximum, nx.fmin, nx.clamp_min, lambda x, y: nx.where(nx.gt(x, 0), x, y)):
        assert [tuple(each.shape) for each in nx.grad(fn, (0, 1))(x, y)] == [(3, 1), (4,)]
