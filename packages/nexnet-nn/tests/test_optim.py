import itertools
import math

import optree
import pytest
import torch

import nexnet
import nexnet_nn as nn
from nexnet import LiteTensor, engine

# In the debug form no product is left to the loop, so that every gradient is dense.
fast_forms = pytest.mark.skipif(engine.CHECKED, reason="no gradient is of low rank in the debug form of the engine")

COMBINATIONS = [
    {"lr": 0.1, "momentum": m, "dampening": d, "weight_decay": w, "nesterov": n, "maximize": x}
    for m, d, w, n, x in itertools.product((0, 0.9), (0, 0.3), (0, 0.01), (False, True), (False, True))
    if not n or (m > 0 and d == 0)
]


def randn(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def model(seed=0):
    return nn.MLP([3, 4, 2], generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def random_grads(like, seed):
    leaves, spec = optree.tree_flatten(like, namespace="nexnet")
    grads = [LiteTensor(randn(*leaf.shape, seed=seed + i)) for i, leaf in enumerate(leaves)]
    return optree.tree_unflatten(spec, grads)


def value_and_grad(m, x, y):
    return nexnet.value_and_grad(lambda m: nn.mse_loss(m(x), y))(m)


# Beside torch


@pytest.mark.parametrize("method", ["update", "update_"])
@pytest.mark.parametrize("options", COMBINATIONS, ids=str)
def test_every_step_is_torchs(method, options):
    mine = model()
    theirs = [leaf.data.clone() for leaf in mine.parameters()]
    sgd, reference = nn.SGD(**options), torch.optim.SGD(theirs, **options)
    state = sgd.init(mine)
    for step in range(4):
        grads = random_grads(mine, seed=10 * step)
        for p, g in zip(theirs, grads.parameters(), strict=True):
            p.grad = g.data.clone()
        reference.step()
        mine, state = getattr(sgd, method)(mine, grads, state)
        for a, b in zip(mine.parameters(), theirs, strict=True):
            torch.testing.assert_close(a.data, b, rtol=1e-12, atol=1e-12)


def test_both_forms_may_be_mixed_and_leave_the_gradients_alone():
    sgd = nn.SGD(lr=0.1, momentum=0.9, weight_decay=0.01)
    pure, mixed = model(), model()
    pure_state, mixed_state = sgd.init(pure), sgd.init(mixed)
    for step, method in enumerate(["update", "update_", "update", "update_"]):
        grads = random_grads(pure, seed=10 * step)
        before = [g.data.clone() for g in grads.parameters()]
        pure, pure_state = sgd.update(pure, grads, pure_state)
        mixed, mixed_state = getattr(sgd, method)(mixed, grads, mixed_state)
        assert all(torch.equal(g.data, b) for g, b in zip(grads.parameters(), before, strict=True))
        for a, b in zip(pure.parameters(), mixed.parameters(), strict=True):
            torch.testing.assert_close(a.data, b.data, rtol=1e-12, atol=1e-12)


def test_update_is_pure_and_update_in_place():
    m = model()
    before = [leaf.data.clone() for leaf in m.parameters()]
    grads = random_grads(m, seed=1)
    sgd = nn.SGD(lr=0.1)
    moved, _ = sgd.update(m, grads, sgd.init(m))
    assert all(torch.equal(leaf.data, b) for leaf, b in zip(m.parameters(), before, strict=True))
    leaves = m.parameters()
    same, _ = sgd.update_(m, grads, sgd.init(m))
    assert all(a is b for a, b in zip(same.parameters(), leaves, strict=True))
    for a, b in zip(moved.parameters(), same.parameters(), strict=True):
        torch.testing.assert_close(a.data, b.data, rtol=1e-12, atol=1e-12)


def test_any_pytree_is_a_model():
    sgd = nn.SGD(lr=0.5)
    params = {"a": LiteTensor([1.0]), "b": [LiteTensor([2.0])]}
    new, _ = sgd.update(params, {"a": LiteTensor([2.0]), "b": [LiteTensor([4.0])]}, sgd.init(params))
    assert (new["a"].item(), new["b"][0].item()) == (0.0, 0.0)


# Differentiating through a step


def test_hyper_gradient_by_lr_is_minus_the_product_of_gradients():
    x, y = LiteTensor(randn(5, 3, seed=1)), LiteTensor(randn(5, 2, seed=2))
    m = model()
    _, first = value_and_grad(m, x, y)

    def after(lr):
        sgd = nn.SGD(lr=lr)
        new, _ = sgd.update(m, first, sgd.init(m))
        return nn.mse_loss(new(x), y)

    lr = 0.1
    new, _ = nn.SGD(lr=lr).update(m, first, nn.SGDState())
    _, second = value_and_grad(new, x, y)
    expected = -sum((a.data * b.data).sum() for a, b in zip(first.parameters(), second.parameters(), strict=True))
    got = nexnet.grad(after)(LiteTensor(lr, dtype=torch.float64))
    torch.testing.assert_close(got.data, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shape", [(), (1,)])
def test_an_lr_tensor_keeps_shapes_and_dtypes(shape):
    m = nn.Dense(2, 2)
    sgd = nn.SGD(lr=torch.full(shape, 0.5, dtype=torch.float64))
    for new in (sgd.update(m, m, sgd.init(m))[0], sgd.update_(m, m, sgd.init(m))[0]):
        assert [(p.shape, p.dtype) for p in new.parameters()] == [((2, 2), torch.float32), ((2,), torch.float32)]


def _torch_update(params, grads, buffers, lr, momentum, weight_decay, nesterov):
    new, new_buffers = [], []
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        g = g + weight_decay * p
        b = g if buffers is None else momentum * buffers[i] + g
        new_buffers.append(b)
        new.append(p - lr * (g + momentum * b if nesterov else b))
    return new, new_buffers


@pytest.mark.parametrize("nesterov", [False, True])
def test_two_steps_are_differentiable_by_the_model_and_all_hyper_parameters(nesterov):
    x, y = randn(5, 3, seed=1), randn(5, 2, seed=2)
    hyper = [0.1, 0.9, 0.01]

    def mine(m, lr, momentum, weight_decay):
        sgd = nn.SGD(lr, momentum, weight_decay=weight_decay, nesterov=nesterov)
        state = sgd.init(m)
        for _ in range(2):
            grads = nexnet.grad(lambda m: nn.mse_loss(m(x), y))(m)
            m, state = sgd.update(m, grads, state)
        return nn.mse_loss(m(x), y)

    def predict(params):
        return torch.tanh(x @ params[0].T + params[1]) @ params[2].T + params[3]

    m = nn.MLP([3, 4, 2], nexnet.tanh, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    params = [leaf.data.clone().requires_grad_() for leaf in m.parameters()]
    tensors = [torch.tensor(h, dtype=torch.float64, requires_grad=True) for h in hyper]
    now, buffers = params, None
    for _ in range(2):
        loss = torch.nn.functional.mse_loss(predict(now), y)
        grads = torch.autograd.grad(loss, now, create_graph=True)
        now, buffers = _torch_update(now, grads, buffers, *tensors, nesterov)
    expected = torch.autograd.grad(torch.nn.functional.mse_loss(predict(now), y), [*params, *tensors])

    hyper = [LiteTensor(h, dtype=torch.float64) for h in hyper]
    by_model, *by_hyper = nexnet.grad(mine, argnums=(0, 1, 2, 3))(m, *hyper)
    for got, want in zip([*by_model.parameters(), *by_hyper], expected, strict=True):
        torch.testing.assert_close(got.data, want, rtol=1e-9, atol=1e-12)


# What is refused


def test_update_in_place_is_refused_while_something_is_differentiated():
    m = model()
    sgd = nn.SGD()

    def inner(m):
        sgd.update_(m, m, sgd.init(m))
        return m.layers[0].weight.sum()

    with pytest.raises(nexnet.errors.TrackedTensorError, match=r"being differentiated[\s\S]*use update"):
        nexnet.grad(inner)(m)
    sgd.update_(m, m, sgd.init(m))  # and the refusal leaves no tape behind


@pytest.mark.parametrize("name", ["lr", "momentum", "weight_decay"])
@pytest.mark.parametrize("value", [-0.1, LiteTensor(-0.1), torch.tensor(-0.1), math.nan, "0.1", None])
def test_negative_hyper_parameters_are_refused_as_in_torch(name, value):
    with pytest.raises(nn.OptimizerError, match=rf"invalid {name}[\s\S]*at least 0"):
        nn.SGD(**{name: value})
    with pytest.raises(ValueError, match="Invalid"):
        torch.optim.SGD([torch.ones(1)], **{name: -0.1})


@pytest.mark.parametrize("options", [{}, {"momentum": 0.9, "dampening": 0.1}])
def test_nesterov_needs_momentum_without_dampening_as_in_torch(options):
    with pytest.raises(nn.OptimizerError, match="Nesterov momentum requires"):
        nn.SGD(nesterov=True, **options)
    with pytest.raises(ValueError, match="Nesterov momentum requires"):
        torch.optim.SGD([torch.ones(1)], nesterov=True, **options)


def test_a_hyper_parameter_is_one_number():
    with pytest.raises(nn.OptimizerError, match=r"lr must have one element[\s\S]*\(2,\)"):
        nn.SGD(lr=LiteTensor([0.1, 0.2]))


def test_trees_must_belong_together():
    sgd = nn.SGD(momentum=0.9)
    m = model()
    _, state = sgd.update(m, m, sgd.init(m))
    other = nn.Dense(2, 2)
    for method in (sgd.update, sgd.update_):
        with pytest.raises(nn.OptimizerError, match=r"gradients and the model have different structures"):
            method(m, other, sgd.init(m))
        with pytest.raises(nn.OptimizerError, match=r"state and the model have different structures"):
            method(other, other, state)


def test_init_refuses_a_tensor_in_two_places_and_other_leaves():
    tensor = LiteTensor([1.0])
    with pytest.raises(nn.OptimizerError, match=r"model\['b'\][\s\S]*also model\['a'\]"):
        nn.SGD().init({"a": tensor, "b": tensor})
    with pytest.raises(nn.OptimizerError, match=r"model\['a'\][\s\S]*float"):
        nn.SGD().init({"a": 1.0})


def test_repr_names_the_hyper_parameters():
    assert repr(nn.SGD(0.1, 0.9, nesterov=True)) == (
        "SGD(lr=0.1, momentum=0.9, dampening=0, weight_decay=0, nesterov=True, maximize=False)"
    )


# Gradients of low rank


def low_rank_grads(m, x, y):
    return nexnet.grad(lambda m: nn.mse_loss(m(x), y), low_rank=True)(m)


class TestLowRank:
    def wide(self):
        return nn.MLP([8, 9, 7], generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    @fast_forms
    @pytest.mark.parametrize("method", ["update", "update_"])
    @pytest.mark.parametrize("options", COMBINATIONS, ids=str)
    def test_a_step_is_that_of_the_dense_gradient(self, method, options):
        x, y = randn(2, 8), randn(2, 7, seed=1)
        sgd = nn.SGD(**options)
        mine, theirs = self.wide(), self.wide()
        state, their_state = sgd.init(mine), sgd.init(theirs)
        for _ in range(3):
            grads = low_rank_grads(mine, x, y)
            assert [type(each) for each in grads.parameters()] == [nexnet.LowRank, LiteTensor] * 2
            mine, state = getattr(sgd, method)(mine, grads, state)
            theirs, their_state = sgd.update_(theirs, value_and_grad(theirs, x, y)[1], their_state)
        for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(a.data, b.data, rtol=1e-12, atol=1e-12)

    def test_update_in_place_stays_in_the_parameters_storage(self):
        m = self.wide()
        addresses = [each.data.data_ptr() for each in m.parameters()]
        sgd = nn.SGD(lr=LiteTensor(0.1))
        m, _ = sgd.update_(m, low_rank_grads(m, randn(2, 8), randn(2, 7)), sgd.init(m))
        assert [each.data.data_ptr() for each in m.parameters()] == addresses

    @pytest.mark.parametrize("optimizer", [nn.Adam(), nn.SGD(momentum=0.9)], ids=str)
    @pytest.mark.parametrize("method", ["update", "update_"])
    def test_what_keeps_a_moment_multiplies_it(self, optimizer, method):
        x, y = randn(2, 8), randn(2, 7, seed=1)
        mine, theirs = self.wide(), self.wide()
        mine, _ = getattr(optimizer, method)(mine, low_rank_grads(mine, x, y), optimizer.init(mine))
        theirs, _ = optimizer.update(theirs, value_and_grad(theirs, x, y)[1], optimizer.init(theirs))
        for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(a.data, b.data, rtol=1e-12, atol=1e-12)

    @fast_forms
    def test_a_factor_that_is_a_parameter_itself_is_used_before_it_changes(self):
        u, w = LiteTensor(randn(2, 8)), LiteTensor(randn(9, 8, seed=1))  # dw = g^T u

        def loss(params):
            return nexnet.linear(params[0], params[1]).tanh().sum()

        sgd = nn.SGD(lr=0.1)
        expected, _ = sgd.update([u, w], nexnet.grad(loss)([u, w]), sgd.init([u, w]))
        grads = nexnet.grad(loss, low_rank=True)([u, w])
        assert type(grads[1]) is nexnet.LowRank
        sgd.update_([u, w], grads, sgd.init([u, w]))
        for got, want in zip((u, w), expected, strict=True):
            torch.testing.assert_close(got.data, want.data, rtol=1e-12, atol=1e-12)

    @pytest.mark.parametrize(("lr", "weight_decay"), [(0.1, 0), (0.1, 0.1), (2, 0.5)])
    @pytest.mark.parametrize("maximize", [False, True])
    def test_of_a_model_without_biases(self, lr, weight_decay, maximize):
        x, model = randn(2, 8), nn.Dense(8, 9, bias=False, dtype=torch.float64)
        sgd = nn.SGD(lr, weight_decay=weight_decay, maximize=maximize)

        def loss(m):
            return m(x).tanh().sum()

        expected, _ = sgd.update(model, nexnet.grad(loss)(model), sgd.init(model))
        model, _ = sgd.update_(model, nexnet.grad(loss, low_rank=True)(model), sgd.init(model))
        torch.testing.assert_close(model.weight.data, expected.weight.data)

    @fast_forms
    def test_a_lost_gradient_leaves_the_model_as_it_was(self):
        m, x = self.wide(), randn(2, 8)
        before = [each.data.clone() for each in m.parameters()]
        sgd, grads = nn.SGD(lr=0.1), low_rank_grads(m, x, randn(2, 7))
        x.zero_()
        with pytest.raises(nexnet.errors.TrackedTensorError, match="was written into"):
            sgd.update_(m, grads, sgd.init(m))
        assert all(torch.equal(each.data, old) for each, old in zip(m.parameters(), before, strict=True))

    @pytest.mark.parametrize("weight_decay", [0, 0.5])
    def test_of_parameters_in_one_memory_is_that_of_the_dense_gradient(self, weight_decay):
        x = randn(2, 8)

        def loss(params):
            return nexnet.linear(x, params[0]).sin().sum() + nexnet.linear(2 * x, params[1]).sin().sum()

        results = []
        for low_rank in (False, True):
            shared = randn(9, 8)
            params = [LiteTensor(shared), LiteTensor(shared)]
            sgd = nn.SGD(lr=0.1, weight_decay=weight_decay)
            sgd.update_(params, nexnet.grad(loss, low_rank=low_rank)(params), sgd.init(params))
            results.append(shared)
        torch.testing.assert_close(*results)

    def test_of_another_dtype_than_the_parameter_is_that_of_the_dense_gradient(self):
        grad = nexnet.LowRank(randn(9, 1).float(), randn(1, 8).float())
        sgd = nn.SGD(lr=0.1)
        mine, theirs = [LiteTensor(torch.zeros(9, 8, dtype=torch.float64))], [LiteTensor(torch.zeros(9, 8).double())]
        sgd.update_(mine, [grad], sgd.init(mine))
        sgd.update_(theirs, [grad.to_dense()], sgd.init(theirs))
        assert torch.equal(mine[0].data, theirs[0].data)
