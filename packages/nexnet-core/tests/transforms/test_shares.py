"""A weight that is one for all examples of a vmap: its gradient is one product, and that of a loop over them."""

import pytest
import torch

import nexnet as nx
from nexnet.engine import Node
from nexnet.transforms import _shares

WEIGHTS = [torch.randn(shape, generator=torch.Generator().manual_seed(i), dtype=torch.float64)
           for i, shape in enumerate([(5, 2), (5,), (1, 5)])]  # fmt: skip
X = torch.randn(7, 2, generator=torch.Generator().manual_seed(9), dtype=torch.float64)


def net(weights, x):
    w1, b1, w2 = weights
    return nx.linear(nx.tanh(nx.linear(x, w1, b1)), w2).sum()


def relu_net(weights, x):
    w1, b1, w2 = weights
    return (nx.linear(nx.linear_relu(x, w1, b1), w2) ** 2).sum()


def slope(weights, x):
    return nx.grad(net, 1)(weights, x).square().sum()


def curvature(weights, x):
    def u_x(x):
        return nx.grad(net, 1)(weights, x)[0]

    return (net(weights, x) * nx.grad(u_x)(x)).sum()


def packed(weights, x):
    return slope(weights, x) * nx.softmax(weights[1], 0)[0]  # which has no form for a batch


def rows(weights, x):
    return net(weights, nx.stack([x, 2 * x, x * x]))


def vector_weight(weights, x):
    return nx.linear(x, weights[0][0]).sin()


FUNCTIONS = [net, relu_net, slope, curvature, packed, rows, vector_weight]


def looped(fn):
    return lambda weights: sum(fn(weights, x) for x in nx.LiteTensor(X).unbind(0))


def mapped(fn):
    return lambda weights: nx.vmap(fn, (None, 0))(weights, X).sum()


@pytest.mark.parametrize("fn", FUNCTIONS, ids=lambda fn: fn.__name__)
def test_gradients_are_the_loops(fn):
    for got, wanted in zip(nx.grad(mapped(fn))(WEIGHTS), nx.grad(looped(fn))(WEIGHTS), strict=True):
        torch.testing.assert_close(got.data, wanted.data)


@pytest.mark.parametrize("fn", FUNCTIONS, ids=lambda fn: fn.__name__)
def test_second_order_is_the_loops(fn):
    along = [torch.ones_like(each) for each in WEIGHTS]
    for got, wanted in zip(
        nx.hvp(mapped(fn), (WEIGHTS,), (along,)), nx.hvp(looped(fn), (WEIGHTS,), (along,)), strict=True
    ):
        for one, other in zip(nx.tree.leaves(got), nx.tree.leaves(wanted), strict=True):
            torch.testing.assert_close(one.data, other.data)


def test_in_another_vmap_and_of_single_examples():
    many = [torch.stack([each, -each, 2 * each]) for each in WEIGHTS]
    each_model = nx.vmap(nx.grad(mapped(slope)))(many)
    for i in range(3):
        for got, wanted in zip(each_model, nx.grad(looped(slope))([each[i] for each in many]), strict=True):
            torch.testing.assert_close(got[i].data, wanted.data)
    of_examples = nx.vmap(nx.grad(net), (None, 0))(WEIGHTS, X)  # nothing is summed: nothing is shared
    for got, wanted in zip(of_examples, nx.grad(net)(WEIGHTS, X[3]), strict=True):
        torch.testing.assert_close(got[3].data, wanted.data)


def test_what_is_the_same_for_all_examples_counts_for_each():
    def fn(weights, x):
        return net(weights, torch.ones(2, dtype=torch.float64)) * 1.0 + 0 * x.sum()

    for got, wanted in zip(nx.grad(mapped(fn))(WEIGHTS), nx.grad(looped(fn))(WEIGHTS), strict=True):
        torch.testing.assert_close(got.data, wanted.data)


def test_no_example_has_a_gradient_of_its_own(monkeypatch):
    sizes = []
    share = _shares._share
    monkeypatch.setattr(
        _shares, "_share", lambda left, right: sizes.append((made := share(left, right)).numel()) or made
    )
    nx.grad(mapped(packed))(WEIGHTS)
    assert sizes
    assert max(sizes) == WEIGHTS[0].numel()
    assert issubclass(_shares._Linear, Node)
