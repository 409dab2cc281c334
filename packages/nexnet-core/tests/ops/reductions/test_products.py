"""Products and running products beside torch, with zeros to third order."""

import pytest
import torch

import nexnet as nx


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
