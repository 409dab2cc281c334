"""Distances, cosines and lengths: against torch to second order, and vectors too short to have a direction."""

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

import nexnet as nx
from nexnet.errors import InputError


@pytest.mark.parametrize(
    ("shape", "other", "dim"), [((4, 3), (4, 3), 1), ((4, 3), (3,), -1), ((2, 1, 3), (4, 3), 0), ((5,), (5,), 0)]
)
def test_cosine_similarity(shape, other, dim, draw, check_against_torch):
    check_against_torch(
        lambda a, b: nx.cosine_similarity(a, b, dim),
        lambda a, b: F.cosine_similarity(a, b, dim),
        draw(*shape),
        draw(*other),
    )


@pytest.mark.parametrize("p", [1, 2, 3.5, float("inf"), 0])
def test_pairwise_distance(p, draw, check_against_torch):
    for shape, other, keepdim in (((4, 3), (4, 3), False), ((4, 3), (1, 3), True), ((3,), (3,), False)):
        check_against_torch(
            lambda a, b, k=keepdim: nx.pairwise_distance(a, b, p, keepdim=k),
            lambda a, b, k=keepdim: F.pairwise_distance(a, b, p, keepdim=k),
            *(draw(*shape), draw(*other)),
        )


@pytest.mark.parametrize("p", [1, 2, 3.5, float("inf")])
def test_normalize(p, draw, check_against_torch):
    for shape, dim in (((4, 3), 1), ((4, 3), 0), ((2, 3, 4), (1, 2)), ((5,), 0)):
        if p == 3.5 and isinstance(dim, tuple):
            continue
        check_against_torch(lambda x, d=dim: nx.normalize(x, p, d), lambda x, d=dim: F.normalize(x, p, d), draw(*shape))


def test_vectors_too_short(check_against_torch):
    x = torch.tensor([[0.0, 0.0], [3e-3, 4e-3], [3.0, 4.0]], dtype=torch.float64)
    check_against_torch(lambda x: nx.normalize(x, eps=0.1), lambda x: F.normalize(x, eps=0.1), x, order=1)
    check_against_torch(lambda x: nx.normalize(x, eps=0.1), lambda x: F.normalize(x, eps=0.1), x[1:])
    second = nx.grad(lambda x: (nx.grad(lambda x: (nx.normalize(x, eps=0.1) ** 2).sum())(x)).sum())
    assert second(nx.LiteTensor(x)).data[0].tolist() == pytest.approx([200.0, 200.0])  # (x / eps)^2; torch has NaN
    y = torch.tensor([[1.0, 2.0]], dtype=torch.float64)

    def cosine(x, y):  # torch's own takes no notice of eps in its gradient
        a, b = (each / each.norm(dim=1, keepdim=True).clamp_min(0.1) for each in (x, y))
        return (a * b).sum(1)

    check_against_torch(lambda x, y: nx.cosine_similarity(x, y, eps=0.1), cosine, x[1:], y)
    assert nx.grad(lambda x: nx.cosine_similarity(x, y))(nx.LiteTensor(x)).data.isfinite().all()


def test_errors():
    with pytest.raises(InputError, match="out= writes into a tensor"):
        nx.normalize(nx.zeros(2, 3), out=torch.zeros(2, 3))
    with pytest.raises(RuntimeError, match=r"broadcast|Shape mismatch"):
        nx.cosine_similarity(nx.zeros(2, 3), nx.zeros(2, 4))


def test_numpys_name_of_a_dimension(draw):
    x = nx.LiteTensor(draw(3, 4))
    assert torch.equal(nx.normalize(x, axis=0).data, nx.normalize(x, dim=0).data)


def test_on_the_meta_device():
    x = nx.LiteTensor(torch.empty(4, 3, 2, device="meta"))
    for fn in (nx.normalize, lambda x: nx.cosine_similarity(x, x)):
        assert nx.grad(fn)(x).shape == (4, 3, 2)
