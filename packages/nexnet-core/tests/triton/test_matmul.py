"""matmul and linear with bias and activation: torch's at both orders."""

import importlib

import pytest
import torch
from torch.nn import functional as F  # noqa: N812  torch's own name for it

import nexnet as nx
from nexnet.errors import InputError

ACTIVATIONS = {
    "none": lambda z: z,
    "relu": torch.relu,
    "gelu": F.gelu,
    "gelu_tanh": lambda z: F.gelu(z, approximate="tanh"),
    "silu": F.silu,
}


@pytest.fixture
def kernels():
    return importlib.import_module("nexnet.triton")


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_linear_of_drawn_shapes_is_torchs(kernels, check, drawn, activation):
    then = ACTIVATIONS[activation]
    for draw in drawn:
        size_in, size_out, dtype = draw.size(70), draw.size(70), draw.dtype()
        x = draw.tensor(*[draw.size(6) for _ in range(draw.randint(1, 2))], size_in, dtype=dtype)
        weight = draw.tensor(size_out, size_in, dtype=dtype) / max(size_in, 1) ** 0.5
        bias = [draw.tensor(size_out, dtype=dtype)] * draw.randint(0, 1)
        check(
            lambda *args, a=activation: kernels.linear(*args, *[None] * (3 - len(args)), a),
            lambda *args, then=then: then(F.linear(*args)),
            x, weight, *bias,
        )  # fmt: skip


def test_matmul_of_drawn_shapes_is_torchs(kernels, check, drawn):
    for draw in drawn:
        m, k, n, dtype = draw.size(70), draw.size(70), draw.size(70), draw.dtype()
        check(kernels.matmul, torch.matmul, draw.tensor(m, k, dtype=dtype), draw.tensor(k, n, dtype=dtype))


def test_more_than_one_tile_each_way(kernels, check):
    check(kernels.matmul, torch.matmul, torch.randn(130, 100), torch.randn(100, 190))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_of_infinities_and_nan_is_torchs(kernels, activation):
    x = torch.tensor([[float("nan")], [float("inf")], [-float("inf")], [0.0], [-0.0]])
    x = x[[0, 3, 4]] if "gelu" in activation else x  # some of torch's own kernels make NaN of gelu(inf)
    one = torch.ones(1, 1)
    leaf = x.clone().requires_grad_()
    out = ACTIVATIONS[activation](leaf @ one)
    (expected,) = torch.autograd.grad(out.sum(), leaf)
    mine = kernels.matmul(nx.LiteTensor(x), one, None, activation).data
    torch.testing.assert_close(mine, out.detach(), equal_nan=True)
    gradient = nx.grad(lambda x: kernels.matmul(x, one, None, activation))(x).data
    if activation == "silu":  # at infinity 0 times inf, which torch's kernel avoids on one side
        gradient, expected = gradient[3:], expected[3:]
    torch.testing.assert_close(gradient, expected, equal_nan=True)


def test_a_vector_and_rows_of_rows(kernels):
    x, w, b = torch.randn(2, 3, 7), torch.randn(5, 7), torch.randn(5)
    torch.testing.assert_close(kernels.linear(nx.LiteTensor(x), w, b).data, F.linear(x, w, b))
    torch.testing.assert_close(kernels.linear(nx.LiteTensor(x[0, 0]), w, b).data, F.linear(x[0, 0], w, b))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_of_a_batch_of_vmap_is_that_of_each(kernels, activation):
    x, w = torch.randn(2, 3, 7), torch.randn(5, 7)

    def loss(x):
        return kernels.linear(x, w, None, activation).square().sum()

    mapped = nx.vmap(nx.grad(loss))(nx.LiteTensor(x)).data
    torch.testing.assert_close(mapped, nx.grad(loss)(x).data)


def test_tf32_is_asked_for_or_is_torchs_setting():
    precision = importlib.import_module("nexnet.triton._launch").precision_of
    before = torch.backends.cuda.matmul.allow_tf32
    found = []
    try:
        for setting in (False, True):
            torch.backends.cuda.matmul.allow_tf32 = setting
            found.append([precision(each) for each in (None, True, False)])
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
    assert found == [["ieee", "tf32", "ieee"], ["tf32", "tf32", "ieee"]]


def test_what_does_not_go_together_is_an_error(kernels):
    with pytest.raises(InputError, match=r"can't be multiplied(.|\n)*\(2, 3\), \(4, 5\)"):
        kernels.matmul(nx.zeros(2, 3), nx.zeros(4, 5))
    with pytest.raises(InputError, match=r"can't be multiplied(.|\n)*\(4,\)"):
        kernels.matmul(nx.zeros(2, 3), nx.zeros(3, 5), nx.zeros(4))
    with pytest.raises(InputError, match=r"more than one dtype(.|\n)*float64"):
        kernels.matmul(nx.zeros(2, 3), nx.zeros(3, 5, dtype=torch.float64))
    with pytest.raises(InputError, match=r"no such activation(.|\n)*gelu_tanh(.|\n)*tanh"):
        kernels.matmul(nx.zeros(2, 3), nx.zeros(3, 5), None, "tanh")
