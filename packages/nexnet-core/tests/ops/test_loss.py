"""Losses: against torch to second order in every option, by targets and weights too, and their errors."""

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

import nexnet as nx
from nexnet.errors import InputError

REDUCTIONS = ["none", "mean", "sum"]


def indices(shape, classes=3, ignored=None):
    target = torch.randint(0, classes, shape)
    if ignored is not None and target.ndim:
        target[0] = ignored
    return target


def slopes(fn, *values):
    """Give the derivative of fn at a point by each argument, as floats."""
    grads = nx.grad(fn, tuple(range(len(values))))(*[nx.LiteTensor(value, dtype=torch.float64) for value in values])
    return tuple(each.item() for each in grads)


DIFFERENCES = {
    "mse_loss": (nx.mse_loss, F.mse_loss, {}),
    "l1_loss": (nx.l1_loss, F.l1_loss, {}),
    "smooth_l1_loss": (nx.smooth_l1_loss, F.smooth_l1_loss, {}),
    "smooth_l1_loss, beta": (nx.smooth_l1_loss, F.smooth_l1_loss, {"beta": 0.3}),
    "smooth_l1_loss, beta 0": (nx.smooth_l1_loss, F.smooth_l1_loss, {"beta": 0}),
    "huber_loss": (nx.huber_loss, F.huber_loss, {}),
    "huber_loss, delta": (nx.huber_loss, F.huber_loss, {"delta": 0.5}),
}


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("case", DIFFERENCES)
class TestDifferences:
    def test_against_torch(self, case, reduction, draw, check_against_torch):
        ours, theirs, options = DIFFERENCES[case]
        options = {**options, "reduction": reduction}
        for shape in ((3, 4), (5,), ()):
            check_against_torch(
                lambda x, t: ours(x, t, **options), lambda x, t: theirs(x, t, **options), draw(*shape), draw(*shape)
            )

    def test_of_another_shape_warns_and_broadcasts(self, case, reduction, draw, check_against_torch):
        ours, theirs, options = DIFFERENCES[case]
        options = {**options, "reduction": reduction}

        def reference(x, t):
            return theirs(*torch.broadcast_tensors(x, t), **options)

        def warned(x, t):
            with pytest.warns(UserWarning, match=r"a target of shape \(4,\): they are broadcast"):
                return ours(x, t, **options)

        check_against_torch(warned, reference, draw(3, 1), draw(4))

    def test_of_mixed_dtype_and_layout(self, case, reduction, draw, check_against_torch):
        ours, theirs, options = DIFFERENCES[case]
        options = {**options, "reduction": reduction}
        check_against_torch(
            lambda x, t: ours(x, t, **options),
            lambda x, t: theirs(x.double(), t, **options),
            draw(4, 3, dtype=torch.float32).T,
            draw(4).expand(3, 4),
            rtol=1e-5,
        )

    def test_weighted(self, case, reduction, draw, check_against_torch):
        ours, theirs, options = DIFFERENCES[case]
        if ours is nx.smooth_l1_loss:
            pytest.skip("torch's smooth_l1_loss has no weight")
        options = {**options, "reduction": reduction}
        check_against_torch(
            lambda x, t, w: ours(x, t, **options, weight=w),
            lambda x, t, w: theirs(x, t, **options, weight=w),
            *(draw(3, 4), draw(3, 4), draw(3, 4, low=0.5)),
        )

    def test_the_same_tensor_twice_has_no_gradient(self, case, reduction, draw):
        ours, _, options = DIFFERENCES[case]
        x = nx.LiteTensor(draw(3))
        loss = nx.grad(lambda x: ours(x, x, reduction=reduction, **options).sum())
        assert loss(x).data.tolist() == nx.grad(loss)(x).data.tolist() == [0.0] * 3


class TestKinksOfDifferences:
    def test_l1_at_zero(self):
        assert slopes(nx.l1_loss, 1.0, 1.0) == (0.0, 0.0)

    def test_where_the_parabola_ends(self, check_against_torch):
        x, t = torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
        for ours, theirs in ((nx.huber_loss, F.huber_loss), (nx.smooth_l1_loss, F.smooth_l1_loss)):
            check_against_torch(ours, theirs, x, t)

    def test_a_weight_of_another_shape(self):
        x = nx.LiteTensor(torch.zeros(2, 3))
        with pytest.raises(InputError, match="the weight has not the input's shape"):
            nx.mse_loss(x, x, weight=torch.ones(3))


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


@pytest.mark.parametrize("loss", [nx.mse_loss, nx.huber_loss, nx.binary_cross_entropy_with_logits, nx.kl_div])
def test_on_the_meta_device(loss):
    x = nx.LiteTensor(torch.empty(4, 3, device="meta"))
    assert [each.shape for each in nx.grad(loss, (0, 1))(x, x)] == [(4, 3), (4, 3)]
