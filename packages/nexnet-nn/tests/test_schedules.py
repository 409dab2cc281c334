import inspect

import pytest
import torch
from torch.optim import lr_scheduler

import nexnet
import nexnet_nn as nn
from nexnet import LiteTensor
from nexnet.errors import InputError
from nexnet_nn import schedules

LR = 0.3
OPTIONS = [
    ("ConstantLR", {}),
    ("ConstantLR", {"factor": 0.5, "total_iters": 3}),
    ("LinearLR", {}),
    ("LinearLR", {"start_factor": 0.1, "end_factor": 0.8, "total_iters": 12}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("StepLR", {"step_size": 4, "gamma": 0.5}),
    ("MultiStepLR", {"milestones": [3, 5, 11], "gamma": 0.5}),
    ("PolynomialLR", {}),
    ("PolynomialLR", {"total_iters": 12, "power": 2.5}),
    ("CosineAnnealingLR", {"T_max": 9}),
    ("CosineAnnealingLR", {"T_max": 30, "eta_min": 0.01}),
    ("CosineAnnealingWarmRestarts", {"T_0": 7}),
    ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2, "eta_min": 0.01}),
    ("CosineAnnealingWarmRestarts", {"T_0": 1, "T_mult": 3}),
    ("CyclicLR", {"max_lr": 0.9, "step_size_up": 4}),
    ("CyclicLR", {"max_lr": 0.9, "step_size_up": 3, "step_size_down": 5, "mode": "triangular2"}),
    ("CyclicLR", {"max_lr": 0.9, "step_size_up": 5, "step_size_down": 2, "mode": "exp_range", "gamma": 0.97}),
    ("OneCycleLR", {"total_steps": 31}),
    ("OneCycleLR", {"total_steps": 31, "anneal_strategy": "linear", "pct_start": 0.4, "div_factor": 10}),
    ("OneCycleLR", {"total_steps": 31, "three_phase": True, "final_div_factor": 100}),
]


def torchs(scheduler, steps, key="lr", **options):
    """Give the values that a scheduler of torch's has on the way."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=LR, momentum=0.9)
    running, found = scheduler(optimizer, **options), []
    for _ in range(steps):
        found.append(optimizer.param_groups[0][key])
        optimizer.step()
        running.step()
    return found


@pytest.mark.parametrize(("name", "options"), OPTIONS, ids=str)
def test_the_values_are_torchs_of_numbers_and_of_tensors(name, options):
    more = {"OneCycleLR": {"max_lr": LR}, "CyclicLR": {"base_lr": LR}}.get(name, {})
    expected = torchs(getattr(lr_scheduler, name), 30, **options, **more)
    schedule = getattr(schedules, name)(LR, **options)
    assert [schedule(step) for step in range(30)] == pytest.approx(expected, rel=1e-12, abs=1e-16)
    tensors = [LiteTensor(step, dtype=torch.float64) for step in range(30)]
    assert [float(schedule(step)) for step in tensors] == pytest.approx(expected, rel=1e-12, abs=1e-16)


@pytest.mark.parametrize("name", sorted({name for name, _ in OPTIONS}))
def test_arguments_and_their_defaults_are_torchs(name):
    theirs = inspect.signature(getattr(lr_scheduler, name).__init__).parameters
    mine = inspect.signature(getattr(schedules, name)).parameters
    assert all(each.default == theirs[key].default for key, each in mine.items() if key not in ("lr", "total_steps"))
    order = [key for key in theirs if key in mine]
    assert order == [key for key in mine if key != "lr"]


def test_one_cycle_has_torchs_momentum_and_stays_at_its_end():
    expected = torchs(lr_scheduler.OneCycleLR, 20, "momentum", max_lr=LR, total_steps=21)
    cycle = schedules.OneCycleLR(LR, 21)
    assert [cycle.momentum()(step) for step in range(20)] == pytest.approx(expected, rel=1e-12)
    assert cycle(100) == cycle(20)


def test_one_after_the_other_and_a_warm_up_are_torchs():
    def sequence(optimizer):
        first = lr_scheduler.LinearLR(optimizer, 0.1, 1.0, 5)
        parts = [first, lr_scheduler.ExponentialLR(optimizer, 0.9), lr_scheduler.StepLR(optimizer, 3)]
        return lr_scheduler.SequentialLR(optimizer, parts, [5, 12])

    expected = torchs(sequence, 20)
    parts = [schedules.LinearLR(LR, 0.1, 1.0, 5), schedules.ExponentialLR(LR, 0.9), schedules.StepLR(LR, 3)]
    schedule = schedules.SequentialLR(parts, [5, 12])
    assert [schedule(step) for step in range(20)] == pytest.approx(expected, rel=1e-12)
    tensors = [LiteTensor(step, dtype=torch.float64) for step in range(20)]
    assert [float(schedule(step)) for step in tensors] == pytest.approx(expected, rel=1e-12)
    warm = schedules.WarmupLR(5, schedules.ExponentialLR(LR, 0.9), start_factor=0.1)
    assert [warm(step) for step in range(12)] == pytest.approx(expected[:12], rel=1e-12)


def test_a_schedule_is_differentiable_by_its_numbers():
    p = LiteTensor(1.0, dtype=torch.float64)

    def after(lr, gamma):
        sgd = nn.SGD(schedules.ExponentialLR(lr, gamma))
        state, q = sgd.init(p), p
        for _ in range(3):
            q, state = sgd.update(q, LiteTensor(1.0), state)
        return q

    lr, gamma = (LiteTensor(each, dtype=torch.float64) for each in (0.1, 0.5))
    by_lr, by_gamma = nexnet.grad(after, argnums=(0, 1))(lr, gamma)
    assert by_lr.item() == pytest.approx(-(1 + 0.5 + 0.25))
    assert by_gamma.item() == pytest.approx(-0.1 * (1 + 2 * 0.5))


def test_any_number_may_be_a_schedule():
    cycle = schedules.OneCycleLR(0.1, 10)
    params = {"a": LiteTensor([1.0])}
    sgd = nn.SGD(cycle, momentum=cycle.momentum())
    state = sgd.init(params)
    for _ in range(2):
        sgd.update_(params, {"a": LiteTensor([1.0])}, state)
    assert params["a"].item() == pytest.approx(1 - cycle(0) - cycle(1) * (1 + cycle.momentum()(1)))


def test_what_is_refused():
    with pytest.raises(nexnet.errors.InputError, match="between schedules there are milestones"):
        schedules.SequentialLR([schedules.StepLR(1, 1)], [3])
    with pytest.raises(nexnet.errors.InputError, match="invalid anneal_strategy"):
        schedules.OneCycleLR(1, 10, anneal_strategy="other")


PLATEAUS = [
    {},
    {"patience": 2, "cooldown": 3, "factor": 0.5},
    {"patience": 1, "mode": "max", "threshold": 0.1, "min_lr": 0.01},
    {"patience": 0, "threshold_mode": "abs", "threshold": 0.2},
    {"patience": 0, "mode": "max", "threshold_mode": "abs", "threshold": 0.2, "eps": 1e-3},
]


@pytest.mark.parametrize("options", PLATEAUS, ids=str)
def test_a_plateau_is_torchs(options):
    draw = torch.Generator().manual_seed(0)
    metrics = [*torch.randn(60, generator=draw, dtype=torch.float64).tolist(), *[-5.0] * 20]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=LR)
    theirs, plateau = lr_scheduler.ReduceLROnPlateau(optimizer, **options), schedules.ReduceLROnPlateau(LR, **options)
    state = plateau.init()
    for metric in metrics:
        theirs.step(metric)
        state = plateau.update(state, LiteTensor(metric, dtype=torch.float64))
        assert state.lr == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
        assert state[2:] == (theirs.num_bad_epochs, theirs.cooldown_counter)
    assert state.lr < LR


def test_a_plateau_refuses_what_it_does_not_know():
    with pytest.raises(InputError, match="invalid mode"):
        schedules.ReduceLROnPlateau(LR, mode="least")
    with pytest.raises(InputError, match="invalid threshold_mode"):
        schedules.ReduceLROnPlateau(LR, threshold_mode="relative")
    with pytest.raises(InputError, match="is to fall"):
        schedules.ReduceLROnPlateau(LR, factor=1.0)
    with pytest.raises(InputError, match="invalid mode"):
        schedules.CyclicLR(LR, 1.0, mode="square")


def test_momentum_of_a_cycle_is_torchs():
    cycle = schedules.CyclicLR(LR, 0.9, step_size_up=4, mode="triangular2")
    expected = torchs(lr_scheduler.CyclicLR, 20, "momentum", base_lr=LR, max_lr=0.9, step_size_up=4, mode="triangular2")
    assert [cycle.momentum()(step) for step in range(20)] == pytest.approx(expected, rel=1e-12)
