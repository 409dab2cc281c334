"""Likelihoods of counts, of numbers and of labellings: against torch, to second order, and their errors."""

import math

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

import nexnet as nx
from nexnet.errors import InputError

REDUCTIONS = ["none", "mean", "sum"]


@pytest.mark.parametrize("reduction", REDUCTIONS)
class TestPoisson:
    def test_against_torch(self, reduction, draw, check_against_torch):
        for shape in ((4, 3), ()):
            for log_input in (True, False):
                for full in (True, False):
                    options = {"log_input": log_input, "full": full, "reduction": reduction}
                    check_against_torch(
                        lambda x, t, o=options: nx.poisson_nll_loss(x, t, **o),
                        lambda x, t, o=options: F.poisson_nll_loss(x, t, **o),
                        *(draw(*shape, low=0.2), draw(*shape, low=0.1, high=4)),
                    )


def test_poisson_of_events_that_were_or_were_not(draw, check_against_torch):
    seen = torch.tensor([True, False, True])
    check_against_torch(lambda x: nx.poisson_nll_loss(x, seen), lambda x: F.poisson_nll_loss(x, seen), draw(3, low=0.2))


@pytest.mark.parametrize("reduction", REDUCTIONS)
class TestGaussian:
    def test_against_torch(self, reduction, draw, check_against_torch):
        for full in (True, False):
            for shape in ((4, 3), (4, 1), (4,)):
                options = {"full": full, "reduction": reduction}
                check_against_torch(
                    lambda x, t, v, o=options: nx.gaussian_nll_loss(x, t, v, **o),
                    lambda x, t, v, o=options: F.gaussian_nll_loss(x, t, v, **o),
                    *(draw(4, 3), draw(4, 3), draw(*shape, low=0.3)),
                )

    def test_a_number_for_the_variance(self, reduction, draw, check_against_torch):
        check_against_torch(
            lambda x, t: nx.gaussian_nll_loss(x, t, 0.7, reduction=reduction),
            lambda x, t: F.gaussian_nll_loss(x, t, 0.7, reduction=reduction),
            *(draw(4, 3), draw(4, 3)),
        )

    def test_a_variance_below_eps(self, reduction, draw, check_against_torch):
        check_against_torch(
            lambda x, t, v: nx.gaussian_nll_loss(x, t, v, eps=0.5, reduction=reduction),
            lambda x, t, v: F.gaussian_nll_loss(x, t, v, eps=0.5, reduction=reduction),
            *(draw(4), draw(4), torch.tensor([0.1, 0.5, 0.7, 0.0], dtype=torch.float64)),
            order=1,
        )


class TestGaussianErrors:
    def test_a_negative_variance(self):
        for var in (-1.0, nx.full((2,), -1.0)):
            with pytest.raises(ValueError, match="negative"):
                nx.gaussian_nll_loss(nx.zeros(2), nx.zeros(2), var)

    def test_a_variance_of_another_shape(self):
        with pytest.raises(ValueError, match=r"incorrect size: \(3,\) for an input of \(2, 2\)"):
            nx.gaussian_nll_loss(nx.zeros(2, 2), nx.zeros(2, 2), nx.ones(3))


def test_linear_cross_entropy(draw, check_against_torch):
    target = torch.tensor([0, 2, -100, 1])
    for options in ({}, {"label_smoothing": 0.1, "reduction": "sum"}):
        check_against_torch(
            lambda x, w, b, o=options: nx.linear_cross_entropy(x, w, target, linear_bias=b, **o),
            lambda x, w, b, o=options: F.cross_entropy(F.linear(x, w, b), target, **o),
            *(draw(4, 5), draw(3, 5), draw(3)),
        )
    with pytest.raises(InputError, match=r"the weight is \(C, \.\.\., D\)"):
        nx.linear_cross_entropy(nx.zeros(4, 5), nx.zeros(3, 4), target)


@pytest.mark.skipif(not hasattr(F, "linear_cross_entropy"), reason="this torch has no such function")
def test_linear_cross_entropy_of_several_places(draw, check_against_torch):
    target = torch.tensor([[0, 2], [1, 1]])
    check_against_torch(
        lambda x, w, b: F.linear_cross_entropy(x, w, target, linear_bias=b),
        lambda x, w, b: F.linear_cross_entropy(x, w, target, linear_bias=b),
        *(draw(2, 5), draw(3, 2, 5), draw(3, 2)),
    )


@pytest.mark.skipif(not hasattr(torch.nn, "LinearCrossEntropyOptions"), reason="this torch has no such options")
def test_how_torch_splits_linear_cross_entropy_changes_nothing(draw):
    x, w, target = nx.LiteTensor(draw(4, 5)), nx.LiteTensor(draw(3, 5)), torch.tensor([0, 2, 1, 1])
    options = torch.nn.LinearCrossEntropyOptions()
    whole, split = (F.linear_cross_entropy(x, w, target, options=each) for each in (None, options))
    assert torch.equal(whole.data, split.data)


T, N, C = 6, 3, 4
LABELS = torch.tensor([[1, 2, 2], [3, 1, 0], [2, 0, 0]])
LENGTHS, COUNTS = (6, 5, 4), (3, 2, 1)


@pytest.mark.parametrize("reduction", REDUCTIONS)
class TestCTC:
    def options(self, reduction, **more):
        return {"input_lengths": LENGTHS, "target_lengths": COUNTS, "reduction": reduction, **more}

    def test_behind_log_softmax(self, reduction, draw, check_against_torch):
        options = self.options(reduction)
        check_against_torch(
            lambda x: nx.ctc_loss(nx.log_softmax(x, -1), LABELS, **options),
            lambda x: F.ctc_loss(F.log_softmax(x, -1), LABELS, **options),
            draw(T, N, C),
            order=1,
        )

    def test_every_alignment_to_third_order(self, reduction, draw, check_against_torch):
        """The sum over all paths, written out: by log_probs that need not be normalised, and to any order."""
        options = self.options(reduction)
        check_against_torch(
            lambda x: nx.ctc_loss(x, LABELS, **options),
            lambda x: by_paths(x, reduction),
            draw(T, N, C, low=-1, high=1),
            order=3,
            rtol=1e-7,
            atol=1e-8,
        )

    def test_labels_one_after_the_other_and_another_blank(self, reduction, draw):
        x = draw(T, N, C).log_softmax(-1)
        joined = torch.cat([row[:count] for row, count in zip(LABELS, COUNTS, strict=True)])
        expected = nx.ctc_loss(nx.LiteTensor(x), LABELS, **self.options(reduction))
        got = nx.ctc_loss(nx.LiteTensor(x), joined, torch.tensor(LENGTHS), torch.tensor(COUNTS), reduction=reduction)
        torch.testing.assert_close(got.data, expected.data)
        labels = torch.tensor([[1, 2, 2], [0, 1, 0], [2, 0, 0]])
        options = self.options(reduction, blank=3)
        mine = nx.grad(lambda x: nx.ctc_loss(nx.log_softmax(x, -1), labels, **options))
        second = nx.grad(lambda x: mine(x).sum())
        x = draw(T, N, C).requires_grad_()
        (expected,) = torch.autograd.grad(F.ctc_loss(x.log_softmax(-1), labels, **options).sum(), x)
        torch.testing.assert_close(mine(nx.LiteTensor(x.detach())).data, expected)
        assert second(nx.LiteTensor(x.detach())).data.isfinite().all()

    def test_a_masked_class_has_no_part(self, reduction, draw):
        """A class of probability 0 that no label names: the others' gradients are as without it."""
        x = draw(T, N, C).log_softmax(-1)
        masked = torch.cat([x, torch.full((T, N, 1), -math.inf, dtype=x.dtype)], -1)
        options = self.options(reduction)
        first = nx.grad(lambda x: nx.ctc_loss(x, LABELS, **options))
        second = nx.grad(lambda x: (first(x) ** 2).sum())
        for gradient in (first, second):
            got, expected = gradient(nx.LiteTensor(masked)).data, gradient(nx.LiteTensor(x)).data
            torch.testing.assert_close(got[..., :-1], expected)
            assert not got[..., -1].any()

    @pytest.mark.parametrize("label", [C, -1, 10**6])
    def test_a_label_that_is_no_class(self, reduction, draw, label):
        x, labels = nx.LiteTensor(draw(T, N, C)), LABELS.clone()
        labels[0, 1] = label
        with pytest.raises(InputError, match=rf"no class(.|\n)*ctc_loss(.|\n)*targets(.|\n)*0 to 3(.|\n)*{label}"):
            nx.ctc_loss(x, labels, **self.options(reduction))
        padded = LABELS.clone()
        padded[2, 1:] = label  # beyond the number of labels
        assert nx.ctc_loss(x, padded, **self.options(reduction)).isfinite().all()

    def test_one_example(self, reduction, draw):
        x = draw(T, C).log_softmax(-1)
        got = nx.ctc_loss(nx.LiteTensor(x), LABELS[0], T, 3, reduction=reduction)
        expected = F.ctc_loss(x, LABELS[0], torch.tensor(T), torch.tensor(3), reduction=reduction)
        torch.testing.assert_close(got.data, expected)

    def test_labels_that_do_not_fit(self, reduction, draw):
        """Three labels, two of them equal, want four steps: an infinite loss, or 0 and no gradient at any order."""
        x = nx.LiteTensor(draw(3, 1, C).log_softmax(-1))
        options = {"input_lengths": (3,), "target_lengths": (3,), "reduction": reduction}
        assert math.isinf(nx.ctc_loss(x, LABELS[:1], **options).item())
        first = nx.grad(lambda x: nx.ctc_loss(x, LABELS[:1], zero_infinity=True, **options))
        assert not first(x).data.any()
        assert not nx.grad(lambda x: first(x).sum())(x).data.any()

    def test_no_labels(self, reduction, draw, check_against_torch):
        options = {"input_lengths": (4,), "target_lengths": (0,), "reduction": reduction}
        none = torch.zeros(1, 0, dtype=torch.long)
        check_against_torch(
            lambda x: nx.ctc_loss(x, none, **options),
            lambda x: -x[:, :, 0].sum(0) if reduction == "none" else -x[:, :, 0].sum(),
            draw(4, 1, C),
        )


def by_paths(x, reduction):
    """-ln of the sum, over all sequences of classes that spell the labels, of their probabilities."""
    import itertools

    losses = []
    for n in range(N):
        want = LABELS[n, : COUNTS[n]].tolist()
        paths = []
        for path in itertools.product(range(C), repeat=LENGTHS[n]):
            spelled = [key for key, _ in itertools.groupby(path) if key != 0]
            if spelled == want:
                paths.append(path)
        index = torch.tensor(paths).T
        losses.append(-torch.logsumexp(x[: LENGTHS[n], n].gather(1, index).sum(0), 0))
    losses = torch.stack(losses)
    if reduction == "mean":
        return (losses / torch.tensor(COUNTS)).mean()
    return losses if reduction == "none" else losses.sum()


def test_ctc_shapes():
    with pytest.raises(InputError, match="each example has a length"):
        nx.ctc_loss(nx.zeros(6, 2, 4), LABELS[:2], (6,), (3, 2))
