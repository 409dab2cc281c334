"""Cholesky, LU, QR and Householder's reflections beside torch, to second order."""

import pytest
import torch

import nexnet as nx

pytestmark = pytest.mark.filterwarnings("ignore:.* is deprecated in favor of:UserWarning")  # torch's older names

SHAPES = [(3, 3), (3, 2), (2, 3), (2, 4, 2), (0, 3, 3)]


def both(check_against_torch, fn, *tensors, **options):
    check_against_torch(fn, fn, *tensors, **options)


@pytest.mark.parametrize("upper", [False, True])
def test_cholesky(upper, check_against_torch, draw):
    def gram(a):
        return a @ a.mT + torch.eye(3, dtype=torch.float64)

    both(check_against_torch, lambda a: torch.linalg.cholesky(gram(a), upper=upper), draw(2, 3, 3), order=3)
    both(check_against_torch, lambda a: torch.linalg.cholesky_ex(gram(a), upper=upper)[0], draw(3, 3))
    check_against_torch(
        lambda a: gram(a).cholesky(upper), lambda a: torch.linalg.cholesky(gram(a), upper=upper), draw(3, 3)
    )


def test_choleskys_gradient_is_symmetric(draw):
    a = draw(3, 3)
    gradient = nx.grad(lambda a: nx.cholesky(a)[2, 1])(nx.LiteTensor(a @ a.mT + torch.eye(3))).data
    torch.testing.assert_close(gradient, gradient.mT)


@pytest.mark.parametrize("shape", SHAPES)
def test_lu(shape, check_against_torch, draw):
    a = draw(*shape)
    both(check_against_torch, torch.linalg.lu, a)
    both(check_against_torch, torch.linalg.lu_factor, a)
    both(check_against_torch, lambda a: torch.lu_unpack(*torch.lu(a)), a)


@pytest.mark.parametrize("wanted", [(True, False), (False, True)])
def test_what_lu_unpack_leaves_out_is_empty_for_batches_too(wanted, draw):
    lu, pivots = torch.linalg.lu_factor(draw(4, 3, 2))
    mapped = nx.vmap(lambda lu, pivots: nx.lu_unpack(lu, pivots, *wanted))(lu, pivots)
    for got, part in zip(mapped, torch.lu_unpack(lu, pivots, *wanted), strict=True):
        assert got.numel() == part.numel()
        assert got.numel() == 0 or torch.equal(got.data, part)


@pytest.mark.parametrize("shape", [(3, 3), (3, 2), (2, 3), (2, 4, 2)])
def test_qr(shape, check_against_torch, draw):
    a = draw(*shape)
    both(check_against_torch, torch.linalg.qr, a)
    check_against_torch(nx.qr, torch.linalg.qr, a)  # torch's own qr is gone since 2.14
    check_against_torch(lambda a: nx.linalg.qr(a, "r")[1], lambda a: torch.linalg.qr(a)[1], a)
    if shape[-2] <= shape[-1]:
        both(check_against_torch, lambda a: torch.linalg.qr(a, "complete"), a)


def test_the_columns_that_complete_adds_have_no_gradient(draw):
    a = nx.LiteTensor(draw(3, 2))
    assert nx.linalg.qr(a, "complete")[0].shape == (3, 3)
    with pytest.raises(nx.InputError, match=r"complete Q of a tall matrix(.|\n)*mode='reduced'"):
        nx.grad(lambda a: nx.linalg.qr(a, "complete")[0].sum())(a)
    with pytest.raises(nx.InputError, match="no such mode"):
        nx.linalg.qr(a, "economic")


@pytest.mark.parametrize(("shape", "count"), [((4, 3), 3), ((4, 3), 2), ((2, 3, 3), 3), ((3, 2), 0)])
def test_householder_product(shape, count, check_against_torch, draw):
    both(check_against_torch, torch.linalg.householder_product, draw(*shape), draw(*shape[:-2], count))


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("left", [False, True])
def test_ormqr(left, transpose, check_against_torch, draw):
    other = draw(4, 3) if left else draw(3, 4)
    both(check_against_torch, lambda a, t, c: torch.ormqr(a, t, c, left, transpose), draw(4, 2), draw(2), other)


def test_reflections_whose_shapes_do_not_fit():
    with pytest.raises(nx.InputError, match="do not fit"):
        nx.linalg.householder_product(nx.ones(2, 3), nx.ones(2))
    with pytest.raises(nx.InputError, match="do not fit"):
        nx.ormqr(nx.ones(3, 2), nx.ones(2), nx.ones(2, 2))


def test_errors_of_lapack():
    with pytest.raises(torch.linalg.LinAlgError, match="not positive-definite"):
        nx.linalg.cholesky(-nx.eye(2))
    with pytest.raises(RuntimeError, match="is zero"):
        nx.linalg.lu_factor(nx.zeros(2, 2))
    assert nx.linalg.lu_factor_ex(nx.zeros(2, 2)).info.item() == 1


def test_complex_factors(draw):
    z = torch.complex(draw(3, 3), draw(3, 3))

    def loss(z):
        return (
            torch.linalg.cholesky(z @ z.mH + torch.eye(3)).abs().sum()
            + torch.linalg.qr(z)[1].abs().sum()
            + torch.linalg.lu(z)[2].abs().sum()
        )

    torch.testing.assert_close(nx.grad(loss)(nx.LiteTensor(z)).data, torch.func.grad(loss)(z))
