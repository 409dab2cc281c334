"""What two processes do together: run by test_parallel in each of them, with torch.distributed's environment.

A check is a function; it compares what two processes with half a batch each compute with one process and all of it.
"""

import json
import sys
import traceback

import pytest
import torch
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

import nexnet
import nexnet_nn as nn
from nexnet import LiteTensor
from nexnet_nn import parallel

CHECKS = {}


def check(fn):
    CHECKS[fn.__name__] = fn
    return fn


def draw(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def mlp():
    return nn.MLP([6, 40, 40, 3], nexnet.tanh, generator=torch.Generator().manual_seed(0))


X, Y = draw(8, 6), torch.arange(8) % 3


def half(x):
    return x[parallel.rank() :: 2]


def loss(model, x, y):
    return nn.cross_entropy(model(x), y)


def close(mine, theirs, tolerance=1e-6):
    pairs = zip(nexnet.tree.leaves(mine), nexnet.tree.leaves(theirs), strict=True)
    worst = max(float((a.data - b.data).abs().max()) for a, b in pairs)
    assert worst <= tolerance, worst


@check
def the_mean_of_gradients_is_the_whole_batchs():
    expected = nexnet.grad(loss)(mlp(), X, Y)
    grads = nexnet.grad(loss)(mlp(), half(X), half(Y))
    close(parallel.average(grads), expected)
    close(parallel.average(grads, bucket_bytes=1000), expected)


@check
def it_is_sent_while_the_backward_loop_goes_on():
    expected = nexnet.grad(loss)(mlp(), X, Y)
    sent = []
    give = parallel.averaging.Buckets.give

    def giving(self, i, tensor):
        sent.append((i, len(self._works)))
        give(self, i, tensor)

    parallel.averaging.Buckets.give = giving
    value, grads = parallel.value_and_grad(loss, bucket_bytes=1000)(mlp(), half(X), half(Y))
    parallel.averaging.Buckets.give = give
    close(grads, expected)
    close(parallel.average(value), loss(mlp(), X, Y))
    assert [i // 2 for i, _ in sent] == [2, 2, 1, 1, 0, 0]  # layer by layer, the last one first
    assert [works > 0 for _, works in sent][-2:] == [True, True]  # others are on their way before the first layer's


@check
def unused_and_shared_parameters_and_auxiliary_values():
    model = {"used": LiteTensor(torch.ones(3)), "unused": LiteTensor(torch.ones(2))}

    def fn(model, x):
        return (model["used"] * x * model["used"]).sum(), "aux"

    x = torch.arange(3.0) * (1 + parallel.rank())
    (_, aux), grads = parallel.value_and_grad(fn, has_aux=True)(model, x)
    assert aux == "aux"
    assert grads["used"].tolist() == [0.0, 3.0, 6.0]
    assert grads["unused"].tolist() == [0.0, 0.0]


@check
def a_gradient_through_an_inner_one_and_a_checkpoint():
    def fn(model, x, y):
        inner = nexnet.grad(loss)(model, x, y)
        stepped = nexnet.tree.map(lambda p, g: p - 0.1 * g, model, inner)
        return nexnet.checkpoint(lambda model, x: nn.cross_entropy(model(x), y))(stepped, x)

    expected = nexnet.tree.map(lambda a, b: (a + b) / 2, *(nexnet.grad(fn)(mlp(), X[r::2], Y[r::2]) for r in (0, 1)))
    _, grads = parallel.value_and_grad(fn, bucket_bytes=1000)(mlp(), half(X), half(Y))
    close(grads, expected)


@check
def the_mean_is_differentiable():
    w = LiteTensor(draw(3, seed=parallel.rank()).double())

    def energy(w):
        return (parallel.average(w) ** 3).sum()

    mean = (draw(3, seed=0).double() + draw(3, seed=1).double()) / 2
    close(nexnet.grad(energy)(w), LiteTensor(3 * mean**2), 1e-12)
    close(nexnet.grad(lambda w: nexnet.grad(energy)(w).sum())(w), LiteTensor(6 * mean), 1e-12)


@check
def gradients_are_added_up_without_communication():
    expected = nexnet.grad(loss)(mlp(), X, Y)
    total = None
    for i in (0, 2):
        grads = nexnet.grad(loss)(mlp(), half(X)[i : i + 2], half(Y)[i : i + 2])
        total = grads if total is None else nexnet.tree.map(lambda a, b: a + b, total, grads)
    close(parallel.average(nexnet.tree.map(lambda g: g / 2, total)), expected)


@check
def training_is_that_of_one_process():
    one = two = mlp()
    adam = nn.Adam(1e-2)
    a, b = adam.init(one), adam.init(two)
    for _ in range(5):
        one, a = adam.update(one, nexnet.grad(loss)(one, X, Y), a)
        two, b = adam.update(two, parallel.value_and_grad(loss)(two, half(X), half(Y))[1], b)
    close(two, one)


@check
def an_optimisers_state_is_divided():
    for step in ("update", "update_"):
        one, two = mlp(), mlp()
        adam, sharded = nn.Adam(1e-2), parallel.Sharded(nn.Adam(1e-2))
        a, b = adam.init(one), sharded.init(two)
        for _ in range(3):
            one, a = getattr(adam, step)(one, nexnet.grad(loss)(one, X, Y), a)
            two, b = getattr(sharded, step)(two, nexnet.grad(loss)(two, half(X), half(Y)), b)
        close(two, one)
        sizes = [sum(each.data.numel() for each in nexnet.tree.leaves(state)) for state in (a, b)]
        assert sizes[1] < 0.8 * sizes[0], sizes


@check
def parameters_are_divided():
    for recompute in (False, True):
        one = mlp()
        two = nn.Sequential(*(parallel.shard(nn.Sequential(each), recompute) for each in one.layers))

        def sharded_loss(model, x, y):
            first, second, last = model.layers
            return nn.cross_entropy(last(nexnet.tanh(second(nexnet.tanh(first(x))))), y)

        assert sum(each.data.numel() for each in two.parameters()) < 0.55 * sum(
            each.data.numel() for each in one.parameters()
        )
        adam = nn.Adam(1e-2)
        a, b = adam.init(one), adam.init(two)
        for _ in range(3):
            one, a = adam.update(one, nexnet.grad(loss)(one, X, Y), a)
            two, b = adam.update(two, nexnet.grad(sharded_loss)(two, half(X), half(Y)), b)
        close([each.gather().layers[0] for each in two.layers], one.layers)


@check
def a_sharded_module_has_second_derivatives():
    model = nn.Dense(2, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def norm(model, x):
        slope = nexnet.grad(lambda x: (model(x) ** 3).sum())(x)
        return (slope**2).sum()

    x = LiteTensor(draw(4, 2).double())
    expected = nexnet.tree.map(
        lambda a, b: (a + b) / 2, *(nexnet.grad(norm)(model, LiteTensor(x.data[r::2])) for r in (0, 1))
    )
    grads = nexnet.grad(norm)(parallel.shard(model, recompute=False), LiteTensor(half(x.data)))
    weight, bias = nexnet.tree.leaves(grads.parts)
    close(weight, LiteTensor(expected.weight.data.reshape(-1)[parallel.rank()][None]), 1e-12)
    close(bias, LiteTensor(expected.bias.data if parallel.rank() == 0 else torch.zeros(1).double()), 1e-12)


@check
def random_numbers_are_a_processs_own_and_a_model_is_sent():
    own = LiteTensor(torch.randn(3, generator=parallel.generator(7)))
    first = parallel.broadcast({"a": own, "b": (LiteTensor(torch.tensor([parallel.rank() + 5])),)})
    assert first["b"][0].tolist() == [5]
    assert torch.equal(first["a"].data, own.data) == (parallel.rank() == 0)


@check
def statistics_are_averaged():
    model = nn.Sequential(nn.Dense(6, 4), nn.BatchNorm(4))
    _, buffers = nn.with_buffers(lambda model: model(half(X)))(model)
    means = parallel.average(buffers)
    _, whole = nn.with_buffers(lambda model: model(X))(parallel.broadcast(model))
    assert means.keys() == whole.keys()


@check
def samplers_are_torchs():
    data = TensorDataset(torch.arange(8))
    sampler = DistributedSampler(data, parallel.size(), parallel.rank(), shuffle=False)
    seen = [each.item() for (batch,) in DataLoader(data, 2, sampler=sampler) for each in batch]
    assert seen == list(range(parallel.rank(), 8, 2))


def checkpointed():
    """A model whose layers are divided, and the moments of an optimiser, which are, too; and the whole of both."""
    layers = [each.replace(bias=LiteTensor(draw(each.bias.shape[0], seed=4))) for each in mlp().layers]
    state = nn.Adam().init(mlp())
    moments = nexnet.tree.map(lambda each: LiteTensor(draw(*each.shape, seed=each.data.numel())), state.exp_avg)
    divided = state._replace(
        exp_avg=parallel.sharding._own(moments), exp_avg_sq=parallel.sharding._own(state.exp_avg_sq)
    )
    return {"layers": [parallel.shard(each) for each in layers], "adam": divided}, layers, moments


def blank(tree):
    return nexnet.tree.map(nexnet.zeros_like, tree)


@check
def a_checkpoint_of_one_process_is_read_by_two_and_the_other_way_round():
    tree, layers, moments = checkpointed()
    parallel.save(tree, f"{sys.argv[1]}/of_two")
    for folder in ("of_two", "of_one"):
        found = parallel.load(blank(tree), f"{sys.argv[1]}/{folder}")
        close([each.gather() for each in found["layers"]], layers, 0)
        close(found["adam"].exp_avg, parallel.sharding._own(moments), 0)
        close(found, tree, 0)


@check
def what_has_no_mean_is_refused():
    with pytest.raises(nn.ParallelError, match=r"tree\['b'\][\s\S]*int64"):
        parallel.average({"a": LiteTensor(torch.ones(2)), "b": LiteTensor(torch.ones(2, dtype=torch.int64))})


@parallel.main(backend="gloo", timeout=60)
def run(path):
    torch.set_num_threads(1)
    found = {}
    for name, fn in CHECKS.items():
        try:
            fn()
            found[name] = ""
        except Exception:
            found[name] = traceback.format_exc()
    with open(f"{path}/{parallel.rank()}.json", "w") as file:
        json.dump(found, file)
    torch.distributed.barrier()
    if parallel.rank() == 1:
        raise ValueError("out of luck")
    try:
        parallel.average(LiteTensor(torch.ones(1)))
    except nn.ParallelError as error:
        with open(f"{path}/end.txt", "w") as file:
            file.write(str(error))


if __name__ == "__main__":
    run(sys.argv[1])
