"""Any order: every derivative is right, or there is an error that says why it can't be had."""

import numpy as np
import pytest
import torch
from torch.profiler import ProfilerActivity, profile

import nexnet as nx
from nexnet import grad
from nexnet.engine import wrap


def derivatives(fn, x, orders):
    """Give fn'(x), fn''(x), ... as floats."""
    values = []
    for _ in range(orders):
        fn = grad(fn)
        values.append(fn(x).item())
    return values


@nx.function
class square_saving_the_slope(nx.Policy):
    """Saves 2x, an intermediate: torch.func would answer 0 for the second derivative."""

    def forward(self, x):
        self.ctx.save(2 * x)
        return x * x

    def backward(self, grad):
        (slope,) = self.ctx.release
        return slope * grad


@pytest.mark.parametrize(
    ("multiply", "shapes", "kernel"),
    [(nx.mm, ((3, 4), (4, 2)), "mm"), (nx.matmul, ((3, 4), (4, 2)), "mm"), (nx.matmul, ((5, 3, 4), (5, 4, 2)), "bmm")],
)
def test_no_tape_computes_what_only_another_one_asks_for(multiply, shapes, kernel):
    """The inner tape differentiates by x, the outer by w: y, g w^T, its two gradients, and x^T g are five products."""
    x, w = (torch.rand(shape) for shape in shapes)

    def slopes(w):
        return grad(lambda x: multiply(x, w).square().sum())(x).square().sum()

    with profile(activities=[ProfilerActivity.CPU]) as seen:
        found = grad(slopes)(w)
    products = [each.name for each in seen.events() if each.name in (f"aten::{kernel}", f"aten::add{kernel}_")]
    if not nx.engine.CHECKED:  # the debug form makes some calls both ways
        assert len(products) == 5
    expected = torch.func.grad(lambda w: torch.func.grad(lambda x: (x @ w).square().sum())(x).square().sum())(w)
    torch.testing.assert_close(found.data, expected)


class TestClosures:
    """Only arguments are differentiated by: no perturbation is confused with another."""

    def test_what_is_closed_over_is_constant(self):
        assert grad(lambda x: x * grad(lambda y: x + y)(x))(2.0).item() == 1.0

    def test_the_classic_example(self):
        assert grad(lambda x: x * grad(lambda y: x * y)(x))(2.0).item() == 4.0

    def test_closing_over_the_argument_itself(self):
        x = nx.LiteTensor(3.0)
        assert grad(lambda y: x * y)(x).item() == 3.0

    def test_build_computation_graph_is_the_other_door(self):
        x = nx.LiteTensor(3.0)
        graph = nx.build_computation_graph(inputs=[x])(lambda y: x * y)
        assert graph.grad[0].item() == 6.0


class TestSavedValues:
    def test_an_input(self):
        assert derivatives(lambda x: x * x * x, 2.0, 4) == [12.0, 12.0, 6.0, 0.0]

    def test_an_output(self):
        @nx.function
        class expo(nx.Policy):
            def forward(self, x):
                y = torch.exp(x)
                self.ctx.save(y)
                return y

            def backward(self, grad):
                (y,) = self.ctx.release
                return grad * y

        assert derivatives(expo, 0.0, 5) == [1.0] * 5

    def test_an_intermediate(self):
        assert derivatives(square_saving_the_slope, 3.0, 3) == [6.0, 2.0, 0.0]

    def test_an_intermediate_of_several_arguments(self):
        @nx.function
        class quotient(nx.Policy):
            def forward(self, x, y):
                inverse = 1 / y
                self.ctx.save(inverse, x * inverse)
                return x * inverse

            def backward(self, grad):
                inverse, ratio = self.ctx.release
                return grad * inverse, -grad * ratio * inverse

        x, y = torch.tensor(3.0, dtype=torch.float64), torch.tensor(2.0, dtype=torch.float64)
        hessian = [[grad(lambda x, y, i=i: grad(quotient, i)(x, y), j)(x, y).item() for j in (0, 1)] for i in (0, 1)]
        assert hessian == [[0.0, -0.25], [-0.25, 0.75]]

    @pytest.mark.parametrize("constant", [np.full(3, 2.0), torch.full((3,), 2.0, dtype=torch.float64)])
    def test_a_constant(self, constant):
        def fn(x):
            return nx.sum(nx.mul(nx.mul(x, x), constant))

        assert grad(grad(fn))(torch.tensor(3.0, dtype=torch.float64)).item() == 12.0

    def test_in_a_list_a_tuple_or_beside_plain_values(self):
        @nx.function
        class nested(nx.Policy):
            def forward(self, x, power):
                self.ctx.save([x * x, (x, power)], None, "text")
                return x * x * x

            def backward(self, grad):
                (squared, (_x, power)), nothing, text = self.ctx.release
                assert (nothing, text) == (None, "text")
                return grad * squared * power

        assert derivatives(lambda x: nested(x, 3), 2.0, 3) == [12.0, 12.0, 6.0]

    def test_in_a_closure(self):
        @nx.custom_grad
        def cube(x):
            squared = x * x
            return squared * x, lambda grad: 3 * squared * grad

        assert derivatives(cube, 2.0, 4) == [12.0, 12.0, 6.0, 0.0]

    def test_two_arguments_that_share_one_storage(self):
        def fn(a, b):
            return a * a * b

        for shared in (nx.LiteTensor(3.0), torch.tensor(3.0)):
            firsts = [lambda a, b, i=i: grad(fn, i)(a, b) for i in (0, 1)]
            assert [[grad(first, j)(shared, shared).item() for j in (0, 1)] for first in firsts] == [[6, 6], [6, 0]]

    @pytest.mark.parametrize("rule", [nx.linear, nx.addcmul, nx.mul], ids=lambda rule: rule.__name__)
    def test_a_kernels_arguments_that_share_one_torch_tensor(self, rule):
        """What outer tapes see of what a kernel saves is known by its place, and not by the tensor."""

        def mixed(a, b):
            arguments = (nx.ones(3, 3), a, b) if rule is nx.addcmul else (a, b)
            return grad(lambda a, b: (rule(*arguments[:-2], a, b) * b).sin().sum(), (0, 1))(a, b)

        def curvature(a, b):
            return grad(lambda a, b: sum((each * each).sum() for each in mixed(a, b)), (0, 1))(a, b)

        data = torch.rand(3, 3, dtype=torch.float64)
        together = curvature(wrap(data), wrap(data))
        apart = curvature(wrap(data.clone()), wrap(data.clone()))
        for one, other in zip(together, apart, strict=True):
            torch.testing.assert_close(one.data, other.data)
        assert not torch.allclose(together[0].data, together[1].data)

    def test_an_output_that_is_the_input(self):
        @nx.function
        class identity_and_square(nx.Policy):
            def forward(self, x):
                self.ctx.save(x)
                return x

            def backward(self, grad):
                (x,) = self.ctx.release
                return grad * x * x

        def fn(x):
            y = identity_and_square(x)
            return x * y  # the product must tell x from y, though they are one torch tensor

        # the rule says dy/dx = x^2: (x y)' = y + x x^2 = x + x^3, and its derivative is x^2 + 3 x^2
        assert derivatives(fn, 2.0, 2) == [10.0, 16.0]


class TestARuleKeepsItsGradient:
    def test_straight_through(self):
        @nx.function
        class round_through(nx.Policy):
            def forward(self, x):
                return torch.round(x)

            def backward(self, grad):
                return grad

        fn = lambda x: round_through(x) * round_through(x)  # noqa: E731
        assert derivatives(fn, 2.4, 3) == [4.0, 2.0, 0.0]

    def test_clipped(self):
        @nx.custom_grad
        def clipped(x):
            return x * 1, lambda grad: grad * 0.5

        assert derivatives(lambda x: clipped(x) * clipped(x) * x, 2.0, 2) == [8.0, 5.0]

    def test_the_output_of_a_traced_rule_keeps_it_too(self):
        """The rule below saves an intermediate, so forward is traced; its output must still follow the rule."""

        @nx.function
        class odd(nx.Policy):
            def forward(self, x):
                y = x * x
                self.ctx.save(y + 0)
                return y

            def backward(self, grad):
                (squared,) = self.ctx.release
                return grad * squared * 5

        # y' = 5 x^2 by the rule, whatever forward computes: (y^2)' = 2 y y' = 10 x^4;
        # differentiated: 2 y' y' + 2 y y'' = 2 * 25 x^4 + 2 x^2 * 10 x
        assert derivatives(lambda x: odd(x) * odd(x), 1.0, 2) == [10.0, 70.0]


class TestRandomness:
    @pytest.mark.parametrize("own_generator", [False, True])
    def test_a_mask_is_drawn_once(self, own_generator):
        generator = torch.Generator() if own_generator else torch.default_generator
        draws = []

        @nx.function
        class dropout(nx.Policy):
            def forward(self, x, generator):
                mask = (torch.rand(4, generator=generator) < 0.5).double() * 2.0
                draws.append(mask)
                self.ctx.save(mask)
                return x * mask

            def backward(self, grad):
                (mask,) = self.ctx.release
                return grad * mask

        x = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64)

        def fn(x):
            y = dropout(x, generator)
            return y * y * y

        generator.manual_seed(3)
        second = grad(grad(fn))(x)
        after = torch.rand((), generator=generator)
        assert len(draws) == 1
        assert torch.equal(second.data, 6 * x * draws[0] ** 3)

        generator.manual_seed(3)
        torch.rand(4, generator=generator)
        assert torch.equal(after, torch.rand((), generator=generator))

    def test_a_forward_that_must_be_run_anew_draws_the_same(self):
        """Forward leaves torch after it has drawn: it can't be traced, and its second run repeats the first."""

        @nx.function
        class noisy(nx.Policy):
            def forward(self, x):
                noise = torch.rand(())
                outside = torch.from_numpy(np.asarray(x.numpy() * 1))
                self.ctx.save(x)
                return outside * noise

            def backward(self, grad):
                (x,) = self.ctx.release
                return grad * x

        torch.manual_seed(5)
        plain = noisy(nx.LiteTensor(2.0)).item()
        state = torch.get_rng_state()
        torch.manual_seed(5)
        value, _ = nx.trace(grad(lambda x: noisy(x)))(torch.tensor(2.0))
        assert torch.equal(torch.get_rng_state(), state)
        assert value.item() == 2.0
        assert plain == pytest.approx(2.0 * 0.8303, abs=1e-3)


class TestWhatCannotBeDone:
    @staticmethod
    def leaving(save):
        @nx.function
        class outside(nx.Policy):
            """exp by numpy: forward leaves torch."""

            def forward(self, x):
                y = torch.from_numpy(np.exp(x.numpy()))
                self.ctx.save(save(x, y))
                return y

            def backward(self, grad):
                (saved,) = self.ctx.release
                return grad * saved

        return outside

    def test_an_intermediate_of_a_forward_that_leaves_torch(self):
        outside = self.leaving(lambda x, y: y * 1)
        x = torch.zeros(2)
        assert grad(outside)(x).tolist() == [1.0, 1.0]
        with pytest.raises(nx.HigherOrderError, match=r"forward leaves nexnet \(TrackedTensorError(.|\n)*outside"):
            grad(grad(outside))(x)

    def test_inputs_and_outputs_are_fine_even_there(self):
        outside = self.leaving(lambda x, y: y)
        assert grad(grad(outside))(torch.zeros(2)).tolist() == [1.0, 1.0]

    def test_an_intermediate_of_a_torch_kernel(self):
        def kernel(x):
            raise AssertionError

        @nx.implements(kernel)
        @nx.function
        class leaf(nx.Policy):
            def forward(self, x):
                self.ctx.save(x * 2)
                return x * x

            def backward(self, grad):
                return grad * self.ctx.release[0]

        assert grad(leaf)(3.0).item() == 6.0
        with pytest.raises(nx.HigherOrderError, match=r"forward is a torch kernel(.|\n)*leaf(.|\n)*save only inputs"):
            grad(grad(leaf))(3.0)

    def test_a_closure_over_what_left_torch(self):
        @nx.custom_grad
        def outside(x):
            y = torch.from_numpy(np.exp(x.numpy()))
            return y, lambda grad: grad * y

        with pytest.raises(nx.HigherOrderError, match="forward leaves nexnet"):
            grad(grad(outside))(torch.zeros(2))

    def test_a_number_taken_from_a_tensor(self):
        @nx.function
        class halved_norm(nx.Policy):
            def forward(self, x):
                slope = (2 * x).item()
                self.ctx.save(slope)
                return x * x

            def backward(self, grad):
                return grad * self.ctx.release[0]

        assert grad(halved_norm)(3.0).item() == 6.0
        with pytest.raises(nx.HigherOrderError, match="item"):
            grad(grad(halved_norm))(3.0)

    def test_a_backward_that_leaves_torch(self):
        @nx.function
        class careless(nx.Policy):
            def forward(self, x):
                self.ctx.save(x)
                return x * x

            def backward(self, grad):
                (x,) = self.ctx.release
                return grad * float(2 * x)

        assert grad(careless)(3.0).item() == 6.0
        with pytest.raises(nx.TrackedTensorError, match="lost silently"):
            grad(grad(careless))(3.0)

    def test_numpy_of_a_tracked_tensor(self):
        with pytest.raises(nx.TrackedTensorError, match=r"numpy(.|\n)*stop_gradient"):
            grad(lambda x: x * torch.from_numpy(x.numpy()))(torch.ones(2))

    def test_item_is_a_constant_in_a_users_function(self):
        seen = []

        def fn(x):
            seen.append((x * x).item())
            return x * x

        with pytest.warns(nx.ConstantWarning):  # a constant to the gradient, which is said
            assert grad(grad(fn))(3.0).item() == 2.0
        assert seen == [9.0]


class TestMixedTapes:
    def test_the_outer_tape_alone_tracks_the_argument(self):
        assert grad(lambda lr: grad(lambda w: w * w * lr)(2.0) * lr)(3.0).item() == 24.0

    def test_an_inner_training_step(self):
        """Meta-learning in one line: d/dw of loss(w - lr loss'(w))."""

        def loss(w):
            return w * w * w

        def after_step(w, lr):
            return loss(w - lr * grad(loss)(w))

        w, lr = 2.0, 0.1
        v = w - lr * 3 * w**2
        by_w, by_lr = grad(after_step, argnums=(0, 1))(torch.tensor(w, dtype=torch.float64), lr)
        assert by_w.item() == pytest.approx(3 * v**2 * (1 - lr * 6 * w))
        assert by_lr.item() == pytest.approx(3 * v**2 * -3 * w**2)

    @pytest.mark.parametrize("orders", [2, 3, 4])
    def test_a_forward_that_calls_its_own_operator(self, orders):
        @nx.function
        class doubled(nx.Policy):
            def forward(self, x):
                return doubled(x) if isinstance(x, nx.LiteTensor) else x * 2

            def backward(self, grad):
                return grad * 2

        assert derivatives(lambda x: doubled(x) * x * x, 1.0, orders) == [6.0, 12.0, 12.0, 0.0][:orders]
