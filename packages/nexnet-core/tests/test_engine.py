"""The engine: what is recorded, what is not, whose memory is whose, and what is freed when."""

import gc
import random
import sys
import threading
import weakref

import pytest
import torch

import nexnet as nx
from nexnet import engine
from nexnet.engine import TapeContext, backward, kernels_only


@nx.function
class double(nx.Policy):
    def forward(self, x):
        return x * 2.0

    def backward(self, grad):
        return grad * 2.0


@nx.function
class product(nx.Policy):
    def forward(self, x, y):
        self.ctx.save(x, y)
        return x * y

    def backward(self, grad):
        x, y = self.ctx.release
        return grad * y, grad * x


@nx.function
class same(nx.Policy):
    """Returns its argument, and hands the gradient it gets to its argument: both as the very object."""

    def forward(self, x):
        return x

    def backward(self, grad):
        return grad


@nx.function
class twins(nx.Policy):
    """Hands one and the same gradient object to both of its arguments."""

    def forward(self, x, y):
        return x + y

    def backward(self, grad):
        return grad, grad


class TestRecording:
    def test_the_seed_diagram(self):
        x, y = nx.LiteTensor(5.5), nx.LiteTensor(6.2)
        z, grads = nx.autograd.session.value_and_grad(product)(x, y)
        assert z.item() == pytest.approx(34.1)
        assert {k.item(): v.item() for k, v in grads.items()} == {
            x.item(): pytest.approx(6.2),
            y.item(): pytest.approx(5.5),
        }

    def test_an_operation_on_untracked_tensors_is_not_recorded(self):
        x, constant = nx.LiteTensor(1.0), nx.LiteTensor(2.0)

        def fn(x):
            product(constant, constant)
            return product(x, constant)

        _, tape = nx.trace(fn)(x)
        assert len(tape) == 1

    def test_no_gradient_is_asked_for_a_constant(self):
        asked = []

        @nx.function
        class spy(nx.Policy):
            def forward(self, x, y, z):
                asked.append(self.ctx.needs_input_grad)
                return x + y + z

            def backward(self, grad):
                asked.append(self.ctx.needs_input_grad)
                return grad, None, grad

        constant = nx.LiteTensor(1.0)
        nx.grad(lambda x, z: spy(x, constant, z), argnums=(0, 1))(1.0, 2.0)
        assert asked == [(True, False, True), (True, False, True)]

    def test_an_operation_is_recorded_by_every_tape_that_tracks_an_argument(self):
        x, y = nx.LiteTensor(2.0), nx.LiteTensor(3.0)
        outer, inner = nx.Tape(), nx.Tape()
        outer.watch(x)
        inner.watch(y)
        with TapeContext.recording(outer), TapeContext.recording(inner):
            product(x, x)
            product(y, y)
            product(x, y)
        assert (len(outer), len(inner)) == (2, 2)
        assert outer.nodes[-1] is inner.nodes[-1]

    def test_integer_outputs_are_not_tracked(self):
        @nx.function
        class largest(nx.Policy):
            def forward(self, x):
                values, indices = x.max(0)
                self.ctx.save(indices, x.shape)
                return values, indices

            def backward(self, grad, none):
                assert none is None
                indices, shape = self.ctx.release
                return torch.zeros(shape).scatter(0, indices[None], grad[None])

        def fn(x):
            values, indices = largest(x)
            assert not any(tape.tracks(indices.key) for tape in TapeContext.active())
            return values

        assert nx.grad(fn)(torch.tensor([1.0, 5.0, 2.0])).tolist() == [0.0, 1.0, 0.0]

    def test_unused_outputs_give_zeros_or_none(self):
        seen = []

        class both(nx.Policy):
            def forward(self, x):
                return x * 2, x * 3

            def backward(self, first, second):
                seen.append((first, second))
                return first * 2 + (0 if second is None else second * 3)

        class sparing(both):
            materialize_grads = False

        for policy in (both, sparing):
            operator = nx.function(policy)
            assert nx.grad(lambda x, operator=operator: operator(x)[0])(1.0).item() == 2.0
        assert seen[0][1].item() == 0.0
        assert seen[1][1] is None


class TestContexts:
    def test_push_pop_current(self):
        tape = nx.Tape()
        assert TapeContext.current() is None
        TapeContext.push(tape)
        assert TapeContext.current() is tape
        assert TapeContext.pop() is tape
        assert TapeContext.active() == ()

    @pytest.mark.parametrize("where", ["forward", "backward", "function"])
    def test_an_exception_leaves_no_tape_behind(self, where):
        @nx.function
        class broken(nx.Policy):
            def forward(self, x):
                if where == "forward":
                    raise ZeroDivisionError
                return x * 2

            def backward(self, grad):
                if where == "backward":
                    raise ZeroDivisionError
                return grad

        def fn(x):
            y = broken(x)
            if where == "function":
                raise ZeroDivisionError
            return y

        for call in (nx.grad(fn), nx.grad(nx.grad(fn)), nx.trace(nx.grad(fn))):
            with pytest.raises(ZeroDivisionError):
                call(1.0)
            assert TapeContext.active() == ()
        assert nx.grad(double)(1.0).item() == 2.0

    def test_an_error_in_backward_names_the_rule(self):
        @nx.function
        class faulty(nx.Policy):
            def forward(self, x):
                return x * 2

            def backward(self, grad):
                raise ZeroDivisionError("oh")

        with pytest.raises(ZeroDivisionError, match="oh") as caught:
            nx.grad(faulty)(1.0)
        assert caught.value.__notes__ == ["(in the backward of the nexnet rule faulty)"]

    def test_eight_threads_of_nested_gradients(self):
        def cube(x):
            return product(product(x, x), x)

        failures = []

        def work(number):
            try:
                for i in range(50):
                    x = float(number + i)
                    assert nx.grad(nx.grad(cube))(x).item() == 6 * x
                assert TapeContext.active() == ()
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []

    def test_a_tape_of_one_thread_records_nothing_of_another(self):
        tape = nx.Tape()
        tape.watch(nx.LiteTensor(1.0))
        with TapeContext.recording(tape):
            thread = threading.Thread(target=double, args=(nx.LiteTensor(1.0),))
            thread.start()
            thread.join()
        assert len(tape) == 0


class TestOwnership:
    """A gradient that the user gets shares memory with nothing, and the loop writes only into its own sums."""

    def test_gradients_of_two_arguments_are_two_tensors(self):
        x, y = torch.ones(3), torch.ones(3)
        gx, gy = nx.grad(twins, argnums=(0, 1))(x, y)
        gx.data.add_(100)
        assert gy.tolist() == [1, 1, 1]

    @pytest.mark.parametrize("order", [1, 2])
    def test_a_gradient_does_not_alias_an_input_or_a_saved_tensor(self, order):
        def fn(x, y):
            return product(x, y)

        x, y = nx.LiteTensor(torch.ones(3)), nx.LiteTensor(torch.full((3,), 2.0))
        call = nx.grad(fn)
        if order == 2:
            call = nx.grad(lambda x, y: nx.grad(fn)(x, y), argnums=1)
        gradient = call(x, y)
        gradient.data.add_(100)
        assert x.tolist() == [1, 1, 1]
        assert y.tolist() == [2, 2, 2]

    def test_a_rule_that_returns_what_it_saved(self):
        kept = nx.LiteTensor(torch.full((3,), 7.0))

        @nx.function
        class constant_gradient(nx.Policy):
            def forward(self, x, y):
                self.ctx.save(y)
                return x + y

            def backward(self, grad):
                return self.ctx.release[0]

        gradient = nx.grad(constant_gradient)(torch.ones(3), kept)
        assert gradient.data.data_ptr() != kept.data.data_ptr()

    def test_gradients_are_contiguous_and_ordinary(self):
        @nx.function
        class turned(nx.Policy):
            def forward(self, x):
                return x.t()

            def backward(self, grad):
                return grad.t()

        gradient = nx.grad(lambda x: product(turned(x), turned(x)))(torch.randn(3, 4)).data
        assert gradient.is_contiguous()
        gradient.requires_grad_().sum().backward()
        assert not gradient.is_inference()

    def test_a_value_that_leaves_is_ordinary(self):
        value, _ = nx.value_and_grad(double)(torch.ones(3))
        value.data.add_(1)
        value.data.requires_grad_().sum().backward()

    def test_accumulation_does_not_write_into_a_rules_tensors(self):
        mine = torch.ones(3)

        @nx.function
        class lender(nx.Policy):
            """Returns a tensor of its own as the gradient, each time the same."""

            def forward(self, x):
                return x * 1

            def backward(self, grad):
                return mine

        def fn(x):
            return lender(x) + lender(x) + lender(x) + lender(x)

        assert nx.grad(fn)(torch.zeros(3)).tolist() == [4, 4, 4]
        assert mine.tolist() == [1, 1, 1]

    def test_a_sum_that_was_handed_on_is_not_added_into(self):
        received = []

        @nx.function
        class keeper(nx.Policy):
            def forward(self, x):
                return x * 1

            def backward(self, grad):
                received.append((grad, grad.clone()))
                return grad

        def fn(x):
            y = keeper(x)
            return double(y) + double(y) + double(y) + double(x) + double(x)

        assert nx.grad(fn)(torch.ones(2)).tolist() == [10, 10]
        assert all(torch.equal(now, then) for now, then in received)

    def test_the_seed_is_not_the_gradient(self):
        value, gradient = nx.value_and_grad(same)(torch.zeros(2))
        assert gradient.tolist() == [1, 1]
        assert gradient.data.data_ptr() != value.data.data_ptr()


class TestRandomGraphs:
    """What the loop writes over its own gradients must show nowhere: random graphs of shared values, beside torch's."""

    STEPS = ("add", "mul", "sub", "scaled", "square", "tanh", "kept", "matmul")

    def grow(self, pick, lib, kept, values):
        """Grow a graph: each step takes any two of the values so far, the same one twice too."""
        values = list(values)
        for step, i, j in pick:
            a, b = values[i % len(values)], values[j % len(values)]
            made = {
                "add": lambda a=a, b=b: a + b,
                "mul": lambda a=a, b=b: a * b * 0.7,
                "sub": lambda a=a, b=b: a - b,
                "scaled": lambda a=a, b=b: lib.add(a, b, alpha=0.5),
                "square": lambda a=a: a * a * 0.5,
                "tanh": lambda a=a: lib.tanh(a),
                "kept": lambda a=a: kept(a),
                "matmul": lambda a=a, b=b: lib.mm(a, b) * 0.3,
            }[step]()
            values.append(made)
        return sum(value.sum() for value in values[-3:])

    @pytest.mark.parametrize("seed", range(60))
    def test_gradients_are_torchs_and_what_a_rule_kept_stays_as_it_was(self, seed):
        draw = random.Random(seed)
        pick = [(draw.choice(self.STEPS), draw.randrange(100), draw.randrange(100)) for _ in range(25)]
        generator = torch.Generator().manual_seed(seed)
        leaves = [torch.randn(3, 3, generator=generator, dtype=torch.float64, requires_grad=True) for _ in range(3)]
        seen = []

        @nx.custom_grad
        def keeps(x):
            def backward(grad):
                if isinstance(grad, torch.Tensor):
                    seen.append((grad, grad.view(-1), grad.clone()))
                return grad

            return x * 1.0, backward

        value = self.grow(pick, torch, lambda x: x * 1.0, leaves)
        expected = torch.autograd.grad(value, leaves, create_graph=True, materialize_grads=True)
        norm = sum((each * each).sum() for each in expected)
        curved = torch.autograd.grad(norm, leaves, materialize_grads=True)

        def loss(*values):
            return self.grow(pick, nx, keeps, values)

        inputs = [each.detach() for each in leaves]
        before = [each.clone() for each in inputs]
        found = nx.grad(loss, (0, 1, 2))(*inputs)
        for mine, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(mine.data, theirs.detach(), rtol=1e-9, atol=1e-9)
        again = nx.grad(lambda *a: sum((g * g).sum() for g in nx.grad(loss, (0, 1, 2))(*a)), (0, 1, 2))(*inputs)
        for mine, theirs in zip(again, curved, strict=True):
            torch.testing.assert_close(mine.data, theirs.detach(), rtol=1e-7, atol=1e-7)
        for grad, view, copy in seen:
            assert torch.equal(grad, copy)
            assert torch.equal(view, copy.view(-1))
        assert all(torch.equal(one, other) for one, other in zip(inputs, before, strict=True))


@pytest.mark.filterwarnings("error")
def test_inside_of_torchs_vmap_nothing_is_written_over():
    xs, w = torch.arange(6.0).view(2, 3), torch.tensor([1.0, 2.0, 3.0])

    def fn(x, w):
        h = w * w
        return (h * h * w + x * h * w).sum()

    def gradients(x):
        return tuple(grad.data for grad in nx.grad(fn, (0, 1))(nx.LiteTensor(x), nx.LiteTensor(w)))

    expected = torch.func.vmap(lambda x: torch.func.grad(fn, (0, 1))(x, w))(xs)
    for mine, theirs in zip(torch.func.vmap(gradients)(xs), expected, strict=True):
        torch.testing.assert_close(mine, theirs)


class TestMemory:
    def test_the_tape_keeps_what_rules_saved_not_what_flowed(self):
        alive = []

        def fn(x):
            y = double(x)  # no rule saves y
            alive.append(weakref.ref(y.data))
            z = double(y)
            del y
            alive.append(weakref.ref(z.data))  # product saves z
            out = product(z, z)
            del z
            assert [each() is not None for each in alive] == [False, True]
            return out

        nx.grad(fn)(torch.ones(3))
        assert [each() is not None for each in alive] == [False, False]

    def test_trace_keeps_values(self):
        value, tape = nx.trace(lambda x: double(double(x)))(torch.ones(3))
        assert [each.tolist() for each in tape.values.values()] == [[1] * 3, [2] * 3, [4] * 3]
        assert tape.values["%1"] is value.data

    def test_nothing_is_left_for_the_garbage_collector(self):
        gc.collect()
        gc.disable()
        try:
            saved = weakref.ref(nx.grad(lambda x: product(double(x), x))(torch.ones(3)).data)
            assert saved() is None
            alive = []

            def fn(x):
                y = double(x)
                alive.append(weakref.ref(y.data))
                return product(y, y)

            nx.grad(nx.grad(fn))(torch.ones(3))
            assert alive[0]() is None
        finally:
            gc.enable()

    def test_a_long_chain_is_differentiated_and_freed_without_recursion(self):
        def fn(x):
            y = x
            for _ in range(100_000):
                y = same(y)
            return y

        assert nx.grad(fn)(3.0).item() == 1.0

    def test_a_shared_node_survives_the_inner_tape(self):
        x = nx.LiteTensor(3.0)
        outer, inner = nx.Tape(), nx.Tape()
        outer.watch(x)
        inner.watch(x)
        with TapeContext.recording(outer):
            with TapeContext.recording(inner):
                y = product(x, x)
            backward(inner, {y.key: nx.LiteTensor(1.0)})
        assert (len(inner), outer.nodes[0].name) == (0, "product")
        assert backward(outer, {y.key: torch.tensor(1.0)})[x.key].item() == 6.0


@pytest.mark.skipif(not nx.engine.COMPILED, reason="uncompiled, Python decides")
class TestCollector:
    """What can't be in a cycle is kept from the garbage collector, Python's subclasses included."""

    class with_a_member(nx.Policy):
        __slots__ = ("member",)

    def test_nodes_and_keys_are_kept_from_it(self):
        (node,) = nx.trace(double)(nx.ones(2))[1].nodes
        assert not gc.is_tracked(node)
        assert not gc.is_tracked(node.output)

    @pytest.mark.skipif(engine.CHECKED, reason="the debug form calls no kernel at once, and looks at every tensor")
    def test_torch_tensors_on_a_tape_are_kept_from_it_until_somebody_sees_them(self):
        def tensors():
            return sum(type(each) is torch.Tensor for each in gc.get_objects())

        def fn(x):
            before = tensors()
            kept = [x]
            for _ in range(100):
                kept.append(kept[-1] * x)
            assert tensors() - before < 10
            seen = kept[50].data
            assert gc.is_tracked(seen)
            return kept[-1]

        nx.grad(fn)(torch.ones(3))

    @pytest.mark.parametrize("door", ["data", "forward", "release"])
    def test_what_a_rule_or_a_user_has_seen_can_be_in_a_cycle(self, door):
        seen = []

        def tie(tensor):
            tensor.itself = tensor
            seen.append(weakref.ref(tensor))

        @nx.function
        class ties(nx.Policy):
            forward = nx.calls(torch.mul, "input", "other", saves="inputs")

            def backward(self, grad):
                if door == "release":
                    tie(self.ctx.release[0])
                return grad, grad

        @nx.function
        class ties_forward(nx.Policy):
            def forward(self, x):
                tie(x)
                return x * 1.0

            def backward(self, grad):
                return grad

        def fn(x):
            y = ties(x * x, x)
            if door == "data":
                tie(y.data)
            return ties_forward(y) if door == "forward" else y

        nx.grad(fn)(torch.ones(3))
        assert len(seen) == 1
        gc.collect()
        assert seen[0]() is None

    @pytest.mark.parametrize(
        "refer",
        [lambda x: x, lambda x: (x, [x.data]), lambda x: x * 2.0, lambda x: nx.vjp(lambda y: y, x)[0], weakref.ref],
        ids=["x", "deeper", "another", "alias", "weak"],
    )
    def test_an_attribute_of_the_data_is_freed_with_it(self, refer):
        """``x.data.me = x``, and its like."""

        def fn(x):
            y = x * x
            y.data.me = refer(y)
            seen.append(weakref.ref(y.data))
            return y

        seen = []
        fn(nx.ones(3))
        nx.grad(lambda x: nx.grad(fn)(x) * x)(nx.ones(3))
        gc.collect()
        assert [each() for each in seen] == [None, None]

    def test_what_a_rule_has_saved_is_freed_though_it_refers_to_the_tensor_around_it(self):
        class saves(nx.Policy):
            def forward(self, x):
                self.ctx.save(x)
                return x * 1.0

            def backward(self, grad):
                (x,) = self.ctx.release
                x.around_me = found.pop()
                seen.append(weakref.ref(x))
                return grad

        def fn(x):
            found.append(x * x)
            return nx.function(saves)(found[0])

        found, seen = [], []
        nx.grad(fn)(nx.ones(3))
        gc.collect()
        assert seen[0]() is None

    def test_what_a_kernel_hands_back_as_it_is_stays_with_it(self):
        class Same(nx.Policy):
            forward = nx.calls(torch.real, "x")  # of a real tensor, that tensor

            def backward(self, grad):
                return grad

        x = nx.ones(3)
        x.data.itself = x.data
        seen = weakref.ref(x.data)
        nx.grad(nx.function(Same))(x)
        del x
        gc.collect()
        assert seen() is None

    def test_what_a_node_shows_is_seen(self):
        _, tape = nx.trace(lambda x: (x * x) * (x * x))(nx.ones(3))
        assert all(gc.is_tracked(each) for each in tape.nodes[-1].saved)

    def test_what_adds_a_member_is_left_to_it(self):
        assert gc.is_tracked(self.with_a_member())

    def test_nothing_is_left_behind(self):
        kinds = (double.policy, nx.LiteTensor, self.with_a_member)
        before = [sys.getrefcount(kind) for kind in kinds]
        seen = [weakref.ref(nx.grad(double)(nx.ones(2))) for _ in range(100)]
        for _ in range(100):
            self.with_a_member()
        assert [sys.getrefcount(kind) for kind in kinds] == before
        assert not any(each() for each in seen)


def test_bwd_fn_is_the_rules_backward():
    _, tape = nx.trace(product)(torch.tensor(2.0), torch.tensor(3.0))
    (node,) = tape.nodes
    assert [each.item() for each in node.bwd_fn(torch.tensor(1.0))] == [3.0, 2.0]
    assert repr(node) == "Node(product, parents=2, outputs=1)"
    assert repr(node.outputs[0]).startswith("<Key (")


def test_kernels_only_makes_ordinary_tensors():
    with kernels_only():
        made = torch.ones(2) * 2
    assert not made.is_inference()
    made.requires_grad_().sum().backward()


class TestScalars:
    """Numbers that come again and again are kept as tensors; nothing of where they were first met is kept with them."""

    def product(self, x, number):
        return [(x * number).data for _ in range(4)][-1]

    @pytest.mark.parametrize("number", [0.3, 3, -7.25, 1e-38, 1e38, 0.0, -0.0, float("inf"), float("nan"), True])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.complex64])
    def test_give_what_torch_gives(self, number, dtype):
        x = torch.tensor([1.5, -2.0, 0.0]).to(dtype)
        expected = x * number
        got = self.product(nx.LiteTensor(x), number)
        assert got.dtype is expected.dtype
        assert torch.equal(got.nan_to_num(nan=5.0), expected.nan_to_num(nan=5.0))
        assert torch.equal(torch.signbit(got.real), torch.signbit(expected.real))

    def test_first_met_inside_of_a_transform_or_mode_of_torchs(self):
        x = nx.LiteTensor(torch.ones(3))
        nx.vmap(lambda x: x * 0.8125 * 0.8125 * 0.8125)(x)
        torch.func.grad(lambda y: (y * self.product(x, 0.40625)).sum())(torch.ones(3))
        with torch.inference_mode():
            self.product(x, 0.203125)
        with torch.device("meta"):
            self.product(x, 0.1015625)
        for number in (0.8125, 0.40625, 0.203125, 0.1015625):
            assert torch.equal(self.product(x, number), torch.full((3,), number))
            assert nx.grad(lambda x, n=number: (x * n).sum())(x).tolist() == [number] * 3

    def test_a_changing_number_is_not_kept_for_ever(self):
        x = nx.LiteTensor(torch.ones(2))
        for i in range(1, 3000):
            assert (x * (i / 7)).data[0].item() == pytest.approx(i / 7)
