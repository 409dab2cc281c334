"""Draws of torch.distributions that are differentiated by their parameters: as torch's, and as the cdf says."""

import pytest
import torch
from torch import distributions as D  # noqa: N812

import nexnet as nx

A, B = (torch.tensor(each, dtype=torch.float64) for each in ([0.7, 1.5, 4.0], [2.0, 0.9, 3.0]))

#: Torch's own code writes into what these draw, which is honoured inside of a call of a model's.
WRITING = {
    "Gamma": D.Gamma,
    "InverseGamma": D.InverseGamma,
    "StudentT": D.StudentT,
    "FisherSnedecor": D.FisherSnedecor,
    "Chi2": lambda a, b: D.Chi2(a * b),
}
DISTRIBUTIONS = {
    "Beta": D.Beta,
    "Dirichlet": lambda a, b: D.Dirichlet(torch.stack([a, b], -1)),
    "Laplace": D.Laplace,
    "Cauchy": D.Cauchy,
    "Exponential": lambda a, b: D.Exponential(a * b),
    "Weibull": D.Weibull,
    "Pareto": D.Pareto,
    "Gumbel": D.Gumbel,
}


class Drawn(torch.nn.Module):
    def __init__(self, distribution):
        super().__init__()
        self.distribution = distribution

    def forward(self, a, b):
        torch.manual_seed(0)
        return (self.distribution(a, b).rsample((4,)) ** 2).mean()


@pytest.mark.parametrize("name", [*DISTRIBUTIONS, *WRITING])
def test_rsample_moves_as_torchs(name):
    drawn = Drawn((DISTRIBUTIONS | WRITING)[name])

    def fn(a, b):
        return nx.functional_call(drawn, {}, (a, b)) if name in WRITING else drawn(a, b)

    value, grads = nx.value_and_grad(fn, argnums=(0, 1))(A, B)
    a, b = A.clone().requires_grad_(), B.clone().requires_grad_()
    expected = drawn(a, b)
    torch.testing.assert_close(value.data, expected.detach())
    for got, own in zip(grads, torch.autograd.grad(expected, (a, b)), strict=True):
        torch.testing.assert_close(got.data, own)


def test_a_draw_of_the_gamma_distribution_keeps_its_place_in_it():
    """dx/da = -(dF/da) / f(x), F by torch.special.gammainc and differences."""
    torch.manual_seed(0)
    x, pullback = nx.vjp(torch._standard_gamma, nx.LiteTensor(A))
    x, h = x.data, 1e-4
    slope = (torch.special.gammainc(A + h, x) - torch.special.gammainc(A - h, x)) / (2 * h)
    density = torch.exp((A - 1) * x.log() - x - torch.lgamma(A))
    (got,) = pullback(nx.ones(3, dtype=torch.float64))
    torch.testing.assert_close(got.data, -slope / density, rtol=1e-4, atol=0)


def test_a_draw_of_the_dirichlet_distribution_is_that_of_its_function():
    def by(draw, alpha):
        torch.manual_seed(0)
        return (draw(alpha) ** 3).sum()

    alpha = torch.stack([A, B])
    got = nx.grad(lambda alpha: by(torch._sample_dirichlet, alpha))(alpha)
    leaf = alpha.clone().requires_grad_()
    by(lambda alpha: D.Dirichlet(alpha).rsample(), leaf).backward()
    torch.testing.assert_close(got.data, leaf.grad)


@pytest.mark.parametrize("draw", [torch._standard_gamma, torch._sample_dirichlet])
def test_other_orders_and_modes(draw):
    def drawn(a):
        torch.manual_seed(0)
        return draw(a)

    x, (grad,) = nx.LiteTensor(A), nx.vjp(drawn, nx.LiteTensor(A))[1](nx.LiteTensor(B))
    _, tangent = nx.jvp(drawn, (x,), (x,))
    torch.testing.assert_close((tangent.data * B).sum(), (grad.data * A).sum())
    torch.testing.assert_close(nx.jacfwd(drawn)(x).data, nx.jacrev(drawn)(x).data)
    with pytest.raises(nx.HigherOrderError, match=rf"rule: +torch.{draw.__name__}"):
        nx.hessian(lambda a: (drawn(a) ** 2).sum())(x)


def test_new_is_torchs_to_be_written_into():
    made = nx.ones(2, dtype=torch.float64).new(torch.Size((3, 1))).fill_(2)
    assert type(made) is torch.Tensor
    assert made.tolist() == [[2], [2], [2]]
    assert made.dtype is torch.float64
