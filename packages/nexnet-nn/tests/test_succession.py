"""A model that was written into is spent: the best one is not overwritten without a word."""

import copy

import pytest

import nexnet
import nexnet_nn as nn
from nexnet import LiteTensor
from nexnet_nn import SpentModuleError

OPTIMISERS = {
    "SGD": nn.SGD(0.1),
    "Adam": nn.Adam(),
    "by path": nn.ByPath({"*.bias": nn.SGD(0.1), "*": nn.Adam()}),
    "sharded": nn.parallel.Sharded(nn.Adam()),
}


def stepped(model, optimizer=OPTIMISERS["SGD"]):
    return optimizer.update_(model, nexnet.tree.map(nexnet.ones_like, model), optimizer.init(model))[0]


@pytest.mark.parametrize("name", OPTIMISERS)
def test_the_old_name_raises_and_the_new_one_has_the_tensors(name):
    model = best = nn.MLP([2, 3, 1])
    kept = copy.deepcopy(model)
    weight = model.layers[0].weight
    model = stepped(model, OPTIMISERS[name])
    assert model.layers[0].weight is weight
    with pytest.raises(SpentModuleError, match=r"written into, by update_[\s\S]*MLP[\s\S]*copy.deepcopy\(model\)"):
        best(nexnet.ones(2))
    assert (kept.layers[0].weight - weight).data.any()


@pytest.mark.parametrize(
    "use",
    [
        nexnet.tree.leaves,
        lambda model: model.parameters(),
        lambda model: model.named_parameters(),
        lambda model: model.replace(activation=nexnet.tanh),
        lambda model: model.eval(),
        lambda model: model.to("cpu"),
        lambda model: model.at["layers"].get(),
        lambda model: nexnet.grad(lambda model: model.layers[0].weight.sum())(model),
        lambda model: nn.SGD(0.1).init(model),
        nn.freeze,
        stepped,
    ],
)
def test_no_use_of_it_is_silent(use):
    model = nn.MLP([2, 3, 1])
    nexnet.tree.flatten(model)  # what was kept is not used either
    stepped(model)
    with pytest.raises(SpentModuleError, match="use what update_ returned"):
        use(model)


def test_it_is_saved_by_no_mistake(tmp_path):
    model = nn.MLP([2, 3, 1])
    stepped(model)
    with pytest.raises(SpentModuleError, match="use what update_ returned"):
        nn.save(model, tmp_path / "model.safetensors")


def test_modules_in_a_container_and_what_has_none():
    pair = (nn.Dense(2, 2), {"scale": LiteTensor([1.0])})
    new = stepped(pair)
    with pytest.raises(SpentModuleError, match="Dense"):
        _ = pair[0].weight
    assert new[0].weight.shape == (2, 2)
    params = {"scale": LiteTensor([1.0])}
    assert stepped(params) is params  # a dict can't be spent


def test_the_pure_step_spends_nothing():
    model = nn.MLP([2, 3, 1])
    sgd = nn.SGD(0.1)
    sgd.update(model, model, sgd.init(model))
    assert model(nexnet.ones(2)).shape == (1,)


def test_what_it_still_says_of_itself():
    model = nn.MLP([2, 3, 1])
    stepped(model)
    assert repr(model) == "<MLP, written into>"
    assert model == model
    with pytest.raises(SpentModuleError):
        copy.deepcopy(model).layers  # noqa: B018


def test_a_field_that_is_none_is_an_ordinary_error():
    with pytest.raises(AttributeError, match=r"'Dense' object has no attribute 'wieght'"):
        nn.Dense(1, 1).wieght  # noqa: B018
