import itertools

import optree
import pytest
import torch

import nexnet
import nexnet_nn as nn
from nexnet import LiteTensor

COMBINATIONS = [
    {"lr": 0.1, "betas": b, "eps": 1e-3, "weight_decay": w, "amsgrad": a, "maximize": m}
    for b, w, a, m in itertools.product([(0.9, 0.999), (0.0, 0.5)], (0, 0.01), (False, True), (False, True))
]


def randn(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def model(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return nn.MLP([3, 4, 2], nexnet.tanh, generator=generator, dtype=torch.float64)


def random_grads(like, seed):
    leaves, spec = optree.tree_flatten(like, namespace="nexnet")
    grads = [LiteTensor(randn(*leaf.shape, seed=seed + i)) for i, leaf in enumerate(leaves)]
    return optree.tree_unflatten(spec, grads)


# Beside torch


@pytest.mark.parametrize("method", ["update", "update_"])
@pytest.mark.parametrize("options", [{}, *COMBINATIONS], ids=str)
def test_every_step_is_torchs(method, options):
    mine = model()
    theirs = [leaf.data.clone() for leaf in mine.parameters()]
    adam, reference = nn.Adam(**options), torch.optim.Adam(theirs, **options)
    state = adam.init(mine)
    for step in range(5):
        grads = random_grads(mine, seed=10 * step)
        for p, g in zip(theirs, grads.parameters(), strict=True):
            p.grad = g.data.clone()
        reference.step()
        mine, state = getattr(adam, method)(mine, grads, state)
        for a, b in zip(mine.parameters(), theirs, strict=True):
            torch.testing.assert_close(a.data, b, rtol=1e-12, atol=1e-12)
    assert state.step.item() == 5


@pytest.mark.parametrize("options", [{}, *COMBINATIONS], ids=str)
def test_a_step_that_waits_for_no_value_is_the_same_step(options):
    plain, capturable = model(), model()
    adam, other = nn.Adam(**options), nn.Adam(**options, capturable=True)
    state, other_state = adam.init(plain), other.init(capturable)
    for step in range(3):
        grads = random_grads(plain, seed=10 * step)
        plain, state = adam.update_(plain, grads, state)
        capturable, other_state = other.update_(capturable, grads, other_state)
        for a, b in zip(plain.parameters(), capturable.parameters(), strict=True):
            torch.testing.assert_close(b.data, a.data, rtol=1e-12, atol=1e-12)


def test_a_capturable_step_asks_for_nothing_on_the_host():
    m = model().to("meta")  # where asking for a value is an error
    adam = nn.Adam(capturable=True, amsgrad=True, weight_decay=0.1)
    m, state = adam.update_(m, m, adam.init(m))
    assert {leaf.device.type for leaf in optree.tree_leaves(state, namespace="nexnet")} == {"meta"}


def test_both_forms_may_be_mixed_and_leave_the_gradients_alone():
    adam = nn.Adam(lr=0.1, weight_decay=0.01, amsgrad=True)
    pure, mixed = model(), model()
    pure_state, mixed_state = adam.init(pure), adam.init(mixed)
    for step, method in enumerate(["update", "update_", "update", "update_"]):
        grads = random_grads(pure, seed=10 * step)
        before = [g.data.clone() for g in grads.parameters()]
        pure, pure_state = adam.update(pure, grads, pure_state)
        mixed, mixed_state = getattr(adam, method)(mixed, grads, mixed_state)
        assert all(torch.equal(g.data, b) for g, b in zip(grads.parameters(), before, strict=True))
        for a, b in zip(pure.parameters(), mixed.parameters(), strict=True):
            torch.testing.assert_close(a.data, b.data, rtol=1e-12, atol=1e-12)


def test_update_is_pure_in_the_state_too():
    m, adam = model(), nn.Adam(amsgrad=True)
    _, state = adam.update(m, random_grads(m, 0), adam.init(m))
    before = [leaf.data.clone() for leaf in optree.tree_leaves(state, namespace="nexnet")]
    adam.update(m, random_grads(m, 1), state)
    after = [leaf.data for leaf in optree.tree_leaves(state, namespace="nexnet")]
    assert all(torch.equal(a, b) for a, b in zip(after, before, strict=True))


def test_float32_stays_float32():
    m, adam = nn.Dense(2, 2), nn.Adam(lr=LiteTensor(0.1, dtype=torch.float64))
    for method in (adam.update, adam.update_):
        new, state = method(m, m, adam.init(m))
        assert {p.dtype for p in (*new.parameters(), *state.exp_avg.parameters())} == {torch.float32}


# Differentiating through a step


@pytest.mark.parametrize("amsgrad", [False, True])
def test_three_steps_are_differentiable_by_the_model_and_all_hyper_parameters(amsgrad):
    x, y = randn(5, 3, seed=1), randn(5, 2, seed=2)
    hyper = [0.1, 0.9, 0.99, 1e-2, 0.05]

    def mine(m, lr, beta1, beta2, eps, weight_decay):
        adam = nn.Adam(lr, (beta1, beta2), eps, weight_decay, amsgrad)
        state = adam.init(m)
        for _ in range(3):
            m, state = adam.update(m, nexnet.grad(lambda m: nn.mse_loss(m(x), y))(m), state)
        return nn.mse_loss(m(x), y)

    def torch_loss(params):
        return torch.nn.functional.mse_loss(torch.tanh(x @ params[0].T + params[1]) @ params[2].T + params[3], y)

    m = model()
    start = [leaf.data.clone().requires_grad_() for leaf in m.parameters()]
    tensors = [torch.tensor(h, dtype=torch.float64, requires_grad=True) for h in hyper]
    lr, beta1, beta2, eps, weight_decay = tensors
    params, means, squares, largest = start, [0] * 4, [0] * 4, [torch.zeros(()).double()] * 4
    for t in (1, 2, 3):
        slopes = torch.autograd.grad(torch_loss(params), params, create_graph=True)
        slopes = [g + weight_decay * p for g, p in zip(slopes, params, strict=True)]
        means = [beta1 * a + (1 - beta1) * g for a, g in zip(means, slopes, strict=True)]
        squares = [beta2 * a + (1 - beta2) * g**2 for a, g in zip(squares, slopes, strict=True)]
        largest = [torch.maximum(a, b) for a, b in zip(largest, squares, strict=True)] if amsgrad else squares
        steps = [
            lr / (1 - beta1**t) * a / ((b / (1 - beta2**t)).sqrt() + eps) for a, b in zip(means, largest, strict=True)
        ]
        params = [p - step for p, step in zip(params, steps, strict=True)]
    expected = torch.autograd.grad(torch_loss(params), [*start, *tensors])

    hyper = [LiteTensor(h, dtype=torch.float64) for h in hyper]
    by_model, *by_hyper = nexnet.grad(mine, argnums=(0, 1, 2, 3, 4, 5))(m, *hyper)
    for got, want in zip([*by_model.parameters(), *by_hyper], expected, strict=True):
        torch.testing.assert_close(got.data, want, rtol=1e-9, atol=1e-12)


def test_a_gradient_of_zero_gives_no_nan():
    adam = nn.Adam(lr=0.5, eps=0.25)
    p = LiteTensor([1.0, 1.0])
    slope = nexnet.grad(lambda g: adam.update(p, g, adam.init(p))[0])(LiteTensor([0.0, 0.0]))
    assert slope.tolist() == pytest.approx([-0.5 / 0.25] * 2)  # p - lr g / (|g| + eps), at 0


def test_a_state_per_example_goes_through_vmap():
    adam = nn.Adam(lr=0.1)
    starts, grads = LiteTensor(randn(3, 2)), LiteTensor(randn(3, 2, seed=1))

    def two_steps(p, g):
        p, state = adam.update(p, g, adam.init(p))
        return p, state, g

    def one_more(p, state, g):
        return adam.update(p, g, state)[0]

    together = nexnet.vmap(one_more)(*nexnet.vmap(two_steps)(starts, grads))
    for i in range(3):
        torch.testing.assert_close(together[i].data, one_more(*two_steps(starts[i], grads[i])).data)


# What is refused


def test_update_in_place_is_refused_while_something_is_differentiated():
    m, adam = model(), nn.Adam()
    with pytest.raises(nexnet.errors.TrackedTensorError, match=r"being differentiated[\s\S]*use update"):
        nexnet.grad(lambda m: adam.update_(m, m, adam.init(m))[0].layers[0].weight.sum())(m)


@pytest.mark.parametrize(
    ("options", "name"),
    [({"lr": -0.1}, "lr"), ({"eps": -0.1}, "eps"), ({"weight_decay": -0.1}, "weight_decay"),
     ({"betas": (-0.1, 0.9)}, r"betas\[0\]"), ({"betas": (0.9, 1.0)}, r"betas\[1\]"),
     ({"betas": (0.9, torch.tensor(1.0))}, r"betas\[1\]")],
)  # fmt: skip
def test_hyper_parameters_out_of_range_are_refused_as_in_torch(options, name):
    with pytest.raises(nn.OptimizerError, match=f"invalid {name}"):
        nn.Adam(**options)
    with pytest.raises(ValueError, match="Invalid"):
        torch.optim.Adam([torch.ones(1)], **options)


def test_trees_must_belong_together():
    m, adam, other = model(), nn.Adam(), nn.Dense(2, 2)
    for method in (adam.update, adam.update_):
        with pytest.raises(nn.OptimizerError, match="gradients and the model have different structures"):
            method(m, other, adam.init(m))
        with pytest.raises(nn.OptimizerError, match="state and the model have different structures"):
            method(other, other, adam.init(m))


def test_init_refuses_what_is_no_tensor():
    with pytest.raises(nn.OptimizerError, match=r"model\['a'\][\s\S]*float"):
        nn.Adam().init({"a": 1.0})


def test_init_refuses_complex_parameters():
    with pytest.raises(nn.OptimizerError, match=r"complex dtype[\s\S]*view_as_complex"):
        nn.Adam().init({"a": nexnet.LiteTensor([1j])})


def test_repr_names_the_hyper_parameters():
    shown = "Adam(lr=0.1, betas=(0.9, 0.999), eps=1e-08, weight_decay=0, amsgrad=False, maximize=False"
    assert repr(nn.Adam(0.1)) == f"{shown})"
    assert repr(nn.Adam(0.1, capturable=True)) == f"{shown}, capturable=True)"
