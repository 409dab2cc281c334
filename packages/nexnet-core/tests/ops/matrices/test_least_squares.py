"""Least squares beside torch, to second order; of a lower rank."""

import pytest
import torch

import nexnet as nx


@pytest.mark.parametrize("driver", [None, "gels", "gelsd"])
@pytest.mark.parametrize("shape", [(4, 2), (2, 4), (3, 3), (2, 4, 2)])
def test_lstsq(shape, driver, check_against_torch, draw):
    b = draw(*shape[:-1], 2)

    def solutions(a, b):
        return torch.linalg.lstsq(a, b, driver=driver)[:2]

    check_against_torch(solutions, solutions, draw(*shape), b)


def test_lstsq_of_a_matrix_whose_rank_is_lower(check_against_torch, draw):
    """The gradient is that of pinv: torch's, where both differ by nothing but the rule."""
    columns, b = draw(4, 1), draw(4, 2)

    def a(c):
        return c * torch.tensor([[1.0, 2.0]], dtype=torch.float64)

    check_against_torch(lambda c, b: nx.linalg.lstsq(a(c), b)[0], lambda c, b: torch.linalg.pinv(a(c)) @ b, columns, b)
