"""Covariances and correlations of several variables, beside torch."""

import pytest
import torch

import nexnet as nx


def both(check_against_torch, fn, *tensors, **options):
    check_against_torch(fn, fn, *tensors, **options)


@pytest.mark.parametrize("shape", [(3, 4), (4,), (1, 4)])
def test_cov(shape, check_against_torch, draw):
    counts, weights = torch.tensor([1, 3, 2, 1]), draw(4, low=0.1)
    both(check_against_torch, torch.cov, draw(*shape))
    both(check_against_torch, lambda x: torch.cov(x, correction=0, fweights=counts), draw(*shape))
    both(check_against_torch, lambda x, w: torch.cov(x, fweights=counts, aweights=w), draw(*shape), weights)


def test_corrcoef(check_against_torch, draw):
    both(check_against_torch, torch.corrcoef, draw(3, 5))
    assert nx.corrcoef(nx.tensor([1.0, 2.0, 4.0])).item() == 1.0


def test_weights_that_do_not_fit():
    x = nx.ones(2, 3)
    with pytest.raises(nx.InputError, match="one weight for each"):
        nx.cov(x, aweights=nx.ones(2))
    with pytest.raises(nx.InputError, match="counts"):
        nx.cov(x, fweights=nx.ones(3))
    with pytest.raises(nx.InputError, match="vector or a matrix"):
        nx.cov(nx.ones(2, 2, 2))
