"""vmap: alone, over gradients, under gradients, nested, over rules; against torch.func in float64."""

import gc

import pytest
import torch

import nexnet as nx
from nexnet.engine import this_thread

W = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
XS = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def model(weight, x):
    """R^(4x3) x R^3 -> R, in operations that torch tensors and LiteTensors both have."""
    return torch.sum(torch.tanh(torch.matmul(weight, x)) ** 2)


def squared(fn):
    return lambda *args: torch.sum(fn(*args) ** 2)


#: Each takes (grad, vmap) of either library and gives a function of W.
COMPOSITIONS = {
    "vmap": lambda grad, vmap: lambda w: vmap(lambda x: model(w, x))(XS),
    "vmap of grad": lambda grad, vmap: lambda w: vmap(lambda x: grad(model)(w, x))(XS),
    "grad of vmap, closing over w": lambda grad, vmap: grad(squared(lambda w: vmap(lambda x: model(w, x))(XS))),
    "grad of vmap, w mapped": lambda grad, vmap: grad(squared(lambda w: vmap(lambda row: model(row[None], XS[0]))(w))),
    "grad of vmap, w not mapped": lambda grad, vmap: grad(squared(lambda w: vmap(model, (None, 0))(w, XS))),
    "grad of grad of vmap": lambda grad, vmap: grad(squared(grad(squared(lambda w: vmap(lambda x: model(w, x))(XS))))),
    "grad of vmap of grad": lambda grad, vmap: grad(squared(lambda w: vmap(lambda x: grad(model)(w, x))(XS))),
    "grad of grad of vmap of grad": lambda grad, vmap: grad(
        squared(grad(squared(lambda w: vmap(lambda x: grad(model)(w, x))(XS))))
    ),
    "vmap of vmap": lambda grad, vmap: lambda w: vmap(lambda x: vmap(lambda y: model(w, x * y))(XS))(XS),
    "grad of grad of vmap of vmap": lambda grad, vmap: grad(
        squared(grad(squared(lambda w: vmap(lambda x: vmap(lambda y: model(w, x * y))(XS))(XS))))
    ),
    "vmap of grad of vmap of grad": lambda grad, vmap: (
        lambda w: vmap(lambda x: grad(squared(lambda w: vmap(lambda y: grad(model)(w, x * y))(XS)))(w))(XS)
    ),
}


@pytest.mark.parametrize("name", COMPOSITIONS)
def test_compositions_equal_torchs(name):
    ours = COMPOSITIONS[name](nx.grad, nx.vmap)(W)
    theirs = COMPOSITIONS[name](torch.func.grad, torch.func.vmap)(W)
    assert ours.shape == theirs.shape
    assert torch.allclose(ours.data, theirs, rtol=1e-9, atol=1e-12)


def test_what_every_example_shares_is_differentiated_once():
    """The pullback computes cos(x) inside of the vmap, where it is the same for all: it must not count twice."""

    def mean_row(x):
        _, pullback = nx.vjp(lambda x: torch.sin(x) * x, x)
        return nx.vmap(lambda e: pullback(e)[0])(torch.tensor([[1.0], [2.0]], dtype=torch.float64)).mean(0) / 1.5

    x = torch.tensor([0.7], dtype=torch.float64)
    third = nx.grad(lambda x: nx.grad(lambda x: mean_row(x).sum())(x).sum())(x)
    assert torch.allclose(third.data, -3 * x.sin() - x * x.cos())


class TestRules:
    """A user's rule needs nothing extra, at any order."""

    @staticmethod
    def rules():
        @nx.function
        class saves_an_intermediate(nx.Policy):
            def forward(self, x):
                self.ctx.save(2 * x)
                return x * x

            def backward(self, grad):
                (slope,) = self.ctx.release
                return grad * slope

        @nx.custom_grad
        def closes_over_one(x):
            slope = 2 * x
            return x * x, lambda grad: grad * slope

        return saves_an_intermediate, closes_over_one

    @pytest.mark.parametrize("which", [0, 1])
    @pytest.mark.parametrize("orders", [1, 2, 3])
    def test_under_gradients(self, which, orders):
        rule = self.rules()[which]
        ours = lambda xs: squared(nx.vmap(lambda x: torch.sum(rule(x) * x)))(xs)  # noqa: E731
        theirs = lambda xs: squared(torch.func.vmap(lambda x: torch.sum(x * x * x)))(xs)  # noqa: E731
        for _ in range(orders - 1):
            ours, theirs = squared(nx.grad(ours)), squared(torch.func.grad(theirs))
        assert torch.allclose(nx.grad(ours)(XS).data, torch.func.grad(theirs)(XS), rtol=1e-9)

    def test_over_jvp(self):
        rule = self.rules()[0]
        tangents = nx.vmap(lambda x: nx.jvp(rule, (x,), (x,))[1])(XS)
        assert torch.allclose(tangents.data, 2 * XS * XS)

    def test_trace_shows_one_node(self):
        _, tape = nx.trace(lambda w: nx.vmap(lambda x: model(w, x))(XS).sum())(W)
        assert [node.name for node in tape.nodes] == ["vmap", "sum"]


@pytest.mark.parametrize("name", COMPOSITIONS)
def test_nothing_is_left_for_the_garbage_collector(name):
    gc.collect()
    gc.disable()
    try:
        COMPOSITIONS[name](nx.grad, nx.vmap)(W)
        tensors = [each for each in gc.get_objects() if type(each) is torch.Tensor]
        assert not any(torch._C._functorch.is_batchedtensor(each) for each in tensors)
    finally:
        gc.enable()


class TestDims:
    def test_in_dims_and_out_dims(self):
        def fn(tree, scale, k):
            return {"a": tree["x"] * scale, "b": (tree["y"].sum() * k,)}

        x, y = torch.randn(3, 5), torch.randn(5, 2)
        out = nx.vmap(fn, in_dims=({"x": 1, "y": 0}, None, None), out_dims={"a": -1, "b": 0})({"x": x, "y": y}, 2.0, 3)
        assert torch.allclose(out["a"].data, x * 2)
        assert torch.allclose(out["b"][0].data, y.sum(1) * 3)

    def test_an_output_that_is_the_same_for_all(self):
        assert nx.vmap(lambda x: nx.ones(2))(XS).shape == (5, 2)
        assert nx.vmap(lambda x: nx.ones(2), out_dims=None)(XS).shape == (2,)
        gradient = nx.grad(lambda w: nx.vmap(lambda x: w)(XS).sum())(2.0)
        assert gradient.item() == 5.0

    def test_an_output_that_is_the_input(self):
        assert nx.grad(lambda xs: (nx.vmap(lambda x: x)(xs) * XS).sum())(XS).tolist() == XS.tolist()

    @pytest.mark.parametrize("chunk_size", [1, 2, 5, 7])
    def test_chunks(self, chunk_size):
        fn = nx.vmap(lambda x: model(W, x), chunk_size=chunk_size)
        expected = torch.func.vmap(lambda x: model(W, x))(XS)
        assert torch.allclose(fn(XS).data, expected)
        assert torch.allclose(
            nx.grad(lambda xs: fn(xs).sum())(XS).data,
            torch.func.grad(lambda xs: torch.func.vmap(lambda x: model(W, x))(xs).sum())(XS),
        )

    def test_randomness(self):
        def draw(x):
            return x + nx.rand(())

        assert len(set(nx.vmap(draw, randomness="different")(torch.zeros(4)).tolist())) == 4
        assert len(set(nx.vmap(draw, randomness="same")(torch.zeros(4)).tolist())) == 1
        with pytest.raises(RuntimeError, match="randomness"):
            nx.vmap(draw)(torch.zeros(4))


class TestWrongUse:
    @pytest.mark.parametrize("in_dims", [(0, 0, 0), (0,), ({"w": 0}, 0), ((0, 0), 0)])
    def test_in_dims_that_do_not_match(self, in_dims):
        with pytest.raises(nx.InputError, match=r"in_dims does not match the arguments(.|\n)*one for each positional"):
            nx.vmap(model, in_dims=in_dims)(W, XS)

    @pytest.mark.parametrize("in_dims", [(0.5, 0), "0", (True, 0)])
    def test_in_dims_that_name_no_dimension(self, in_dims):
        with pytest.raises(nx.InputError, match=r"in_dims holds ints and None(.|\n)*None stands for what is the same"):
            nx.vmap(model, in_dims=in_dims)(W, XS)

    def test_out_dims_that_do_not_match(self):
        with pytest.raises(nx.InputError, match=r"out_dims does not match the output(.|\n)*each part of the output"):
            nx.vmap(lambda x: x, out_dims=(0, 0))(XS)
        with pytest.raises(
            nx.InputError, match=r"this dimension of the output(.|\n)*out\['a'\](.|\n)*from -2 to 1(.|\n)*2"
        ):
            nx.vmap(lambda x: {"a": x}, out_dims=2)(XS)

    def test_a_dimension_that_is_not_there(self):
        with pytest.raises(nx.InputError, match=r"can't map over this argument(.|\n)*args\[1\](.|\n)*dimension 2"):
            nx.vmap(model, in_dims=(None, 2))(W, XS)
        with pytest.raises(nx.InputError, match=r"args\[0\]\['scale'\](.|\n)*2.0(.|\n)*None in in_dims"):
            nx.vmap(lambda tree: tree["x"])({"x": XS, "scale": 2.0})

    def test_batches_of_different_sizes(self):
        with pytest.raises(
            nx.InputError, match=r"one batch size(.|\n)*args\[0\]: 4, args\[1\]: 5(.|\n)*name in in_dims"
        ):
            nx.vmap(model)(W, XS)
        with pytest.raises(nx.InputError, match=r"no mapped argument"):
            nx.vmap(model, in_dims=None)(W, XS)

    @pytest.mark.parametrize(
        "fn",
        [
            lambda x: x if x.sum() > 0 else -x,
            lambda x: x * float(x.sum()),
            lambda x: x * x.sum().item(),
            lambda x: x * max(x.tolist()),
            lambda x: x * x.numpy(),
            lambda x: [x for _ in range(int(x.sum()))],
            lambda x: nx.grad(lambda x: x.sum() if x.sum() > 0 else -x.sum())(x),
            lambda x: nx.vmap(lambda y: y if y > 0 else -y)(x),
        ],
        ids=["if", "float", "item", "tolist", "numpy", "range", "in a gradient", "nested"],
    )
    def test_control_flow_on_values(self, fn):
        with pytest.raises(nx.InputError, match=r"under vmap a mapped tensor has a value for each(.|\n)*nexnet.where"):
            nx.vmap(fn)(XS)

    def test_control_flow_in_a_gradient_of_the_batch(self):
        with pytest.raises(nx.InputError, match=r"under vmap a mapped tensor has a value for each(.|\n)*nexnet.where"):
            nx.grad(lambda xs: nx.vmap(lambda x: x.sum() if x.sum() > 0 else -x.sum())(xs).sum())(XS)

    @pytest.mark.parametrize("fn", [lambda x: x[x > 0].sum(), lambda x: nx.nonzero(x)], ids=["mask", "nonzero"])
    def test_shapes_that_depend_on_values(self, fn):
        with pytest.raises(nx.InputError, match=r"under vmap all examples have one shape(.|\n)*nexnet.where\(mask"):
            nx.vmap(fn)(XS)

    def test_no_tensor(self):
        with pytest.raises(nx.InputError, match=r"must return tensors(.|\n)*out\[1\](.|\n)*str"):
            nx.vmap(lambda x: (x, "text"))(XS)

    def test_arguments_of_its_own(self):
        with pytest.raises(nx.InputError, match="randomness"):
            nx.vmap(model, randomness="none")
        with pytest.raises(nx.InputError, match="chunk_size"):
            nx.vmap(model, chunk_size=0)

    def test_an_exception_leaves_the_outer_tape_whole(self):
        def fn(w):
            try:
                nx.vmap(lambda x: [w * x][1])(XS)
            except IndexError:
                return (w * w).sum()

        assert torch.allclose(nx.grad(fn)(W).data, 2 * W)


def test_axis_size_says_how_many_where_nothing_is_mapped():
    assert nx.vmap(lambda: nx.ones(2), axis_size=3)().shape == (3, 2)
    assert nx.vmap(lambda x: x * 2, in_dims=None, axis_size=3)(nx.ones(2)).tolist() == [[2.0, 2.0]] * 3
    assert nx.vmap(lambda x: x * 2, axis_size=3, chunk_size=2)(nx.ones(3)).tolist() == [2.0] * 3
    drawn = nx.vmap(lambda: nx.rand_like(nx.ones(2)), axis_size=3, randomness="different")()
    assert len({*drawn.reshape(-1).tolist()}) == 6
    assert nx.grad(lambda w: nx.vmap(lambda: w * w, axis_size=3)().sum())(2.0).item() == 12.0
    with pytest.raises(nx.InputError, match=r"argument:  axis_size\n  expected:  4\n  got:       args\[0\]: 3"):
        nx.vmap(lambda x: x, axis_size=4)(nx.ones(3))
    with pytest.raises(nx.InputError, match="at least one mapped argument, or axis_size"):
        nx.vmap(lambda: nx.ones(2))()


class TestWhatTorchsVmapCanNot:
    """Evaluation's batch norm, what is put into a tensor that is not mapped, memory by strides, and text."""

    M, V = torch.tensor([0.1, -0.2], dtype=torch.float64), torch.tensor([0.5, 2.0], dtype=torch.float64)
    W = torch.tensor([1.5, -0.5], dtype=torch.float64)

    def evaluated(self, x):
        return (torch.nn.functional.batch_norm(x, self.M, self.V, self.W, self.W, training=False) ** 3).sum()

    def test_batch_norm_by_running_statistics(self):
        x = torch.randn(3, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        lite = nx.LiteTensor(x)
        by_example = nx.vmap(nx.grad(lambda x: self.evaluated(x[None])))(lite)
        torch.testing.assert_close(by_example.data, nx.grad(self.evaluated)(lite).data)
        torch.testing.assert_close(
            nx.hessian(self.evaluated)(lite).data, torch.autograd.functional.hessian(self.evaluated, x)
        )

    @pytest.mark.parametrize("method", ["set", "add"])
    @pytest.mark.parametrize("index", [1, slice(0, 2), torch.tensor([0, 2])])
    def test_a_mapped_value_put_into_what_is_not_mapped(self, method, index):
        x = nx.LiteTensor(torch.tensor([1.0, -2.0, 3.0]))
        values = nx.LiteTensor(torch.tensor([4.0, 5.0]))

        def put(v):
            return getattr(x.at[index], method)(v)

        expected = torch.stack([put(values[i]).data for i in range(2)])
        assert nx.vmap(put)(values).tolist() == expected.tolist()
        slopes = nx.vmap(nx.grad(lambda v: put(v).sum()))(values)
        assert slopes.tolist() == [nx.grad(lambda v: put(v).sum())(values[i]).item() for i in range(2)]

    def test_a_mapped_index(self):
        x = nx.LiteTensor(torch.zeros(3))
        got = nx.vmap(lambda i: x.at[i].set(7.0))(nx.LiteTensor(torch.tensor([0, 2])))
        assert got.tolist() == [[7.0, 0.0, 0.0], [0.0, 0.0, 7.0]]

    def test_as_strided_scatter(self):
        x = nx.LiteTensor(torch.arange(12.0, dtype=torch.float64).reshape(2, 2, 3))
        s = nx.LiteTensor(torch.tensor([[10.0, 20.0], [30.0, 40.0]], dtype=torch.float64))

        def put(x, s):
            return nx.as_strided_scatter(x, s, (2,), (3,), 1)

        got = nx.vmap(put)(x, s)
        alone = [(nx.LiteTensor(x.data[i].clone()), s[i]) for i in range(2)]  # each in memory of its own
        assert got.tolist() == [put(*each).tolist() for each in alone]
        for argnums in (0, 1):
            found = nx.vmap(nx.grad(lambda x, s: (put(x, s) ** 2).sum(), argnums=argnums))(x, s)
            expected = [nx.grad(lambda x, s: (put(x, s) ** 2).sum(), argnums=argnums)(*each) for each in alone]
            assert found.tolist() == [each.tolist() for each in expected]

    @pytest.mark.parametrize(("size", "stride"), [((2, 2), (4, 2)), ((2,), (3,)), ((2, 2), (1, 1))])
    def test_the_gradient_of_as_strided(self, size, stride):
        x = nx.LiteTensor(torch.arange(24.0, dtype=torch.float64).reshape(2, 3, 4))
        slope = nx.grad(lambda x: (nx.as_strided(x * 1, size, stride) ** 3).sum())
        assert nx.vmap(slope)(x).tolist() == [slope(x[i]).tolist() for i in range(2)]

    def test_a_mapped_tensor_as_text(self):
        seen = []
        nx.vmap(lambda x: (seen.append(f"{x} {x:.2f}"), x)[1])(nx.ones(2))
        assert len(seen) == 1


def test_an_interrupt_leaves_no_vmap_at_work():
    thread = this_thread()

    def interrupted(x):
        thread.mapped += 3  # as one does that comes where an inner vmap ends
        raise KeyboardInterrupt

    for mapped in (nx.vmap(interrupted), nx.vmap(nx.vmap(interrupted)), nx.vmap(nx.grad(interrupted))):
        with pytest.raises(KeyboardInterrupt):
            mapped(nx.ones(2, 2))
        assert thread.mapped == 0
