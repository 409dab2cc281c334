"""torch.autograd.Function on LiteTensors: its backward is the rule."""

from typing import ClassVar

import pytest
import torch
from torch.autograd.function import once_differentiable

import nexnet as nx


class straight_through(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return torch.round(x)

    @staticmethod
    def backward(ctx, grad):
        return grad


class hundredfold(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        return grad * 100


class scaled_square(torch.autograd.Function):
    """scale x^2, in the form with setup_context; the static argument has no gradient."""

    @staticmethod
    def forward(x, scale=1.0):
        return scale * x * x

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.scale = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return 2 * ctx.scale * x * grad, None


class exp_of_numpy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        out = torch.from_numpy(x.detach().numpy()).exp()
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx, grad):
        (out,) = ctx.saved_tensors
        return grad * out


class halves(torch.autograd.Function):
    """Two outputs, of which one is a constant; what is not used comes as zeros, or as None."""

    seen: ClassVar[list] = []

    @staticmethod
    def forward(ctx, x, materialize):
        ctx.set_materialize_grads(materialize)
        sign, half, other = x.sign(), x * 0.5, x * 3
        ctx.mark_non_differentiable(sign)
        return sign, half, other, "a string"

    @staticmethod
    def backward(ctx, sign_grad, grad, other_grad, nothing):
        halves.seen.append((sign_grad, other_grad, nothing))
        return grad * 0.5, None


def test_backward_and_not_forward_is_differentiated():
    x = nx.tensor([1.4, 2.6])
    assert nx.grad(straight_through.apply)(x).tolist() == [1.0, 1.0]
    assert nx.grad(hundredfold.apply)(x).tolist() == [100.0, 100.0]
    assert hundredfold.apply(x).tolist() == pytest.approx([2.8, 5.2])


def test_without_a_lite_tensor_it_is_torchs():
    x = torch.tensor(1.4, requires_grad=True)
    hundredfold.apply(x).backward()
    assert x.grad.item() == 100
    assert scaled_square.apply(torch.tensor(2.0), scale=3.0).item() == 12


def test_higher_orders_differentiate_backward():
    def cube(x):
        return straight_through.apply(x) ** 3

    assert nx.grad(cube)(1.9).item() == 12
    assert nx.grad(nx.grad(cube))(1.9).item() == 12

    def square(x):
        return scaled_square.apply(x, 3.0) * x

    assert [f(2.0).item() for f in (nx.grad(square), nx.grad(nx.grad(square)))] == [36, 36]
    assert nx.hessian(lambda x: scaled_square.apply(x, scale=3.0))(2.0).item() == 6
    assert nx.grad(nx.grad(exp_of_numpy.apply))(0.0).item() == 1  # what was saved is the output
    assert nx.grad(nx.grad(nx.grad(exp_of_numpy.apply)))(0.0).item() == 1


def test_it_composes_with_every_transform():
    x = nx.tensor([1.0, 2.0])

    def fn(x):
        return scaled_square.apply(x, 3.0).sum()

    assert nx.jvp(fn, (x,), (x,))[1].item() == 30
    assert nx.vmap(nx.grad(fn))(x).tolist() == [6.0, 12.0]
    assert nx.grad(lambda x: nx.vmap(fn)(x).sum())(x).tolist() == [6.0, 12.0]
    assert nx.grad(nx.checkpoint(fn))(x).tolist() == [6.0, 12.0]
    assert nx.hessian(fn)(x).tolist() == [[6.0, 0.0], [0.0, 6.0]]
    _, tape = nx.trace(fn)(x)
    assert [node.name for node in tape.nodes] == ["scaled_square", "sum"]


@pytest.mark.parametrize("materialize", [True, False])
def test_ctx_says_what_is_constant_and_what_an_unused_output_brings(materialize):
    halves.seen.clear()

    def fn(x):
        sign, half, _, text = halves.apply(x, materialize)
        assert text == "a string"
        return sign * 7 * x.detach() + half

    assert nx.grad(fn)(-3.0).item() == 0.5
    zero, other, nothing = halves.seen[0]
    assert nothing is None
    assert (zero.item(), other.item()) == (0, 0) if materialize else (zero, other) == (None, None)
    assert nx.grad(nx.grad(fn))(-3.0).item() == 0


class needs(torch.autograd.Function):
    @staticmethod
    def forward(ctx, a, b, c):
        assert ctx.needs_input_grad == (True, False, False)
        return a * b

    @staticmethod
    def backward(ctx, grad):
        assert ctx.needs_input_grad == (True, False, False)
        return grad, None, None


def test_needs_input_grad():
    assert nx.grad(lambda x: needs.apply(x, nx.tensor(2.0), "c"))(1.0).item() == 1


def test_forward_sees_which_arguments_require_grad():
    """As in torch; here it keeps what backward needs, and says which outputs are constants, by that alone."""

    class Product(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, w):
            ctx.asked = x.requires_grad, w.requires_grad, torch.is_grad_enabled()
            ctx.pair = [x, w]
            ctx.save_for_backward(x if w.requires_grad else None, w if x.requires_grad else None)
            ctx.mark_non_differentiable(*[each for each in (x, w) if not each.requires_grad])
            return x * w, x, w

        @staticmethod
        def backward(ctx, grad, by_x, by_w):
            assert ctx.asked == asked
            assert not any(each.requires_grad for each in ctx.pair if isinstance(each, torch.Tensor))
            x, w = ctx.saved_tensors
            return None if w is None else grad * w + by_x, None if x is None else grad * x + by_w

    def loss(x, w):
        y, x, w = Product.apply(x, w)
        return (y * x).sum() + w.sum()

    x, w = nx.tensor([1.0, 2.0]), nx.tensor([3.0, 5.0])
    asked = (True, True, False)
    assert [each.tolist() for each in nx.grad(loss, (0, 1))(x, w)] == [[6, 20], [2, 5]]
    asked = (True, False, False)
    assert nx.grad(lambda x: loss(x, w.data))(x).tolist() == [6, 20]
    asked = (False, True, False)
    assert nx.grad(lambda w: loss(x.data, w))(w).tolist() == [2, 5]
    assert not x.data.requires_grad


def test_forward_may_call_a_layer_of_the_model_on_its_arguments():
    class Gated(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.gate = torch.nn.Linear(3, 3)

        def forward(self, x):
            return times.apply(x, self.gate).sum()

    class times(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, gate):
            ctx.gate = gate(x).detach()
            return x * ctx.gate

        @staticmethod
        def backward(ctx, grad):
            return grad * ctx.gate, None

    model, x = Gated(), torch.ones(2, 3)
    found = nx.grad(lambda x: nx.functional_call(model, {}, x))(x)
    torch.testing.assert_close(found.data, model.gate(x).detach())


def test_under_no_grad_a_tensor_that_requires_grad_is_a_constant():
    weight = torch.ones(3, requires_grad=True)

    def fn(x, grad_mode):
        with torch.set_grad_enabled(grad_mode):
            gate = x * weight
        return (gate * x).sum()

    assert nx.grad(fn)(nx.tensor([2.0, 3.0, 4.0]), False).tolist() == [2, 3, 4]
    with pytest.raises(nx.InputError, match="requires grad met a nexnet operator"):
        nx.grad(fn)(nx.tensor([2.0, 3.0, 4.0]), True)


def test_the_tangents_of_constants_are_zeros_and_of_integers_none():
    seen = []

    class gathered(torch.autograd.Function):
        @staticmethod
        def forward(x, index, scale):
            return x[index] * scale

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx, grad):
            x, index, scale = ctx.saved_tensors
            return torch.zeros_like(x).index_add(0, index, grad * scale), None, grad * x[index]

        @staticmethod
        def jvp(ctx, tangent, *others):
            seen[:] = others
            _, index, scale = ctx.saved_tensors
            return tangent[index] * scale

    x = nx.tensor([1.0, 2.0, 3.0])
    index, scale = torch.tensor([2, 0]), torch.tensor([5.0, 7.0])
    assert nx.jvp(lambda x: gathered.apply(x, index, scale), (x,), (x,))[1].tolist() == [15, 7]
    assert seen[0] is None
    assert not seen[1].any()


def test_a_jvp_of_its_own_is_used_in_forward_mode():
    class both(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_forward(x)
            return x.round()

        @staticmethod
        def backward(ctx, grad):
            return grad * 0

        @staticmethod
        def jvp(ctx, tangent):
            (x,) = ctx.saved_tensors
            return tangent * x

    assert nx.jvp(both.apply, (3.0,), (2.0,))[1].item() == 6
    assert nx.grad(both.apply)(3.0).item() == 0


def test_a_backward_that_has_no_derivative_says_so():
    class once(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            return 2 * x * grad

    assert nx.grad(once.apply)(3.0).item() == 6
    with pytest.raises(nx.HigherOrderError, match="backward is marked @once_differentiable"):
        nx.grad(nx.grad(once.apply))(3.0)


def test_a_backward_that_asks_torchs_graph_says_what_to_call():
    class recomputed(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, grad):
            x = ctx.saved_tensors[0].detach()
            with torch.enable_grad():
                x.requires_grad_()
                torch.autograd.backward(x * x, grad)
            return x.grad

    with pytest.raises(nx.RuleError, match=r"(?s)asks torch's own graph.*rule: +recomputed.*nexnet.vjp\(fn"):
        nx.grad(recomputed.apply)(3.0)


def test_what_backward_returns_is_checked_as_torch_does():
    class short(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a, b):
            return a * b

        @staticmethod
        def backward(ctx, grad):
            return grad

    with pytest.raises(nx.GradientError, match="one gradient per argument of apply"):
        nx.grad(short.apply, argnums=(0, 1))(1.0, 2.0)


def test_writing_into_an_argument_is_refused():
    class writes(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, grad):
            return grad

    with pytest.raises(nx.RuleError, match="mark_dirty says that forward writes into an argument"):
        nx.grad(writes.apply)(1.0)


def test_a_tensor_inside_of_a_list_is_refused():
    with pytest.raises(nx.InputError, match="inside of a container gets no gradient"):
        nx.grad(lambda x: needs.apply([x], x, x))(1.0)


def test_torchs_own_reentrant_checkpoint_is_nexnets():
    def fn(x):
        return torch.utils.checkpoint.CheckpointFunction.apply(lambda y: (y * y).sin(), True, x)

    x = 0.7
    assert nx.grad(fn)(x).item() == pytest.approx(torch.func.grad(lambda x: (x * x).sin())(torch.tensor(x)).item())


def test_a_saved_intermediate_is_a_function_of_the_inputs():
    class square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.slope = 2 * x
            return x * x

        @staticmethod
        def backward(ctx, grad):
            return grad * ctx.slope

    assert nx.grad(nx.grad(square.apply))(3.0).item() == 2  # torch takes it for a constant: 0


def test_an_intermediate_from_elsewhere_has_no_second_derivative():
    class through_numpy(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            out = torch.from_numpy(x.detach().numpy().copy()).exp()
            ctx.save_for_backward(out + 1)
            return out

        @staticmethod
        def backward(ctx, grad):
            return grad * (ctx.saved_tensors[0] - 1)

    assert nx.grad(through_numpy.apply)(0.0).item() == 1
    with pytest.raises(nx.HigherOrderError, match="forward made a torch tensor from what is no operation of nexnet's"):
        nx.grad(nx.grad(through_numpy.apply))(0.0)
