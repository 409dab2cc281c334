"""Which kernel multiplies matrices: results are torch's whatever is chosen, and the choice can be read and made."""

import os
import subprocess
import sys
import threading

import pytest
import torch

import nexnet as nx
from nexnet import kernels
from nexnet.kernels import products

pytestmark = [
    pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN"),
    pytest.mark.cpu_only("oneDNN multiplies there"),
]


@pytest.fixture
def always():
    kernels.use_onednn("always")
    yield
    kernels.use_onednn()


def layer(rows, size_in, size_out, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    shapes = (rows, size_in), (size_out, size_in), (size_out,)
    return [torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes]


def calls_of_onednn(fn):
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        result = fn()
    return result, sum("mkldnn::_linear" in event.name for event in profile.events())


class TestResults:
    @pytest.mark.parametrize(("rows", "size_in", "size_out"), [(64, 784, 256), (256, 128, 130), (300, 301, 302)])
    @pytest.mark.parametrize("biased", [True, False])
    def test_of_all_three_products_are_torchs(self, always, rows, size_in, size_out, biased):
        x, w, b = layer(rows, size_in, size_out)
        arguments = [x, w, b] if biased else [x, w]

        def loss(*arguments):
            return nx.linear(*arguments).sin().sum()

        grads, calls = calls_of_onednn(lambda: nx.grad(loss, argnums=tuple(range(len(arguments))))(*arguments))
        assert calls > 0
        leaves = [each.clone().requires_grad_() for each in arguments]
        expected = torch.autograd.grad(torch.nn.functional.linear(*leaves).sin().sum(), leaves)
        for mine, theirs in zip(grads, expected, strict=True):
            torch.testing.assert_close(mine.data, theirs, rtol=1e-4, atol=1e-4 * theirs.abs().max().item())

    def test_under_autocast_are_torchs_and_their_dtype_too(self, always):
        x, w, b = layer(64, 784, 256)
        for function, args in ((nx.linear, (x, w, b)), (nx.addmm, (b, x, w.t().contiguous()))):
            with torch.autocast("cpu", torch.bfloat16):
                value, grad = nx.value_and_grad(function)(*args)
                expected = getattr(torch, function.__name__, torch.nn.functional.linear)(*args)
            assert value.dtype is expected.dtype is torch.bfloat16
            assert torch.equal(value.data, expected)
            assert grad.dtype is torch.float32

    def test_of_addmm_are_torchs(self, always):
        x, w, _ = layer(128, 784, 256)
        c = torch.linspace(-1, 1, 256)
        arguments = [c, x, w.t().contiguous()]

        def loss(*arguments):
            return torch.addmm(*arguments).sin().sum()

        grads, calls = calls_of_onednn(lambda: nx.grad(loss, argnums=(0, 1, 2))(*arguments))
        assert calls >= 3
        leaves = [each.clone().requires_grad_() for each in arguments]
        for mine, theirs in zip(grads, torch.autograd.grad(loss(*leaves), leaves), strict=True):
            torch.testing.assert_close(mine.data, theirs, rtol=1e-4, atol=1e-4 * theirs.abs().max().item())
        added = torch.addmm(nx.LiteTensor(torch.ones(128, 1)), nx.LiteTensor(x), nx.LiteTensor(arguments[2]))
        torch.testing.assert_close(added.data, 1 + x @ arguments[2], rtol=1e-4, atol=1e-3)  # no vector: torch's kernel

    @pytest.mark.skipif(nx.engine.CHECKED, reason="the debug form also makes the plain call, to compare")
    def test_of_rows_of_rows_are_torchs(self, always):
        x, w, b = layer(64, 784, 256)
        x = x.reshape(4, 16, 784)
        out, calls = calls_of_onednn(lambda: nx.linear(nx.LiteTensor(x), nx.LiteTensor(w), b))
        assert calls == 1
        torch.testing.assert_close(out.data, torch.nn.functional.linear(x, w, b), rtol=1e-4, atol=1e-3)

    @pytest.mark.parametrize("biased", [True, False])
    def test_of_a_layer_and_its_relu_are_torchs_in_one_kernel(self, always, biased):
        x, w, *b = layer(64, 784, 256)[: 3 if biased else 2]
        out, calls = calls_of_onednn(lambda: nx.linear_relu(nx.LiteTensor(x), nx.LiteTensor(w), *b))
        assert calls == 1
        expected = torch.nn.functional.linear(x, w, *b).relu()
        torch.testing.assert_close(out.data, expected, rtol=1e-4, atol=1e-4 * expected.max().item())

    @pytest.mark.parametrize("of", ["input", "weight"])
    def test_that_alone_are_asked_for_go_there_too(self, always, of):
        x, w, _ = layer(64, 784, 256)
        out, pullback = nx.vjp(lambda x: nx.linear(x, w), x) if of == "input" else nx.vjp(lambda w: nx.linear(x, w), w)
        (mine,), calls = calls_of_onednn(lambda: pullback(out))
        assert calls > 0
        expected = out.data @ w if of == "input" else out.data.t() @ x
        torch.testing.assert_close(mine.data, expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())

    def test_hold_at_second_order(self, always):
        x, w, _ = layer(128, 256, 256)
        v = torch.ones_like(w)

        def product():
            return nx.hvp(lambda w: nx.tanh(nx.linear(nx.LiteTensor(x), w)).square().mean(), (w,), (v,))[1][0]

        mine, calls = calls_of_onednn(product)
        kernels.use_onednn("never")
        expected, none = calls_of_onednn(product)
        assert calls > 0
        assert none == 0
        torch.testing.assert_close(mine.data, expected.data, rtol=1e-3, atol=1e-4 * expected.data.abs().max().item())


class TestFallback:
    """What oneDNN would not take is torch's, bit by bit."""

    def same(self, x, w, b):
        out, calls = calls_of_onednn(lambda: nx.linear(nx.LiteTensor(x), nx.LiteTensor(w), b))
        assert calls == 0
        assert torch.equal(out.data, torch.nn.functional.linear(x, w, b))

    def test_another_dtype(self, always):
        self.same(*layer(64, 784, 256, torch.float64))

    def test_a_small_product(self, always):
        self.same(*layer(8, 8, 8))

    def test_another_layout(self, always):
        x, w, b = layer(64, 784, 256)
        self.same(x.t().contiguous().t(), w, b)

    def test_rows_of_rows_in_another_layout(self, always):
        x, w, b = layer(64, 784, 256)
        self.same(x.reshape(8, 8, 784).transpose(0, 1), w, b)

    def test_a_batch_of_vmap(self, always):
        x, w, _ = layer(128, 256, 256)
        out, calls = calls_of_onednn(lambda: nx.vmap(lambda x: nx.linear(x, w))(nx.LiteTensor(x).reshape(2, 64, 256)))
        assert calls == 0
        torch.testing.assert_close(out.data.reshape(128, 256), x @ w.t())

    def test_a_batch_of_biases(self, always):
        x, w, _ = layer(64, 784, 256)
        biases = torch.randn(2, 256)
        out, calls = calls_of_onednn(lambda: nx.vmap(lambda b: nx.linear(x, w, b))(biases))
        assert calls == 0
        torch.testing.assert_close(out.data, (x @ w.t()) + biases.unsqueeze(1), rtol=1e-4, atol=1e-3)

    def test_a_wrong_shape_is_torchs_error(self, always):
        x, w, b = layer(64, 784, 256)
        with pytest.raises(RuntimeError, match="cannot be multiplied"):
            nx.linear(nx.LiteTensor(x[:, :-1].contiguous()), nx.LiteTensor(w), b)
        with pytest.raises(RuntimeError, match="expanded size"):
            nx.linear(nx.LiteTensor(x), nx.LiteTensor(w), b[:-1])


class TestChoice:
    def test_is_measured_once_and_told(self):
        kernels.use_onednn()
        assert "none has been measured yet" in products.describe()
        x, w, b = layer(64, 784, 256)
        first = nx.linear(nx.LiteTensor(x), w, b)
        told = products.describe()
        assert told.count("x W^T") == 1
        assert told.endswith(("-> oneDNN", "-> torch"))
        assert torch.equal(nx.linear(nx.LiteTensor(x), w, b).data, first.data)  # the first call was of the choice too
        assert products.describe() == told

    def test_what_is_declined_is_not_looked_at_again(self, monkeypatch):
        kernels.use_onednn()
        monkeypatch.setattr(products, "_measure", lambda kind, *_: products.Choice(kind, (1, 1, 1), 1, 1.0, 1.0))
        x, w, b = layer(64, 784, 256)
        nx.linear(nx.LiteTensor(x), w, b)
        monkeypatch.setattr(products, "_goes_to_onednn", None)
        nx.linear(nx.LiteTensor(x), w, b)
        with pytest.raises(TypeError, match="not callable"):  # a larger one is another question
            nx.linear(nx.LiteTensor(x.repeat(8, 1)), w, b)
        kernels.use_onednn()
        with pytest.raises(TypeError, match="not callable"):
            nx.linear(nx.LiteTensor(x), w, b)

    def test_wants_a_clear_gain(self):
        assert products.Choice("g W", (64, 784, 256), 1, torch=1.0, onednn=0.5).takes_onednn
        assert not products.Choice("g W", (64, 784, 256), 1, torch=1.0, onednn=0.9).takes_onednn

    def test_is_the_same_whoever_measures_beside(self):
        x, w, _ = layer(64, 784, 256)
        g = torch.randn(64, 256)
        for _ in range(5):
            kernels.use_onednn()
            works = [lambda: products.linear(x, w), lambda: products.linear_gradients(g, x, w, False)]
            threads = [threading.Thread(target=work) for work in works]
            for each in threads:
                each.start()
            for each in threads:
                each.join()
            told = products.describe()
            assert all(told.count(kind) == 1 for kind in ("x W^T", "g W", "g^T x"))

    def test_never_takes_a_kernel_that_is_wrong(self, monkeypatch):
        monkeypatch.setattr(products, "_onednn", lambda a, b, *_: torch.zeros(a.shape[0], b.shape[0]))
        assert not products._measure("x W^T", (64, 784, 256), 1).takes_onednn
        kernels.use_onednn()

    def test_can_be_made_by_hand(self):
        kernels.use_onednn("never")
        assert "torch's kernels" in kernels.describe()
        x, w, b = layer(64, 784, 256)
        assert torch.equal(nx.linear(nx.LiteTensor(x), w, b).data, torch.nn.functional.linear(x, w, b))
        kernels.use_onednn()

    @pytest.mark.process
    def test_can_be_made_by_the_environment(self):
        code = "from nexnet import kernels; print(kernels.describe())"
        told = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "NEXNET_ONEDNN": "never"}, capture_output=True, text=True
        )
        assert "use_onednn is 'never'" in told.stdout, told.stderr

    def test_another_mode_is_an_error(self):
        with pytest.raises(nx.errors.InputError, match=r"no such mode(.|\n)*sometimes"):
            kernels.use_onednn("sometimes")
