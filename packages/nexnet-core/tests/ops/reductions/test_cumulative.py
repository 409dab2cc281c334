"""Running sums, extremes, logarithms of sums and products: against torch, and at ties, zeros and infinities."""

import math

import pytest
import torch

import nexnet as nx

inf, nan = math.inf, math.nan


def gradient(fn, value, order=1):
    for _ in range(order):
        fn = nx.grad(fn)
    return fn(nx.LiteTensor(value, dtype=torch.float64)).tolist()


@pytest.mark.parametrize("name", ["cumsum", "cumprod", "cummax", "cummin", "logcumsumexp"])
@pytest.mark.parametrize(("shape", "dim"), [((), 0), ((4,), -1), ((2, 3), 0), ((2, 3, 2), 1), ((0, 2), 0), ((2, 0), 0)])
def test_against_torch(name, shape, dim, draw, check_against_torch):
    check_against_torch(lambda x: getattr(nx, name)(x, dim), lambda x: getattr(torch, name)(x, dim), draw(*shape))
    check_against_torch(lambda x: getattr(x, name)(dim), lambda x: getattr(torch, name)(x, dim), draw(*shape), order=1)


class TestLogcumsumexp:
    def test_to_third_order(self, draw, check_against_torch):
        x = draw(2, 4)
        check_against_torch(lambda x: nx.logcumsumexp(x, 1), lambda x: x.exp().cumsum(1).log(), x, order=3)

    def test_a_cotangent_of_zero_is_differentiated_too(self):
        x = nx.LiteTensor([0.5, -1.0, 2.0], dtype=torch.float64)

        def pull(c):
            return nx.vjp(lambda x: nx.logcumsumexp(x, 0), x)[1](c)[0][0]

        found = nx.grad(pull)(nx.zeros(3, dtype=torch.float64))
        torch.testing.assert_close(found.data, torch.exp(x.data[0] - torch.logcumsumexp(x.data, 0)))

    def test_where_it_starts_with_minus_infinity(self):
        assert gradient(lambda x: nx.logcumsumexp(x, 0), [-inf, 1.0]) == [1, 1]
        assert gradient(lambda x: nx.logcumsumexp(x, 0)[1], [-inf, 1.0]) == [0, 1]
        assert gradient(lambda x: nx.logcumsumexp(x, 0), [0.0, -inf]) == [2, 0]
        assert str(gradient(lambda x: nx.logcumsumexp(x, 0), [-inf, -inf, 1.0])) == "[nan, nan, 1.0]"

    def test_where_complex_numbers_start_with_minus_infinity(self):
        x, seed = (torch.tensor(each, dtype=torch.complex128) for each in ([-inf, 1 + 1j, 2], [1 + 2j, 3, 1j]))
        (found,) = nx.vjp(lambda x: nx.logcumsumexp(x, 0), x)[1](seed)
        (without,) = nx.vjp(lambda x: nx.logcumsumexp(x, 0), x[1:])[1](seed[1:])
        torch.testing.assert_close(found.data, torch.cat([seed[:1], without.data]))

    def test_far_apart(self):
        assert gradient(lambda x: nx.logcumsumexp(x, 0), [0.0, 1000.0, -1000.0]) == pytest.approx([1, 2, 0])


def test_a_running_extreme_gives_a_tie_to_the_last():
    assert gradient(lambda x: nx.cummax(x, 0).values, [2.0, 2.0, 1.0]) == [1, 2, 0]
    assert gradient(lambda x: nx.cummin(x, 0)[0], [2.0, 2.0, 3.0]) == [1, 2, 0]
    assert nx.cummax(nx.LiteTensor([1.0, 3.0, 2.0]), 0).indices.tolist() == [0, 1, 1]


class TestProducts:
    @pytest.mark.parametrize("zeros", [0, 1, 2])
    @pytest.mark.parametrize("name", ["prod", "cumprod"])
    def test_zeros_to_third_order(self, name, zeros, draw, check_against_torch):
        x = draw(2, 4)
        x[0, 1 : 1 + zeros] = 0

        # The reference is a product written out: torch's own rules fail beyond the second order.
        def steps(x):
            a, b, c, d = x.unbind(1)
            return [a, a * b, a * b * c, a * b * c * d]

        if name == "prod":
            check_against_torch(lambda x: nx.prod(x, 1), lambda x: steps(x)[3], x, order=3)
            check_against_torch(lambda x: nx.prod(x), lambda x: steps(x)[3][0] * steps(x)[3][1], x, order=3)
        else:
            check_against_torch(lambda x: nx.cumprod(x, 1), lambda x: torch.stack(steps(x), 1), x, order=3)

    def test_beyond_the_range_of_the_dtype(self):
        assert gradient(nx.prod, [1e-200, 1e-200, 3.0]) == pytest.approx([3e-200, 3e-200, 0], rel=1e-12, abs=0)
        assert gradient(nx.prod, [1e-200, 1e-200, 1e200]) == pytest.approx([1, 1, 0])
        assert gradient(lambda x: nx.cumprod(x, 0)[2], [1e200, 1e200, 1e-300]) == pytest.approx([1e-100, 1e-100, inf])

    @pytest.mark.parametrize("factor", [0.5, 2.0])
    def test_far_beyond_the_range_of_the_dtype(self, factor):
        x = torch.full((5000,), factor, dtype=torch.float64)
        assert gradient(nx.prod, x) == [math.prod([factor] * 4999) if factor < 1 else inf] * 5000
        running = gradient(lambda x: nx.cumprod(x, 0), x * 0.5)
        if factor < 1:
            assert running[:3] == pytest.approx([4 / 3, 1 / 3, 1 / 12])

    def test_some_slices_beyond_the_range(self):
        x = torch.ones(3, 5000, dtype=torch.float64) * torch.tensor([[0.5], [1.0], [0.0]])
        found = nx.grad(lambda x: nx.prod(x, 1))(nx.LiteTensor(x))
        assert found.data[:, 0].tolist() == [0, 1, 0]

    def test_in_another_dtype(self, draw, check_against_torch):
        x = draw(3, dtype=torch.float32)
        check_against_torch(
            lambda x: nx.prod(x, dtype=torch.float64), lambda x: torch.prod(x, dtype=torch.float64), x, order=1
        )

    def test_under_vmap_with_a_zero_in_the_batch(self):
        x = nx.LiteTensor([[1.0, 2.0, 3.0], [0.0, 2.0, 3.0]])
        assert nx.vmap(nx.grad(nx.prod))(x).tolist() == [[6, 3, 2], [6, 0, 0]]
        assert nx.vmap(nx.grad(lambda x: nx.cumprod(x, 0)))(x).tolist() == [[9, 4, 2], [9, 0, 0]]

    def test_on_the_meta_device(self):
        assert nx.grad(nx.prod)(nx.LiteTensor(torch.empty(2, 3, device="meta"))).shape == (2, 3)


@pytest.mark.parametrize("dim", [0, -1])
def test_running_sums(dim, check_against_torch, draw):
    check_against_torch(lambda x: nx.cumsum(x, dim) ** 2, lambda x: torch.cumsum(x, dim) ** 2, draw(3, 4))
    check_against_torch(lambda x: nx.cumsum(x, 0), lambda x: torch.cumsum(x, 0), draw(0, 2))
