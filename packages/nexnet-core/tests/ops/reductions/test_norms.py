"""Vector norms beside torch, at zeros and at ties."""

import math

import pytest
import torch

import nexnet as nx


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
