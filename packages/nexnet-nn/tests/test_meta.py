"""Gradients through gradient descent, beside torch.func's."""

import gc

import pytest
import torch

import nexnet
import nexnet_nn as nn
from nexnet import LiteTensor
from nexnet_nn import meta

TASKS, SHOTS = 3, 10


def draw_tasks(seed=0):
    """Sinusoids: x, y to learn from and x, y to be judged by, each of shape (tasks, shots, 1)."""
    generator = torch.Generator().manual_seed(seed)
    amplitude, phase = torch.rand(2, TASKS, 1, 1, generator=generator, dtype=torch.float64)
    x = 10 * torch.rand(2, TASKS, SHOTS, 1, generator=generator, dtype=torch.float64) - 5
    y = (0.1 + 4.9 * amplitude) * torch.sin(x + torch.pi * phase)
    return x[0], y[0], x[1], y[1]


def model(activation=nexnet.relu):
    return nn.MLP([1, 40, 40, 1], activation, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def loss(model, x, y):
    return nn.mse_loss(model(x), y)


def mine(steps, mapped, sgd=nn.SGD(0.01), **options):  # noqa: B008  an optimiser has no state
    """The meta-gradient by nexnet: of the loss on the judging points, after the steps."""

    def task_loss(model, x, y, x_judged, y_judged):
        return loss(meta.adapt(loss, model, x, y, optimizer=sgd, steps=steps, **options), x_judged, y_judged)

    def mean_loss(model, *tasks):
        if mapped:
            return nexnet.vmap(task_loss, in_dims=(None, 0, 0, 0, 0))(model, *tasks).mean()
        return sum(task_loss(model, *task) for task in zip(*tasks, strict=True)) / TASKS

    value, grads = nexnet.value_and_grad(mean_loss)(model(), *draw_tasks())
    return value.data, [grad.data for grad in grads.parameters()]


def theirs(steps, lr=0.01, first_order=False):
    """The same by torch.func."""

    def loss(weights, x, y):
        w1, b1, w2, b2, w3, b3 = weights
        hidden = torch.relu(torch.relu(x @ w1.T + b1) @ w2.T + b2)
        return (hidden @ w3.T + b3 - y).square().mean()

    def task_loss(weights, x, y, x_judged, y_judged):
        for _ in range(steps):
            slopes = torch.func.grad(loss)(weights, x, y)
            if first_order:
                slopes = [slope.detach() for slope in slopes]
            weights = [w - lr * slope for w, slope in zip(weights, slopes, strict=True)]
        return loss(weights, x_judged, y_judged)

    def mean_loss(weights, *tasks):
        return torch.func.vmap(task_loss, in_dims=(None, 0, 0, 0, 0))(weights, *tasks).mean()

    weights = [weight.data for weight in model().parameters()]
    grads, value = torch.func.grad_and_value(mean_loss)(weights, *draw_tasks())
    return value, grads


def assert_same(got, expected):
    torch.testing.assert_close(got[0], expected[0], rtol=1e-9, atol=0)
    for mine, theirs in zip(got[1], expected[1], strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-9 * theirs.abs().max().item())


# Beside torch.func


@pytest.mark.parametrize("steps", [1, 5, 20])
@pytest.mark.parametrize("mapped", [False, True], ids=["loop", "vmap"])
@pytest.mark.parametrize("checkpoint", [False, True], ids=["kept", "checkpoint"])
def test_the_meta_gradient_is_torchs(steps, mapped, checkpoint):
    assert_same(mine(steps, mapped, checkpoint=checkpoint), theirs(steps))


@pytest.mark.parametrize("mapped", [False, True], ids=["loop", "vmap"])
@pytest.mark.parametrize("checkpoint", [False, True], ids=["kept", "checkpoint"])
def test_first_order_is_torchs_with_detached_gradients(mapped, checkpoint):
    got = mine(5, mapped, first_order=True, checkpoint=checkpoint)
    assert_same(got, theirs(5, first_order=True))
    with pytest.raises(AssertionError):
        assert_same(got, theirs(5))


def test_no_steps_leave_the_model_as_it_is():
    assert_same(mine(0, mapped=False), theirs(0))


# What else it is differentiable by


@pytest.mark.parametrize("mapped", [False, True], ids=["loop", "vmap"])
def test_the_learning_rate_is_learned_too(mapped):
    start, tasks = model(), draw_tasks()

    def task_loss(lr, x, y, u, v):
        return loss(meta.adapt(loss, start, x, y, optimizer=nn.SGD(lr), steps=3), u, v)

    def mean_loss(lr):
        if mapped:
            return nexnet.vmap(task_loss, in_dims=(None, 0, 0, 0, 0))(lr, *tasks).mean()
        return sum(task_loss(lr, *task) for task in zip(*tasks, strict=True)) / TASKS

    lr = torch.tensor(0.01, dtype=torch.float64)
    expected = torch.func.grad(lambda lr: theirs(3, lr)[0])(lr)
    torch.testing.assert_close(nexnet.grad(mean_loss)(LiteTensor(lr)).data, expected, rtol=1e-9, atol=0)


def test_adam_is_an_inner_optimiser_as_well():
    x, y, u, v = (part[0] for part in draw_tasks())
    smooth = model(nexnet.tanh)

    def after(model, checkpoint):
        adam = nn.Adam(0.01, eps=1e-3)
        return loss(meta.adapt(loss, model, x, y, optimizer=adam, steps=4, checkpoint=checkpoint), u, v)

    kept = nexnet.grad(after)(smooth, False)
    recomputed = nexnet.grad(after)(smooth, True)
    h = 1e-6
    weight = smooth.layers[1].weight.data
    direction = torch.randn(weight.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def moved(by):
        first, second, third = smooth.layers
        return smooth.replace(layers=(first, second.replace(weight=LiteTensor(weight + by * direction)), third))

    difference = (after(moved(h), False).item() - after(moved(-h), False).item()) / (2 * h)
    assert (kept.layers[1].weight.data * direction).sum().item() == pytest.approx(difference, rel=1e-5)
    for a, b in zip(kept.parameters(), recomputed.parameters(), strict=True):
        torch.testing.assert_close(a.data, b.data, rtol=1e-9, atol=1e-12)


# Memory


def held():
    """Count the bytes of all storages that live, once what other tests have left in cycles is gone."""
    gc.collect()
    tensors = [each for each in gc.get_objects() if type(each) is torch.Tensor]
    return sum({each.untyped_storage().data_ptr(): each.untyped_storage().nbytes() for each in tensors}.values())


def held_after(steps, **options):
    """What is held when so many steps have been made, and backward has not yet begun."""
    x = torch.rand(200, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    start, before, found = model(), held(), []

    def after(model):
        value = loss(meta.adapt(loss, model, x, x, optimizer=nn.SGD(0.01), steps=steps, **options), x, x)
        found.append(held() - before)
        return value

    nexnet.grad(after)(start)
    return found[0]


def test_memory_hardly_grows_with_checkpointed_steps():
    kept = held_after(20) - held_after(5)
    recomputed = held_after(20, checkpoint=True) - held_after(5, checkpoint=True)
    assert 0 < recomputed < 0.3 * kept
    assert held_after(20, first_order=True) - held_after(5, first_order=True) < 0.3 * kept


def test_a_negative_number_of_steps_is_refused():
    with pytest.raises(nexnet.errors.InputError, match=r"can't have this many steps[\s\S]*-1"):
        meta.adapt(loss, model(), optimizer=nn.SGD(), steps=-1)
