import math

import pytest
import torch

import nexnet
import nexnet_nn as nn
from nexnet import LiteTensor

OPTIONS = {"init_scale": 1024.0, "growth_factor": 3.0, "backoff_factor": 0.25, "growth_interval": 3}


def test_scales_and_steps_are_torchs():
    """On gradients of which some are infinite, the steps that are made, and the scales, are GradScaler's."""
    scaler, reference = nn.LossScale(**OPTIONS), torch.amp.GradScaler("cpu", **OPTIONS)
    scale = scaler.init()
    mine, theirs = [LiteTensor([1.0, 2.0])], torch.tensor([1.0, 2.0], requires_grad=True)
    sgd, their_sgd = nn.SGD(0.1), torch.optim.SGD([theirs], 0.1)
    state = sgd.init(mine)
    for factor in [1, 1, 1, 1, math.inf, 1, math.nan, math.inf, 1, 1, 1, 1, 1, 1, 1]:
        their_sgd.zero_grad()
        reference.scale((theirs * theirs).sum() * factor).backward()
        reference.step(their_sgd)
        reference.update()

        grads = nexnet.grad(lambda p: scaler.scale((p[0] * p[0]).sum() * factor, scale))(mine)  # noqa: B023
        grads, is_finite = scaler.unscale(grads, scale)
        assert is_finite.item() == math.isfinite(factor)
        if is_finite:
            mine, state = sgd.update(mine, grads, state)
        scale = scaler.update(scale, is_finite)
        assert scale.scale.item() == reference.get_scale()
        torch.testing.assert_close(mine[0].data, theirs.detach())


def test_update_is_pure():
    scaler = nn.LossScale()
    before = scaler.init()
    after = scaler.update(before, LiteTensor(False))
    assert (before.scale.item(), after.scale.item()) == (2.0**16, 2.0**15)


def test_small_gradients_of_float16_survive():
    w, x = LiteTensor([1.0]), LiteTensor([1e-4], dtype=torch.float16)
    scaler = nn.LossScale(2.0**14)
    scale = scaler.init()

    def loss(w):
        return (w.to(torch.float16) * x * 1e-4).sum().float()

    grads = nexnet.grad(lambda w: scaler.scale(loss(w), scale))(w)
    unscaled, _ = scaler.unscale(grads, scale)
    assert unscaled.item() == pytest.approx(1e-8, rel=1e-2)
    assert nexnet.grad(loss)(w).item() != pytest.approx(1e-8, rel=1e-2)


@pytest.mark.parametrize("interval", [0, -1, 1.5, None])
def test_an_interval_is_a_number_of_steps(interval):
    with pytest.raises(nn.OptimizerError, match=rf"number of steps(.|\n)*growth_interval(.|\n)*int >= 1\n.*{interval}"):
        nn.LossScale(growth_interval=interval)


@pytest.mark.parametrize(
    "wrong",
    [
        {name: value}
        for name in ("init_scale", "growth_factor", "backoff_factor")
        for value in (0.0, -2.0, math.inf, math.nan)
    ],
    ids=str,
)
def test_a_scale_is_a_finite_number_above_0(wrong):
    with pytest.raises(nn.OptimizerError, match="grows by a factor above 1, and shrinks by one between 0 and 1"):
        nn.LossScale(**wrong)


def test_what_is_refused():
    with pytest.raises(nn.OptimizerError, match="gradients of float16"):
        nn.LossScale().unscale([LiteTensor([1.0], dtype=torch.float16)], nn.LossScale().init())
    with pytest.raises(nn.OptimizerError, match="a scale grows by a factor above 1"):
        nn.LossScale(growth_factor=0.5)
