"""Tensors that are not learned, frozen layers, and statistics that come back with the loss."""

import copy
import pickle

import pytest
import torch

import nexnet
import nexnet_nn as nn
from nexnet import LiteTensor


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def draw(*shape, seed=1):
    return LiteTensor(torch.randn(*shape, generator=generator(seed)))


class Masked(nn.Module):
    """A layer with a mask of integers, and a tuple of which one tensor is learned."""

    def __init__(self):
        self.weight = nexnet.ones(2)
        self.mask = nn.buffer(torch.tensor([1, 0]))
        self.pair = (nn.buffer(nexnet.zeros(1)), nexnet.ones(1), nexnet.relu)

    def __call__(self, x):
        return x * self.weight * self.mask + self.pair[0] + self.pair[1]


def model():
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nexnet.relu, nn.Flatten(), nn.Linear(48, 2))


class TestBuffers:
    def test_they_are_the_fields_values_and_no_leaves(self):
        layer = Masked()
        assert layer.mask.tolist() == [1, 0]
        assert [name for name, _ in layer.named_parameters()] == ["weight", "pair.1"]
        assert [name for name, _ in layer.named_buffers()] == ["mask", "pair.0"]
        assert layer.pair[2] is nexnet.relu

    def test_nothing_differentiates_or_changes_them(self):
        layer = Masked()
        grads = nexnet.grad(lambda layer, x: layer(x).sum())(layer, draw(2))
        assert [name for name, _ in grads.named_parameters()] == ["weight", "pair.1"]
        adam = nn.SGD(0.1, weight_decay=0.5)
        stepped, _ = adam.update(layer, grads, adam.init(layer))
        assert stepped.mask is layer.mask
        assert stepped.pair[0] is layer.pair[0]

    def test_a_pytree_of_tensors_is_one_buffer(self):
        class Tables(nn.Module):
            tables: dict

        tables = Tables(nn.buffer({"a": torch.ones(1), "b": (torch.zeros(2),)}))
        assert [name for name, _ in tables.named_buffers()] == ["tables.a", "tables.b.0"]
        assert tables.with_buffers({"tables.b.0": nexnet.ones(2)}).tables["b"][0].tolist() == [1, 1]

    def test_structures_are_equal_whose_buffers_have_the_same_shapes(self):
        layer = Masked()
        structure = nexnet.tree.structure
        assert structure(layer) == structure(layer.with_buffers({"mask": nexnet.zeros(2, dtype=torch.int64)}))
        assert structure(layer) == structure(layer.replace(mask=nexnet.zeros(2, dtype=torch.int64)))
        assert structure(layer) != structure(layer.with_buffers({"mask": nexnet.zeros(3, dtype=torch.int64)}))
        assert structure(layer) != structure(nn.unfreeze(layer, "pair.0"))

    def test_who_goes_by_the_structure_can_tell_them_apart(self):
        layer = Masked()
        outer = nn.Sequential(nn.Dense(2, 2), nexnet.relu, layer)
        assert list(map(id, outer.held)) == [id(layer.mask), id(layer.pair[0])]
        assert nn.Dense(2, 2).held == nn.Sequential(nn.Dense(2, 2)).held == nn.unfreeze(outer).held == ()
        assert len(nn.freeze(nn.Sequential(nn.Dense(2, 2)), "layers.0.bias").held) == 1
        assert len(nexnet._trees.held({"a": (outer, layer), "b": None})) == 4

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
    def test_a_replayed_step_sees_other_ones(self):
        layer, x = Masked().to("cuda"), nexnet.ones(2, device="cuda")
        step = nexnet.replay(lambda layer, x: layer(x))
        other = layer.with_buffers({"mask": nexnet.zeros(2, dtype=torch.int64, device="cuda")})
        for _ in range(4):
            assert step(layer, x).tolist() == [2.0, 1.0]
            assert step(other, x).tolist() == [1.0, 1.0]

    def test_they_move_with_the_model(self):
        layer = Masked().to(torch.float64)
        assert (layer.pair[0].dtype, layer.mask.dtype) == (torch.float64, torch.int64)

    @pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
    def test_copies_have_them(self, clone):
        layer = Masked()
        assert nexnet.tree.structure(clone(layer)) == nexnet.tree.structure(layer)
        assert clone(layer).mask.tolist() == [1, 0]

    def test_a_field_stays_one_when_it_is_replaced(self):
        layer = Masked().replace(mask=nexnet.zeros(2), weight=nexnet.zeros(2))
        assert [name for name, _ in layer.named_buffers()] == ["mask", "pair.0"]
        assert [name for name, _ in Masked().replace(mask=None).named_buffers()] == ["pair.0"]

    def test_what_is_no_tensor_is_refused(self):
        with pytest.raises(nn.ModuleError, match=r"a buffer is a tensor[\s\S]*'text'"):
            nn.buffer(["text"])
        assert nn.buffer(None) is None

        class Holder(nn.Module):
            things: object

        with pytest.raises(nn.ModuleError, match=r"inside of a container[\s\S]*Holder.things"):
            Holder({"a": nn.buffer(nexnet.ones(1)), "b": nexnet.ones(1)})

    def test_a_path_that_is_none(self):
        with pytest.raises(nn.ModuleError, match=r"no such buffers[\s\S]*weight[\s\S]*mask, pair.0"):
            Masked().with_buffers({"weight": nexnet.ones(2)})

    def test_a_notebook_shows_them(self):
        assert "mask (buffer)" in Masked()._repr_html_()


class TestFreeze:
    def test_what_is_frozen_is_not_learned(self):
        frozen = nn.freeze(nn.MLP([2, 3, 3, 1]), "layers.0.*", "*.bias")
        assert [name for name, _ in frozen.named_parameters()] == ["layers.1.weight", "layers.2.weight"]
        x = draw(4, 2)
        grads = nexnet.grad(lambda model: model(x).sum())(frozen)
        assert len(grads.parameters()) == 2
        assert nn.unfreeze(frozen).named_parameters()[0][1].shape == (3, 2)

    def test_the_gradients_of_the_rest_are_what_they_were(self):
        mlp, x = nn.MLP([2, 3, 1], nexnet.tanh), draw(4, 2)
        loss = lambda model: (model(x) ** 2).sum()  # noqa: E731
        whole, part = nexnet.grad(loss)(mlp), nexnet.grad(loss)(nn.freeze(mlp, "layers.0.*"))
        assert torch.equal(part.layers[1].weight.data, whole.layers[1].weight.data)

    def test_inside_of_a_differentiated_function_it_cuts(self):
        x = draw(4, 2)
        grads = nexnet.grad(lambda model: nn.freeze(model, "layers.0.*")(x).sum())(nn.MLP([2, 3, 1]))
        assert not grads.layers[0].weight.data.any()
        assert grads.layers[1].weight.data.any()

    def test_a_pytree_of_modules_and_the_weights_of_a_tuple(self):
        pair = {"a": nn.GRU(2, 3), "b": nn.Dense(2, 2)}
        frozen = nn.freeze(pair, "a.weights.[01]")
        assert len(frozen["a"].parameters()) == 2
        assert frozen["b"] is pair["b"]
        assert torch.equal(frozen["a"](draw(4, 2))[0].data, pair["a"](draw(4, 2))[0].data)

    def test_what_is_refused(self):
        class Table(nn.Module):
            rows: dict

        table = Table({"a": nexnet.ones(1), "b": nexnet.ones(1)})
        with pytest.raises(nn.ModuleError, match=r"a part of the tensors in one container[\s\S]*rows"):
            nn.freeze(table, "rows.a")
        assert nn.freeze(table).parameters() == []
        with pytest.raises(nn.ModuleError, match=r"no parameter has such a path[\s\S]*encoder"):
            nn.freeze(table, "encoder.*", "*")


class TestStatistics:
    def test_they_come_back_with_the_loss_and_are_torchs(self):
        ours = model()
        twin = torch.nn.Sequential(
            torch.nn.Conv2d(1, 3, 3),
            torch.nn.BatchNorm2d(3),
            torch.nn.ReLU(),
            torch.nn.Flatten(),
            torch.nn.Linear(48, 2),
        )
        twin.load_state_dict(
            {name.removeprefix("layers."): each.data for name, each in ours.named_parameters()}, strict=False
        )
        y = torch.tensor([0, 1, 1, 0])

        def loss(model, x):
            return nn.cross_entropy(model(x), y)

        sgd, theirs = nn.SGD(0.1), torch.optim.SGD(twin.parameters(), 0.1)
        state = sgd.init(ours)
        for seed in range(3):
            x = draw(4, 1, 6, 6, seed=seed)
            (value, buffers), grads = nexnet.value_and_grad(nn.with_buffers(loss), has_aux=True)(ours, x)
            ours, state = sgd.update(ours, grads, state)
            ours = ours.with_buffers(buffers)
            expected = torch.nn.functional.cross_entropy(twin(x.data), y)
            theirs.zero_grad()
            expected.backward()
            theirs.step()
            torch.testing.assert_close(value.data, expected.detach())
        assert sorted(buffers) == ["layers.1.running_mean", "layers.1.running_var"]
        torch.testing.assert_close(ours.layers[1].running_var.data, twin[1].running_var)
        torch.testing.assert_close(ours.eval()(x).data, twin.eval()(x.data).detach(), rtol=1e-5, atol=1e-5)

    def test_a_forgotten_one_is_an_error(self):
        with pytest.raises(
            nn.ModuleError, match=r"new values of buffers would be lost[\s\S]*running_var[\s\S]*eval\(\)"
        ):
            model()(draw(2, 1, 6, 6))

    def test_without_running_statistics_there_is_nothing_to_tell(self):
        x = draw(4, 3)
        layer, twin = nn.BatchNorm(3, affine=False, track_running_stats=False), torch.nn.BatchNorm1d(3, affine=False)
        torch.testing.assert_close(layer(x).data, twin(x.data))
        torch.testing.assert_close(layer.eval()(x).data, twin(x.data))

    def test_forms_are_other_models_of_the_same_leaves(self):
        trains = model()
        form = trains.eval()
        assert (trains.layers[1].training, form.layers[1].training) == (True, False)
        assert form.layers[4] is trains.layers[4]
        assert form.eval() is form
        assert form.train().layers[1].training

    def test_a_layer_that_is_called_twice_goes_on_from_what_it_told(self):
        layer, twin = nn.BatchNorm(3), torch.nn.BatchNorm1d(3)
        x, y = draw(4, 3), draw(4, 3, seed=2)
        _, buffers = nn.with_buffers(lambda layer: layer(x) + layer(y))(layer)
        twin(x.data), twin(y.data)
        torch.testing.assert_close(buffers["running_var"].data, twin.running_var)

    def test_auxiliary_values_and_pytrees_of_models(self):
        pair = (nn.BatchNorm(3), nn.Dense(3, 1))
        _, (aux, buffers) = nn.with_buffers(lambda pair, x: (pair[0](x).sum(), "aux"), has_aux=True)(pair, draw(4, 3))
        assert aux == "aux"
        assert sorted(buffers) == ["0.running_mean", "0.running_var"]

    def test_computed_again_by_a_checkpoint_they_are_told_once(self):
        block, x = nn.Sequential(nn.Dense(3, 3), nn.BatchNorm(3)), draw(4, 3)

        def loss(block):
            return (nexnet.checkpoint(lambda block, x: block(x))(block, x) ** 3).sum()

        (_, buffers), grads = nexnet.value_and_grad(nn.with_buffers(loss), has_aux=True)(block)
        plain = nn.with_buffers(lambda block: block(x))(block)[1]
        torch.testing.assert_close(buffers["layers.1.running_mean"].data, plain["layers.1.running_mean"].data)
        assert grads.layers[0].weight.data.any()

    def test_under_vmap_each_example_has_its_own_or_it_is_an_error(self):
        layer, xs = nn.BatchNorm(3), draw(2, 4, 3)
        _, buffers = nexnet.vmap(nn.with_buffers(lambda layer, x: layer(x)), in_dims=(None, 0))(layer, xs)
        assert buffers["running_mean"].shape == (2, 3)
        inside = nn.with_buffers(lambda layer, xs: nexnet.vmap(layer)(xs))
        with pytest.raises(nn.ModuleError, match=r"for each example of a vmap[\s\S]*running_mean"):
            inside(layer, xs)


class TestOnesOwn:
    def test_a_codebook_that_follows_a_mean(self):
        class Follower(nn.Module):
            def __init__(self):
                self.mean = nn.buffer(nexnet.zeros(2))
                self.training = True

            def __call__(self, x):
                if self.training:
                    self.renew(mean=0.5 * self.newest("mean") + 0.5 * x.mean(0))
                return x - self.mean

        follower, x = Follower(), draw(4, 2)
        _, buffers = nn.with_buffers(lambda follower: follower(x))(follower)
        follower = follower.with_buffers(buffers)
        torch.testing.assert_close(follower.mean.data, 0.5 * x.data.mean(0))
        torch.testing.assert_close(follower.eval()(x).data, x.data - 0.5 * x.data.mean(0))


class TestAt:
    def test_a_tensor_a_layer_and_a_number(self):
        mlp = nn.MLP([2, 3, 1])
        other = mlp.at["layers.0.weight"].set(nexnet.zeros(3, 2))
        assert not other.layers[0].weight.data.any()
        assert other.layers[1] is mlp.layers[1]
        dense = nn.Dense(3, 4)
        assert mlp.at["layers.1"].set(dense).layers[1] is dense
        norm = nn.Sequential(nn.LayerNorm(3)).at["layers.0.eps"].set(0.1)
        assert norm.layers[0].eps == 0.1
        assert mlp.at["layers.0.bias"].apply(lambda bias: bias + 1).layers[0].bias.tolist() == [1, 1, 1]
        assert mlp.at["layers.0.bias"].get() is mlp.layers[0].bias

    def test_in_dicts_and_named_tuples(self):
        class Holder(nn.Module):
            table: dict

        holder = Holder({"a": (nexnet.ones(1), nexnet.ones(1))})
        assert holder.at["table.a.1"].set(nexnet.zeros(1)).table["a"][1].tolist() == [0]

    def test_a_buffer_stays_one(self):
        changed = Masked().at["pair.0"].set(nexnet.ones(1))
        assert [name for name, _ in changed.named_buffers()] == ["mask", "pair.0"]

    def test_it_is_differentiable(self):
        x = draw(4, 2)
        grads = nexnet.grad(lambda w, mlp: mlp.at["layers.0.weight"].set(2 * w)(x).sum())(
            nexnet.ones(3, 2), nn.MLP([2, 3, 1])
        )
        assert grads.data.any()

    @pytest.mark.parametrize(
        ("path", "has"),
        [
            ("layers.5", "tuple has 0, 1"),
            ("layer", "MLP has layers, activation"),
            ("layers.0.weight.T", "inside of a LiteTensor"),
        ],
    )
    def test_a_place_that_is_none(self, path, has):
        with pytest.raises(nn.ModuleError, match=rf"no such place in the module[\s\S]*{has}"):
            nn.MLP([2, 3, 1]).at[path].set(None)

    @pytest.mark.parametrize("value", [3, 0.5, True, "w"], ids=repr)
    def test_a_number_in_a_tensors_place(self, value):
        dense = nn.Dense(2, 3)
        said = (
            rf"tensor's place takes a tensor(.|\n)*weight\n(.|\n)*\(3, 2\)\n(.|\n)*{value!r} \({type(value).__name__}\)"
        )
        for change in (
            lambda: dense.at["weight"].set(value),
            lambda: dense.at["weight"].apply(lambda _: value),
            lambda: nn.Sequential(dense).at["layers.0.weight"].set(value),
            lambda: dense.replace(weight=value),
        ):
            with pytest.raises(nn.ModuleError, match=said):
                change()
        assert dense.at["bias"].set(None).bias is None  # there may be no bias
