import math

import pytest
import torch

import nexnet
import nexnet_nn as nn
from nexnet import LiteTensor


def randn(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def tree():
    return {"a": LiteTensor(randn(3, 2)), "b": [LiteTensor(randn(4, seed=1)), LiteTensor(randn(seed=2))]}


def torchs(clip, **options):
    params = [torch.zeros_like(each.data, requires_grad=True) for each in nexnet.tree.leaves(tree())]
    for p, g in zip(params, nexnet.tree.leaves(tree()), strict=True):
        p.grad = g.data.clone()
    return clip(params, **options), [p.grad for p in params]


@pytest.mark.parametrize("clip", [nn.clip_by_norm, nn.clip_by_norm_])
@pytest.mark.parametrize("norm_type", [2.0, 1.0, math.inf])
@pytest.mark.parametrize("max_norm", [0.5, 100.0])
def test_gradients_clipped_by_norm_are_torchs(clip, norm_type, max_norm):
    total, expected = torchs(torch.nn.utils.clip_grad_norm_, max_norm=max_norm, norm_type=norm_type)
    grads = tree()
    clipped, norm = clip(grads, max_norm, norm_type)
    assert norm.item() == pytest.approx(total.item(), rel=1e-14)
    for got, want in zip(nexnet.tree.leaves(clipped), expected, strict=True):
        torch.testing.assert_close(got.data, want, rtol=1e-14, atol=0)
    is_same = grads["a"].data.data_ptr() == clipped["a"].data.data_ptr()
    assert is_same == (clip is nn.clip_by_norm_)


@pytest.mark.parametrize("clip", [nn.clip_by_value, nn.clip_by_value_])
def test_gradients_clipped_by_value_are_torchs(clip):
    _, expected = torchs(torch.nn.utils.clip_grad_value_, clip_value=0.5)
    for got, want in zip(nexnet.tree.leaves(clip(tree(), 0.5)), expected, strict=True):
        assert torch.equal(got.data, want)


def test_each_examples_gradient_is_clipped_under_vmap():
    grads = LiteTensor(randn(5, 3))
    together, norms = nexnet.vmap(lambda g: nn.clip_by_norm(g, 1.0))(grads)
    for i in range(5):
        alone, norm = nn.clip_by_norm(grads[i], 1.0)
        torch.testing.assert_close(together[i].data, alone.data)
        torch.testing.assert_close(norms[i].data, norm.data)


def test_the_clipped_gradient_is_differentiable():
    g = LiteTensor(randn(3))

    def shown(g):
        return nn.clip_by_norm([g], 0.5)[0][0].sin().sum()

    slope, h = nexnet.grad(shown)(g), 1e-6
    for i in range(3):
        e = torch.zeros(3, dtype=torch.float64)
        e[i] = h
        assert slope[i].item() == pytest.approx((shown(g + e) - shown(g - e)).item() / (2 * h), rel=1e-6)


@pytest.mark.parametrize("clip", [nn.clip_by_norm, nn.clip_by_norm_])
def test_a_norm_that_is_not_finite_is_an_error_where_that_is_asked(clip):
    grads = [LiteTensor([math.inf, 1.0])]
    with pytest.raises(nexnet.errors.InputError, match=r"no finite number[\s\S]*inf[\s\S]*debug_nans"):
        clip(grads, 1.0, error_if_nonfinite=True)
    assert clip(grads, 1.0)[0][0].data[0].isnan()  # as in torch
    assert clip([], 1.0)[1].item() == 0


@pytest.mark.parametrize("clip", [nn.clip_by_norm_, nn.clip_by_value_])
def test_writing_is_refused_while_something_is_differentiated(clip):
    with pytest.raises(nexnet.errors.TrackedTensorError, match="being differentiated"):
        nexnet.grad(lambda g: clip([g], 1.0)[0].sum())(LiteTensor([1.0]))


CLIPS = [nn.clip_by_norm, nn.clip_by_norm_, nn.clip_by_value, nn.clip_by_value_]


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("bound", [-1.0, math.nan, LiteTensor(-1.0), LiteTensor([1.0, 2.0]), "1", None], ids=repr)
def test_a_bound_that_leaves_nothing_is_none(clip, bound):
    grads = [LiteTensor([3.0, -4.0])]
    with pytest.raises(nexnet.errors.InputError, match=rf"no such bound(.|\n)*{clip.__name__}\n(.|\n)*number >= 0"):
        clip(grads, bound)
    assert grads[0].tolist() == [3, -4]  # nothing was written


@pytest.mark.parametrize("clip", CLIPS)
def test_bounds_of_zero_and_of_infinity_are_bounds(clip):
    for bound, expected in [(0, [0, 0]), (math.inf, [3, -4])]:
        clipped = clip([LiteTensor([3.0, -4.0])], bound)
        assert (clipped[0] if "norm" in clip.__name__ else clipped)[0].tolist() == expected


@pytest.mark.parametrize("clip", CLIPS)
def test_a_gradient_that_is_no_tensor_is_named(clip):
    with pytest.raises(nexnet.errors.InputError, match=rf"{clip.__name__}\n(.|\n)*grads\['b'\]\n  got:       int"):
        clip({"a": LiteTensor([1.0]), "b": 3}, 1.0)


class TestAccumulate:
    def test_of_no_function(self):
        with pytest.raises(nexnet.InputError, match=r"a value and a gradient(.|\n)*int\n(.|\n)*nexnet\.value_and_grad"):
            nn.accumulate(3, nexnet.ones(2), [])

    x, y = randn(8, 3, seed=3), randn(8, 2, seed=4)

    def loss(self, model, x, y):
        return nn.mse_loss(model(x).tanh(), y)

    def model(self):
        return nn.Dense(3, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    @pytest.mark.parametrize("low_rank", [False, True])
    def test_of_small_batches_is_that_of_the_large_one(self, low_rank):
        step = nexnet.value_and_grad(self.loss, low_rank=low_rank)
        batches = zip(self.x.split(2), self.y.split(2), strict=True)
        value, grads = nn.accumulate(step, self.model(), batches)
        expected, slopes = nexnet.value_and_grad(self.loss)(self.model(), self.x, self.y)
        torch.testing.assert_close(value.data, expected.data)
        for got, want in zip(grads.parameters(), slopes.parameters(), strict=True):
            torch.testing.assert_close(got.data, want.data)

    def test_what_comes_beside_the_loss_is_a_mean_too(self):
        def loss(model, x, y):
            return self.loss(model, x, y), {"mean": x.mean(), "count": len(x), "labels": y.long()[0]}

        step = nexnet.value_and_grad(loss, has_aux=True)
        (value, aux), _ = nn.accumulate(
            step, self.model(), zip(LiteTensor(self.x).split(2), LiteTensor(self.y).split(2), strict=True)
        )
        torch.testing.assert_close(aux["mean"].data, self.x.mean())
        assert (value.shape, aux["count"]) == ((), 2)
        assert torch.equal(aux["labels"].data, self.y.long()[6])

    def test_is_differentiable(self):
        def after(model, batches):
            _, grads = nn.accumulate(nexnet.value_and_grad(self.loss), model, batches)
            return sum((g * g).sum() for g in grads.parameters())

        halves = list(zip(self.x.split(4), self.y.split(4), strict=True))
        got = nexnet.grad(after)(self.model(), halves)
        want = nexnet.grad(after)(self.model(), [(self.x, self.y)])
        for a, b in zip(got.parameters(), want.parameters(), strict=True):
            torch.testing.assert_close(a.data, b.data)

    def test_of_no_batches_is_an_error(self):
        with pytest.raises(nexnet.errors.InputError, match="no batches"):
            nn.accumulate(nexnet.value_and_grad(self.loss), self.model(), [])
