"""Every class of torch.distributions: values and gradients are torch's inside of functional_call.

Outside of it they are too, or, where torch's own code writes into tensors, an error says what to write.
"""

import inspect

import pytest
import torch
from torch import distributions as D  # noqa: N812

import nexnet as nx


def numbers(*values):
    return torch.tensor(values, dtype=torch.float64)


A, B, P = numbers(0.7, 1.5, 4.0), numbers(2.1, 0.9, 3.0), numbers(0.2, 0.5, 0.7)
L = torch.tensor([[1.3, 0.0, 0.0], [0.4, 0.8, 0.0], [-0.3, 0.2, 1.1]], dtype=torch.float64)
S = L @ L.T
REAL, POSITIVE, UNIT, COUNT, LARGE = (
    numbers(-0.3, 0.5, 2.0), numbers(0.2, 0.5, 3.0), numbers(0.2, 0.5, 0.7), numbers(1, 3, 5), numbers(0.9, 1.7, 4.3)
)  # fmt: skip
CORRELATIONS = torch.linalg.cholesky(torch.tensor([[1.0, 0.3, 0.2], [0.3, 1.0, -0.1], [0.2, -0.1, 1.0]]).double())
TEMPERATURE = numbers(0.7).squeeze()

#: name: (how it is made of its parameters, these, a value)
MADE = {
    "Bernoulli": (D.Bernoulli, (P,), numbers(0, 1, 1)),
    "Bernoulli, logits": (lambda a: D.Bernoulli(logits=a), (A,), numbers(0, 1, 1)),
    "Beta": (D.Beta, (A, B), UNIT),
    "Binomial": (lambda p: D.Binomial(5, p), (P,), COUNT),
    "Categorical": (D.Categorical, (P,), torch.tensor(1)),
    "Categorical, logits": (lambda a: D.Categorical(logits=a), (A,), torch.tensor(1)),
    "Cauchy": (D.Cauchy, (A, B), REAL),
    "Chi2": (D.Chi2, (A,), POSITIVE),
    "ContinuousBernoulli": (D.ContinuousBernoulli, (P,), UNIT),
    "Dirichlet": (D.Dirichlet, (A,), numbers(0.2, 0.5, 0.3)),
    "Exponential": (D.Exponential, (A,), POSITIVE),
    "FisherSnedecor": (D.FisherSnedecor, (A, B), POSITIVE),
    "Gamma": (D.Gamma, (A, B), POSITIVE),
    "GeneralizedPareto": (lambda a, b, p: D.GeneralizedPareto(a, b, p), (A, B, P), LARGE),
    "Geometric": (D.Geometric, (P,), COUNT),
    "Gumbel": (D.Gumbel, (A, B), REAL),
    "HalfCauchy": (D.HalfCauchy, (A,), POSITIVE),
    "HalfNormal": (D.HalfNormal, (A,), POSITIVE),
    "Independent": (lambda a, b: D.Independent(D.Normal(a, b), 1), (A, B), REAL),
    "InverseGamma": (D.InverseGamma, (A, B), POSITIVE),
    "Kumaraswamy": (D.Kumaraswamy, (A, B), UNIT),
    "LKJCholesky": (lambda a: D.LKJCholesky(3, a[0]), (A,), CORRELATIONS),
    "Laplace": (D.Laplace, (A, B), REAL),
    "LogNormal": (D.LogNormal, (A, B), POSITIVE),
    "LogisticNormal": (D.LogisticNormal, (A, B), numbers(0.2, 0.4, 0.3, 0.1)),
    "LowRankMultivariateNormal": (
        lambda a, low, b: D.LowRankMultivariateNormal(a, low[:, :2], b), (A, L, B), REAL
    ),
    "MixtureSameFamily": (
        lambda p, a, b: D.MixtureSameFamily(D.Categorical(p), D.Normal(a, b)), (P, A, B), numbers(0.3).squeeze()
    ),
    "Multinomial": (lambda p: D.Multinomial(5, p), (P,), numbers(1, 3, 1)),
    "MultivariateNormal": (D.MultivariateNormal, (A, S), REAL),
    "MultivariateNormal, factor": (lambda a, low: D.MultivariateNormal(a, scale_tril=low.tril()), (A, L), REAL),
    "MultivariateNormal, precision": (lambda a, s: D.MultivariateNormal(a, precision_matrix=s), (A, S), REAL),
    "NegativeBinomial": (D.NegativeBinomial, (A, P), COUNT),
    "Normal": (D.Normal, (A, B), REAL),
    "OneHotCategorical": (D.OneHotCategorical, (P,), numbers(0, 1, 0)),
    "OneHotCategoricalStraightThrough": (D.OneHotCategoricalStraightThrough, (P,), numbers(0, 1, 0)),
    "Pareto": (D.Pareto, (A, B), LARGE),
    "Poisson": (D.Poisson, (A,), COUNT),
    "RelaxedBernoulli": (lambda p: D.RelaxedBernoulli(TEMPERATURE, p), (P,), UNIT),
    "RelaxedOneHotCategorical": (lambda p: D.RelaxedOneHotCategorical(TEMPERATURE, p), (P,), numbers(0.2, 0.5, 0.3)),
    "StudentT": (lambda a, b: D.StudentT(a + 2, b, b), (A, B), REAL),
    "TransformedDistribution": (
        lambda a, b: D.TransformedDistribution(D.Normal(a, b), [D.transforms.SigmoidTransform()]), (A, B), UNIT
    ),
    "Uniform": (lambda a, b: D.Uniform(a, a + b), (A, B), numbers(1.2, 1.7, 5.0)),
    "VonMises": (D.VonMises, (A, B), REAL),
    "Weibull": (D.Weibull, (A, B), POSITIVE),
    "Wishart": (lambda low: D.Wishart(TEMPERATURE * 7, scale_tril=low.tril()), (L,), S),
}  # fmt: skip

ASKED = {
    "log_prob": lambda d, value: d.log_prob(value),
    "rsample": lambda d, value: d.rsample((2,)),
    "log_prob of a sample": lambda d, value: d.log_prob(d.sample((2,))),
    "entropy": lambda d, value: d.entropy(),
    "cdf": lambda d, value: d.cdf(value),
    "icdf": lambda d, value: d.icdf(numbers(0.3).squeeze()),
    "mean": lambda d, value: d.mean,
    "variance": lambda d, value: d.variance,
    "kl": lambda d, value: D.kl_divergence(d, D.Normal(numbers(0.3).squeeze(), 1.2)),
}


class Asked(torch.nn.Module):
    def __init__(self, name, question):
        super().__init__()
        self.make, _, self.value = MADE[name]
        self.question = question

    def forward(self, *parameters):
        torch.manual_seed(0)
        distribution = self.make(*parameters)
        if self.question == "kl of its own":
            out = D.kl_divergence(distribution, self.make(*[each * 0.9 for each in parameters]))
        else:
            out = ASKED[self.question](distribution, self.value)
        return (out * torch.linspace(0.5, 2, out.numel(), dtype=torch.float64).reshape(out.shape)).sum()


def torchs(asked, parameters):
    """Give torch's value and gradients, or None where it has none."""
    leaves = [each.clone().requires_grad_() for each in parameters]
    try:
        value = asked(*leaves)
        return value.detach(), torch.autograd.grad(value, leaves, allow_unused=True, materialize_grads=True)
    except (NotImplementedError, RuntimeError):
        return None


def outside(asked, parameters):
    """Give nexnet's, or None where the error says what to write."""
    try:
        return nx.value_and_grad(asked, tuple(range(len(parameters))))(*parameters)
    except nx.errors.NexnetError as error:
        if "nexnet.functional_call honours it" not in str(error):
            raise
        return None


def test_every_class_is_asked():
    classes = {name for name in D.__all__ if inspect.isclass(getattr(D, name)) and not name.endswith("Transform")}
    assert classes - {name.partition(",")[0] for name in MADE} == {"Distribution", "ExponentialFamily"}


@pytest.mark.filterwarnings("ignore:Singular sample detected")  # torch's remark on a draw of Wishart's
@pytest.mark.parametrize("name", MADE)
def test_values_and_gradients_are_torchs(name):
    parameters = MADE[name][1]
    for question in (*ASKED, "kl of its own"):
        if (name, question) == ("Wishart", "kl of its own"):
            continue  # see below
        asked = Asked(name, question)
        expected = torchs(asked, parameters)
        if expected is None:
            continue
        everything = tuple(range(len(parameters)))
        transform = nx.value_and_grad(lambda *x, asked=asked: nx.functional_call(asked, {}, x), everything)
        found = [transform(*parameters), outside(asked, parameters)]
        for value, grads in filter(None, found):
            got = value.data, tuple(each.data for each in grads)
            torch.testing.assert_close(got, expected, equal_nan=True, msg=lambda text, q=question: f"{q}: {text}")


def test_what_torch_computes_by_its_own_graph_is_refused():
    """Torch's divergence of two Wishart distributions asks torch's graph, and forgets how the first one varies."""
    asked = Asked("Wishart", "kl of its own")
    with pytest.raises(nx.errors.NoGradientRule, match="torch's grad follows torch's graph"):
        nx.grad(lambda low: nx.functional_call(asked, {}, (low,)))(L)
    with pytest.raises(nx.errors.MissingAttributeError, match="requires_grad_"):
        nx.grad(asked)(L)


def test_numbers_beside_parameters_take_on_their_dtype():
    for dtype in (torch.float32, torch.float64):
        scale = nx.LiteTensor(A.to(dtype))
        for make in (D.HalfNormal, D.HalfCauchy, D.Chi2, lambda s: D.Normal(0, s)):
            out = make(scale).log_prob(nx.LiteTensor(POSITIVE.to(dtype)))
            assert out.dtype == dtype
            torch.testing.assert_close(out.data, make(scale.data).log_prob(POSITIVE.to(dtype)))


def test_torch_asks_of_others_as_before():
    with pytest.raises(ValueError, match="must be a Tensor"):
        D.Normal(0.0, 1.0, validate_args=True).log_prob(3.0)
    with pytest.raises(ValueError, match="to be within the support"):
        D.Exponential(nx.LiteTensor(1.0), validate_args=True).log_prob(nx.LiteTensor(-1.0))
