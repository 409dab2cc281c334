"""layer_norm and rms_norm: torch's at both orders, with and without weight and bias."""

import importlib

import pytest
import torch
from torch.nn import functional as F  # noqa: N812  torch's own name for it

import nexnet as nx
from nexnet.errors import InputError


@pytest.fixture
def kernels():
    return importlib.import_module("nexnet.triton")


def shape_of(draw):
    """Give a shape and how many of its last dimensions are normalised."""
    if draw.random() < 0.3:
        return (draw.randint(1, 3), draw.randint(1, 3), draw.randint(2, 4)), 2
    return (*[draw.size(4) for _ in range(draw.randint(0, 2))], draw.randint(2, 40)), 1


def test_layer_norm_of_drawn_shapes_is_torchs(kernels, check, drawn):
    for draw in drawn:
        shape, count = shape_of(draw)
        dtype, last = draw.dtype(), shape[-count:]
        given = [draw.tensor(*last, dtype=dtype) for _ in range(draw.randint(0, 2))]
        eps = draw.choice((1e-5, 0.1))
        check(
            lambda x, *rest, last=last, eps=eps: kernels.layer_norm(x, last, *rest, eps=eps),
            lambda x, *rest, last=last, eps=eps: F.layer_norm(x, last, *rest, eps=eps),
            draw.tensor(*shape, dtype=dtype, layout=draw.choice(("contiguous", "transposed", "sliced"))), *given,
        )  # fmt: skip


def test_rms_norm_of_drawn_shapes_is_torchs(kernels, check, drawn):
    for draw in drawn:
        shape, count = shape_of(draw)
        dtype, last = draw.dtype(), shape[-count:]
        given = [draw.tensor(*last, dtype=dtype) for _ in range(draw.randint(0, 1))]
        eps = draw.choice((1e-5, 0.1))
        check(
            lambda x, *rest, last=last, eps=eps: kernels.rms_norm(x, last, *rest, eps=eps),
            lambda x, *rest, last=last, eps=eps: F.rms_norm(x, last, *rest, eps=eps),
            draw.tensor(*shape, dtype=dtype), *given,
        )  # fmt: skip


@pytest.mark.parametrize("name", ["layer_norm", "rms_norm"])
def test_of_nan_and_infinities_and_constants(kernels, name):
    inf, nan = float("inf"), float("nan")
    x = torch.tensor([[1.0, 2.0, inf], [1.0, nan, 2.0], [3.0, 3.0, 3.0], [0.0, 0.0, 0.0], [1e4, 1e4 + 1, 1e4 + 2]])
    theirs = getattr(F, name)(x, (3,))
    torch.testing.assert_close(
        getattr(kernels, name)(nx.LiteTensor(x), (3,)).data, theirs, equal_nan=True, rtol=1e-3, atol=1e-5
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_eps_is_by_default_torchs(kernels, dtype):
    x = torch.full((1, 4), 1e-4, dtype=dtype)
    theirs = F.rms_norm(x, (4,))
    mine = kernels.rms_norm(nx.LiteTensor(x), (4,)).data
    torch.testing.assert_close(mine, theirs, rtol=2e-2, atol=0)


@pytest.mark.parametrize("name", ["layer_norm", "rms_norm"])
def test_of_a_batch_of_vmap_and_of_nothing(kernels, name):
    mine, theirs = getattr(kernels, name), getattr(F, name)
    x, w = torch.randn(2, 3, 5), torch.randn(5)
    mapped = nx.vmap(lambda x: mine(x, (5,), w))(nx.LiteTensor(x)).data
    torch.testing.assert_close(mapped, theirs(x, (5,), w))
    value, gradient = nx.value_and_grad(lambda w: mine(nx.zeros(0, 5), (5,), w))(w)
    assert value.shape == (0, 5)
    assert gradient.data.eq(0).all()


@pytest.mark.parametrize("name", ["layer_norm", "rms_norm"])
def test_another_shape_is_an_error(kernels, name):
    with pytest.raises(InputError, match=r"shape of the last dimensions(.|\n)*ends in \(4,\)"):
        getattr(kernels, name)(nx.zeros(2, 3), (4,))
