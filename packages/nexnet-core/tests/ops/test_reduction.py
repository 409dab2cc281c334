"""Sums, means, variances, products, norms and extrema beside torch, and their conventions at ties and zeros."""

import math

import pytest
import torch

import nexnet as nx

DIMS = [None, 0, -1, (0, 2), ()]


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("name", ["sum", "mean", "amax", "amin", "nansum"])
def test_reductions_over_dimensions(name, dim, keepdim, check_against_torch, draw):
    if dim is None and name.startswith("am"):
        dim = ()
    check_against_torch(
        lambda x: getattr(nx, name)(x, dim, keepdim) ** 2,
        lambda x: getattr(torch, name)(x, dim, keepdim) ** 2,
        draw(2, 3, 4),
    )


@pytest.mark.parametrize("name", ["sum", "mean", "nansum", "prod"])
def test_reduction_of_everything(name, check_against_torch, draw):
    check_against_torch(getattr(nx, name), getattr(torch, name), draw(3, 2))


@pytest.mark.parametrize("name", ["sum", "mean", "prod", "cumsum", "cumprod"])
def test_scalars_without_dimensions(name, check_against_torch, draw):
    check_against_torch(lambda x: getattr(nx, name)(x, 0), lambda x: getattr(torch, name)(x, 0), draw())


@pytest.mark.parametrize("name", ["sum", "mean", "prod"])
def test_accumulation_in_another_dtype(name, check_against_torch, draw):
    x = draw(2, 3, dtype=torch.float32)
    options = {"dim": 1, "dtype": torch.float64}
    check_against_torch(
        lambda x: getattr(nx, name)(x, **options), lambda x: getattr(torch, name)(x, **options), x, order=1
    )
    assert nx.grad(lambda x: getattr(nx, name)(x, **options))(nx.LiteTensor(x)).dtype == torch.float32


@pytest.mark.parametrize("name", ["sum", "prod"])
def test_empty_tensors(name, check_against_torch):
    check_against_torch(getattr(nx, name), getattr(torch, name), torch.zeros(0, 3, dtype=torch.float64))
    check_against_torch(
        lambda x: getattr(nx, name)(x, 0), lambda x: getattr(torch, name)(x, 0), torch.zeros(0, 3, dtype=torch.float64)
    )


def test_numpy_names_of_arguments(draw):
    x = nx.LiteTensor(draw(2, 3))
    assert x.sum(axis=0, keepdims=True).shape == (1, 3)
    assert x.max(axis=1).values.shape == (2,)
    assert x.std(axis=1, keepdims=True).shape == (2, 1)


def test_a_mistyped_argument_is_refused(draw):
    with pytest.raises(TypeError, match="axes"):
        nx.LiteTensor(draw(2, 3)).max(axes=1)


def test_nansum_gives_nothing_to_nan():
    x = nx.tensor([1.0, math.nan, 2.0])
    assert nx.grad(nx.nansum)(x).tolist() == [1.0, 0.0, 1.0]


def test_expanded_and_transposed_inputs(check_against_torch, draw):
    check_against_torch(lambda x: nx.logsumexp(x, 0), lambda x: torch.logsumexp(x, 0), draw(3, 1).expand(3, 4))
    check_against_torch(lambda x: x.var(1), lambda x: x.var(1), draw(3, 4).T)


# Log-sum-exp ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dim", "keepdim"), [(0, False), ((0, 1), False), (-1, True)])
def test_logsumexp(dim, keepdim, check_against_torch, draw):
    check_against_torch(
        lambda x: nx.logsumexp(x, dim, keepdim),
        lambda x: torch.logsumexp(x, dim, keepdim),
        draw(3, 4, low=-30, high=30),
    )


def test_logsumexp_of_infinities():
    inf = math.inf
    assert nx.grad(lambda x: x.logsumexp(0))(nx.tensor([-inf, 1.0])).tolist() == [0.0, 1.0]
    assert all(math.isnan(each) for each in nx.grad(lambda x: x.logsumexp(0))(nx.tensor([-inf, -inf])).tolist())


# Variance ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["var", "std", "var_mean", "std_mean"])
@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((), {}),
        ((False,), {}),
        ((1,), {}),
        (((0, 2), False), {}),
        ((1, True, True), {}),
        ((), {"dim": 1, "correction": 0, "keepdim": True}),
        ((), {"correction": 1.5}),
        ((None,), {"correction": 2}),
    ],
)
def test_variance_in_every_form(name, args, kwargs, check_against_torch, draw):
    check_against_torch(
        lambda x: getattr(nx, name)(x, *args, **kwargs),
        lambda x: getattr(torch, name)(x, *args, **kwargs),
        draw(2, 3, 4),
    )


def test_std_of_constants_has_gradient_zero_at_every_order():
    x = nx.tensor([2.0, 2.0, 2.0])
    assert nx.grad(nx.std)(x).tolist() == [0.0, 0.0, 0.0]
    assert nx.grad(lambda x: nx.grad(nx.std)(x))(x).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.filterwarnings("ignore:.*degrees of freedom is <= 0")
def test_variance_of_one_element_is_nan():
    value, gradient = nx.value_and_grad(nx.var)(nx.tensor([2.0]))
    assert math.isnan(value.item())
    assert math.isnan(gradient.item())
    assert nx.grad(lambda x: nx.var(x, correction=0))(nx.tensor([2.0])).tolist() == [0.0]


# Products ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zeros", [(), (1,), (0, 2), (0, 1, 2, 3)])
def test_products_with_zeros_are_right_to_third_order(zeros, check_against_torch, draw):
    x = draw(2, 4)
    x[0, list(zeros)] = 0.0
    check_against_torch(lambda x: nx.prod(x, 1), lambda x: _product_by_factors(x, 1), x, order=3)
    check_against_torch(lambda x: x.prod(0, True), lambda x: _product_by_factors(x, 0)[None], x, order=3)
    check_against_torch(nx.prod, lambda x: _product_by_factors(x.reshape(-1), 0), x, order=3)


@pytest.mark.parametrize("zeros", [(), (1,), (0, 2), (0, 1, 2, 3)])
@pytest.mark.parametrize("dim", [0, 1])
def test_running_products_with_zeros_are_right_to_third_order(zeros, dim, check_against_torch, draw):
    x = draw(3, 5)
    x[0, list(zeros)] = 0.0

    def reference(x):
        rows = x.unbind(dim)
        out = [rows[0]]
        for row in rows[1:]:
            out.append(out[-1] * row)
        return torch.stack(out, dim)

    check_against_torch(lambda x: nx.cumprod(x, dim), reference, x, order=3)


def _product_by_factors(x, dim):
    out = None
    for each in x.unbind(dim):
        out = each if out is None else out * each
    return out


@pytest.mark.parametrize("dim", [0, -1])
def test_running_sums(dim, check_against_torch, draw):
    check_against_torch(lambda x: nx.cumsum(x, dim) ** 2, lambda x: torch.cumsum(x, dim) ** 2, draw(3, 4))
    check_against_torch(lambda x: nx.cumsum(x, 0), lambda x: torch.cumsum(x, 0), draw(0, 2))


# Norms ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("dim", [None, 0, (0, 1)])
@pytest.mark.parametrize("p", [0, 0.5, 1, 1.5, 2, 3, 4.0, -1, math.inf, -math.inf])
def test_vector_norms(p, dim, keepdim, check_against_torch, draw):
    check_against_torch(
        lambda x: nx.vector_norm(x, p, dim, keepdim),
        lambda x: torch.linalg.vector_norm(x, p, dim, keepdim),
        draw(3, 4),
    )


@pytest.mark.parametrize("args", [(), ("fro",), (2,), (3, 1), ("fro", (0, 1)), (None, 0)])
def test_norm_by_the_names_of_torch(args, check_against_torch, draw):
    check_against_torch(lambda x: nx.norm(x, *args), lambda x: torch.norm(x, *args), draw(3, 4))
    check_against_torch(lambda x: x.norm(*args), lambda x: x.norm(*args), draw(3, 4))


def test_linalg_norm(check_against_torch, draw):
    for name in ("norm", "vector_norm"):
        fn = getattr(torch.linalg, name)
        check_against_torch(lambda x, fn=fn: fn(x, ord=3, dim=1), lambda x, fn=fn: fn(x, ord=3, dim=1), draw(3, 4))


@pytest.mark.parametrize("p", [1, 1.5, 2, 3, math.inf])
def test_norm_at_zero_has_gradient_zero(p):
    assert nx.grad(lambda x: nx.vector_norm(x, p))(nx.zeros(3)).tolist() == [0.0, 0.0, 0.0]


def test_second_derivative_of_a_norm_beside_a_zero_element(check_against_torch):
    x = torch.tensor([0.0, 3.0, -4.0], dtype=torch.float64)
    check_against_torch(lambda x: nx.vector_norm(x, 2), lambda x: (x * x).sum().sqrt(), x)
    check_against_torch(lambda x: nx.vector_norm(x, 3), lambda x: (x * x * x.abs()).sum() ** (1 / 3), x)
    check_against_torch(lambda x: nx.vector_norm(x, 4), lambda x: (x**4).sum() ** 0.25, x)


def test_largest_element_norm_shares_ties_with_their_signs():
    x = nx.tensor([2.0, -2.0, 1.0])
    assert nx.grad(lambda x: nx.vector_norm(x, math.inf))(x).tolist() == [0.5, -0.5, 0.0]


# Extrema -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["max", "min", "median"])
@pytest.mark.parametrize("args", [(), (0,), (1, True)])
def test_extrema(name, args, check_against_torch, draw):
    check_against_torch(lambda x: getattr(nx, name)(x, *args), lambda x: getattr(torch, name)(x, *args), draw(3, 4))
    check_against_torch(lambda x: getattr(x, name)(*args), lambda x: getattr(x, name)(*args), draw(3, 4))


@pytest.mark.parametrize("name", ["max", "min"])
def test_extrema_of_two_tensors(name, check_against_torch, draw):
    check_against_torch(getattr(nx, name), getattr(torch, name), draw(3, 4), draw(4))
    check_against_torch(
        lambda x, y: getattr(nx, name)(x, other=y), lambda x, y: getattr(torch, name)(x, other=y), draw(3, 4), draw(4)
    )


def test_extrema_along_a_dimension_are_named(draw):
    result = nx.max(nx.LiteTensor(draw(3, 4)), dim=1)
    assert result.values.shape == result.indices.shape == (3,)
    assert result.indices.dtype == torch.int64
    values, indices = result
    assert values is result.values
    assert indices is result.indices


def test_extrema_at_ties():
    x = nx.tensor([2.0, 1.0, 2.0])
    assert nx.grad(nx.max)(x).tolist() == [0.5, 0.0, 0.5]
    assert nx.grad(lambda x: nx.amax(x, 0))(x).tolist() == [0.5, 0.0, 0.5]
    assert nx.grad(lambda x: nx.max(x, 0).values)(x).tolist() in ([1.0, 0.0, 0.0], [0.0, 0.0, 1.0])
    assert nx.grad(nx.median)(nx.tensor([4.0, 1.0, 2.0, 3.0])).tolist() == [0.0, 0.0, 1.0, 0.0]


def test_extrema_of_nothing_are_refused():
    with pytest.raises((IndexError, RuntimeError), match="max"):
        nx.max(nx.zeros(0))


def test_extrema_of_integers():
    x = nx.tensor([[3, 1], [2, 5]])
    assert x.max().item() == 5
    assert x.min(0).values.tolist() == [2, 1]
    assert x.amax(1).tolist() == [3, 5]
