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
    "conv_tbc": lambda x, s: torch.conv_tbc(x.reshape(2, 2, 1), s.reshape(1, 1, 2), s, 1),
    "multi_margin_loss, weighted": lambda x, s: F.multi_margin_loss(x.reshape(2, 2), INDEX % 2, weight=WEIGHT) * s,
    "gaussian_nll_loss": lambda x, s: F.gaussian_nll_loss(x, x.detach() + 1, s.abs().repeat(2)),
    "huber_loss": lambda x, s: F.huber_loss(s.repeat(2), x, delta=0.7, reduction="none"),
    "stft through a window": lambda x, s: torch.stft(x, 2, 1, window=s, return_complex=True).abs() ** 2,
    "embedding_bag, weighted": lambda x, s: F.embedding_bag(
        BAGS, x.reshape(2, 2), torch.tensor([0, 2]), mode="sum", per_sample_weights=s.repeat(2)
    ),
}
BAGS = torch.tensor([1, 0, 0, 1])
WEIGHT = torch.tensor([0.5, 2.0]).double()
POOLED = torch.tensor([[[0, 3]]])

FOLDED = {
    "log_ndtr": torch.special.log_ndtr,
    "renorm": lambda x: torch.renorm(x.reshape(2, 2), 2.0, 0, 1.0),
    "pdist": lambda x: F.pdist(x.reshape(4, 1)),
    "pdist, p = 3": lambda x: F.pdist(x.reshape(2, 2), 3.0),
    "linalg.lu": lambda x: torch.linalg.lu(x.reshape(2, 2) + torch.eye(2) * 3)[2],
    "max_unpool1d": lambda x: F.max_unpool1d(x[:2].reshape(1, 2), POOLED[0], 2),
    "fractional_max_pool2d": lambda x: F.fractional_max_pool2d(
        x.reshape(1, 2, 2), 1, output_size=1, _random_samples=torch.full((1, 1, 2), 0.3).double()
    ),
    "affine_grid": lambda x: F.affine_grid(x.repeat(3).reshape(2, 2, 3), (2, 1, 2, 3), align_corners=False),
    "ctc_loss": lambda x: F.ctc_loss(x.reshape(2, 1, 2), torch.tensor([[1]]), [2], [1]),
    "ctc_loss of several": lambda x: F.ctc_loss(
        x.reshape(2, 2, 1).expand(2, 2, 2), torch.tensor([1, 1]), [2, 1], [1, 1]
    ),
    "multi_margin_loss": lambda x: F.multi_margin_loss(x.reshape(2, 2), INDEX % 2, p=2),
    "multilabel_margin_loss": lambda x: F.multilabel_margin_loss(x, torch.tensor([1, 3, -1, 0]), reduction="none"),
    "its mean over rows": lambda x: F.multilabel_margin_loss(x.reshape(2, 2), torch.tensor([[1, -1], [0, -1]])),
    "fake_quantize_per_tensor_affine": lambda x: torch.fake_quantize_per_tensor_affine(x, 0.1, 1, -9, 9),
    "windows": lambda x: x.unfold(0, 2, 1),
    "stft": lambda x: torch.view_as_real(torch.stft(x, 2, 1, window=torch.ones(2).double(), return_complex=True)),
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


@pytest.mark.parametrize("fn", FOLDED.values(), ids=FOLDED)
def test_examples_of_examples(fn, draw, silent):
    def cubed(x):
        return (fn(x) ** 3).sum()

    x = draw(2, 3, 4)
    for each in (fn, nx.grad(cubed), nx.grad(lambda x: (nx.grad(cubed)(x) ** 2).sum())):
        got = nx.vmap(nx.vmap(each), in_dims=1)(nx.LiteTensor(x)).data
        for i in range(2):
            for j in range(3):
                alone = each(nx.LiteTensor(x[i, j])).data
                torch.testing.assert_close(got[j, i], alone, rtol=1e-10, atol=1e-10)


def test_what_is_drawn_is_drawn_as_randomness_says(silent):
    x = torch.linspace(-2, -1, 36).double().expand(3, 36)
    for fn in (
        lambda x: F.rrelu(x, training=True),
        lambda x: F.fractional_max_pool2d(x.reshape(1, 6, 6), 3, output_size=3),
    ):
        same = nx.vmap(fn, randomness="same")(nx.LiteTensor(x)).data
        assert torch.equal(same[0], same[1])
        assert not torch.equal(*nx.vmap(fn, randomness="different")(nx.LiteTensor(x)).data[:2])
        with pytest.raises(RuntimeError, match="randomness"):
            nx.vmap(fn)(nx.LiteTensor(x))


def test_slopes_that_are_drawn_are_those_of_the_gradient(draw, silent):
    x = nx.LiteTensor(draw(3, 50))
    out, slope = nx.vmap(nx.value_and_grad(lambda x: F.rrelu(x, training=True).sum()), randomness="different")(x)
    torch.testing.assert_close((slope.data * x.data).sum(1), out.data)
    down = slope.data[x.data < 0]
    assert down.min() >= 1 / 8
    assert down.max() <= 1 / 3
    assert (slope.data[x.data > 0] == 1).all()


def test_labels_of_each_example_are_looked_at(draw):
    x = nx.LiteTensor(draw(4, 1, 3))
    labels = torch.tensor([[[1, 2]], [[2, 1]]])
    loss = nx.vmap(lambda t: F.ctc_loss(x, t, [4], [2], reduction="none"))
    for got, one in zip(loss(labels).data, labels, strict=True):
        torch.testing.assert_close(got, F.ctc_loss(x.data, one, [4], [2], reduction="none"))
    with pytest.raises(nx.errors.InputError, match="a label is no class"):
        loss(labels + 1)


def test_a_window_of_each_example_is_looked_at(draw):
    spectra = torch.stft(draw(20), 4, window=torch.ones(4).double(), return_complex=True)
    back = nx.vmap(lambda w: torch.istft(nx.LiteTensor(spectra), 4, window=w))
    windows = draw(2, 4, low=0.5)
    for got, one in zip(back(windows).data, windows, strict=True):
        torch.testing.assert_close(got, torch.istft(spectra, 4, window=one))
    with pytest.raises(nx.errors.InputError, match="the window is zero at a place"):
        back(windows * torch.tensor([[0.0], [1.0]]))


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("padding_idx", [None, 1])
def test_bags_of_each_example(mode, padding_idx, draw, silent):
    table = draw(3, 4, 2)
    table[:, 2] = table[:, 0]  # equal elements
    indices, offsets = torch.tensor([[0, 2, 1, 3, 1], [1, 1, 3, 2, 0]]), torch.tensor([0, 3, 3])
    offsets_of_each = torch.tensor([[0, 1, 4], [0, 0, 5]])

    def bags(w, i, o):
        return F.embedding_bag(i, w, o, mode=mode, padding_idx=padding_idx)

    def slopes(w, i, o):
        return nx.grad(lambda w: (bags(w, i, o) ** 3).sum())(w)

    for fn in (bags, slopes):
        for which in (0, 1, 2):
            given = [table, indices[:1].expand(3, 5), offsets.expand(3, 3)]
            given = [table[:1].expand(2, 4, 2), indices, offsets.expand(2, 3)] if which == 1 else given
            given = [table[:2], indices, offsets_of_each] if which == 2 else given
            got = nx.vmap(fn)(nx.LiteTensor(given[0]), *given[1:]).data
            for i in range(len(got)):
                alone = fn(nx.LiteTensor(given[0][i]), given[1][i], given[2][i]).data
                torch.testing.assert_close(got[i], alone, rtol=1e-10, atol=1e-10)


def test_the_shape_of_what_a_mask_selects_is_one_for_all():
    masks = torch.tensor([[True, False], [True, True]])
    with pytest.raises(nx.errors.InputError, match="under vmap all examples have one shape"):
        nx.vmap(lambda m: torch.masked_select(nx.LiteTensor([1.0, 2.0]), m))(masks)


COUNTS = torch.tensor([[0, 1, 2, 2], [2, 0, 0, 1], [1, 1, 2, 0]])
WITHOUT_GRADIENT = {
    "bincount": lambda x, i: torch.bincount(i, x),
    "bincount of numbers": lambda x, i: torch.bincount(i, minlength=5),
    "histc": lambda x, i: torch.histc(x, 3, -2, 2),
    "histogram": lambda x, i: torch.histogram(x, 3, range=(-2.0, 2.0), weight=x)[0],
    "isclose": lambda x, i: torch.isclose(x, x + 1e-6 * i),
    "isclose to infinity": lambda x, i: torch.isclose(x / 0, x.abs() / 0, equal_nan=True),
    "isin": lambda x, i: torch.isin(i, torch.tensor([0, 2])),
    "isin what is mapped": lambda x, i: torch.isin(torch.tensor([0, 2]), i[:2], invert=True),
    "searchsorted": lambda x, i: torch.searchsorted(torch.sort(x)[0], 0.5),
    "searchsorted, values mapped": lambda x, i: torch.searchsorted(torch.tensor([-1.0, 1.0]).double(), x, right=True),
    "searchsorted in rows": lambda x, i: torch.searchsorted(x.reshape(2, 2).sort(1)[0], torch.ones(2, 3).double()),
    "bucketize": lambda x, i: torch.bucketize(x, torch.tensor([-1.0, 1.0]).double()),
}


@pytest.mark.parametrize("fn", WITHOUT_GRADIENT.values(), ids=WITHOUT_GRADIENT)
def test_what_has_no_gradient(fn, draw, silent):
    x, i = nx.LiteTensor(draw(3, 4)), nx.LiteTensor(COUNTS)
    alone = [fn(x[k], i[k]).data for k in range(3)]
    assert torch.equal(nx.vmap(fn)(x, i).data, torch.stack(alone))
    nested = nx.vmap(nx.vmap(fn))(x.unsqueeze(0), i.unsqueeze(0))
    assert torch.equal(nested.data[0], torch.stack(alone))


@pytest.mark.parametrize(
    ("fn", "match"),
    [
        (lambda i: torch.bincount(i), "minlength"),
        (lambda i: torch.argwhere(i), "under vmap all examples have one shape"),
        (lambda i: torch.equal(i, i), "under vmap a mapped tensor has a value for each example"),
        (lambda i: torch.allclose(i, i), "under vmap a mapped tensor has a value for each example"),
    ],
    ids=["bincount", "argwhere", "equal", "allclose"],
)
def test_what_can_not_be_mapped_says_why(fn, match):
    with pytest.raises(nx.errors.InputError, match=match):
        nx.vmap(fn)(nx.LiteTensor([[0, 0], [0, 3]]))
