"""Eigenvalues and singular values beside torch; vectors, as far as they are determined."""

import pytest
import torch

import nexnet as nx

pytestmark = pytest.mark.filterwarnings("ignore:.* is deprecated in favor of:UserWarning")  # torch's older names

SHAPES = [(3, 3), (3, 2), (2, 3), (2, 4, 2)]


def symmetric(fn):
    return lambda a: fn((a + a.mT) / 2)


@pytest.mark.parametrize("uplo", ["L", "U"])
def test_eigh_and_eigvalsh(uplo, check_against_torch, draw):
    for name in ("eigh", "eigvalsh"):
        fn = symmetric(lambda a, name=name: getattr(torch.linalg, name)(a, uplo))
        check_against_torch(fn, fn, draw(2, 3, 3))


def test_eigh_gives_a_symmetric_gradient(check_against_torch, draw):
    a = draw(3, 3)
    check_against_torch(nx.linalg.eigh, torch.linalg.eigh, a + a.mT, order=1)


@pytest.mark.parametrize("shape", SHAPES)
def test_svd(shape, check_against_torch, draw):
    a = draw(*shape)

    def thin(a):
        return torch.linalg.svd(a, full_matrices=False)

    check_against_torch(thin, thin, a)
    check_against_torch(torch.svd, torch.svd, a)
    check_against_torch(torch.linalg.svdvals, torch.linalg.svdvals, a)


@pytest.mark.parametrize("shape", [(4, 2), (2, 4), (3, 1)])
def test_the_complement_of_the_singular_vectors_has_a_gradient(shape, check_against_torch, draw):
    """What does not depend on the choice of its columns, as the projection: torch takes it for a constant."""

    def added(a):
        u, s, vh = nx.linalg.svd(a)
        u, vh = u[..., s.shape[-1] :], vh[..., s.shape[-1] :, :]
        return u @ u.mT, vh.mT @ vh

    def projections(a):
        plus = torch.linalg.pinv(a)
        m, n = a.shape
        return torch.eye(m, dtype=a.dtype) - a @ plus, torch.eye(n, dtype=a.dtype) - plus @ a

    check_against_torch(added, projections, draw(*shape))


def test_vectors_are_computed_only_for_a_gradient(monkeypatch, draw):
    asked = []
    kernel = torch._linalg_svd
    monkeypatch.setattr(
        torch, "_linalg_svd", lambda a, full, vectors, **kw: asked.append(vectors) or kernel(a, full, vectors, **kw)
    )
    x = nx.LiteTensor(draw(3, 3))
    nx.linalg.svdvals(x)
    nx.grad(lambda x: nx.linalg.svdvals(x).sum())(x)
    assert asked == [False, True]


def test_eig_of_real_matrices(check_against_torch, draw):
    def parts(a):
        w, v = torch.linalg.eig(a)
        return torch.real(w), torch.imag(w), v.abs()

    check_against_torch(parts, parts, draw(2, 3, 3))

    def values(a):
        return (torch.real(torch.linalg.eigvals(a)), torch.imag(torch.linalg.eigvals(a)))

    check_against_torch(values, values, draw(3, 3))


def test_complex_vectors_have_a_gradient_where_no_phase_matters(draw):
    z = torch.complex(draw(3, 3), draw(3, 3))

    def loss(z):
        return torch.linalg.svd(z)[0].abs()[0].sum() + torch.linalg.eigh(z + z.mH)[1].abs()[1].sum()

    torch.testing.assert_close(nx.grad(loss)(nx.LiteTensor(z)).data, torch.func.grad(loss)(z))
    for name in ("eigh", "eig"):
        with pytest.raises(nx.GradientError, match="phases of complex vectors"):
            nx.grad(lambda z, name=name: getattr(torch.linalg, name)(z + z.mH)[1].real.sum())(nx.LiteTensor(z))
    with pytest.raises(nx.GradientError, match="phases of complex vectors"):
        nx.grad(lambda z: torch.linalg.svd(z)[0].real.sum())(nx.LiteTensor(z))


def test_named_results_and_zeros_for_vectors_that_are_not_wanted(draw):
    x = nx.LiteTensor(draw(3, 2))
    assert nx.linalg.svd(x).Vh.shape == (2, 2)
    u, _, v = nx.svd(x, compute_uv=False)
    assert (u.shape, v.shape, u.sum().item()) == ((3, 3), (2, 2), 0.0)
    with pytest.raises(RuntimeError, match="driver"):
        nx.linalg.svd(x, driver="gesvd")


@pytest.mark.parametrize("scale", [1e-30, 1e-24, 1.0, 1e20, 1e30])
@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64])
def test_singular_vectors_do_not_depend_on_the_scale(scale, dtype):
    """What is of one scale has the gradient of another: f(c A) = f(A), and df(c A) = df(A) / c."""
    a = torch.randn(4, 3, dtype=dtype, generator=torch.Generator().manual_seed(0))
    w = torch.arange(6.0).reshape(2, 3)

    def of_vectors(x):
        u, _, vh = torch.linalg.svd(x, full_matrices=False)
        return (u[:2].abs() ** 2 * w).sum() + (vh[:2].abs() ** 2 * w).sum()

    expected = nx.grad(of_vectors)(nx.LiteTensor(a)).data
    got = nx.grad(of_vectors)(nx.LiteTensor(a * scale)).data * scale
    torch.testing.assert_close(got, expected, rtol=2e-3, atol=2e-4)
