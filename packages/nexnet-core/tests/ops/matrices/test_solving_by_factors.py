"""Equations of factorised matrices beside torch, to second order; what is read of a triangle."""

import pytest
import torch

import nexnet as nx


def regular(draw, *shape):
    return draw(*shape) + 5 * torch.eye(shape[-1], dtype=torch.float64)


@pytest.mark.parametrize("upper", [False, True])
def test_what_solves_by_a_factor_reads_one_triangle(upper, draw):
    factor, b = nx.LiteTensor(regular(draw, 3, 3)), nx.LiteTensor(draw(3, 2))
    other = torch.ones(3, 3).tril(-1) if upper else torch.ones(3, 3).triu(1)
    for fn in (
        lambda t: nx.cholesky_solve(b, t, upper),
        lambda t: nx.cholesky_inverse(t, upper),
        lambda t: nx.linalg.solve_triangular(t, b, upper=upper),
    ):
        assert (nx.grad(lambda t, fn=fn: fn(t).sum())(factor).data * other).abs().max() == 0


@pytest.mark.parametrize("adjoint", [False, True])
@pytest.mark.parametrize("left", [False, True])
def test_lu_solve_with_exchanged_rows(left, adjoint, check_against_torch, draw):
    factors, pivots = torch.linalg.lu_factor(regular(draw, 2, 3, 3).flip(-2))
    check_against_torch(
        lambda lu, b: nx.linalg.lu_solve(lu, pivots, b, left=left, adjoint=adjoint),
        lambda lu, b: torch.linalg.lu_solve(lu, pivots, b, left=left, adjoint=adjoint),
        factors,
        draw(2, 3, 3),
    )
