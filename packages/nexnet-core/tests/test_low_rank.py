"""Gradients of low rank: where they come as two factors, that these are the gradient, and what spoils them."""

import copy
import pickle

import numpy
import pytest
import torch

import nexnet as nx
from nexnet import engine
from nexnet.low_rank import storages

# In the debug form no product is left to the loop, so that every gradient is dense.
fast_forms = pytest.mark.skipif(engine.CHECKED, reason="no gradient is of low rank in the debug form of the engine")


def randn(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def layer(examples=3, size_in=20, size_out=30):
    return randn(size_out, size_in), randn(size_out, seed=1), randn(examples, size_in, seed=2)


def loss(w, b, x):
    return nx.linear(x, w, b).tanh().square().sum()


def both(fn, *args, argnums=0):
    """Give the gradients with and without low_rank."""
    return nx.grad(fn, argnums, low_rank=True)(*args), nx.grad(fn, argnums)(*args)


def same(mine, expected):
    mine = mine.to_dense() if isinstance(mine, nx.LowRank) else mine
    torch.testing.assert_close(mine.data, expected.data, rtol=1e-12, atol=1e-12)


class TestGradients:
    @fast_forms
    def test_of_a_linear_layer_on_few_examples(self):
        (w, b, x), (w_dense, b_dense, x_dense) = both(loss, *layer(), argnums=(0, 1, 2))
        assert type(w) is nx.LowRank
        assert (w.left.shape, w.right.shape) == ((30, 3), (3, 20))
        assert type(b) is type(x) is nx.LiteTensor
        same(w, w_dense)
        same(b, b_dense)
        same(x, x_dense)

    @fast_forms
    @pytest.mark.parametrize("product", [nx.mm, lambda a, b: nx.linear(a, b.t())])
    def test_of_either_factor_of_a_product(self, product):
        for shapes, lows in [(((40, 50), (50, 2)), (True, False)), (((2, 50), (50, 40)), (False, True))]:
            a, b = randn(*shapes[0]), randn(*shapes[1], seed=1)
            mine, dense = both(lambda a, b: product(a, b).sin().sum(), a, b, argnums=(0, 1))
            if product is nx.mm:
                assert tuple(type(each) is nx.LowRank for each in mine) == lows
            for got, expected in zip(mine, dense, strict=True):
                same(got, expected)

    @fast_forms
    @pytest.mark.parametrize(("examples", "is_low"), [(11, True), (12, False), (100, False)])  # 12 (20 + 30) = 20 30
    def test_are_dense_where_the_factors_are_no_smaller(self, examples, is_low):
        w, dense = both(loss, *layer(examples))
        assert (type(w) is nx.LowRank) is is_low
        same(w, dense)

    @pytest.mark.parametrize(
        "twice",
        [
            lambda w, b, x: loss(w, b, x) + loss(w, b, x.sin()),
            lambda w, b, x: loss(w, b, x) + w.square().sum(),
            lambda w, b, x: w.square().sum() + loss(w, b, x),
            lambda w, b, x: loss(w, b, x) + loss(w, b, x.sin()) + loss(w.exp(), b, x) + w.sum(),
        ],
    )
    def test_of_a_weight_that_is_used_twice_are_dense(self, twice):
        w, dense = both(twice, *layer())
        assert type(w) is nx.LiteTensor
        same(w, dense)

    @fast_forms
    def test_mirror_the_argument(self):
        w, b, x = layer()
        value, grads = nx.value_and_grad(lambda tree, x: loss(tree["w"], tree["b"], x), low_rank=True)(
            {"w": w, "b": b}, x
        )
        assert value.item() == pytest.approx(loss(nx.LiteTensor(w), b, x).item())
        assert {name: type(each) for name, each in grads.items()} == {"w": nx.LowRank, "b": nx.LiteTensor}
        assert nx.tree.leaves(grads)[1] is grads["w"]

    @fast_forms
    def test_of_a_users_rule_that_leaves_its_product_to_the_loop(self):
        @nx.function
        class projected(nx.Policy):
            gradients_fit = True

            def forward(self, x, w):
                self.ctx.save(x)
                return x @ w

            def backward(self, grad):
                (x,) = self.ctx.release
                return None, self.ctx.matrix_product(x.t(), grad)

        x, w = randn(2, 30), randn(30, 40)
        mine, dense = both(lambda w: projected(x, w).sin().sum(), w)
        assert type(mine) is nx.LowRank
        same(mine, dense)

    @fast_forms
    def test_of_another_argument_shares_no_memory_with_a_factor(self):
        @nx.function
        class affine(nx.Policy):
            """x W^T + c: c's gradient is the very tensor of which a factor of W's is a view."""

            gradients_fit = True

            def forward(self, x, w, c):
                self.ctx.save(x)
                return x @ w.t() + c

            def backward(self, grad):
                (x,) = self.ctx.release
                return None, self.ctx.matrix_product(grad.t(), x), grad

        x, w, c = randn(2, 20), randn(30, 20), randn(2, 30)
        dw, dc = nx.grad(lambda w, c: affine(x, w, c).sin().sum(), (0, 1), low_rank=True)(w, c)
        assert type(dw) is nx.LowRank
        before = dw.to_dense().data.clone()
        dc.data.zero_()
        assert torch.equal(dw.to_dense().data, before)

    def test_are_dense_and_differentiable_inside_of_another_transform(self):
        w, b, x = layer()

        def along(grad):
            return lambda w: (grad(w, b, x) * w).sum()

        same(nx.grad(along(nx.grad(loss, low_rank=True)))(w), nx.grad(along(nx.grad(loss)))(w))

    def test_are_dense_inside_of_vmap(self):
        w, b, x = layer()
        batches = torch.stack([x, x.sin()])
        mine, dense = (nx.vmap(lambda x, low=low: nx.grad(loss, low_rank=low)(w, b, x))(batches) for low in (1, 0))
        same(mine, dense)

    def test_of_complex_weights_are_what_they_are_without(self):
        w, b, x = (torch.complex(each, each.sin()) for each in layer())
        mine, dense = both(lambda w: nx.linear(x, w, b).abs().square().sum(), w)
        same(mine, dense)

    @fast_forms
    def test_on_meta(self):
        w, b, x = (each.to("meta") for each in layer())
        grad = nx.grad(loss, low_rank=True)(w, b, x)
        assert (grad.shape, grad.device.type) == ((30, 20), "meta")
        assert grad.to_dense().shape == (30, 20)


class TestLowRank:
    def make(self):
        return nx.LowRank(randn(5, 2), randn(2, 7, seed=1))

    def test_says_what_it_is(self):
        low = self.make()
        assert (low.shape, low.ndim, low.dtype, low.device.type) == ((5, 7), 2, torch.float64, "cpu")
        assert repr(low) == "LowRank(5 x 7, of rank 2 at most, torch.float64, cpu)"

    def test_is_its_product(self):
        low = self.make()
        dense = low.to_dense()
        assert torch.equal(dense.data, low.left.data @ low.right.data)
        assert dense.data is not low.to_dense().data

    def test_is_differentiable_by_its_factors(self):
        mine = nx.grad(lambda a, b: nx.LowRank(a, b).to_dense().sin().sum(), (0, 1))(randn(5, 2), randn(2, 7))
        expected = nx.grad(lambda a, b: nx.mm(a, b).sin().sum(), (0, 1))(randn(5, 2), randn(2, 7))
        for got, want in zip(mine, expected, strict=True):
            same(got, want)

    @pytest.mark.parametrize(("alpha", "beta"), [(1, 1), (-0.1, 1), (2, 0.5), (1, 0)])
    def test_adds_to_a_tensor_in_its_place(self, alpha, beta):
        low, out = self.make(), nx.LiteTensor(randn(5, 7))
        expected = beta * out.data + alpha * (low.left.data @ low.right.data)
        address = out.data.data_ptr()
        assert low.add_to_(out, alpha=alpha, beta=beta) is out
        assert out.data.data_ptr() == address
        torch.testing.assert_close(out.data, expected)

    def test_is_a_leaf(self):
        low = self.make()
        assert nx.tree.leaves([low]) == [low]
        (dense,) = nx.tree.map(nx.LowRank.to_dense, [low])
        assert dense.shape == (5, 7)

    def test_factors_that_do_not_fit_are_an_error(self):
        with pytest.raises(nx.errors.InputError, match=r"two matrices that can be multiplied(.|\n)*\(5, 2\).*\(3, 7\)"):
            nx.LowRank(randn(5, 2), randn(3, 7))
        with pytest.raises(nx.errors.InputError, match="two matrices"):
            nx.LowRank(randn(5), randn(5))
        with pytest.raises(nx.errors.InputError, match=r"float64.*float32"):
            nx.LowRank(randn(5, 2), randn(2, 7).float())

    @pytest.mark.parametrize("copied", [copy.deepcopy, lambda low: pickle.loads(pickle.dumps(low))])
    def test_can_be_copied(self, copied):
        left = randn(5, 2).mul_(2)  # it has been written into before, and the copy has not
        low = nx.LowRank(left, randn(2, 7))
        assert torch.equal(copied(low).to_dense().data, low.to_dense().data)
        left.zero_()
        with pytest.raises(nx.errors.TrackedTensorError, match="was written into"):
            copied(low)

    def test_does_not_write_where_something_is_differentiated(self):
        low = self.make()
        with pytest.raises(nx.errors.TrackedTensorError, match=r"while something is(.|\n)*to_dense"):
            nx.grad(lambda x: low.add_to_(x).sum())(randn(5, 7))

    @pytest.mark.parametrize("spoilt", ["left", "right"])
    @pytest.mark.parametrize("use", [lambda low: low.to_dense(), lambda low: low.add_to_(nx.zeros(5, 7).double())])
    def test_is_lost_when_a_factor_is_written_into(self, spoilt, use):
        low = self.make()
        getattr(low, spoilt).data.add_(1)
        with pytest.raises(nx.errors.TrackedTensorError, match=r"was written into(.|\n)*low_rank=True"):
            use(low)

    @fast_forms
    def test_is_lost_when_the_users_own_batch_is_written_into(self):
        w, b, x = layer()
        grad = nx.grad(loss, low_rank=True)(w, b, nx.LiteTensor(x))
        x.zero_()
        with pytest.raises(nx.errors.TrackedTensorError, match="was written into"):
            grad.to_dense()

    def test_refuses_to_be_added_to_its_own_factor(self):
        square = randn(4, 4)
        with pytest.raises(nx.errors.TrackedTensorError, match=r"shares its memory(.|\n)*to_dense"):
            nx.LowRank(square, randn(4, 4)).add_to_(nx.LiteTensor(square))

    def test_knows_the_storages_that_it_lies_in(self):
        whole = randn(20, 2)
        low = nx.LowRank(whole[5:10], randn(2, 7))
        assert low.shares_memory(storages([nx.LiteTensor(whole)]))
        assert not low.shares_memory(storages([nx.LiteTensor(whole.clone())]))

    @pytest.mark.parametrize(
        "operator",
        [
            lambda low: nx.ones(5, 7) - low,
            lambda low: low * 0.1,
            lambda low: 2 / low,
            lambda low: low**2,
            lambda low: -low,
            torch.exp,
            nx.exp,
            numpy.asarray,
        ],
    )
    def test_is_no_tensor_and_operators_say_what_to_do(self, operator):
        with pytest.raises(nx.errors.InputError, match=r"a low-rank gradient is none(.|\n)*to_dense"):
            operator(self.make())

    def test_made_in_inference_mode_is_not_watched(self):
        with torch.inference_mode():
            low = self.make()
        assert low.to_dense().shape == (5, 7)
