"""checkpoint: the same values and gradients at every order, and less memory."""

import itertools
from functools import partial

import numpy
import pytest
import torch

import nexnet as nx

DOUBLE = {"dtype": torch.float64}
X = torch.randn(3, generator=torch.Generator().manual_seed(7), **DOUBLE)
SCALE = torch.tensor(1.5, **DOUBLE)


def smooth(x, scale=SCALE):
    return torch.sin(x * scale) * x


def derivative(transform, fn, order):
    for _ in range(order):
        fn = transform(lambda x, fn=fn: (fn(x) ** 2).sum())
    return fn


#: Each gives a function of x alone, that meets x and a constant in another way; nx.checkpoint or nothing is applied.
WAYS = {
    "an argument": lambda checkpoint: lambda x: checkpoint(smooth)(x, SCALE),
    "a keyword": lambda checkpoint: lambda x: checkpoint(smooth)(SCALE, scale=x),
    "a pytree": lambda checkpoint: lambda x: checkpoint(lambda t: {"y": smooth(*t["in"])})({"in": (x, SCALE)})["y"],
    "a closure": lambda checkpoint: lambda x: checkpoint(lambda scale: smooth(x, scale))(SCALE),
    "a closure and an argument": lambda checkpoint: lambda x: checkpoint(lambda y: smooth(x * y, x))(x),
    "a keyword's default": lambda checkpoint: lambda x: checkpoint(lambda scale, *, x=x: smooth(x, scale))(SCALE),
    "a default": lambda checkpoint: lambda x: checkpoint(lambda scale, x=x: smooth(x, scale))(SCALE),
    "a function within a function": lambda checkpoint: lambda x: checkpoint(lambda s: (lambda: smooth(x, s))())(SCALE),
    "an object": lambda checkpoint: lambda x: checkpoint(Layer(x).__call__)(SCALE),
    "several outputs": lambda checkpoint: lambda x: sum(checkpoint(lambda x: (x, smooth(x), smooth(x) * x))(x)),
    "one within another": lambda checkpoint: lambda x: checkpoint(lambda y: checkpoint(smooth)(x, y) * y)(x),
    "one after another": lambda checkpoint: lambda x: checkpoint(smooth)(checkpoint(smooth)(x)),
    "twice the same": lambda checkpoint: lambda x: checkpoint(lambda a, b: a * smooth(b))(x, x),
}


def by_turns():
    """Make a checkpoint whose policy keeps every second call."""
    answers = itertools.cycle([True, False])
    return partial(nx.checkpoint, policy=lambda cost: next(answers))


#: Whether the intermediates are kept: each makes a checkpoint.
HOW = {
    "dropped": lambda: nx.checkpoint,
    "kept": lambda: partial(nx.checkpoint, policy=lambda cost: True),
    "kept by turns": by_turns,
}


class Layer:
    def __init__(self, weight):
        self.weight = weight

    def __call__(self, x):
        return smooth(self.weight, x)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("way", WAYS)
class TestGradients:
    @pytest.mark.parametrize("order", [1, 2, 3])
    def test_every_order(self, way, how, order):
        found = derivative(nx.grad, WAYS[way](HOW[how]()), order)(X)
        expected = derivative(torch.func.grad, WAYS[way](lambda fn: fn), order)(X)
        assert torch.allclose(found.data, expected, rtol=1e-9)

    def test_jvp_and_hessian(self, way, how):
        fn, plain = WAYS[way](HOW[how]()), WAYS[way](lambda fn: fn)
        assert torch.allclose(nx.jvp(fn, (X,), (X,))[1].data, torch.func.jacrev(plain)(X) @ X, rtol=1e-9)
        found = nx.hessian(lambda x: fn(x).sum())(X)
        expected = torch.func.jacrev(torch.func.jacrev(lambda x: plain(x).sum()))(X)
        assert torch.allclose(found.data, expected, rtol=1e-9, atol=1e-12)

    def test_under_and_over_vmap(self, way, how):
        if way == "an object":
            pytest.skip("vmap refuses it: see TestVmap")
        batch = torch.stack([X, 2 * X])
        for order in (1, 2):
            found = nx.vmap(derivative(nx.grad, WAYS[way](HOW[how]()), order))(batch)
            expected = torch.func.vmap(derivative(torch.func.grad, WAYS[way](lambda fn: fn), order))(batch)
            assert torch.allclose(found.data, expected, rtol=1e-9)
            found = derivative(nx.grad, nx.vmap(WAYS[way](HOW[how]())), order)(batch)
            expected = derivative(torch.func.grad, torch.func.vmap(WAYS[way](lambda fn: fn)), order)(batch)
            assert torch.allclose(found.data, expected, rtol=1e-9)


class TestVmap:
    def test_of_a_vmap(self):
        batch = torch.stack([X, 2 * X])
        found = derivative(nx.grad, nx.checkpoint(nx.vmap(smooth)), 2)(batch)
        expected = derivative(torch.func.grad, torch.func.vmap(smooth), 2)(batch)
        assert torch.allclose(found.data, expected, rtol=1e-9)

    def test_what_hides_in_an_object_is_refused_under_vmap(self):
        batch = torch.stack([X, 2 * X])
        with pytest.raises(nx.InputError, match=r"vmap can't follow a tensor(.|\n)*pass it to that function"):
            nx.grad(lambda xs: nx.vmap(lambda x: nx.checkpoint(Layer(x * x).__call__)(SCALE))(xs).sum())(batch)

    @pytest.mark.parametrize(
        "hidden",
        [
            lambda x: Layer(x).__call__,
            lambda x: (lambda layer: lambda y: layer(y))(Layer(x)),
            lambda x: partial(smooth, x),
        ],
        ids=["a method", "a closure over an object", "a partial function"],
    )
    def test_also_where_it_is_not_differentiated(self, hidden):
        batch = nx.LiteTensor(torch.stack([X, 2 * X]))
        with pytest.raises(nx.InputError, match=r"vmap can't follow a tensor(.|\n)*pass it to that function"):
            nx.grad(lambda w: nx.vmap(lambda x: nx.checkpoint(hidden(x))(w))(batch).sum())(SCALE)


@pytest.mark.parametrize("how", HOW)
class TestRandomness:
    @staticmethod
    def dropped(x, generator=None):
        return x * x * (nx.rand(3, generator=generator) > 0.5).double()

    def test_is_not_drawn_twice(self, how):
        torch.manual_seed(3)
        expected = nx.hessian(lambda x: self.dropped(x).sum())(X)
        after = torch.rand(())
        torch.manual_seed(3)
        found = nx.hessian(lambda x: HOW[how]()(self.dropped)(x).sum())(X)
        assert torch.equal(found.data, expected.data)
        assert torch.equal(torch.rand(()), after)  # and what comes next is as if nothing had been drawn again

    @pytest.mark.parametrize("randomness", ["same", "different"])
    def test_under_vmap(self, how, randomness):
        batch = torch.stack([X, X])

        def gradient(wrap):
            torch.manual_seed(5)
            return nx.grad(lambda xs: nx.vmap(wrap(self.dropped), randomness=randomness)(xs).sum())(batch)

        found = gradient(HOW[how]())
        assert torch.equal(found.data, gradient(lambda fn: fn).data)
        assert torch.equal(found.data[0], found.data[1]) == (randomness == "same")

    def test_generators_among_the_arguments(self, how):
        def gradient(wrap):
            generator = torch.Generator().manual_seed(11)
            return nx.grad(lambda x: (wrap(self.dropped)(x, generator) + wrap(self.dropped)(x, generator)).sum())(X)

        assert torch.equal(gradient(HOW[how]()).data, gradient(lambda fn: fn).data)


class TestWork:
    def test_runs_once_forward_and_once_for_each_backward(self):
        calls = []

        def fn(x):
            calls.append(x)
            return x * x

        assert nx.checkpoint(fn)(2.0) == 4.0  # not recorded: a plain call
        assert len(calls) == 1
        _, pullback = nx.vjp(nx.checkpoint(fn), 2.0)
        assert len(calls) == 2
        assert [pullback(1.0)[0].item(), pullback(2.0)[0].item()] == [4.0, 8.0]
        assert len(calls) == 4

    def test_is_one_node(self):
        _, tape = nx.trace(nx.checkpoint(smooth))(X, SCALE)
        assert [node.name for node in tape.nodes] == ["checkpoint"]

    def test_what_depends_on_nothing_is_not_recorded(self):
        _, tape = nx.trace(lambda x: nx.checkpoint(smooth)(nx.LiteTensor(SCALE)) * x)(X)
        assert [node.name for node in tape.nodes] == ["mul"]

    def test_an_exception_leaves_the_tape_whole(self):
        def fails(x):
            x * x
            raise ZeroDivisionError

        def fn(x):
            try:
                nx.checkpoint(fails)(x)
            except ZeroDivisionError:
                return x * x * x

        assert nx.grad(fn)(2.0).item() == 12.0

    def test_an_output_that_is_no_tensor(self):
        with pytest.raises(nx.InputError, match=r"checkpoint must return tensors(.|\n)*out\[1\]"):
            nx.grad(lambda x: nx.checkpoint(lambda x: (x, "text"))(x)[0])(1.0)


@pytest.mark.parametrize(("fn", "generators"), [(lambda x: x * x, 0), (lambda x: nx.dropout(x, 0.5), 1)])
def test_the_random_state_is_kept_where_something_was_drawn(fn, generators):
    (node,) = nx.trace(nx.checkpoint(fn))(nx.ones(3))[1].nodes
    assert len(node.saved[0].random_state.states) == generators


def test_memory_of_an_inner_loop(live_bytes):
    """50 steps of gradient descent, differentiated through: memory grows by what each passes on, not by what it did."""
    x = torch.randn(100, 1)
    weights = (torch.randn(1, 40), torch.randn(40, 40) * 0.1, torch.randn(40, 1) * 0.1)

    def loss(weights):
        hidden = torch.tanh(torch.matmul(torch.tanh(torch.matmul(x, weights[0])), weights[1]))
        return ((torch.matmul(hidden, weights[2]) - torch.sin(x)) ** 2).mean()

    def step(weights):
        return tuple(w - 0.1 * g for w, g in zip(weights, nx.grad(loss)(weights), strict=True))

    def measure(step, count):
        def after_training(weights):
            for _ in range(count):
                weights = step(weights)
            return loss(weights)

        with live_bytes() as memory:
            gradient, _ = nx.tree.ravel(nx.grad(after_training)(weights))
        return memory.peak, gradient.data

    growth, gradients = {}, {}
    for name, each in {"plain": step, "checkpoint": nx.checkpoint(step)}.items():
        (before, _), (after, gradients[name]) = measure(each, 1), measure(each, 51)
        growth[name] = after - before
    assert growth["checkpoint"] < 0.3 * growth["plain"]
    assert growth["checkpoint"] <= 51 * sum(w.nbytes for w in weights)
    assert torch.allclose(gradients["checkpoint"], gradients["plain"], rtol=1e-4, atol=1e-7)


class TestWhatIsNotRepeatable:
    """Backward runs the function again: what it computes then must be what it has computed."""

    def test_a_draw_from_numpy(self):
        fn = nx.checkpoint(lambda x: x * float(numpy.random.default_rng().standard_normal()))
        with pytest.raises(nx.errors.GradientError, match=r"something else the second time(.|\n)*with other numbers"):
            nx.grad(lambda x: fn(x).sum())(X)

    def test_a_function_that_counts_its_calls(self):
        calls = []

        def fn(x):
            calls.append(0)
            return x[: len(calls)] * 1.0

        with pytest.raises(nx.errors.GradientError, match=r"fn(.|\n)*\(1,\) of torch.float64(.|\n)*got: +\(2,\)"):
            nx.grad(lambda x: nx.checkpoint(fn)(x).sum())(X)

    def test_that_nobody_checks(self):
        calls = []

        def fn(x):
            calls.append(0)
            return x * len(calls)

        assert nx.grad(lambda x: nx.checkpoint(fn, check=False)(x).sum())(X).tolist() == [2.0, 2.0, 2.0]

    def test_what_is_not_finite_or_empty_is_as_it_is(self):
        fn = nx.checkpoint(lambda x: (x / 0, x[:0] * 2, x * 2))
        assert nx.grad(lambda x: fn(x)[2].sum() + fn(x)[1].sum())(X).tolist() == [2.0, 2.0, 2.0]


@pytest.mark.filterwarnings("ignore::nexnet.errors.ConstantWarning")
def test_what_runs_again_is_a_users_function_and_no_rules_code():
    """At the second order, too, it may read a number and write into a copy of a constant."""
    factors = nx.tensor([1.0, 1.0, 1.0])

    @nx.checkpoint
    def fn(x):
        copy = factors.numpy()
        copy[0] = x[0].item()
        return (x * x * nx.LiteTensor(copy)).sum()

    assert torch.equal(nx.hessian(fn)(nx.tensor([5.0, 1.0, 1.0])).data, torch.diag(torch.tensor([10.0, 2.0, 2.0])))
