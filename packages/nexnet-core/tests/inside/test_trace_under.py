"""A trace under what else nexnet does: override, vmap, jvp, checkpoint, complex numbers, threads; and what it holds."""

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

import nexnet as nx


@nx.function
class guided(nx.Policy):
    """A ReLU whose gradient passes on what is positive alone."""

    def forward(self, x):
        self.ctx.save(x)
        return x.clamp(min=0)

    def backward(self, grad):
        (x,) = self.ctx.release
        return grad.clamp(min=0) * (x > 0)


class TestOverride:
    def test_a_rule_says_what_it_replaces(self):
        with nx.override({torch.relu: guided}):
            _, tape = nx.trace(lambda x: torch.relu(x.sin()).sum(), gradients=True)(torch.tensor([-1.0, 1.0]))
        assert [(each.rule, each.replaces) for each in tape] == [("sin", ""), ("guided", "relu"), ("sum", "")]
        assert tape.find(rule="guided")[0].source.code.startswith("_, tape = nx.trace(lambda x: torch.relu(")
        assert "replaces:  relu" in repr(tape[1])

    def test_so_does_what_a_function_calls_in_the_place_of_an_operator(self):
        def halved(x, w, b=None):
            return nx.linear(x, w * 0.5, b)

        with nx.override({torch.nn.functional.linear: halved}):
            _, tape = nx.trace(lambda x, w: torch.nn.functional.linear(x, w))(torch.ones(1, 2), torch.ones(3, 2))
        assert [(each.rule, each.replaces) for each in tape] == [("mul", "linear"), ("linear", "linear")]
        assert tape[0].source.function.endswith("halved")

    def test_in_a_model_a_vmap_and_a_checkpoint(self):
        model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())
        params = nx.parameters_of(model)

        def loss(row):
            return nx.checkpoint(lambda row: nx.functional_call(model, params, (row,)).sum())(row)

        with nx.override({torch.relu: guided}, within="1"):
            _, tape = nx.trace(nx.vmap(loss))(torch.ones(4, 2))
        (found,) = [each for each in tape.flat() if each.replaces]
        assert (found.rule, found.replaces, found.module, found.module_type) == ("guided", "relu", "1", "ReLU")


class TestTransforms:
    def test_a_jvp_shows_both_passes_and_its_tangent_is_right(self):
        (_, tangent), tape = nx.trace(lambda x: nx.jvp(lambda x: x.sin().exp(), (x,), (nx.ones(2),)))(torch.ones(2))
        x = torch.ones(2)
        torch.testing.assert_close(tangent.data, x.sin().exp() * x.cos())
        assert [each.rule for each in tape][:3] == ["alias", "sin", "exp"]
        assert {tape[each.forward].rule for each in tape if each.forward} >= {"sin", "exp"}
        assert all(each.source is not None for each in tape)

    def test_complex_numbers_have_values_and_gradients(self):
        z = torch.tensor([1 + 2j, 3 - 1j])
        _, tape = nx.trace(lambda z: (z * z).abs().sum(), gradients=True)(z)
        assert [str(each.dtype) for each in tape] == ["torch.complex64", "torch.float32", "torch.float32"]
        torch.testing.assert_close(tape["%0"].gradient, z * z / (z * z).abs())
        torch.testing.assert_close(tape["z"].gradient, 2 * z.conj() * tape["%0"].gradient)

    def test_a_vmap_of_a_gradient_keeps_the_values_of_all_examples(self):
        x = torch.tensor([1.0, 2.0, 3.0])
        value, tape = nx.trace(nx.vmap(nx.grad(lambda x: x * x * x)))(x)
        torch.testing.assert_close(value.data, 3 * x**2)
        squared, cubed = [each.value for each in tape["%0"].body if each.rule == "mul" and not each.forward]
        torch.testing.assert_close(squared, x**2)
        torch.testing.assert_close(cubed, x**3)


class TestThreads:
    def test_several_trace_at_once_and_each_has_its_own(self):
        barrier = threading.Barrier(4)

        def work(times):
            def fn(x):
                for _ in range(times):
                    barrier.wait(timeout=30)
                    x = x.sin()
                return x

            return nx.trace(fn, gradients=True)(float(times))

        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda _: work(5), range(4)))
        for _, tape in found:
            assert [each.called() for each in tape] == ["sin(x)", *[f"sin(%{i})" for i in range(4)]]
            assert len(tape.gradients) == 6

    def test_what_another_thread_does_at_the_side_is_not_taken_down(self):
        def fn(x):
            with ThreadPoolExecutor(1) as pool:
                pool.submit(lambda: nx.trace(lambda y: y.exp().cos())(1.0)).result()
            return x.sin()

        _, tape = nx.trace(fn)(1.0)
        assert [each.rule for each in tape] == ["sin"]


def deep(x):
    """Six layers, each of which saves something."""
    for _ in range(3):
        x = (x.sin() * 1.5).exp().cos()
    return x.sum()


@pytest.fixture
def x():
    return torch.rand(1000)


class TestWhatItHolds:
    @pytest.mark.parametrize(
        "options", [{"values": False}, {}, {"gradients": True}], ids=["no values", "values", "gradients"]
    )
    def test_is_what_it_says(self, options, x):
        traced = nx.trace(deep, **options)
        traced(x)
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
            _, tape = traced(x)
        events = profiler.profiler.kineto_results.events()
        grown = sum(each.nbytes() for each in events if each.name() == "[memory]")
        assert tape.nbytes == pytest.approx(grown, rel=0.02)

    def test_without_values_is_what_the_backward_needs(self, x):
        _, tape = nx.trace(deep, values=False)(x)
        assert tape.nbytes == tape.kept

    def test_of_a_checkpoint_and_a_vmap_is_their_outputs(self, x):
        _, tape = nx.trace(lambda x: nx.vmap(nx.checkpoint(deep))(x.reshape(10, 100)).sum(), values=False)(x)
        assert tape.nbytes == tape.kept < 1000

    def test_is_freed_with_it_and_without_waiting_for_the_garbage_collector(self, x):
        gc.collect()
        gc.disable()
        try:
            _, tape = nx.trace(deep, gradients=True)(x)
            held = [weakref.ref(each.untyped_storage()) for each in tape.values.values()]
            gone = weakref.ref(tape)
            del tape
            assert gone() is None
            assert held
        finally:
            gc.enable()

    def test_comes_back_from_a_file(self, x, tmp_path):
        pytest.importorskip("safetensors")
        _, tape = nx.trace(deep, gradients=True)(x)
        tape.save(tmp_path / "trace.json")
        assert nx.inside.Trace.load(tmp_path / "trace.json").nbytes > 0
