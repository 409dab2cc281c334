"""Elements combined at the indices of a dimension: against torch, with zeros, ties and the ways to leave x out."""

import pytest
import torch

import nexnet as nx

INDEX = torch.tensor([[0, 1, 0, 0], [2, 1, 1, 0]])


def gradients(fn, *values):
    found = nx.grad(fn, tuple(range(len(values))))(*[nx.LiteTensor(each, dtype=torch.float64) for each in values])
    return [each.tolist() for each in found]


@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "amax", "amin"])
def test_scatter_reduce(reduce, include_self, draw, check_against_torch):
    x, src = draw(3, 4), draw(2, 4)

    def call(f):
        return lambda x, src: f(x, 0, INDEX, src, reduce, include_self=include_self)

    check_against_torch(call(nx.scatter_reduce), call(torch.scatter_reduce), x, src)
    check_against_torch(call(torch.scatter_reduce), call(torch.scatter_reduce), x, src, order=1)
    check_against_torch(
        lambda x, src: x.scatter_reduce(0, INDEX, src, reduce, include_self=include_self),
        call(torch.scatter_reduce),
        x,
        src,
        order=1,
    )


@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("reduce", ["prod", "mean", "amax", "amin"])
@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.filterwarnings("ignore:index_reduce")
def test_index_reduce(reduce, include_self, dim, draw, check_against_torch):
    index = torch.tensor([1, 0, 1])
    x, source = draw(3, 4), draw(3, 4) if dim == 0 else draw(3, 3)
    check_against_torch(
        lambda x, s: nx.index_reduce(x, dim, index, s, reduce, include_self=include_self),
        lambda x, s: torch.index_reduce(x, dim, index, s, reduce, include_self=include_self),
        x,
        source,
    )


@pytest.mark.parametrize("zeros", [[(0, 0)], [(0, 0), (1, 0)], [(0, 1), (0, 3)]])
def test_scattered_products_with_a_zero_to_second_order(zeros, draw, check_against_torch):
    x, src = draw(3, 4), draw(2, 4)
    for place in zeros:
        src[place] = 0
    x[0, 2] = 0
    index = torch.tensor([[0, 0, 0, 0], [2, 0, 1, 0]])

    def by_hand(x, src):
        rows = [x[0] * src[0], x[1], x[2]]
        one = torch.zeros(3, 4, dtype=x.dtype)
        for column in range(4):
            row = index[1, column]
            mask = torch.zeros(3, 4, dtype=torch.bool)
            mask[row, column] = True
            one = torch.where(mask, src[1, column] - 1, one)
        return torch.stack(rows) * (1 + one)

    check_against_torch(lambda x, s: nx.scatter_reduce(x, 0, index, s, "prod"), by_hand, x, src)


def test_two_zeros_at_one_place_are_right_once_and_refused_twice():
    x, index = torch.tensor([2.0, 3.0]), torch.tensor([0, 0, 1])

    def product(src):
        return nx.scatter_reduce(x.double(), 0, index, src, "prod").sum()

    src = nx.LiteTensor([0.0, 0.0, 5.0], dtype=torch.float64)
    assert nx.grad(product)(src).tolist() == [0, 0, 3]
    with pytest.raises(nx.errors.HigherOrderError, match="two zeros at one place"):
        nx.grad(lambda src: nx.grad(product)(src).sum())(src)


def test_extremes_share_their_gradient_evenly():
    fn = lambda x, s: nx.scatter_reduce(x, 0, torch.tensor([0, 0, 1]), s, "amax")  # noqa: E731
    assert gradients(fn, [2.0, 9.0], [2.0, 1.0, 3.0]) == [[0.5, 1], [0.5, 0, 0]]
    alone = lambda x, s: nx.scatter_reduce(x, 0, torch.tensor([0, 0, 1]), s, "amax", include_self=False)  # noqa: E731
    assert gradients(alone, [2.0, 9.0], [2.0, 2.0, 3.0]) == [[0, 0], [0.5, 0.5, 1]]


def test_scatter_that_adds_or_multiplies(draw, check_against_torch):
    x, src = draw(3, 4), draw(2, 4)
    check_against_torch(
        lambda x, s: nx.scatter(x, 0, INDEX, s, reduce="add"), lambda x, s: torch.scatter_add(x, 0, INDEX, s), x, src
    )
    check_against_torch(
        lambda x: nx.scatter(x, 0, INDEX, 2.0, reduce="multiply"),
        lambda x: torch.scatter_reduce(x, 0, INDEX, torch.full((2, 4), 2.0).double(), "prod"),
        x,
    )
    with pytest.raises(nx.errors.InputError, match="'add' or 'multiply'"):
        nx.scatter(nx.ones(3, 4), 0, INDEX, src, reduce="mean")
    with pytest.raises(nx.errors.InputError, match="sum, prod, mean, amax or amin"):
        nx.scatter_reduce(nx.ones(3, 4), 0, INDEX, src, "median")


def test_index_copy_and_index_fill(draw, check_against_torch):
    index, again = torch.tensor([2, 0]), torch.tensor([1, 1])
    for call, *tensors in [
        (lambda f, x, s: f.index_copy(x, 0, index, s), draw(3, 4), draw(2, 4)),
        (lambda f, x, s: x.index_copy(-1, index, s), draw(2, 3), draw(2, 2)),
        (lambda f, x, v: f.index_fill(x, 0, index, v), draw(3, 4), draw()),
        (lambda f, x: f.index_fill(x, 1, index, 2.0), draw(3, 4)),
        (lambda f, x, v: x.index_fill(0, again, v), draw(3), draw()),
    ]:
        check_against_torch(lambda *t, c=call: c(nx, *t), lambda *t, c=call: c(torch, *t), *tensors)


def test_under_vmap(draw):
    x, src = nx.LiteTensor(draw(5, 3, 4)), nx.LiteTensor(draw(5, 2, 4))
    for reduce in ("prod", "amax", "mean"):
        one = nx.grad(lambda x, s, r=reduce: (nx.scatter_reduce(x, 0, INDEX, s, r) ** 2).sum(), (0, 1))
        for i, each in enumerate(nx.vmap(one)(x, src)):
            expected = torch.stack([one(x[k], src[k])[i].data for k in range(5)])
            torch.testing.assert_close(each.data, expected)


@pytest.mark.parametrize("value", [1 + 2j, torch.tensor(1 + 2j)], ids=["number", "tensor"])
@pytest.mark.parametrize(
    "fill",
    [
        lambda x, value: nx.index_fill(x, 0, torch.tensor([0]), value),
        lambda x, value: nx.masked_fill(x, x > 0, value),
        lambda x, value: nx.fill(x, complex(value)),
    ],
    ids=["index_fill", "masked_fill", "fill"],
)
def test_a_complex_value_is_no_element_of_a_real_tensor(fill, value):
    """Its imaginary part would be lost without a word."""
    for call in (fill, lambda x, value: nx.vmap(lambda x: fill(x, value))(x[None])):
        with pytest.raises(RuntimeError, match="onvert"):
            call(nx.ones(3), value)


@pytest.mark.parametrize(("shape", "index"), [((), [0]), ((), 0), ((3,), []), ((2, 3), [1])])
def test_index_fill_by_a_mapped_value(shape, index, draw):
    x, values, index = draw(4, *shape), draw(4), torch.tensor(index, dtype=torch.long)
    gradient = nx.grad(lambda x, value: (nx.index_fill(x, 0, index, value) ** 2).sum(), (0, 1))
    mapped = nx.vmap(gradient)(x, values)
    for i in range(4):
        for got, wanted in zip(mapped, gradient(x[i], values[i]), strict=True):
            torch.testing.assert_close(got[i].data, wanted.data)
