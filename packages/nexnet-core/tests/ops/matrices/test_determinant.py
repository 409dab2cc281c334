"""Determinants beside torch, and beside the definition where torch is wrong: of singular matrices."""

import itertools

import pytest
import torch

import nexnet as nx


def by_definition(a):
    """The sum over all permutations."""
    n = a.shape[-1]
    total = 0.0
    for columns in itertools.permutations(range(n)):
        inversions = sum(columns[i] > columns[j] for i in range(n) for j in range(i + 1, n))
        term = (-1.0) ** inversions
        for i in range(n):
            term = term * a[..., i, columns[i]]
        total = total + term
    return total


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (2, 4, 4), (0, 3, 3)])
def test_det_slogdet_logdet(shape, check_against_torch, draw):
    a = draw(*shape)
    check_against_torch(torch.det, torch.det, a, order=3)
    check_against_torch(torch.linalg.slogdet, torch.linalg.slogdet, a, order=3)
    check_against_torch(lambda a: torch.logdet(a @ a.mT), lambda a: torch.logdet(a @ a.mT), a)
    check_against_torch(lambda a: a.mT.det(), lambda a: a.mT.det(), a)


@pytest.mark.parametrize(("n", "rank"), [(n, rank) for n in (1, 2, 3, 4, 5) for rank in range(n)])
def test_the_gradient_of_a_singular_matrix_is_right_to_third_order(n, rank, check_against_torch, draw):
    a = draw(n, rank) @ draw(rank, n)
    check_against_torch(nx.det, by_definition, a, order=3)


def test_small_singular_values_of_many_sizes(check_against_torch, draw):
    u, _ = torch.linalg.qr(draw(4, 4))
    v, _ = torch.linalg.qr(draw(4, 4))
    a = u @ torch.diag(torch.tensor([1.0, 1e-3, 1e-5, 1e-7], dtype=torch.float64)) @ v
    check_against_torch(nx.det, by_definition, a, order=3, rtol=1e-6)


def test_a_batch_of_regular_and_singular_matrices(check_against_torch, draw):
    a = draw(3, 3, 3)
    a[1, 2] = a[1, 0] - a[1, 1]
    a[2] = 0
    check_against_torch(nx.det, by_definition, a, order=3)


@pytest.mark.parametrize("small", [1e-4, 1e-8, 1e-12, 1e-16])
def test_near_to_singular_the_second_order_keeps_its_digits(small, check_against_torch, draw):
    u, _ = torch.linalg.qr(draw(3, 3))
    v, _ = torch.linalg.qr(draw(3, 3))
    a = u @ torch.diag(torch.tensor([2.0, 1.0, small], dtype=torch.float64)) @ v
    check_against_torch(nx.det, by_definition, a, order=2, rtol=1e-8)


def test_complex_determinants(draw):
    z = torch.complex(draw(3, 3), draw(3, 3))
    z[2] = z[0] * (1 + 2j) - z[1]  # singular

    def loss(det):
        return lambda z: (det(z) * (2 - 1j)).real

    got = nx.grad(lambda z: (nx.det(z) * (2 - 1j)).real)(nx.LiteTensor(z)).data
    torch.testing.assert_close(got, torch.func.grad(loss(by_definition))(z))


def test_logdet_at_zero_and_below():
    assert nx.logdet(nx.zeros(2, 2)).item() == -float("inf")
    assert nx.logdet(-nx.eye(1)).isnan().item()


def test_only_square_matrices_have_determinants():
    with pytest.raises(RuntimeError, match="square"):
        nx.det(nx.ones(2, 3))


def test_det_under_vmap(draw):
    a = nx.LiteTensor(draw(4, 3, 3))
    one = nx.vmap(nx.grad(nx.det))(a).data
    torch.testing.assert_close(one, nx.grad(lambda a: nx.det(a).sum())(a).data)
