"""Linear equations beside torch, to second order; errors."""

import pytest
import torch

import nexnet as nx

pytestmark = pytest.mark.filterwarnings("ignore:.* is deprecated in favor of:UserWarning")  # torch's older names


def regular(draw, *shape):
    return draw(*shape) + 5 * torch.eye(shape[-1], dtype=torch.float64)


def both(check_against_torch, fn, *tensors, **options):
    check_against_torch(fn, fn, *tensors, **options)


@pytest.mark.parametrize(
    "fn", [torch.linalg.inv, torch.inverse, lambda a: a.inverse(), torch.linalg.pinv, torch.pinverse]
)
def test_inverses_to_third_order(fn, check_against_torch, draw):
    both(check_against_torch, fn, regular(draw, 2, 3, 3), order=3)


@pytest.mark.parametrize(
    ("a", "b", "left"),
    [
        ((3, 3), (3,), True),
        ((2, 3, 3), (2, 3), True),
        ((3, 3), (3, 2), True),
        ((2, 3, 3), (3, 2), True),
        ((2, 1, 3, 3), (4, 3, 2), True),
        ((3, 3), (2, 3), False),
        ((2, 3, 3), (2, 2, 3), False),
        ((0, 3, 3), (3, 2), True),
        ((0, 0), (0, 2), True),
    ],
)
def test_solve(a, b, left, check_against_torch, draw):
    both(check_against_torch, lambda a, b: torch.linalg.solve(a, b, left=left), regular(draw, *a), draw(*b))
    both(check_against_torch, lambda a, b: torch.linalg.solve_ex(a, b, left=left)[0], regular(draw, *a), draw(*b))


def test_solve_under_vmap_does_not_take_a_matrix_for_vectors(draw):
    """As torch's own does, for equations A (2, 3, 3) with one B (3, 2)."""
    a, b = regular(draw, 2, 2, 3, 3), draw(2, 3, 2)
    found = nx.vmap(nx.linalg.solve)(nx.LiteTensor(a), nx.LiteTensor(b))
    torch.testing.assert_close(found.data, torch.stack([torch.linalg.solve(a[i], b[i]) for i in range(2)]))


@pytest.mark.parametrize("unitriangular", [False, True])
@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("upper", [True, False])
def test_solve_triangular(upper, left, unitriangular, check_against_torch, draw):
    both(
        check_against_torch,
        lambda a, b: torch.linalg.solve_triangular(a, b, upper=upper, left=left, unitriangular=unitriangular),
        regular(draw, 2, 3, 3),
        draw(2, 3, 3),
    )


@pytest.mark.parametrize("options", [(True, False, False), (False, True, True), (True, True, False)])
def test_triangular_solve(options, check_against_torch, draw):
    both(check_against_torch, lambda b, a: torch.triangular_solve(b, a, *options), draw(2, 3, 1), regular(draw, 3, 3))


def test_tensorinv_and_tensorsolve(check_against_torch, draw):
    a = regular(draw, 6, 6).reshape(2, 3, 3, 2)
    both(check_against_torch, torch.linalg.tensorinv, a)
    both(check_against_torch, torch.linalg.tensorsolve, a, draw(2, 3))


def test_singular_matrices_and_wrong_shapes_are_refused_as_in_torch():
    zeros, ones = nx.zeros(2, 2), nx.ones(2, 2)
    with pytest.raises(torch.linalg.LinAlgError, match=r"torch\.linalg\.solve: The solver failed"):
        nx.linalg.solve(zeros, ones)
    with pytest.raises(torch.linalg.LinAlgError, match="singular"):
        nx.linalg.inv(zeros)
    assert nx.linalg.solve_ex(zeros, ones).info.item() == 1
    with pytest.raises(RuntimeError, match="square"):
        nx.linalg.inv(nx.ones(2, 3))
    with pytest.raises(RuntimeError, match="Incompatible shapes"):
        nx.linalg.solve(ones, nx.ones(3, 1))
    with pytest.raises(RuntimeError, match="Incompatible shapes"):
        nx.linalg.solve(ones, nx.ones(2), left=False)
    with pytest.raises(nx.InputError, match="as many as the unknowns"):
        nx.linalg.tensorsolve(nx.ones(2, 3), nx.ones(2))
    with pytest.raises(nx.InputError, match="square matrix"):
        nx.linalg.tensorinv(nx.ones(2, 3, 4), 1)


def test_complex_equations(draw):
    """A real loss of a complex solution: its gradient is PyTorch's."""
    a = torch.complex(regular(draw, 3, 3), draw(3, 3))
    b = torch.complex(draw(3, 2), draw(3, 2))

    def loss(a, b):
        return (torch.linalg.solve(a, b) @ torch.linalg.inv(a[:2, :2])).abs().sum()

    expected = torch.func.grad(loss, (0, 1))(a, b)
    for got, want in zip(nx.grad(loss, (0, 1))(nx.LiteTensor(a), nx.LiteTensor(b)), expected, strict=True):
        torch.testing.assert_close(got.data, want)
