"""Losses of a difference: against torch to second order in every option, by targets and weights too, and errors."""

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
            lambda x, t: theirs(x.double(), t, **options).to(torch.float32 if ours is nx.huber_loss else torch.float64),
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


@pytest.mark.parametrize("loss", [nx.mse_loss, nx.huber_loss])
def test_on_the_meta_device(loss):
    x = nx.LiteTensor(torch.empty(4, 3, device="meta"))
    assert [each.shape for each in nx.grad(loss, (0, 1))(x, x)] == [(4, 3), (4, 3)]


@pytest.mark.parametrize("loss", [nx.mse_loss, nx.huber_loss, nx.smooth_l1_loss])
def test_the_mean_of_an_empty_batch_by_example(loss):
    x = nx.LiteTensor(torch.zeros(2, 0, dtype=torch.float64))
    assert nx.vmap(nx.grad(lambda x: loss(x, x * 0)))(x).shape == (2, 0)


@pytest.mark.parametrize("loss", [F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss, F.soft_margin_loss])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("dtypes", [(torch.float32, torch.float64), (torch.float64, torch.float32)], ids=str)
def test_of_two_dtypes_a_loss_has_torchs(loss, reduction, dtypes):
    x, t = torch.linspace(-2, 2, 6, dtype=dtypes[0]), torch.ones(6, dtype=dtypes[1])
    expected = loss(x, t, reduction=reduction)
    value, grads = nx.value_and_grad(lambda x, t: loss(x, t, reduction=reduction), argnums=(0, 1))(x, t)
    torch.testing.assert_close(value.data, expected)
    assert tuple(each.dtype for each in grads) == dtypes
