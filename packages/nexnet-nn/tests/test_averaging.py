import pytest
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import nexnet
import nexnet_nn as nn
from nexnet import LiteTensor


@pytest.mark.parametrize("method", ["update", "update_"])
def test_the_average_is_torchs(method):
    theirs = torch.nn.Linear(3, 2)
    reference = AveragedModel(theirs, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    mine = [LiteTensor(p.detach().clone()) for p in theirs.parameters()]
    ema = nn.EMA(0.9)
    average = ema.init(mine)
    reference.update_parameters(theirs)
    for step in range(5):
        for p, q in zip(theirs.parameters(), mine, strict=True):
            change = torch.full_like(p, step + 0.5)
            p.data.add_(change)
            q.data.add_(change)
        reference.update_parameters(theirs)
        average = getattr(ema, method)(average, mine)
    for got, want in zip(average, reference.module.parameters(), strict=True):
        torch.testing.assert_close(got.data, want.detach())


def test_it_is_a_copy_that_a_step_in_place_does_not_reach():
    model = nn.Dense(2, 2)
    best = nn.EMA().init(model)
    before = best.weight.data.clone()
    nn.SGD(1.0).update_(model, model, nn.SGDState())
    assert torch.equal(best.weight.data, before)


def test_counters_are_the_models_own():
    ema = nn.EMA(0.5)
    for method in (ema.update, ema.update_):
        average = {"n": LiteTensor(torch.tensor(1)), "w": LiteTensor([0.0])}
        new = method(average, {"n": LiteTensor(torch.tensor(4)), "w": LiteTensor([1.0])})
        assert (new["n"].item(), new["w"].item()) == (4, 0.5)


def test_buffers_are_the_models_own():
    model, ema = nn.BatchNorm(2), nn.EMA(0.5)
    average = ema.init(model)
    model = model.with_buffers({"running_mean": LiteTensor([1.0, 2.0])})
    assert ema.update(average, model).running_mean.tolist() == [1, 2]
    assert ema.update_(average, model).running_mean.tolist() == [1, 2]
    with pytest.raises(nn.SpentModuleError, match="written into"):
        ema.update(average, model)


def test_it_is_differentiable_by_the_model():
    slope = nexnet.grad(lambda p: nn.EMA(0.75).update(LiteTensor([1.0]), p).sum())(LiteTensor([2.0]))
    assert slope.tolist() == [0.25]


@pytest.mark.parametrize("method", ["update", "update_"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.int64])
@pytest.mark.parametrize(("mine", "theirs"), [((2, 3), (3,)), ((3,), (2, 3)), ((3,), (1,))], ids=str)
def test_an_average_of_another_shape_is_no_average(method, dtype, mine, theirs):
    average, model = ({"w": {"bias": nexnet.ones(shape, dtype=dtype)}} for shape in (mine, theirs))
    with pytest.raises(nn.OptimizerError, match=r"another shape(.|\n)*EMA(.|\n)*w\.bias(.|\n)*remedy") as caught:
        getattr(nn.EMA(0.5), method)(average, model)
    assert f"expected:  {theirs}\n  got:       {mine}" in str(caught.value)
    assert average["w"]["bias"].tolist() == nexnet.ones(mine).tolist()  # nothing was written


def test_what_is_refused():
    for decay in (1.5, -0.5, float("nan")):
        with pytest.raises(nn.OptimizerError, match="invalid decay"):
            nn.EMA(decay)
    with pytest.raises(nn.OptimizerError, match="average and the model have different structures"):
        nn.EMA().update([LiteTensor(1.0)], LiteTensor(1.0))
    with pytest.raises(nexnet.errors.TrackedTensorError, match="being differentiated"):
        nexnet.grad(lambda p: nn.EMA().update_(p, p))(LiteTensor(1.0))
