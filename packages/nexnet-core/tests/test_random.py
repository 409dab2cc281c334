"""Random tensors: the numbers are torch's, drawn from the generator that was given."""

import pytest
import torch

import nexnet as nx

DRAWS = [
    ("rand", (2, 3), {}),
    ("rand", ((2, 3),), {"dtype": torch.float64}),
    ("randn", (4,), {}),
    ("randn", ((),), {}),
    ("randint", (0, 10, (2, 3)), {}),
    ("randint", (10, (2, 3)), {}),
    ("randint", (3, 5, (4,)), {"dtype": torch.float32}),
    ("randperm", (6,), {}),
    ("normal", (1.0, 2.0, (3,)), {}),
    ("normal", (torch.zeros(3), torch.ones(3)), {}),
    ("normal", (torch.zeros(3), 2.0), {}),
    ("bernoulli", (torch.full((5,), 0.5),), {}),
]


@pytest.mark.parametrize(("name", "args", "kwargs"), DRAWS)
def test_draws_are_torchs(name, args, kwargs):
    for generator in (torch.Generator(), None):
        seed = torch.manual_seed if generator is None else generator.manual_seed
        seed(7)
        got = getattr(nx, name)(*args, generator=generator, **kwargs)
        seed(7)
        assert type(got) is nx.LiteTensor
        assert torch.equal(got.data, getattr(torch, name)(*args, generator=generator, **kwargs))


def test_uniform():
    x = nx.uniform(-1.0, 3.0, (1000,), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert x.dtype == torch.float64
    assert -1.0 <= x.min().item() < -0.9
    assert 2.9 < x.max().item() < 3.0
    assert nx.uniform().shape == ()
    assert nx.uniform(size=3).shape == (3,)


def test_numbers_without_a_shape():
    assert nx.normal().shape == ()
    assert nx.randint(5).shape == ()
    assert nx.randint(2, 3, 4).tolist() == [2, 2, 2, 2]


def test_manual_seed():
    nx.manual_seed(3)
    x = nx.randn(4)
    assert nx.manual_seed(3) is torch.default_generator
    assert torch.equal(x.data, nx.randn(4).data)


def test_a_draw_from_what_is_differentiated_is_refused():
    with pytest.raises(nx.TrackedTensorError, match="stop_gradient"):
        nx.grad(lambda m: nx.normal(m, 1.0).sum())(nx.zeros(3))
