import copy
import pickle
from collections.abc import Callable
from dataclasses import field
from typing import NamedTuple

import numpy as np
import optree
import pytest
import torch

import nexnet
import nexnet_nn as nn
from nexnet import LiteTensor


class Affine(nn.Module):
    scale: LiteTensor
    shift: LiteTensor
    name: str = "affine"

    def __call__(self, x):
        return x * self.scale + self.shift


class Pair(NamedTuple):
    left: object
    right: object


def affine(scale=2.0, shift=1.0, **static):
    return Affine(LiteTensor([scale]), LiteTensor([shift]), **static)


def leaves(tree):
    return optree.tree_leaves(tree, namespace="nexnet")


def ids(tensors):
    return [id(each) for each in tensors]  # == between tensors compares values


def structure(tree):
    return optree.tree_structure(tree, namespace="nexnet")


# Fields


def test_annotated_fields_make_a_dataclass_like_init():
    model = Affine(shift=LiteTensor([1.0]), scale=LiteTensor([2.0]))
    assert model(LiteTensor([3.0])).item() == 7.0
    assert model.name == "affine"


def test_fields_may_be_set_in_a_custom_init():
    class Shift(nn.Module):
        def __init__(self, amount):
            self.amount = LiteTensor([float(amount)])
            self.times = 1
            self.times += 1  # assignable until __init__ is done

    model = Shift(3)
    assert ids(leaves(model)) == ids([model.amount])
    assert model.times == 2


def test_a_subclass_keeps_a_custom_init_and_extends_annotated_fields():
    class Wide(nn.Dense):
        label: str = "wide"

    class Named(Affine):
        number: int = 3

    assert Wide(2, 3).weight.shape == (3, 2)
    assert Wide(2, 3).label == "wide"
    assert Named(LiteTensor([1.0]), LiteTensor([1.0]), "n", 4).number == 4


def test_defaults_made_by_a_factory_are_fields():
    class Scaled(nn.Module):
        scale: LiteTensor = field(default_factory=lambda: LiteTensor([1.0]))

    assert leaves(Scaled())[0].item() == 1.0


def test_an_announced_field_must_be_set():
    class Forgetful(nn.Module):
        weight: LiteTensor

        def __init__(self):
            pass

    with pytest.raises(nn.ModuleError, match=r"Forgetful.__init__ did not set a field[\s\S]*weight[\s\S]*or None"):
        Forgetful()


def test_static_fields_belong_to_the_structure():
    assert structure(affine()) == structure(affine(3.0))
    assert structure(affine()) != structure(affine(name="other"))
    assert hash(structure(affine())) == hash(structure(affine(3.0)))


def test_callables_numbers_and_none_are_static():
    class Odds(nn.Module):
        function: Callable
        number: float
        nothing: None
        dtype: torch.dtype
        names: list

    model = Odds(nexnet.exp, 0.5, None, torch.float32, ["a", "b"])
    assert leaves(model) == []
    assert model.names == ("a", "b")
    assert structure(model) == structure(Odds(nexnet.exp, 0.5, None, torch.float32, ("a", "b")))


def test_containers_of_tensors_and_modules_are_children():
    class Holder(nn.Module):
        things: object

    a, b = affine(1.0), affine(2.0)
    for things in ([a, b], (a, b), {"a": a, "b": b}, Pair(a, b), ([a], [b]), {"a": [a], "b": (b,)}):
        model = Holder(things)
        assert ids(leaves(model)) == ids([a.scale, a.shift, b.scale, b.shift])
        twin = optree.tree_map(lambda leaf: leaf, model, namespace="nexnet")
        assert ids(leaves(twin)) == ids(leaves(model))
        assert structure(twin.things) == structure(model.things)


def test_lists_become_tuples():
    class Holder(nn.Module):
        things: object

    assert Holder([LiteTensor(1.0)]).things[0].item() == 1.0
    assert isinstance(Holder([LiteTensor(1.0)]).things, tuple)


def test_a_tuple_may_hold_constants_among_its_children():
    class Holder(nn.Module):
        things: tuple

    a, b = affine(1.0), affine(2.0)
    model = Holder((None, a, nexnet.exp, b, "text"))
    assert ids(leaves(model)) == ids([a.scale, a.shift, b.scale, b.shift])
    twin = optree.tree_map(lambda leaf: leaf, model, namespace="nexnet")
    assert [type(each) for each in twin.things] == [type(each) for each in model.things]
    assert twin.things[2] is nexnet.exp
    assert structure(model) != structure(Holder((None, a, nexnet.sin, b, "text")))


@pytest.mark.parametrize("things", [{"f": nexnet.exp, "w": LiteTensor(1.0)}, ((nexnet.exp, LiteTensor(1.0)), 2)])
def test_other_containers_may_not(things):
    class Holder(nn.Module):
        things: object

    with pytest.raises(nn.ModuleError, match=r"tensors and other things[\s\S]*Holder.things[\s\S]*make it a Module"):
        Holder(things)


@pytest.mark.parametrize("value", [torch.ones(2), np.ones(2), [torch.ones(2)]])
def test_torch_tensors_and_arrays_are_refused(value):
    with pytest.raises(nn.ModuleError, match=r"LiteTensors[\s\S]*Affine.scale[\s\S]*LiteTensor\(value\)"):
        Affine(value, LiteTensor([1.0]))


# Immutability


def test_a_finished_module_is_frozen():
    model = affine()
    with pytest.raises(nn.FrozenModuleError, match=r"Affine.scale[\s\S]*model.replace\(scale=...\)"):
        model.scale = LiteTensor([1.0])
    with pytest.raises(nn.FrozenModuleError, match=r"Affine.fresh"):
        model.fresh = 1
    with pytest.raises(nn.FrozenModuleError, match=r"Affine.scale"):
        del model.scale
    rebuilt = optree.tree_map(lambda leaf: leaf, model, namespace="nexnet")
    with pytest.raises(nn.FrozenModuleError, match=r"Affine.scale"):
        rebuilt.scale = LiteTensor([1.0])


def test_replace_gives_another_module():
    model = affine()
    other = model.replace(shift=LiteTensor([5.0]), name="other")
    assert (other.shift.item(), other.name) == (5.0, "other")
    assert (model.shift.item(), model.name) == (1.0, "affine")
    assert other.scale is model.scale
    with pytest.raises(nn.ModuleError, match=r"width[\s\S]*fields of Affine: scale, shift, name"):
        model.replace(width=3)


def test_replace_may_turn_a_child_into_a_constant():
    dense = nn.Dense(2, 3)
    assert ids(leaves(dense.replace(bias=None))) == ids([dense.weight])


# Pytree


class TestFlattenedOnce:
    """A module never changes, so what it flattens to is kept in it; what may change is flattened anew."""

    def test_tensors_and_modules(self):
        model = nn.MLP([2, 3, 1])
        leaves, structure = nexnet.tree.flatten(model)
        again = nexnet.tree.flatten(model)
        assert all(one is other for one, other in zip(leaves, again[0], strict=True))
        assert again[0] is not leaves  # a list of one's own
        assert again[1] is structure
        assert model.parameters() == leaves

    def test_what_is_made_of_leaves_has_them(self):
        model = nn.MLP([2, 3, 1])
        leaves, structure = nexnet.tree.flatten(model)
        made = nexnet.tree.unflatten(structure, [2 * each for each in leaves])
        for found, named, leaf in zip(nexnet.tree.flatten(made)[0], made.named_parameters(), leaves, strict=True):
            assert found is named[1]
            assert torch.equal(found.data, 2 * leaf.data)

    def test_a_dict_of_tensors_may_be_written_into(self):
        class Table(nn.Module):
            rows: dict[str, nexnet.LiteTensor]

        class Holder(nn.Module):
            table: Table

        holder = Holder(Table({"a": nexnet.ones(1)}))
        nexnet.tree.flatten(holder)
        holder.table.rows["a"] = nexnet.zeros(1)
        assert nexnet.tree.flatten(holder)[0][0].tolist() == [0.0]

    @pytest.mark.parametrize("leaf", [1.0, (nexnet.ones(1), nexnet.ones(1)), None], ids=str)
    def test_leaves_that_are_no_tensors(self, leaf):
        structure = nexnet.tree.structure(nn.Dense(2, 1))
        made = nexnet.tree.unflatten(structure, [leaf, leaf])
        assert len(nexnet.tree.flatten(made)[0]) == len(nexnet.tree.flatten((leaf, leaf))[0])

    def test_a_copy_flattens_to_its_own(self):
        model = nn.Dense(2, 1)
        nexnet.tree.flatten(model)
        other = copy.deepcopy(model)
        assert nexnet.tree.flatten(other)[0][0] is other.weight


def test_flatten_and_unflatten_round_trip_any_leaves():
    model = nn.MLP([4, 3, 2])
    spec = structure(model)
    tags = optree.tree_unflatten(spec, list("abcd"))
    assert tags.layers[1].weight == "c"
    assert leaves(tags) == list("abcd")
    shapes = optree.tree_map(lambda leaf: leaf.shape, model, namespace="nexnet")
    assert shapes.layers[0].weight == (3, 4)
    assert structure(optree.tree_map(lambda leaf: {"m": leaf}, model, namespace="nexnet")) != spec


def test_a_gradient_by_a_model_is_a_model():
    model = affine(2.0, 1.0)
    value, grads = nexnet.value_and_grad(lambda m, x: m(x).sum())(model, LiteTensor([3.0, 4.0]))
    assert value.item() == 16.0
    assert isinstance(grads, Affine)
    assert (grads.scale.item(), grads.shift.item(), grads.name) == (7.0, 2.0, "affine")


def test_second_order_through_a_model():
    def inner(m, x):
        return (m(x) * m(x)).sum()

    def outer(m, x):
        return (nexnet.grad(inner)(m, x).scale).sum()  # 2 (s x + t) x

    grads = nexnet.grad(outer)(affine(2.0, 1.0), LiteTensor([3.0]))
    assert (grads.scale.item(), grads.shift.item()) == (18.0, 6.0)


def test_an_error_names_the_path_of_a_leaf():
    class Holder(nn.Module):
        layers: tuple

    model = Holder((nexnet.exp, affine(), Affine(LiteTensor([1]), LiteTensor([1.0]))))
    with pytest.raises(nexnet.errors.InputError, match=r"args\[0\]\.layers\[2\]\.scale"):
        nexnet.grad(lambda m: m.layers[1].scale.sum())(model)


def test_accessors_find_what_they_name():
    model = nn.Sequential(nn.Dense(2, 3), nexnet.relu, nn.Dense(3, 1))
    flat, spec = optree.tree_flatten({"model": model}, namespace="nexnet")
    for accessor, leaf in zip(spec.accessors(), flat, strict=True):
        assert accessor({"model": model}) is leaf
    assert spec.accessors()[2].codify("tree") == "tree['model'].layers[2].weight"


# Parameters


def test_named_parameters_lists_paths():
    class Holder(nn.Module):
        layers: tuple
        table: dict

    model = Holder([affine(), nexnet.exp, affine()], {"k": LiteTensor([0.0])})
    assert [name for name, _ in model.named_parameters()] == [
        "layers.0.scale",
        "layers.0.shift",
        "layers.2.scale",
        "layers.2.shift",
        "table.k",
    ]
    assert ids(leaf for _, leaf in model.named_parameters()) == ids(model.parameters()) == ids(leaves(model))


@pytest.mark.parametrize("arguments", [{"dtype": torch.float64}, {"device": "cpu", "dtype": torch.float64}])
def test_to_converts_floating_tensors(arguments):
    model = Affine(LiteTensor([1.5]), LiteTensor([1])).to(**arguments)
    assert model.scale.dtype is torch.float64
    assert model.shift.dtype is torch.int64
    assert affine().to(torch.float64).scale.dtype is torch.float64
    assert affine().to("meta").scale.device.type == "meta"


def test_to_is_differentiable():
    grads = nexnet.grad(lambda m: (m.to(torch.float64).scale * 3).sum())(affine())
    assert (grads.scale.item(), grads.scale.dtype) == (3.0, torch.float32)


# As an object


def test_repr_shows_structure_shapes_and_counts():
    class Holder(nn.Module):
        table: dict

    assert repr(nn.MLP([4, 3, 2], nexnet.relu)) == (
        "MLP (23 parameters)\n"
        "  layers[0]: Dense (15 parameters)\n"
        "    weight: (3, 4) float32\n"
        "    bias: (3,) float32\n"
        "  layers[1]: Dense (8 parameters)\n"
        "    weight: (2, 3) float32\n"
        "    bias: (2,) float32\n"
        "  activation: relu"
    )
    assert repr(affine(name="a")) == (
        "Affine (2 parameters)\n  scale: (1,) float32\n  shift: (1,) float32\n  name: 'a'"
    )
    assert repr(Holder({"a": LiteTensor([1.0])})) == "Holder (1 parameter)\n  table: {'a': (1,) float32}"
    assert "weight: 0" in repr(optree.tree_unflatten(structure(nn.Dense(1, 1)), [0, 1]))


def test_equality_is_identity():
    a, b = affine(), affine()
    assert a == a
    assert a != b
    assert len({a, b, a}) == 2


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_are_modules_of_the_same_structure(clone):
    model = nn.Sequential(nn.Dense(2, 3), nexnet.relu, nn.Dense(3, 1, bias=False))
    twin = clone(model)
    assert twin is not model
    assert structure(twin) == structure(model)
    for (name, a), (twin_name, b) in zip(model.named_parameters(), twin.named_parameters(), strict=True):
        assert name == twin_name
        assert torch.equal(a.data, b.data)
    assert torch.equal(twin(LiteTensor([[1.0, 2.0]])).data, model(LiteTensor([[1.0, 2.0]])).data)
    with pytest.raises(nn.FrozenModuleError):
        twin.layers = ()


def test_a_notebook_shows_each_tensor_and_its_statistics():
    class Shown(nn.Module):
        weight: LiteTensor

    shown = Shown(weight=nexnet.ones(3, 2))._repr_html_()
    assert "<td>weight</td><td>(3, 2)</td>" in shown
    assert "norm" in shown


# Rules of modules


def test_a_rule_takes_a_module():
    @nexnet.custom_grad
    def clipped(model, x):
        out = (x * model.scale + model.shift).sum()

        def backward(grad):
            return {"scale": grad * x.sum().clamp(max=1.0), "shift": grad * x.numel()}, grad * model.scale

        return out, backward

    grads = nexnet.grad(lambda model: clipped(model, LiteTensor([3.0, 4.0])))(affine())
    assert isinstance(grads, Affine)
    assert (grads.scale.item(), grads.shift.item()) == (1.0, 2.0)


def test_a_rule_that_saved_a_module_has_second_derivatives():
    @nexnet.function
    class cube(nexnet.Policy):
        def forward(self, model, x):
            self.ctx.save(model, x)
            return model.scale * x**3

        def backward(self, grad):
            model, x = self.ctx.release
            return {"scale": grad * x**3}, 3 * grad * model.scale * x * x

    x = LiteTensor([2.0])
    slope = nexnet.grad(lambda model: nexnet.grad(lambda x: cube(model, x).sum())(x).sum())(affine())
    assert slope.scale.item() == 12.0
    assert nexnet.grad(lambda x: nexnet.grad(lambda x: cube(affine(), x).sum())(x).sum())(x).item() == 24.0
