"""A model in parts, and together again."""

import pytest
import torch

import nexnet
import nexnet_nn as nn
from nexnet import LiteTensor


def draw(*shape):
    return LiteTensor(torch.randn(*shape, generator=torch.Generator().manual_seed(0)))


def test_a_part_is_learned_alone():
    model, x = nn.MLP([2, 3, 1]), draw(4, 2)
    head, body = nn.partition(model, "layers.1.*")
    assert [name for name, _ in head.named_parameters()] == ["layers.1.weight", "layers.1.bias"]
    assert [name for name, _ in body.named_parameters()] == ["layers.0.weight", "layers.0.bias"]

    def loss(head):
        return (nn.combine(head, body)(x) ** 2).sum()

    grads = nexnet.grad(loss)(head)
    whole = nexnet.grad(lambda model: (model(x) ** 2).sum())(model)
    assert torch.equal(grads.layers[1].weight.data, whole.layers[1].weight.data)
    adam = nn.Adam()
    stepped, _ = adam.update(head, grads, adam.init(head))
    assert stepped.layers[0].weight is None
    assert nn.combine(stepped, body).layers[0].weight is model.layers[0].weight


def test_together_they_are_what_they_were():
    tree = {"a": (draw(2), draw(3)), "b": nn.Dense(2, 2, bias=False), "c": None}
    parts = nn.partition(tree, "b.*", lambda path, leaf: leaf.shape == (3,))
    assert [len(nexnet.tree.leaves(part)) for part in parts] == [2, 1]
    whole = nn.combine(*parts)
    assert nexnet.tree.structure(whole) == nexnet.tree.structure(tree)
    assert all(a is b for a, b in zip(nexnet.tree.leaves(whole), nexnet.tree.leaves(tree), strict=True))


def test_what_is_refused():
    model = nn.MLP([2, 3, 1])
    with pytest.raises(nn.ModuleError, match=r"no leaf has such a path[\s\S]*head.\*[\s\S]*layers.0.weight"):
        nn.partition(model, "head.*")
    with pytest.raises(nn.ModuleError, match=r"different structures"):
        nn.combine(model, nn.Dense(2, 3))
    with pytest.raises(nn.ModuleError, match=r"several parts have a leaf at one place[\s\S]*tree.layers\[0\].weight"):
        nn.combine(model, model)
