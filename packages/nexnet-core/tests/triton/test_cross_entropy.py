"""cross_entropy of logits and class indices: torch's at both orders, and NaN for what is no class."""

import importlib
import math

import pytest
import torch

import nexnet as nx
from nexnet.errors import InputError

INF, NAN = math.inf, math.nan


@pytest.fixture
def cross_entropy():
    return importlib.import_module("nexnet.triton").cross_entropy


@pytest.fixture(params=["whole", "in parts"])
def rows(request, monkeypatch):
    if request.param == "in parts":
        monkeypatch.setattr(importlib.import_module("nexnet.triton.cross_entropy"), "PART", 8)


def test_of_drawn_shapes_is_torchs(cross_entropy, check, drawn, rows):
    for draw in drawn:
        n, classes = draw.randint(1, 6), draw.randint(1, 40)
        x = draw.tensor(n, classes, dtype=draw.dtype())
        target = torch.tensor([draw.choice((draw.randrange(classes), draw.randrange(classes), -100)) for _ in range(n)])
        target[0] = 0  # a mean over nothing is NaN, as torch's
        how = draw.choice(("none", "mean", "sum"))
        target = target.to(x.device)
        check(
            lambda x, how=how, t=target: cross_entropy(x, t, reduction=how),
            lambda x, how=how, t=target: torch.nn.functional.cross_entropy(x, t, reduction=how),
            x,
        )


def test_of_infinities_and_nan_is_torchs(cross_entropy, rows):
    x = torch.tensor([[1.0, -INF, 2.0] * 5, [-INF] * 15, [INF, 1.0, 0.0] * 5, [NAN, 1.0, 0.0] * 5, [900.0, 0, 0] * 5])
    target = torch.tensor([1, 0, 0, 2, 1])
    leaf = x.clone().requires_grad_()
    out = torch.nn.functional.cross_entropy(leaf, target, reduction="none")
    (expected,) = torch.autograd.grad(out.sum(), leaf)
    mine = cross_entropy(nx.LiteTensor(x), target, reduction="none")
    torch.testing.assert_close(mine.data, out.detach(), equal_nan=True)
    gradient = nx.grad(lambda x: cross_entropy(x, target, reduction="sum"))(x)
    torch.testing.assert_close(gradient.data, expected, equal_nan=True)


def test_what_is_ignored_counts_for_nothing(cross_entropy):
    x = nx.LiteTensor(torch.randn(3, 4))
    assert cross_entropy(x, torch.tensor([7, 7, 7]), ignore_index=7).isnan()
    gradient = nx.grad(lambda x: cross_entropy(x, torch.tensor([1, 7, 0]), ignore_index=7))(x).data
    assert gradient[1].eq(0).all()
    assert gradient[0].ne(0).all()


def test_what_is_no_class_is_nan_and_reads_nothing_else(cross_entropy):
    x = torch.randn(3, 4)
    target = torch.tensor([4, -1, 2])
    out = cross_entropy(nx.LiteTensor(x), target, reduction="none").data
    assert out.isnan().tolist() == [True, True, False]
    gradient = nx.grad(lambda x: cross_entropy(x, target, reduction="sum"))(x).data
    assert gradient.isnan().all(1).tolist() == [True, True, False]


def test_of_a_batch_of_vmap_is_that_of_each(cross_entropy):
    x, target = torch.randn(2, 3, 5), torch.randint(5, (2, 3))
    mine = nx.vmap(cross_entropy)(nx.LiteTensor(x), nx.LiteTensor(target)).data
    each = [torch.nn.functional.cross_entropy(*both) for both in zip(x, target, strict=True)]
    torch.testing.assert_close(mine, torch.stack(each))


def test_another_shape_dtype_or_reduction_is_an_error(cross_entropy):
    x = nx.zeros(3, 4)
    with pytest.raises(InputError, match=r"logits \(N, C\)(.|\n)*of shape \(4,\)(.|\n)*nexnet.cross_entropy takes all"):
        cross_entropy(x, torch.zeros(4, dtype=torch.int64))
    with pytest.raises(InputError, match=r"got: +torch.float32"):
        cross_entropy(x, torch.zeros(3))
    with pytest.raises(InputError, match=r"no such reduction(.|\n)*median"):
        cross_entropy(x, torch.zeros(3, dtype=torch.int64), reduction="median")
