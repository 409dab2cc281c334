"""Padding: every mode, positive and negative amounts, against torch to third order."""

import pytest
import torch
from torch.nn import functional

import nexnet as nx

AMOUNTS = {
    1: [(2, 1), (-1, 2), (0, 0)],
    2: [(1, 2, 0, 1), (-1, 0, 2, -1)],
    3: [(1, 0, 1, 1, 2, 1), (0, 1, -1, 1, 0, 0)],
}


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_against_torch(mode, dims, draw, check_against_torch):
    for pad in AMOUNTS[dims]:
        for front in ((2, 1), (2,)):
            if len(front) == 1 and mode == "circular":
                continue  # torch takes it, and so does nexnet: see below
            x = draw(*front, *(4, 5, 3)[:dims])
            check_against_torch(
                lambda x, pad=pad: nx.pad(x, pad, mode) * 2,
                lambda x, pad=pad: functional.pad(x, pad, mode) * 2,
                x,
            )


def test_circular_without_batch(draw, check_against_torch):
    check_against_torch(
        lambda x: nx.pad(x, (2, 3), "circular") ** 2,
        lambda x: functional.pad(x, (2, 3), "circular") ** 2,
        draw(2, 4),
        order=3,
    )


def test_by_a_number(draw, check_against_torch):
    for shape, pad in (((3,), (1, 2)), ((2, 3), (0, 1, -1, 2)), ((0, 2), (1, 1, 2, 0))):
        for fn, torch_fn in ((nx.pad, functional.pad), (nx.constant_pad_nd, torch.constant_pad_nd)):
            check_against_torch(
                lambda x, fn=fn, pad=pad: fn(x, pad, value=1.5),
                lambda x, fn=torch_fn, pad=pad: fn(x, pad, value=1.5),
                draw(*shape),
            )


def test_torchs_function(draw):
    x = nx.LiteTensor(draw(1, 4))
    assert torch.equal(functional.pad(x, (1, 2), mode="reflect").data, nx.pad(x, (1, 2), "reflect").data)


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_an_amount_may_be_a_tensor_of_no_dimension(mode, draw, check_against_torch):
    pad = [torch.tensor(1), 2]
    check_against_torch(lambda x: nx.pad(x, pad, mode), lambda x: functional.pad(x, pad, mode), draw(1, 1, 4))


def test_bad_calls_raise_what_torch_raises():
    x = nx.zeros(1, 4)
    with pytest.raises(RuntimeError, match="Padding size should be less than the corresponding input dimension"):
        nx.pad(x, (4, 0), "reflect")
    with pytest.raises(RuntimeError, match=r"doesn't take in value argument"):
        nx.pad(x, (1, 0), "reflect", 1.0)
    with pytest.raises((RuntimeError, NotImplementedError), match=r"[Uu]nrecogni[sz]ed padding mode"):
        nx.pad(x, (1, 0), "mirror")


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_complex(mode):
    x = torch.randn(1, 4, dtype=torch.complex128, generator=torch.Generator().manual_seed(0))
    leaf = x.clone().requires_grad_()
    expected = torch.autograd.grad((functional.pad(leaf, (2, 1), mode).abs() ** 3).sum(), leaf)[0]
    got = nx.grad(lambda x: (nx.abs(nx.pad(x, (2, 1), mode)) ** 3).sum())(nx.LiteTensor(x))
    torch.testing.assert_close(got.data, expected)
