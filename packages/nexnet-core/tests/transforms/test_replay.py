"""replay: what is refused and why (seen on the CPU and on meta), and on a GPU that a replayed step is the step."""

import random

import numpy
import pytest
import torch

import nexnet as nx
from nexnet.errors import InputError, ReplayError
from nexnet.transforms._observed import observe

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")


def on_meta(*shape, dtype=torch.float32):
    """A tensor that stands for one on a GPU: it has no values that one could look at."""
    return nx.LiteTensor(torch.empty(shape, dtype=dtype, device="meta"))


def seen(step, *args):
    return observe(lambda: step(*args), [each.data for each in args])


# On the CPU


class TestOnTheCPU:
    pytestmark = pytest.mark.cpu_only("how a step runs where there is no GPU")

    def test_the_step_is_run_as_it_is_and_says_so(self):
        calls = []

        @nx.replay
        def step(x, factor):
            calls.append(factor)
            return x * factor

        assert step.how == "not called yet"
        for factor in (2, 3):
            assert step(nx.ones(2), factor).tolist() == [factor, factor]
        assert calls == [2, 3]
        assert step.how == "run as it is: no argument is a tensor on an NVIDIA GPU"
        assert repr(step) == (
            "<replay of TestOnTheCPU.test_the_step_is_run_as_it_is_and_says_so.<locals>.step: 0 recordings, "
            "the latest call was run as it is: no argument is a tensor on an NVIDIA GPU>"
        )

    def test_it_may_do_what_can_not_be_recorded(self):
        step = nx.replay(lambda x: x * 2 if x.sum().item() > 0 else x)
        assert step(nx.ones(2)).tolist() == [2, 2]

    def test_it_has_the_steps_name_and_text(self):
        def step(x):
            """Do nothing."""
            return x

        assert (nx.replay(step).__name__, nx.replay(step).__doc__) == ("step", "Do nothing.")

    def test_it_is_differentiable_as_the_step_is(self):
        assert nx.grad(nx.replay(lambda x: x * x))(3.0).item() == 6

    def test_it_takes_a_function(self):
        with pytest.raises(InputError, match="replay makes a function of a function"):
            nx.replay(nx.ones(2))

    def test_it_keeps_a_recording(self):
        with pytest.raises(InputError, match=r"(?s)at least one recording.*keep.*0"):
            nx.replay(nx.sin, keep=0)


# What is seen of a step


class TestWhatIsSeen:
    def test_what_it_writes_into(self):
        def step(p, x):
            (grad,) = nx.grad(lambda p: ((p[0] * x) ** 2).sum())((p,))
            p.data.sub_(grad.data)
            return p

        p, x = on_meta(3), on_meta(3)
        _, observer = seen(step, p, x)
        assert observer.written == {p.data.untyped_storage()._cdata}

    def test_lists_of_tensors_that_it_writes_into(self):
        p, q = on_meta(3), on_meta(2)
        _, observer = seen(lambda p, q: torch._foreach_add_([p.data, q.data], 1.0), p, q)
        assert observer.written == {each.data.untyped_storage()._cdata for each in (p, q)}

    def test_what_it_makes_it_may_write_into(self):
        _, observer = seen(lambda x: nx.grad(lambda x: (x * x + x).sum())(x), on_meta(3))
        assert observer.written == set()

    def test_what_it_closes_over(self):
        w = on_meta(3)
        _, observer = seen(lambda x: (x * w).sum() + (w * w).sum(), on_meta(3))
        assert [each is w.data for each in observer.read] == [True]

    def test_a_view_of_an_argument_is_the_argument(self):
        x = on_meta(3, 2)
        _, observer = seen(lambda x: x.data.t()[0].zero_(), x)
        assert observer.written == {x.data.untyped_storage()._cdata}

    def test_higher_orders_and_vmap(self):
        def meta(w, x):
            inner = nx.grad(lambda w, x: (nx.tanh(x @ w) ** 2).sum())
            return nx.grad(lambda w: nx.vmap(lambda x: (inner(w, x) ** 2).sum())(x).sum())(w)

        out, observer = seen(meta, on_meta(3, 2), on_meta(5, 4, 3))
        assert (out.shape, out.device.type) == ((3, 2), "meta")
        assert observer.written == set()

    def test_a_checkpoint_that_draws_nothing(self):
        out, _ = seen(lambda x: nx.grad(lambda x: nx.checkpoint(nx.sin)(x).sum())(x), on_meta(3))
        assert out.shape == (3,)


# What is refused


def item(x):
    return x * x.sum().item()


def branch(x):
    return x if x.sum() > 0 else -x


def masked(x):
    return x[x > 0]


def written_by_mask(x):
    return x.at[x > 0].set(0.0)


def nonzero(x):
    return nx.nonzero(x)


def chosen(x):
    return nx.masked_select(x, x > 0)


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("step", "operator", "remedy"),
        [
            (item, "_local_scalar_dense, at .*test_replay.py:", "nexnet.where"),
            (branch, "_local_scalar_dense|is_nonzero", "nexnet.where"),
            (masked, "index", "an index that is a mask"),
            (nonzero, "nonzero", "the size of a result must not depend on values"),
            (chosen, "masked_select", "multiply by the mask"),
        ],
    )
    def test_to_wait_for_values(self, step, operator, remedy):
        with pytest.raises(ReplayError, match=f"(?s)can't wait for the values.*({operator}).*{remedy}"):
            seen(step, on_meta(3))

    def test_to_copy_from_the_gpu(self):
        with pytest.raises(ReplayError, match=r"(?s)can't copy between the CPU and the GPU.*copy_.*pass it"):
            seen(lambda x: torch.zeros(3).copy_(x.data), on_meta(3))

    def test_to_copy_to_the_gpu(self):
        host = torch.ones(3, device="cpu")
        with pytest.raises(ReplayError, match=r"(?s)can't copy between.*pass it as an argument"):
            seen(lambda x: x + host.to("meta"), on_meta(3))

    def test_to_write_into_the_cpus_memory(self):
        count = torch.zeros((), device="cpu")
        with pytest.raises(ReplayError, match=r"(?s)can't write into a tensor on the CPU.*add_"):
            seen(lambda x: (count.add_(1), x)[1], on_meta(3))

    @pytest.mark.parametrize(
        ("draw", "whose"),
        [
            (random.random, "Python's random"),
            (numpy.random.rand, "numpy.random"),
            (lambda: torch.rand(2, device="cpu"), "torch's generator of the CPU"),
        ],
    )
    def test_to_draw_on_the_host(self, draw, whose):
        with pytest.raises(ReplayError, match=f"(?s)random numbers on the host.*{whose}.*draw on the GPU"):
            seen(lambda x: (draw(), x)[1], on_meta(3))

    def test_to_draw_the_same_numbers_twice(self):
        def step(x):
            return nx.grad(lambda x: nx.checkpoint(lambda x: nx.dropout(x, 0.5))(x).sum())(x)

        with pytest.raises(ReplayError, match=r"(?s)the same random numbers a second time.*draw outside"):
            seen(step, nx.ones(4))

    def test_a_number_that_is_constant_is_no_value_to_wait_for(self):
        host = torch.tensor(3.0, device="cpu")
        out, _ = seen(lambda x: x * host, on_meta(3))
        assert out.shape == (3,)


# On a GPU


def loss(params, x, y):
    w1, b1, w2, b2 = params
    return nx.cross_entropy(nx.linear(nx.relu(nx.linear(x, w1, b1)), w2, b2), y)


def in_place(params, x, y):
    value, grads = nx.value_and_grad(loss)(params, x, y)
    for p, g in zip(params, grads, strict=True):
        p.data.sub_(g.data, alpha=0.1)
    return value, params


def pure(params, x, y):
    value, grads = nx.value_and_grad(loss)(params, x, y)
    return value, [p - 0.1 * g for p, g in zip(params, grads, strict=True)]


def model():
    generator = torch.Generator().manual_seed(0)
    shapes = ((32, 20), (32,), (10, 32), (10,))
    return [nx.LiteTensor(torch.randn(each, generator=generator).to("cuda")) for each in shapes]


def batches(count, size=16):
    generator = torch.Generator().manual_seed(1)
    for _ in range(count):
        x, y = torch.randn(size, 20, generator=generator), torch.randint(10, (size,), generator=generator)
        yield nx.LiteTensor(x.to("cuda")), nx.LiteTensor(y.to("cuda"))


def assert_same(got, expected, rtol=1e-5):
    for mine, theirs in zip(nx.tree.leaves(got), nx.tree.leaves(expected), strict=True):
        torch.testing.assert_close(mine.data, theirs.data, rtol=rtol, atol=1e-6)


@needs_gpu
class TestReplay:
    @pytest.mark.parametrize("step", [in_place, pure])
    def test_each_result_is_the_steps(self, step):
        replayed, mine, theirs = nx.replay(step), model(), model()
        how = []
        for x, y in batches(6):
            got, mine = replayed(mine, x, y)
            expected, theirs = step(theirs, x, y)
            assert_same((got, mine), (expected, theirs))
            how.append(replayed.how)
        assert how[0].startswith("run as it is, and looked at")
        assert how[1:] == ["recorded, and replayed"] + ["replayed"] * 4

    def test_what_is_written_into_stays_where_it_is(self):
        replayed, params = nx.replay(in_place), model()
        for x, y in batches(4):
            _, got = replayed(params, x, y)
            assert all(a is b for a, b in zip(got, params, strict=True))

    def test_other_parameters_are_recorded_anew(self):
        replayed, first, second = nx.replay(in_place), model(), model()
        other = model()
        for x, y in batches(6):
            replayed(first, x, y)
            replayed(second, x, y)
            in_place(other, x, y)
        assert_same(first, other)
        assert_same(second, other)
        assert "2 recordings" in repr(replayed)

    def test_arguments_that_stay_are_read_where_they_are(self):
        w, x = nx.ones(3, device="cuda"), nx.ones(3, device="cuda")
        replayed = nx.replay(lambda w, x: w * x)
        for _ in range(3):
            assert replayed(w, x).tolist() == [1, 1, 1]
        w.data.mul_(5)
        assert replayed(w, x).tolist() == [5, 5, 5]
        assert replayed.how == "replayed"
        assert replayed(w, nx.full((3,), 2.0, device="cuda")).tolist() == [10, 10, 10]
        assert replayed.how == "recorded, and replayed"
        assert replayed(w, nx.full((3,), 3.0, device="cuda")).tolist() == [15, 15, 15]
        assert replayed.how == "replayed"

    def test_another_shape_dtype_or_number_is_recorded_anew(self):
        replayed = nx.replay(lambda x, factor: x * factor)
        for _ in range(2):
            for shape in ((3,), (2, 2)):
                for dtype in (torch.float32, torch.float64):
                    for factor in (2, 2.5):
                        x = nx.full(shape, 3.0, dtype=dtype, device="cuda")
                        out = replayed(x, factor)
                        assert (out.shape, out.dtype) == (shape, dtype)
                        assert out.data.eq(3 * factor).all()
        assert "8 recordings" in repr(replayed)

    def test_no_more_recordings_are_kept_than_asked_for(self):
        replayed = nx.replay(lambda x, factor: x * factor, keep=2)
        for factor in range(5):
            for _ in range(2):
                assert replayed(nx.ones(2, device="cuda"), factor).tolist() == [factor, factor]
        assert "2 recordings" in repr(replayed)

    def test_results_are_the_callers_own(self):
        replayed = nx.replay(lambda x: (x * 2, x.sum()))
        kept = []
        for i in range(4):
            doubled, _ = replayed(nx.full((2,), float(i), device="cuda"))
            kept.append(doubled)
        assert [each.tolist() for each in kept] == [[2 * i, 2 * i] for i in range(4)]

    def test_lent_results_are_written_over(self):
        replayed = nx.replay(lambda x: x * 2, lend=True)
        kept = [replayed(nx.full((2,), float(i), device="cuda")) for i in range(4)]
        assert [each.tolist() for each in kept] == [[0, 0], [6, 6], [6, 6], [6, 6]]

    def test_random_numbers_are_those_of_the_step(self):
        def step(x):
            return nx.dropout(x, 0.5) + nx.rand(x.shape, device="cuda")

        x = nx.ones(100, device="cuda")
        torch.manual_seed(0)
        expected = [step(x) for _ in range(5)]
        torch.manual_seed(0)
        replayed = nx.replay(step)
        got = [replayed(x) for _ in range(5)]
        assert_same(got, expected)
        assert not got[-1].data.equal(got[-2].data)

    def test_a_generator_among_the_arguments(self):
        def step(x, generator):
            return nx.dropout(x, 0.5, generator=generator)

        x = nx.ones(100, device="cuda")
        replayed = nx.replay(step)
        first, second = (torch.Generator("cuda").manual_seed(0) for _ in range(2))
        assert_same([replayed(x, first) for _ in range(4)], [step(x, second) for _ in range(4)])

    def test_within_another_transform_it_is_the_step(self):
        replayed = nx.replay(lambda x: (x * x).sum())
        x = nx.ones(3, device="cuda")
        for _ in range(3):
            assert nx.grad(replayed)(x).tolist() == [2, 2, 2]
        assert replayed.how == "run as it is: it is called within another transform, which looks into it"

    def test_streams(self):
        replayed = nx.replay(lambda x: (x @ x).sum())
        side = torch.cuda.Stream()
        x = nx.ones((200, 200), device="cuda")
        for _ in range(4):
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                there = replayed(x)
            torch.cuda.current_stream().wait_stream(side)
            here = replayed(x)
            assert there.item() == here.item() == 200.0**3

    def test_the_step_is_recorded_and_no_more_run(self):
        calls = []
        replayed = nx.replay(lambda x: (calls.append(1), x + 1)[1])
        for _ in range(5):
            replayed(nx.ones(2, device="cuda"))
        assert len(calls) == 2

    def test_second_order_and_vmap(self):
        def meta(w, x):
            inner = nx.grad(lambda w, x: (nx.tanh(x @ w) ** 2).sum())
            return nx.grad(lambda w: nx.vmap(lambda x: (inner(w, x) ** 2).sum())(x).sum())(w)

        w, x = nx.randn(3, 2, device="cuda"), nx.randn(5, 4, 3, device="cuda")
        replayed = nx.replay(meta)
        for _ in range(3):
            assert_same(replayed(w, x), meta(w, x), rtol=1e-4)


@needs_gpu
class TestRefusedOnAGPU:
    @pytest.mark.parametrize("step", [item, branch, masked, nonzero, chosen, written_by_mask])
    def test_to_wait_for_values(self, step):
        with pytest.raises(ReplayError, match="can't wait for the values"):
            nx.replay(step)(nx.ones(3, device="cuda"))

    def test_what_only_the_recording_shows(self):
        generator = torch.Generator("cuda")
        replayed = nx.replay(lambda x: nx.dropout(x, 0.5, generator=generator))  # no argument
        replayed(nx.ones(3, device="cuda"))
        with pytest.raises(ReplayError, match=r"(?s)the step can't be recorded.*generator drawn from"):
            replayed(nx.ones(3, device="cuda"))
        torch.cuda.synchronize()
        assert nx.replay(nx.sin)(nx.zeros(3, device="cuda")).tolist() == [0, 0, 0]

    def test_an_error_of_the_step_is_the_steps(self):
        calls = []

        def step(x):
            calls.append(1)
            if len(calls) == 2:
                raise KeyError("mine")
            return x * 2

        replayed, x = nx.replay(step), nx.ones(3, device="cuda")
        replayed(x)
        with pytest.raises(KeyError, match="mine"):
            replayed(x)
        assert replayed(x).tolist() == [2, 2, 2]

    def test_a_tensor_on_the_cpu(self):
        step = nx.replay(lambda x, y: x * y)
        with pytest.raises(InputError, match=r"(?s)are on one GPU.*args\[1\].*one on cpu.*capturable=True"):
            step(nx.ones(3, device="cuda"), nx.ones((), device="cpu"))

    def test_an_argument_without_a_hash(self):
        with pytest.raises(InputError, match=r"(?s)must be hashable.*args\[1\].*set"):
            nx.replay(lambda x, y: x)(nx.ones(3, device="cuda"), {1})

    def test_a_tensor_that_torch_differentiates(self):
        with pytest.raises(InputError, match=r"(?s)requires grad.*x.detach"):
            nx.replay(lambda x: x * 2)(torch.ones(3, device="cuda", requires_grad=True))
