"""Binary cross entropies and the divergence: against torch to second order, by targets and weights too."""

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

import nexnet as nx
from nexnet.errors import InputError

REDUCTIONS = ["none", "mean", "sum"]


def slopes(fn, *values):
    """Give the derivative of fn at a point by each argument, as floats."""
    grads = nx.grad(fn, tuple(range(len(values))))(*[nx.LiteTensor(value, dtype=torch.float64) for value in values])
    return tuple(each.item() for each in grads)


@pytest.mark.parametrize("reduction", REDUCTIONS)
class TestBinaryCrossEntropy:
    def test_of_probabilities(self, reduction, draw, check_against_torch):
        for shape in ((4, 3), (), (0,)):
            x, target = draw(*shape, low=0.1, high=0.9), draw(*shape, low=0, high=1)
            check_against_torch(
                lambda x, t: nx.binary_cross_entropy(x, t, reduction=reduction),
                lambda x, t: F.binary_cross_entropy(x, t, reduction=reduction),
                *(x, target),
            )

    def test_of_probabilities_weighted(self, reduction, draw, check_against_torch):
        x, target, weight = draw(4, 3, low=0.1, high=0.9), draw(4, 3, low=0, high=1), draw(3, low=0.5)
        check_against_torch(
            lambda x: nx.binary_cross_entropy(x, target, weight, reduction=reduction),
            lambda x: F.binary_cross_entropy(x, target, weight, reduction=reduction),
            x,
        )

    def test_of_logits(self, reduction, draw, check_against_torch):
        for shape in ((4, 3), (), (0,)):
            check_against_torch(
                lambda x, t: nx.binary_cross_entropy_with_logits(x, t, reduction=reduction),
                lambda x, t: F.binary_cross_entropy_with_logits(x, t, reduction=reduction),
                *(draw(*shape), draw(*shape, low=0, high=1)),
                order=3,
            )

    def test_of_logits_weighted(self, reduction, draw, check_against_torch):
        """torch has no gradient by the weights; this is the loss written out."""
        x, target, weight, positive = draw(4, 3), draw(4, 3, low=0, high=1), draw(4, 1, low=0.5), draw(3, low=0.5)

        def reference(x, t, w, p):
            losses = -w * (p * t * F.logsigmoid(x) + (1 - t) * F.logsigmoid(-x))
            return losses if reduction == "none" else losses.sum() / (12 if reduction == "mean" else 1)

        def ours(x, t, w, p):
            return nx.binary_cross_entropy_with_logits(x, t, w, pos_weight=p, reduction=reduction)

        check_against_torch(ours, reference, x, target, weight, positive)
        expected = F.binary_cross_entropy_with_logits(x, target, weight, pos_weight=positive, reduction=reduction)
        got = ours(*map(nx.LiteTensor, (x, target, weight, positive)))
        torch.testing.assert_close(got.data, expected)


class TestBinaryCrossEntropyAtTheEnds:
    def test_a_certain_probability_costs_at_most_100(self):
        assert nx.binary_cross_entropy(nx.LiteTensor(0.0), nx.LiteTensor(1.0)).item() == 100.0
        assert slopes(nx.binary_cross_entropy, 0.0, 1.0) == pytest.approx((-1e12, 100.0))
        assert slopes(nx.binary_cross_entropy, 1.0, 1.0) == (0.0, -100.0)

    def test_logits_far_out_are_finite_at_every_order(self):
        for x in (-1000.0, 1000.0):
            value, gradient = nx.value_and_grad(nx.binary_cross_entropy_with_logits)(x, nx.LiteTensor(0.0))
            assert (value.item(), gradient.item()) == ((1000.0, 1.0) if x > 0 else (0.0, 0.0))
            assert slopes(nx.grad(lambda x: nx.binary_cross_entropy_with_logits(x, 0.0 * x)), x) == (0.0,)

    @pytest.mark.parametrize("loss", [nx.binary_cross_entropy, nx.binary_cross_entropy_with_logits])
    def test_targets_of_another_shape(self, loss):
        with pytest.raises(InputError, match=r"not the input's shape(.|\n)*expected: +\(3, 1\)(.|\n)*got: +\(3,\)"):
            loss(nx.LiteTensor(torch.zeros(3, 1)), torch.zeros(3))


class TestKLDivergence:
    @pytest.mark.parametrize("reduction", ["none", "batchmean", "sum"])
    @pytest.mark.parametrize("log_target", [False, True])
    def test_against_torch(self, reduction, log_target, draw, check_against_torch):
        options = {"reduction": reduction, "log_target": log_target}
        for shape in ((4, 3), (5,)):
            check_against_torch(
                lambda x, t: nx.kl_div(x, t, **options),
                lambda x, t: F.kl_div(x, t, **options),
                *(draw(*shape), draw(*shape, low=0.2, high=1)),
            )

    def test_the_mean_is_over_all_elements(self, draw):
        x, target = nx.LiteTensor(draw(4, 3)), nx.LiteTensor(draw(4, 3, low=0.2))
        torch.testing.assert_close(nx.kl_div(x, target).data, nx.kl_div(x, target, reduction="none").data.mean())

    def test_a_probability_of_zero_costs_nothing(self):
        x, target = nx.LiteTensor([-1.0, -2.0]), nx.LiteTensor([0.0, 1.0])
        value, gradient = nx.value_and_grad(lambda x: nx.kl_div(x, target, reduction="sum"))(x)
        assert value.item() == 2.0
        assert gradient.data.tolist() == [0.0, -1.0]


@pytest.mark.parametrize("loss", [nx.binary_cross_entropy_with_logits, nx.kl_div])
def test_on_the_meta_device(loss):
    x = nx.LiteTensor(torch.empty(4, 3, device="meta"))
    assert [each.shape for each in nx.grad(loss, (0, 1))(x, x)] == [(4, 3), (4, 3)]
