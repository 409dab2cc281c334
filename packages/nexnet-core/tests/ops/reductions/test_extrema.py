"""The largest and the smallest beside torch, and who gets the gradient at ties."""

import pytest
import torch

import nexnet as nx


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
