"""LSTMs in float32, which oneDNN computes: its gradients, and those beyond it, are those of the recurrence."""

import pytest
import torch

import nexnet as nx
from nexnet.ops.layers.lstm_layer import takes_onednn

T, B, D, H = 4, 2, 3, 2
ONEDNN = torch.backends.mkldnn.is_available()


@pytest.fixture
def tensors(draw):
    """The input, both states and the weights of one direction."""
    shapes = (T, B, D), (1, B, H), (1, B, H), (4 * H, D), (4 * H, H), (4 * H,), (4 * H,)
    return [draw(*shape, dtype=torch.float32) for shape in shapes]


def run(x, h, c, *weights):
    return nx.lstm(x, (h, c), weights, len(weights) == 4, 1, 0.0, True, False)


def reference(x, h, c, *weights):
    """Torch's own, in float64."""
    return torch.lstm(x, (h, c), weights, len(weights) == 4, 1, 0.0, True, False, False)


def test_what_goes_to_onednn(tensors):
    assert takes_onednn(*tensors) is ONEDNN
    assert not takes_onednn(*[each.double() for each in tensors])
    assert not takes_onednn(tensors[0][:, :0], *tensors[1:])
    names = [node.name for node in nx.trace(run)(*map(nx.LiteTensor, tensors))[1].nodes]
    assert ("_lstm_by_onednn" in names) is ONEDNN


@pytest.mark.parametrize("biases", [True, False])
@pytest.mark.parametrize("used", [(0,), (1,), (2,), (0, 1, 2)])
def test_gradients_by_each_output(used, biases, tensors):
    given = tensors if biases else tensors[:5]
    leaves = [each.double().requires_grad_() for each in given]
    expected = torch.autograd.grad(sum((reference(*leaves)[i] ** 2).sum() for i in used), leaves)
    loss = lambda *args: sum((run(*args)[i] ** 2).sum() for i in used)  # noqa: E731
    got = nx.grad(loss, argnums=tuple(range(len(given))))(*map(nx.LiteTensor, given))
    for mine, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(mine.data, theirs.float())


def test_strides_do_not_matter(tensors):
    strided = [each.mT.contiguous().mT if each.ndim > 1 else each.repeat_interleave(2)[::2] for each in tensors]
    loss = lambda *args: sum((each**2).sum() for each in run(*args))  # noqa: E731
    gradients = nx.grad(loss, argnums=tuple(range(len(tensors))))
    for mine, theirs in zip(
        gradients(*map(nx.LiteTensor, strided)), gradients(*map(nx.LiteTensor, tensors)), strict=True
    ):
        torch.testing.assert_close(mine.data, theirs.data)


@pytest.mark.parametrize("used", [(0,), (1, 2)])
def test_the_second_order_is_that_of_the_recurrence(used, tensors):
    loss = lambda run: lambda *args: sum((run(*args)[i] ** 2).sum() for i in used)  # noqa: E731
    vectors = [each.flip(0) for each in tensors]
    leaves = [each.double().requires_grad_() for each in tensors]
    first = torch.autograd.grad(loss(reference)(*leaves), leaves, create_graph=True)
    product = sum((each * v).sum() for each, v in zip(first, vectors, strict=True))
    expected = torch.autograd.grad(product, leaves)
    _, got = nx.hvp(loss(run), tuple(map(nx.LiteTensor, tensors)), tuple(map(nx.LiteTensor, vectors)))
    for mine, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(mine.data, theirs.float(), rtol=1e-4, atol=1e-4)


def test_cotangents_of_vmap(tensors):
    _, pullback = nx.vjp(lambda x: run(x, *map(nx.LiteTensor, tensors[1:]))[0], nx.LiteTensor(tensors[0]))
    cotangents = nx.LiteTensor(torch.eye(T * B * H)[:3].reshape(3, T, B, H))
    together = nx.vmap(lambda each: pullback(each)[0])(cotangents)
    for i in range(3):
        torch.testing.assert_close(together.data[i], pullback(cotangents[i])[0].data)
