"""Tensors joined, beside torch."""

import pytest
import torch

import nexnet as nx

JOINS = {
    "cat": lambda a, b, c: torch.cat([a, b, c]),
    "cat of a tuple": lambda a, b, c: torch.cat((a[:, :1], a, a[:, 1:]), -1),
    "concat": lambda a, b, c: torch.concat([a, b, c], dim=0),
    "stack": lambda a, b, c: torch.stack([a, b[:2], c[:2]]),
    "stack at the end": lambda a, b, c: torch.stack((a, c[:2]), -1),
    "hstack": lambda a, b, c: torch.hstack((a, b[:2])),
    "hstack of vectors": lambda a, b, c: torch.hstack((a[0], b[:, 0], c.sum())),
    "hstack of one": lambda a, b, c: torch.hstack((a,)),
    "vstack": lambda a, b, c: torch.vstack((a, b, c[0])),
    "dstack": lambda a, b, c: torch.dstack((a, b[:2])),
    "one twice": lambda a, b, c: torch.cat([a, a * b[:2], a]),
}


@pytest.mark.parametrize("name", JOINS)
def test_joins_against_torch(name, check_against_torch, draw):
    fn = JOINS[name]
    check_against_torch(lambda *x: fn(*x), fn, draw(2, 3), draw(4, 3), draw(3, 3))


def test_the_functions_are_nexnets_own_too(check_against_torch, draw):
    a, b = draw(2, 3), draw(2, 3)
    for name in ("cat", "concat", "concatenate", "stack", "hstack", "vstack", "dstack"):
        check_against_torch(
            lambda *x, name=name: getattr(nx, name)(x), lambda *x, name=name: getattr(torch, name)(x), a, b
        )
    assert nx.cat([nx.LiteTensor(a), b], axis=1).shape == (2, 6)


def test_cat_takes_an_empty_vector_beside_anything(check_against_torch, draw):
    check_against_torch(lambda a, b: nx.cat([a, b]), lambda a, b: torch.cat([a, b]), draw(0), draw(2, 3))


def test_cat_of_mixed_dtypes(check_against_torch, draw):
    a, b, c = draw(2), draw(3, dtype=torch.float32), torch.tensor([1, 2])
    check_against_torch(lambda *x: nx.cat(x), lambda *x: torch.cat(x), a, b, c, rtol=1e-6)


def test_cat_gives_no_gradient_to_constants(draw):
    x, constant = nx.LiteTensor(draw(2)), draw(3)
    assert nx.grad(lambda x: (nx.cat([constant, x]) * nx.arange(5)).sum())(x).tolist() == [3.0, 4.0]
