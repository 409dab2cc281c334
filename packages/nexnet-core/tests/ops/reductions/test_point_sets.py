"""Distances between the points of two sets, beside torch; second orders beside the definition."""

import math

import pytest
import torch

import nexnet as nx

functional = torch.nn.functional


def both(check_against_torch, fn, *tensors, **options):
    check_against_torch(fn, fn, *tensors, **options)


def size(x, p):
    """The definition: torch has no second derivative of cdist and pdist."""
    return torch.linalg.vector_norm(x, p, -1)


@pytest.mark.parametrize("p", [1, 1.5, 2, 3, math.inf])
def test_cdist_and_pdist(p, check_against_torch, draw):
    def between(a, b):
        return size(a.unsqueeze(-2) - b.unsqueeze(-3), p)

    check_against_torch(lambda a, b: nx.cdist(a, b, p), between, draw(2, 3, 4), draw(5, 4))
    i, j = torch.triu_indices(4, 4, 1)
    check_against_torch(lambda x: nx.pdist(x, p), lambda x: size(x[i] - x[j], p), draw(4, 3))


@pytest.mark.parametrize("mode", ["use_mm_for_euclid_dist", "use_mm_for_euclid_dist_if_necessary"])
def test_distances_by_products(mode, check_against_torch, draw):
    def between(a, b):
        return size(a.unsqueeze(-2) - b.unsqueeze(-3), 2)

    check_against_torch(lambda a, b: nx.cdist(a, b, compute_mode=mode), between, draw(30, 2), draw(3, 2), rtol=1e-6)


@pytest.mark.parametrize("p", [1, 2, 3, math.inf])
def test_distances_row_by_row(p, check_against_torch, draw):
    both(check_against_torch, lambda a, b: torch.dist(a, b, p), draw(2, 3), draw(3))
    both(check_against_torch, lambda a, b: functional.pairwise_distance(a, b, p, keepdim=True), draw(2, 3), draw(3))
    both(check_against_torch, lambda x: torch.renorm(x, p, 1, 2.5), draw(4, 3))
    both(check_against_torch, lambda x: torch.renorm(x, p, 1, 100.0), draw(4, 3))


def test_no_points_and_one():
    for n in (0, 1):
        x = nx.ones(n, 2)
        assert nx.pdist(x).shape == (0,)
        assert nx.grad(lambda x: nx.pdist(x).sum())(x).tolist() == [[0.0, 0.0]] * n
    assert nx.grad(lambda x: nx.cdist(x, nx.ones(3, 2)).sum())(nx.ones(0, 2)).shape == (0, 2)


def test_distances_that_do_not_exist():
    x = nx.ones(2, 2)
    with pytest.raises(nx.InputError, match="not negative"):
        nx.cdist(x, x, -1)
    with pytest.raises(ValueError, match="compute_mode"):
        nx.cdist(x, x, compute_mode="fast")
    with pytest.raises(nx.InputError, match="a matrix"):
        nx.pdist(x[0])
    with pytest.raises(RuntimeError, match="same number of columns"):
        nx.cdist(x, nx.ones(2, 3))
    with pytest.raises(RuntimeError, match="renorm"):
        nx.renorm(x, -1, 0, 1.0)
