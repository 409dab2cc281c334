"""Sums, means and other reductions beside torch: dimensions, dtypes, layouts, and tensors of nothing."""

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
