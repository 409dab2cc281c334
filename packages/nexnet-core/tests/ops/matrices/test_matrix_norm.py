"""Norms of matrices, condition numbers and exponentials beside torch; the facade nexnet.linalg."""

import math

import pytest
import torch

import nexnet as nx

ORDERS = ["fro", "nuc", 2, -2, 1, -1, math.inf, -math.inf]


@pytest.mark.parametrize("ord", ORDERS)
@pytest.mark.parametrize("shape", [(3, 3), (3, 2), (2, 3, 2)])
def test_matrix_norms(shape, ord, check_against_torch, draw):
    for fn in (
        lambda a: torch.linalg.matrix_norm(a, ord),
        lambda a: torch.linalg.norm(a, ord, dim=(-1, 0), keepdim=True),
        lambda a: torch.linalg.matrix_norm(a, ord, dim=(-2, -1), keepdim=True),
    ):
        check_against_torch(fn, fn, draw(*shape))


@pytest.mark.parametrize("ord", ORDERS)
@pytest.mark.parametrize("shape", [(0, 0), (0, 2), (2, 0), (0, 2, 2), (2, 0, 3)])
def test_norms_of_nothing_are_torchs(shape, ord):
    try:
        expected = torch.linalg.matrix_norm(torch.zeros(shape), ord)
    except IndexError:
        with pytest.raises(IndexError):
            nx.linalg.matrix_norm(nx.zeros(shape), ord)
    else:
        assert torch.equal(nx.linalg.matrix_norm(nx.zeros(shape), ord).data, expected)


def test_norm_of_vectors_and_of_matrices_by_one_name(check_against_torch, draw):
    for ord, dim in ((None, None), (3, 1), (1, 0), (None, (0, 1))):

        def fn(a, ord=ord, dim=dim):
            return torch.linalg.norm(a, ord, dim)

        check_against_torch(fn, fn, draw(3, 4))
    check_against_torch(lambda a: nx.norm(a, "nuc"), lambda a: torch.norm(a, "nuc"), draw(3, 2))


@pytest.mark.filterwarnings("ignore:.*_norm is deprecated:UserWarning")
def test_torchs_other_names_of_norms(check_against_torch, draw):
    for fn in (
        lambda a: torch.frobenius_norm(a, (0, 1)),
        lambda a: torch.nuclear_norm(a),
        lambda a: torch.norm_except_dim(a, 2, 1),
        lambda a: torch.norm_except_dim(a, 2, -1),
    ):
        check_against_torch(fn, fn, draw(3, 2))


@pytest.mark.parametrize("dim", [-1, 0, 1])
def test_a_weight_with_its_norms_given(dim, check_against_torch, draw):
    v = draw(3, 4)
    g = draw(*torch.norm_except_dim(v, 2, dim).shape)
    check_against_torch(  # the second derivative of torch's _weight_norm is not that of its formula
        lambda v, g: torch._weight_norm(v, g, dim), lambda v, g: v * (g / torch.norm_except_dim(v, 2, dim)), v, g
    )
    _, norm = torch._weight_norm_interface(nx.LiteTensor(v), nx.LiteTensor(g), dim)
    torch.testing.assert_close(norm.data, torch.norm_except_dim(v, 2, dim))


def test_norms_that_do_not_exist():
    x = nx.ones(2, 2)
    with pytest.raises(nx.InputError, match="no such norm"):
        nx.linalg.matrix_norm(x, 3)
    with pytest.raises(nx.InputError, match="no such norm"):
        nx.linalg.norm(x, "fro", dim=1)
    with pytest.raises(nx.InputError, match="no such norm"):
        nx.norm(x, "euclid")
    with pytest.raises(nx.InputError, match="two dimensions"):
        nx.linalg.matrix_norm(x, dim=(0, 0))
    with pytest.raises(nx.InputError, match="two dimensions"):
        nx.linalg.matrix_norm(nx.ones(2))
    with pytest.raises(IndexError, match="out of range"):
        nx.linalg.matrix_norm(x, dim=(0, 2))
    with pytest.raises(nx.InputError, match="a vector or of a matrix"):
        nx.linalg.norm(nx.ones(2, 2, 2), 2)


def test_condition_numbers(check_against_torch, draw):
    a = draw(3, 3) + 5 * torch.eye(3)
    for p in (None, 2, -2):
        check_against_torch(lambda a, p=p: nx.linalg.cond(a, p), lambda a, p=p: torch.linalg.cond(a, p), a)
    for p in ("fro", "nuc", 1, -1, math.inf):

        def norm(a, p=p):
            return torch.linalg.matrix_norm(a, p)

        check_against_torch(
            lambda a, p=p: nx.linalg.cond(a, p), lambda a, norm=norm: norm(a) * norm(torch.linalg.inv(a)), a
        )
    assert nx.linalg.cond(nx.zeros(2, 2), 1).isinf().item()


def test_matrix_exp(check_against_torch, draw):
    check_against_torch(torch.matrix_exp, torch.matrix_exp, draw(2, 3, 3), order=3)
    check_against_torch(torch.linalg.matrix_exp, torch.linalg.matrix_exp, draw(0, 3, 3))


def test_the_facade_has_the_names_of_torch_linalg():
    missing = {name for name in dir(torch.linalg) if callable(getattr(torch.linalg, name)) and name[0] != "_"}
    missing -= {*nx.linalg.__all__, "LinAlgError"}
    missing -= {"matrix_sqrth", "polar"}  # new in 2.14: without a rule, they say so
    assert missing == {"ldl_factor", "ldl_factor_ex", "ldl_solve"}  # torch has no gradient for them either
    for name in nx.linalg.__all__:
        assert callable(getattr(nx.linalg, name)), name


def test_shapes_on_the_meta_device():
    a = nx.LiteTensor(torch.empty(2, 4, 3, device="meta"))
    square = nx.LiteTensor(torch.empty(2, 3, 3, device="meta"))
    for fn in (
        nx.linalg.pinv,
        nx.linalg.svdvals,
        lambda a: nx.linalg.matrix_norm(a, "nuc"),
        lambda a: nx.linalg.qr(a)[1],
    ):
        assert nx.grad(lambda a, fn=fn: fn(a).sum())(a).shape == (2, 4, 3)
    for fn in (nx.det, nx.logdet, nx.linalg.inv, nx.linalg.eigvalsh, nx.cholesky, nx.linalg.inv, nx.matrix_exp):
        assert nx.grad(lambda a, fn=fn: fn(a).sum())(square).shape == (2, 3, 3)
    assert nx.grad(lambda a: nx.linalg.solve(a, nx.LiteTensor(torch.empty(2, 3, device="meta"))).sum())(
        square
    ).shape == (2, 3, 3)
