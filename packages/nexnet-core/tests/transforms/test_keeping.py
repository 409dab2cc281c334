"""A policy of checkpoint's: when it is asked, what it is told, and what its answer does."""

import time
import weakref
from functools import partial

import pytest
import torch

import nexnet as nx

X = torch.linspace(0.1, 1, 1000)
W = torch.linspace(1, 2, 1000)
nbytes = X.nbytes


def deep(x):
    """Two intermediates: what exp gives, which it saves and sin does, and what sin gives, which cos saves."""
    return x.exp().sin().cos()


class Asked:
    """A policy of always the same answer, which remembers what it was told."""

    def __init__(self, answer):
        self.answer, self.costs = answer, []

    def __call__(self, cost):
        self.costs.append(cost)
        return self.answer

    @property
    def bytes(self):
        return [cost.nbytes for cost in self.costs]


def kept(fn, *args):
    """List the rules on the tape of a function."""
    return [node.name for node in nx.trace(fn)(*args)[1].nodes]


class TestAnswer:
    def test_true_leaves_the_nodes_on_the_tape(self):
        assert kept(nx.checkpoint(deep, policy=lambda cost: True), X) == ["exp", "sin", "cos"]

    def test_false_makes_one_node_of_them(self):
        assert kept(nx.checkpoint(deep, policy=lambda cost: False), X) == ["checkpoint"]

    def test_of_another_type_is_an_error_and_leaves_the_tape_whole(self):
        def fn(x):
            with pytest.raises(nx.InputError, match=r"policy(.|\n)*expected: +True or False(.|\n)*got: +1 \(int\)"):
                nx.checkpoint(deep, policy=lambda cost: 1)(x)
            return x * x

        assert kept(fn, X) == ["mul"]

    def test_an_exception_of_the_policy_s_leaves_the_tape_whole(self):
        def fn(x):
            with pytest.raises(ZeroDivisionError):
                nx.checkpoint(deep, policy=lambda cost: 1 / 0)(x)
            return x * x

        assert kept(fn, X) == ["mul"]

    def test_what_can_t_be_called_is_refused_at_once(self):
        with pytest.raises(nx.InputError, match=r"checkpoint wants a function(.|\n)*policy"):
            nx.checkpoint(deep, policy=0.5)


class TestWhenItIsAsked:
    def test_once_for_each_call_that_is_recorded(self):
        policy = Asked(True)
        block = nx.checkpoint(deep, policy=policy)
        block(X)
        nx.grad(lambda x: block(nx.LiteTensor(W)).sum() * x.sum())(X)
        assert policy.costs == []
        nx.grad(lambda x: block(block(x)).sum())(X)
        assert len(policy.costs) == 2
        nx.hvp(lambda x: block(x).sum(), (X,), (X,))
        assert len(policy.costs) == 3

    def test_inside_of_another_one_in_each_run_of_that(self):
        policy = Asked(True)
        inner = nx.checkpoint(deep, policy=policy)
        nx.grad(lambda x: nx.checkpoint(lambda x: inner(x) * x)(inner(x)).sum())(X)
        assert [cost.inside for cost in policy.costs] == [False, True, True]

    def test_not_inside_of_a_model_where_it_is_the_plain_call(self):
        policy = Asked(False)

        class Model(torch.nn.Module):
            def forward(self, x):
                return nx.checkpoint(deep, policy=policy)(x)

        assert kept(lambda x: nx.functional_call(Model(), {}, (x,)), X) == ["exp", "sin", "cos"]
        assert policy.costs == []


def by_itself(x):
    e = x.exp()
    return x.cos(), lambda grad: grad * e


class Layer:
    def __init__(self):
        self.weight = W

    def __call__(self, x):
        return x * self.weight


#: What is called, and how many tensors like x its nodes keep alive beside what lives anyway.
COUNTED = {
    "nothing: cos saves what it is given": (lambda x: x.cos(), 0),
    "nothing: exp saves what it gives": (lambda x: x.exp(), 0),
    "two intermediates": (deep, 2),
    "what two rules save, once": (lambda x: (lambda e: e.sin() * e)(x.exp()), 2),
    "views of one memory, once": (lambda x: (lambda e: e[:500].sin() * e[500:].sin())(x.exp()), 2),
    "not an intermediate that is an output": (lambda x: (lambda e: (e, e.cos().cos()))(x.exp()), 1),
    "not an argument's default": (lambda x, w=W: x * w, 0),
    "not a global": (lambda x: x * W, 0),
    "not what an object has": (Layer(), 0),
    "not what a method's object has": (Layer().__call__, 0),
    "not what is closed over": ((lambda w: lambda x: x * w)(W), 0),
    "of what an inner call has kept": (nx.checkpoint(deep, policy=lambda cost: True), 2),
    "of what an inner call has dropped, nothing": (nx.checkpoint(deep, check=False), 0),
    "what a custom_grad's backward closes over": (nx.custom_grad(by_itself), 1),
}


class TestCost:
    @pytest.mark.parametrize("case", COUNTED)
    def test_bytes(self, case):
        fn, count = COUNTED[case]
        policy = Asked(False)
        nx.vjp(nx.checkpoint(fn, policy=policy), X)
        assert policy.bytes == [count * nbytes]

    @pytest.mark.parametrize("case", COUNTED)
    def test_bytes_under_vmap_are_those_of_the_batch(self, case):
        fn, count = COUNTED[case]
        policy = Asked(False)
        nx.vjp(nx.vmap(nx.checkpoint(fn, policy=policy)), torch.stack([X] * 5))
        assert policy.bytes == [5 * count * nbytes]

    def test_bytes_of_a_vmap(self):
        policy = Asked(False)
        nx.vjp(nx.checkpoint(nx.vmap(lambda x: deep(x.reshape(10, 10))), policy=policy), torch.randn(10, 100))
        assert policy.bytes == [2 * 4000]

    @pytest.mark.parametrize("randomness", [None, 0.5])
    def test_bytes_of_a_model_of_torch_s_are_those_that_are_freed(self, randomness, live_bytes):
        layer = torch.nn.TransformerEncoderLayer(16, 2, 32, randomness or 0.0, batch_first=True)
        parameters, x = nx.parameters_of(layer), nx.randn((2, 8, 16))

        def live(policy):
            block = nx.checkpoint(lambda x: nx.functional_call(layer, parameters, (x,)), check=False, policy=policy)
            with live_bytes() as memory:
                _, pullback = nx.vjp(block, x)
            return memory.live, pullback

        keeping, dropping = Asked(True), Asked(False)
        freed = live(keeping)[0] - live(dropping)[0]
        assert keeping.bytes == [pytest.approx(freed, abs=32)]  # torch keeps numbers as tensors of a few bytes

    @pytest.mark.parametrize(("fn", "name"), [(deep, "deep"), (partial(deep), "deep"), (Layer(), "Layer")])
    def test_name(self, fn, name):
        policy = Asked(False)
        nx.vjp(nx.checkpoint(fn, policy=policy), X)
        assert policy.costs[0].name == name

    def test_seconds_and_ratio(self):
        def sleepy(x):
            time.sleep(0.02)
            return deep(x)

        policy = Asked(False)
        nx.grad(lambda x: nx.checkpoint(sleepy, policy=policy)(x).sum())(X)
        (cost,) = policy.costs
        assert 0.02 <= cost.seconds < 2
        assert cost.bytes_per_second == cost.nbytes / cost.seconds
        assert [nx.CheckpointCost("", n, 0.0).bytes_per_second for n in (0, 1)] == [0, float("inf")]

    def test_holds_nothing(self):
        policy = Asked(True)
        _, pullback = nx.vjp(nx.checkpoint(deep, policy=policy), X)
        memory = [ref() for ref in policy.costs[0].storages]
        assert sum(each.nbytes() for each in memory) == policy.costs[0].nbytes
        alive = weakref.WeakSet(memory)
        del memory, pullback
        assert not alive

    def test_the_gpu_is_waited_for(self, monkeypatch):
        waits = []
        monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
        monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: len(waits) > 1)
        monkeypatch.setattr(torch.cuda, "synchronize", lambda: waits.append(None))
        monkeypatch.setattr(torch.cuda, "default_generators", ())
        policy = Asked(False)
        _, pullback = nx.vjp(lambda x: nx.checkpoint(deep, policy=policy)(x), X)
        assert len(waits) == 2  # before the call and after it
        nx.vjp(nx.checkpoint(deep, policy=policy), X)
        assert len(waits) == 2  # a capture goes on
        pullback(X)
        nx.vjp(nx.checkpoint(deep), X)
        assert len(waits) == 2  # nobody asks for the time
