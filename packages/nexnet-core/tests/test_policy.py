"""Rules: what forward gets, what backward must return, and what is said when it does not."""

import pickle

import numpy as np
import pytest
import torch

import nexnet as nx


def rule(forward=lambda self, x: x * 1.0, backward=lambda self, grad: grad, name="sample", **attributes):
    """Make an operator of two functions."""
    return nx.function(type(nx.Policy)(name, (nx.Policy,), {"forward": forward, "backward": backward, **attributes}))


@nx.function
class scale(nx.Policy):
    """x times a static factor."""

    def forward(self, x, factor=2.0, *, note=None):
        self.ctx.save(factor)
        return x * factor

    def backward(self, grad):
        (factor,) = self.ctx.release
        return grad * factor


class TestOperator:
    def test_is_a_named_callable_that_shows_its_policy(self):
        assert repr(scale) == "<nexnet operator scale>"
        assert scale.__name__ == "scale"
        assert scale.__doc__ == "x times a static factor."
        assert issubclass(scale.policy, nx.Policy)
        assert str(scale.signature) == "(x, factor=2.0, *, note=None)"

    def test_as_a_decorator_and_as_a_call_is_the_same(self):
        class square(nx.Policy):
            def forward(self, x):
                self.ctx.save(x)
                return x * x

            def backward(self, grad):
                (x,) = self.ctx.release
                return 2 * x * grad

        assert nx.grad(nx.function(square))(3.0).item() == 6.0

    def test_pickles_by_name(self):
        assert pickle.loads(pickle.dumps(nx.mul)) is nx.mul

    def test_can_be_used_as_a_method(self):
        class Box(nx.LiteTensor):
            pass

        assert nx.mul.__get__(nx.LiteTensor(2.0), nx.LiteTensor)(3.0).item() == 6.0

    def test_needs_a_policy(self):
        with pytest.raises(nx.RuleError, match="function makes an operator of a Policy"):
            nx.function(lambda x: x)

    @pytest.mark.parametrize("missing", ["forward", "backward"])
    def test_needs_forward_and_backward(self, missing):
        methods = {"forward": lambda self, x: x, "backward": lambda self, grad: grad}
        del methods[missing]
        with pytest.raises(nx.RuleError, match=f"the rule has no {missing}"):
            nx.function(type(nx.Policy)("half", (nx.Policy,), methods))


class TestForward:
    def test_gets_torch_tensors_and_everything_else_as_it_is(self):
        seen = []

        def forward(self, *args, **kwargs):
            seen.append((args, kwargs))
            return args[0] * 1

        generator = torch.Generator()
        operator = rule(forward=forward)
        operator(nx.LiteTensor(1.0), 2, "mean", None, torch.float64, (1, 2), generator, flag=True)
        (args, kwargs) = seen[0]
        assert type(args[0]) is torch.Tensor
        assert args[1:] == (2, "mean", None, torch.float64, (1, 2), generator)
        assert kwargs == {"flag": True}

    def test_numpy_and_torch_arguments_are_constants(self):
        x = nx.LiteTensor([1.0, 2.0])
        for constant in (np.array([3.0, 4.0], dtype=np.float32), torch.tensor([3.0, 4.0]), np.float32(3.0)):
            out = nx.mul(x, constant)
            assert type(out) is nx.LiteTensor
            assert out.dtype == torch.float32
            gradient = nx.grad(lambda x, constant=constant: x * constant)(x)
            assert gradient.tolist() == (np.ones(2) * np.asarray(constant)).tolist()

    def test_a_torch_tensor_that_requires_grad_is_refused(self):
        with pytest.raises(nx.InputError, match=r"requires grad met a nexnet operator(.|\n)*mul(.|\n)*detach"):
            nx.mul(nx.LiteTensor(1.0), torch.ones(2, requires_grad=True))

    def test_a_parameter_without_grad_is_a_constant(self):
        weight = torch.nn.Parameter(torch.ones(2), requires_grad=False)
        assert (nx.LiteTensor([1.0, 2.0]) * weight).tolist() == [1.0, 2.0]

    def test_tensors_by_keyword_find_their_position(self):
        assert nx.grad(lambda x: nx.mul(other=x, input=nx.LiteTensor(3.0)))(2.0).item() == 3.0
        assert nx.grad(lambda x: scale(x=x, note="hello", factor=4.0))(2.0).item() == 4.0

    def test_a_keyword_only_tensor_is_an_error(self):
        with pytest.raises(nx.InputError, match=r"keyword-only arguments are static(.|\n)*note"):
            scale(nx.LiteTensor(1.0), note=nx.LiteTensor(1.0))

    def test_a_tensor_in_a_container_is_an_error(self):
        with pytest.raises(nx.InputError, match="inside of a container gets no gradient"):
            scale([nx.LiteTensor(1.0)])

    def test_torchs_numpy_keywords(self):
        x = nx.LiteTensor(torch.ones(2, 3))
        assert nx.sum(x, axis=1, keepdims=True).shape == (2, 1)

    def test_out_is_refused(self):
        with pytest.raises(nx.InputError, match="nexnet is functional"):
            nx.mul(nx.LiteTensor(1.0), 2.0, out=torch.zeros(()))

    def test_must_return_tensors(self):
        with pytest.raises(nx.RuleError, match=r"must return a torch tensor(.|\n)*float"):
            rule(forward=lambda self, x: x.item())(nx.LiteTensor(1.0))

    def test_a_tracked_tensor_from_outside_is_refused(self):
        def fn(x):
            return rule(forward=lambda self, y: y * x)(2.0)

        with pytest.raises(nx.RuleError, match="from outside of the rule"):
            nx.grad(fn)(1.0)

    def test_a_tracked_tensor_from_outside_is_refused_at_every_order(self):
        def leak(w):
            return rule(forward=lambda self, x: x * w)

        def nested(w):
            return nx.value_and_grad(lambda x: leak(w)(x))(w)[0]

        with pytest.raises(nx.RuleError, match="from outside of the rule"):
            nx.grad(nested)(5.0)
        assert nx.TapeContext.active() == ()

    def test_returns_named_tuples_as_they_are(self):
        result = rule(forward=lambda self, x: x.max(0))(nx.LiteTensor([1.0, 3.0]))
        assert (result.values.item(), result.indices.item()) == (3.0, 1)

    def test_keeps_nothing_on_self(self):
        def forward(self, x):
            self.x = x
            return x

        with pytest.raises(nx.RuleError, match=r"keep self.x(.|\n)*ctx.save"):
            rule(forward=forward)(nx.LiteTensor(1.0))


class TestGradientsAreChecked:
    """Each error names the rule, the argument, what was expected and what came."""

    @pytest.mark.parametrize(
        ("backward", "text"),
        [
            (lambda self, grad: (grad, grad), r"more gradients than forward has(.|\n)*sample(.|\n)*at most 1(.|\n)*2"),
            (lambda self, grad: 1.0, r"no tensor(.|\n)*sample(.|\n)*0 \(x\)(.|\n)*shape \(3,\)(.|\n)*1.0 \(float\)"),
            (lambda self, grad: grad[:2], r"wrong shape(.|\n)*shape \(3,\)(.|\n)*shape \(2,\)"),
            (lambda self, grad: grad.sum(), r"wrong shape(.|\n)*shape \(3,\)(.|\n)*shape \(\)"),
            (lambda self, grad: grad > 0, r"dtype that can't be one(.|\n)*torch.float32(.|\n)*torch.bool"),
            (lambda self, grad: grad.to("meta"), r"another device(.|\n)*cpu(.|\n)*meta"),
        ],
    )
    @pytest.mark.parametrize("order", [1, 2])
    def test_a_wrong_gradient_is_an_error(self, backward, text, order):
        operator = rule(backward=backward)
        call = nx.grad(operator) if order == 1 else nx.grad(lambda x: nx.grad(operator)(x))
        with pytest.raises(nx.GradientError, match=text):
            call(torch.ones(3))

    def test_the_argument_is_named(self):
        operator = rule(forward=lambda self, x, weight: x * weight, backward=lambda self, grad: (grad, grad[:1]))
        with pytest.raises(nx.GradientError, match=r"argument:  1 \(weight\)"):
            nx.grad(operator, argnums=(0, 1))(torch.ones(3), torch.ones(3))

    def test_none_and_missing_gradients_are_zeros(self):
        operator = rule(forward=lambda self, x, y: x * y, backward=lambda self, grad: (None,))
        assert [g.item() for g in nx.grad(operator, argnums=(0, 1))(2.0, 3.0)] == [0.0, 0.0]

    def test_a_gradient_for_a_constant_is_ignored(self):
        operator = rule(forward=lambda self, x, k: x * k, backward=lambda self, grad: (grad * 3, grad[:0]))
        assert nx.grad(operator)(torch.ones(2), 3).tolist() == [3.0, 3.0]

    def test_a_list_of_gradients_will_do(self):
        operator = rule(forward=lambda self, x, y: x + y, backward=lambda self, grad: [grad, grad * 2])
        assert [g.item() for g in nx.grad(operator, argnums=(0, 1))(2.0, 3.0)] == [1.0, 2.0]

    @pytest.mark.parametrize(
        ("shape", "came", "expected"),
        [
            ((3,), (2, 3), [2.0] * 3),  # what broadcasting added in front is summed
            ((2, 1), (2, 3), [[3.0]] * 2),  # what it stretched too
            ((), (2, 3), 6.0),
            ((1,), (), [1.0]),  # and a difference in dimensions of size one is only a reshape
            ((3,), (3, 1), [1.0] * 3),
            ((4, 1), (4, 0), [[0.0]] * 4),
        ],
    )
    @pytest.mark.parametrize("order", [1, 2])
    def test_broadcasting_is_undone(self, shape, came, expected, order):
        operator = rule(backward=lambda self, grad: torch.ones(came) * grad.sum() / max(grad.numel(), 1))
        call = nx.grad(operator) if order == 1 else nx.trace(nx.grad(operator))
        result = call(torch.ones(shape))
        assert (result if order == 1 else result[0]).tolist() == expected

    def test_the_sum_of_broadcasting_is_itself_differentiable(self):
        def inner(x, y):
            return x * x * y

        x, y = torch.tensor([1.0, 2.0]), torch.ones(3, 2)
        second = nx.grad(lambda y: nx.grad(inner)(x, y) * torch.tensor([1.0, 10.0]))(y)
        assert second.tolist() == [[2.0, 40.0]] * 3

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
    def test_promotion_is_undone(self, dtype):
        x, y = torch.ones(2, dtype=dtype), torch.ones(2, dtype=torch.float64)
        gx, gy = nx.grad(nx.mul, argnums=(0, 1))(x, y)
        assert (gx.dtype, gy.dtype) == (dtype, torch.float64)


class TestCustomGrad:
    def test_is_a_rule_in_one_piece(self):
        @nx.custom_grad
        def clipped_square(x, bound=1.0):
            """Square with a clipped gradient."""
            return x * x, lambda grad: (2 * x * grad).clip(-bound, bound)

        assert repr(clipped_square) == "<nexnet operator clipped_square>"
        assert clipped_square.__doc__ == "Square with a clipped gradient."
        assert str(clipped_square.signature) == "(x, bound=1.0)"
        assert nx.grad(lambda x: clipped_square(x))(3.0).item() == 1.0
        assert nx.grad(lambda x: clipped_square(x, bound=4.0))(3.0).item() == 4.0

    def test_must_return_a_pair(self):
        @nx.custom_grad
        def lonely(x):
            return x * x

        with pytest.raises(nx.RuleError, match=r"must return \(out, backward\)(.|\n)*lonely"):
            lonely(nx.LiteTensor(1.0))


def test_a_rule_can_be_tried_by_hand():
    rule = scale.policy()
    assert rule.forward(torch.tensor(3.0), 5.0).item() == 15.0
    assert rule.backward(torch.tensor(1.0)).item() == 5.0
    assert rule.ctx is rule
    assert repr(rule) == "scale(saved=(5.0,), needs_input_grad=())"


def test_a_rule_may_not_hide_what_its_call_is_kept_in():
    with pytest.raises(nx.RuleError, match=r"can't define save(.|\n)*hoarder"):

        class hoarder(nx.Policy):
            def save(self):
                pass


def test_implements_answers_for_torch():
    assert nx.RULES[torch.mul] is nx.mul
    assert nx.RULES[torch.Tensor.mul] is nx.mul
    assert torch.mul(nx.LiteTensor(2.0), 3.0).item() == 6.0
    assert (torch.tensor(2.0) * nx.LiteTensor(3.0)).item() == 6.0
