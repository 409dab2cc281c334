"""Products beyond those of two matrices, beside torch."""

import itertools

import pytest
import torch

import nexnet as nx


def both(check_against_torch, fn, *tensors, **options):
    check_against_torch(fn, fn, *tensors, **options)


@pytest.mark.parametrize("scale", [{}, {"beta": 0.5, "alpha": -2.0}])
def test_sums_with_a_product(scale, check_against_torch, draw):
    both(check_against_torch, lambda *x: torch.addmv(*x, **scale), draw(3), draw(3, 2), draw(2))
    both(check_against_torch, lambda *x: torch.addr(*x, **scale), draw(2), draw(3), draw(2))
    both(check_against_torch, lambda *x: torch.addbmm(*x, **scale), draw(3, 1), draw(2, 3, 2), draw(2, 2, 4))
    both(check_against_torch, lambda c, a, b: c.addmv(a, b, **scale), draw(1), draw(3, 2), draw(2), order=1)


@pytest.mark.parametrize("ends", [(), ("first",), ("last",), ("first", "last")])
def test_multi_dot(ends, check_against_torch, draw):
    tensors = [draw(2, 5), draw(5, 3), draw(3, 1), draw(1, 4)]
    tensors = [tensors[0][0] if "first" in ends else tensors[0], *tensors[1:]]
    tensors[-1] = tensors[-1][:, 0] if "last" in ends else tensors[-1]
    both(check_against_torch, lambda *x: torch.linalg.multi_dot(x), *tensors)


def test_chain_matmul_multiplies_in_the_best_order(check_against_torch, draw):
    sizes = [30, 2, 30, 2, 30]
    chain = [draw(m, n) for m, n in itertools.pairwise(sizes)]
    check_against_torch(nx.chain_matmul, lambda *x: torch.linalg.multi_dot(x), *chain)
    _, tape = nx.trace(nx.chain_matmul)(*map(nx.LiteTensor, chain))
    made = [value for each in tape for value in each.values]
    assert max(value.numel() for value in made) <= 900
    assert [tuple(value.shape) for value in made].count((2, 2)) == 1


@pytest.mark.parametrize("n", [-3, -1, 0, 1, 2, 5])
def test_matrix_power(n, check_against_torch, draw):
    a = draw(2, 3, 3) + 4 * torch.eye(3)
    both(check_against_torch, lambda a: torch.matrix_power(a, n), a)
    both(check_against_torch, lambda a: a.matrix_power(n), a, order=1)


@pytest.mark.parametrize(
    ("a", "b"),
    [((2, 3), (3, 2)), ((2,), (3,)), ((2,), (2, 1, 2)), ((2, 1, 2), (2,)), ((), (2,)), ((), ()), ((0, 2), (2,))],
)
def test_kron(a, b, check_against_torch, draw):
    both(check_against_torch, torch.kron, draw(*a), draw(*b), order=3)


def test_kron_of_other_strides(check_against_torch, draw):
    """torch.kron itself fails for these."""
    a, b = draw(3, 2), draw(4, 3)

    def strided(x):
        return torch.transpose(x, 0, 1)

    check_against_torch(
        lambda a, b: nx.kron(strided(a), strided(b)),
        lambda a, b: torch.kron(strided(a).contiguous(), strided(b).contiguous()),
        a,
        b,
    )


@pytest.mark.parametrize(
    ("a", "b", "dims"),
    [
        ((2, 3, 2), (3, 2, 4), 2),
        ((2, 3), (3,), 0),
        ((2, 3, 4), (4, 2, 2), ([2, 0], [0, 1])),
        ((2, 3, 4), (3, 4, 2, 5), ([2, 0, 1], [1, 2, 0])),
        ((2, 3), (4, 1), ([1], [1])),
        ((2, 3), (3, 2), ([-1], [0])),
    ],
)
def test_tensordot(a, b, dims, check_against_torch, draw):
    both(check_against_torch, lambda a, b: torch.tensordot(a, b, dims=dims), draw(*a), draw(*b), order=3)


def test_cross_vecdot_trace_diagonal(check_against_torch, draw):
    both(check_against_torch, torch.linalg.cross, draw(2, 3), draw(1, 3), order=3)
    both(check_against_torch, lambda a, b: torch.cross(a, b, dim=0), draw(3, 2), draw(3, 2))
    check_against_torch(nx.cross, lambda a, b: torch.cross(a, b, dim=1), draw(2, 3), draw(2, 3))
    both(check_against_torch, lambda a, b: torch.linalg.vecdot(a, b, dim=0), draw(3, 2), draw(3, 1))
    both(check_against_torch, torch.trace, draw(3, 4))
    both(check_against_torch, lambda a: torch.linalg.diagonal(a, offset=1), draw(2, 3, 3))


def test_vander_where_x_is_zero(check_against_torch):
    x = torch.tensor([0.0, 1.0, -2.0], dtype=torch.float64)

    def powers(x):
        return torch.stack([x**0 * 0 + 1, x, x * x, x * x * x], -1)

    check_against_torch(lambda x: nx.linalg.vander(x, N=4), powers, x, order=3)
    check_against_torch(lambda x: nx.vander(x, 4), lambda x: powers(x).flip(-1), x, order=3)


def test_vander_of_a_number_is_that_of_a_vector_of_one_element():
    value, grad = nx.value_and_grad(lambda x: nx.linalg.vander(x, N=4))(2.0)
    assert torch.equal(value.data, torch.linalg.vander(torch.tensor(2.0), N=4))
    assert grad.item() == 0 + 1 + 2 * 2 + 3 * 4


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda x: nx.linalg.multi_dot([x]), "two matrices or more"),
        (lambda x: nx.linalg.multi_dot([x, x[0], x]), "only its ends"),
        (lambda x: nx.chain_matmul(x[0], x), "of matrices"),
        (lambda x: nx.matrix_power(x[:1], 2), "square"),
        (lambda x: nx.matrix_power(x, 0.5), "integer"),
        (lambda x: nx.tensordot(x, nx.ones(3, 2), 1), "sizes of summed"),
        (lambda x: nx.tensordot(x, x, 3), "as many dimensions"),
        (lambda x: nx.tensordot(x, x, ([0], [0, 1])), "pairs"),
        (lambda x: nx.cross(x, x), "size 3"),
        (lambda x: nx.linalg.vander(x[0], N=1), "two columns"),
        (lambda x: nx.vander(x), "a vector"),
    ],
)
def test_what_does_not_fit_is_refused(call, match):
    with pytest.raises(nx.InputError, match=match):
        call(nx.ones(2, 2))


@pytest.mark.parametrize("operator", [torch.outer, torch.kron])
@pytest.mark.parametrize("dtypes", [(torch.float64, torch.complex128), (torch.float32, torch.float64)], ids=str)
def test_products_of_two_dtypes(operator, dtypes):
    """Torch promotes them, and no kernel of the backward does."""
    for kinds in (dtypes, dtypes[::-1]):
        a, b = (torch.arange(1, 4).to(kind) for kind in kinds)
        found = nx.grad(lambda a, b: operator(a, b).abs().pow(2).sum(), (0, 1))(a, b)
        a, b = a.requires_grad_(), b.requires_grad_()
        operator(a, b).abs().pow(2).sum().backward()
        for each, own in zip(found, (a.grad, b.grad), strict=True):
            torch.testing.assert_close(each.data, own)
