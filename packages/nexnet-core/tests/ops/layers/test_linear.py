"""The linear layer."""

import pytest
import torch

import nexnet as nx


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", [(), (2,), (5, 2), (0,), (6, 0, 2), (3, 1, 5, 2)])
def test_linear_of_all_ranks(rows, bias, check_against_torch, draw):
    arguments = [draw(*rows, 3), draw(4, 3), *([draw(4)] if bias else [])]
    check_against_torch(nx.linear, torch.nn.functional.linear, *arguments, order=3)


def test_linear_with_a_vector_of_weights(check_against_torch, draw):
    check_against_torch(nx.linear, torch.nn.functional.linear, draw(2, 3), draw(3))
    check_against_torch(nx.linear, torch.nn.functional.linear, draw(5, 2, 3), draw(3))
    check_against_torch(nx.linear, torch.nn.functional.linear, draw(3), draw(3))


def test_linear_by_keywords_and_through_torch(check_against_torch, draw):
    fn = torch.nn.functional.linear
    check_against_torch(lambda x, w, b: nx.linear(x, weight=w, bias=b), fn, draw(2, 3), draw(4, 3), draw(4))
    check_against_torch(lambda x, w, b: fn(x, w, bias=b), fn, draw(2, 3), draw(4, 3), draw(4))
    check_against_torch(lambda x, w: fn(x, w, None), fn, draw(2, 3), draw(4, 3))


def test_linear_computes_no_gradient_for_data(draw):
    x, w, b = (nx.LiteTensor(draw(*shape)) for shape in ((2, 3), (4, 3), (4,)))
    _, tape = nx.trace(lambda w, b: nx.linear(x, w, b))(w, b)
    dx, dw, db = tape.nodes[0].bwd_fn(torch.ones(2, 4, dtype=torch.float64))
    assert dx is None
    assert dw.shape == (4, 3)
    assert db.shape == (4,)


@pytest.mark.parametrize("argnums", [(0,), (1,), (2,), (0, 2), (1, 2), (0, 1, 2)], ids=str)
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("x", [(3,), (4, 3), (5, 4, 3), (0, 3)], ids=str)
def test_linear_by_any_of_its_arguments(x, argnums, order):
    generator = torch.Generator().manual_seed(0)
    tensors = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in (x, (2, 3), (2,))]

    def gradients(grad, linear):
        def once(*args):
            return grad(lambda *args: (linear(*args) ** 3).sum(), argnums)(*args)

        def twice(*args):
            return grad(lambda *args: sum((each**2).sum() for each in once(*args)), argnums)(*args)

        return (once if order == 1 else twice)(*tensors)

    expected = gradients(torch.func.grad, torch.nn.functional.linear)
    for mine, theirs in zip(gradients(nx.grad, nx.linear), expected, strict=True):
        torch.testing.assert_close(mine.data, theirs)


@pytest.mark.parametrize("inner", [0, 1, 2])
@pytest.mark.parametrize("outer", [0, 1, 2])
@pytest.mark.parametrize("rows", [(4,), (), (2, 4)], ids=str)
@pytest.mark.parametrize("layer", [nx.linear, nx.linear_relu])
def test_each_tape_may_differentiate_by_another_argument(layer, rows, inner, outer, draw):
    arguments = [draw(*rows, 3), draw(2, 3), draw(2)]
    by_torch = torch.nn.functional.linear if layer is nx.linear else in_torch

    def mixed(grad, linear):
        slope = grad(lambda *args: (linear(*args) ** 3).sum(), inner)
        return grad(lambda *args: slope(*args).sin().sum(), outer)(*arguments)

    torch.testing.assert_close(mixed(nx.grad, layer).data, mixed(torch.func.grad, by_torch))


BROADCAST = [
    ((3, 5), [(1,), (), (1, 4), (3, 4), (3, 1), (1, 1)]),
    ((2, 3, 5), [(1,), (), (1, 4), (3, 4), (1, 1), (2, 3, 4)]),
    ((5,), [(1,), (), (1, 4)]),
]


@pytest.mark.parametrize("fn", [nx.linear, nx.linear_relu])
@pytest.mark.parametrize(("rows", "bias"), [(rows, bias) for rows, shapes in BROADCAST for bias in shapes], ids=str)
def test_a_bias_that_is_broadcast(fn, rows, bias, check_against_torch, draw):
    theirs = torch.nn.functional.linear if fn is nx.linear else in_torch
    x, w = draw(*rows), draw(4, 5)
    check_against_torch(fn, theirs, x, w, draw(*bias))
    check_against_torch(lambda b: fn(x, w, b), lambda b: theirs(x, w, b), draw(*bias))


@pytest.mark.parametrize("fn", [nx.linear, nx.linear_relu])
def test_what_is_no_layer_is_torchs_error(fn, draw):
    with pytest.raises(RuntimeError, match="at least 1D"):
        fn(nx.LiteTensor(draw(3, 5)), torch.tensor(1.0).double())
    with pytest.raises(TypeError, match="must be Tensor, not list"):
        fn([1.0, 2.0], nx.LiteTensor(draw(3, 2)))


# with a ReLU ---------------------------------------------------------------------------------------------------------


def in_torch(x, w, b=None):
    return torch.nn.functional.linear(x, w, b).relu()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", [(), (2,), (5, 2), (0,), (6, 0, 2)])
def test_linear_relu_of_all_ranks(rows, bias, check_against_torch, draw):
    arguments = [draw(*rows, 3), draw(4, 3), *([draw(4)] if bias else [])]
    check_against_torch(nx.linear_relu, in_torch, *arguments, order=3)


def test_linear_relu_with_a_vector_of_weights(check_against_torch, draw):
    check_against_torch(nx.linear_relu, in_torch, draw(2, 3), draw(3))


def test_linear_relu_by_keywords(check_against_torch, draw):
    check_against_torch(lambda x, w, b: nx.linear_relu(x, weight=w, bias=b), in_torch, draw(2, 3), draw(4, 3), draw(4))


def test_linear_relu_is_flat_at_zero():
    x, w = torch.tensor([[0.0, 1.0]]), torch.tensor([[2.0, 0.0]])
    assert [each.tolist() for each in nx.grad(nx.linear_relu, (0, 1))(x, w)] == [[[0.0, 0.0]], [[0.0, 0.0]]]


@pytest.mark.parametrize("argnums", [0, 1, 2, (0, 2), (1, 2), (0, 1, 2)], ids=str)
def test_linear_relu_by_any_of_its_arguments(argnums, draw):
    arguments = [draw(4, 3), draw(5, 3), draw(5)]
    mine = nx.grad(lambda *args: nx.linear_relu(*args).square().sum(), argnums)(*arguments)
    expected = torch.func.grad(lambda *args: in_torch(*args).square().sum(), argnums)(*arguments)
    for got, want in zip(nx.tree.leaves(mine), nx.tree.leaves(expected), strict=True):
        torch.testing.assert_close(got.data, want)


def test_linear_relu_under_vmap(draw):
    x, w, b = draw(5, 2, 3), draw(5, 4, 3), draw(5, 4)
    mine = nx.vmap(nx.grad(lambda x, w, b: nx.linear_relu(x, w, b).sum(), (0, 1, 2)))(x, w, b)
    expected = torch.func.vmap(torch.func.grad(lambda x, w, b: in_torch(x, w, b).sum(), (0, 1, 2)))(x, w, b)
    for got, want in zip(mine, expected, strict=True):
        torch.testing.assert_close(got.data, want)


def test_linear_relu_leaves_its_arguments_alone(draw):
    x, w = draw(2, 3), torch.eye(3, dtype=torch.float64)
    before = x.clone()
    nx.linear_relu(nx.LiteTensor(x), nx.LiteTensor(w))
    assert torch.equal(x, before)


def test_linear_relu_refuses_complex_numbers():
    x = torch.ones(2, 3, dtype=torch.complex64)
    with pytest.raises(RuntimeError, match="complex"):
        nx.linear_relu(nx.LiteTensor(x), nx.LiteTensor(x))
