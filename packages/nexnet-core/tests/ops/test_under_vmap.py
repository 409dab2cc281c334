"""Under vmap, operators whose kernels torch would call example by example, with a warning each time."""

import warnings

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

import nexnet as nx

INDEX = torch.tensor([0, -1])
MASK = torch.tensor([True, False, True, False])
TARGET = torch.tensor([1.0, -1.0, 1.0, -1.0])

CASES = {
    "take": lambda x, s: torch.take(x, INDEX),
    "put": lambda x, s: torch.put(x, INDEX, s),
    "put, added": lambda x, s: torch.put(x, INDEX, s, True),
    "masked_scatter": lambda x, s: torch.masked_scatter(x, MASK, s),
    "masked_scatter of nothing": lambda x, s: torch.masked_scatter(x, ~MASK & MASK, s[:0]),
    "masked_select": lambda x, s: torch.masked_select(x, MASK) * s,
    "fill": lambda x, s: torch.fill(x, s[0] * s[1]),
    "fill with a number": lambda x, s: torch.fill(x, 2.0) * s[0],
    "conj_physical": lambda x, s: torch.complex(x, x * s[0]).conj_physical().imag ** 2,
    "the imaginary part of a conjugate": lambda x, s: torch.complex(x, x * s[0]).conj().imag ** 2,
    "a complex power": lambda x, s: (torch.complex(x, s[0] + x * x) ** 2.5).real,
    "polar": lambda x, s: torch.polar(x, x * s[1]).conj().imag,
    "soft_margin_loss": lambda x, s: F.soft_margin_loss(x * s[0], TARGET, reduction="none"),
    "its mean": lambda x, s: F.soft_margin_loss(x * s[0], TARGET),
    "mish": lambda x, s: F.mish(x * s[1]),
    "batch_norm in training": lambda x, s: F.batch_norm(x.reshape(2, 2), None, None, s, s, True),
    "its new mean": lambda x, s: nx.batch_norm_with_statistics(x.reshape(2, 2), s, s, s, s)[1],
    "its new variance": lambda x, s: nx.batch_norm_with_statistics(x.reshape(2, 2), s, s, s, s)[2],
}


@pytest.fixture
def silent(capfd):
    """Torch says that it falls back by a warning, or, where C++ was called at once, to the terminal."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
    assert "batching rule" not in capfd.readouterr().err


@pytest.mark.parametrize("fn", CASES.values(), ids=CASES)
@pytest.mark.parametrize("in_dims", [(0, 0), (0, None), (None, 0)], ids=str)
def test_each_example_is_what_it_is_alone(fn, in_dims, draw, silent):
    def cubed(x, s):
        return (fn(x, s) ** 3).sum()

    both = nx.grad(cubed, (0, 1))

    def slope(x, s):
        return sum((each * each).sum() for each in both(x, s))

    x, s = draw(3, 4), draw(3, 2, low=0.5)
    given = [each if dim == 0 else each[0] for each, dim in zip((x, s), in_dims, strict=True)]
    for each in (fn, both, nx.grad(slope, (0, 1)), nx.hessian(cubed)):
        got = nx.vmap(each, in_dims)(*map(nx.LiteTensor, given))
        for i in range(3):
            alone = each(*[nx.LiteTensor(g[i] if dim == 0 else g) for g, dim in zip(given, in_dims, strict=True)])
            nx.tree.map(
                lambda g, a, i=i: torch.testing.assert_close(g.data[i], a.data, rtol=1e-10, atol=1e-10), got, alone
            )


def test_indices_and_masks_of_each_example(draw, silent):
    x, s = draw(4), draw(2)
    masks = torch.stack([MASK, ~MASK, torch.tensor([False, False, False, True])])
    indices = torch.tensor([[0, 1], [2, -1], [3, 0]])
    for got, alone in (
        (
            nx.vmap(lambda m: torch.masked_scatter(nx.LiteTensor(x), m, s))(masks),
            lambda i: x.masked_scatter(masks[i], s),
        ),
        (nx.vmap(lambda j: torch.put(nx.LiteTensor(x), j, s))(indices), lambda i: x.put(indices[i], s)),
        (nx.vmap(lambda j: torch.take(nx.LiteTensor(x), j))(indices), lambda i: x.take(indices[i])),
    ):
        assert torch.equal(got.data, torch.stack([alone(i) for i in range(3)]))
    slope = nx.vmap(lambda m: nx.grad(lambda s: (torch.masked_scatter(nx.LiteTensor(x), m, s) ** 2).sum())(s))(masks)
    expected = torch.stack([s * 2, s * 2, s * 2 * torch.tensor([1, 0])])
    assert torch.equal(slope.data, expected)
