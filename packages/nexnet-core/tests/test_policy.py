"""Rules: what forward gets, what backward must return, and what is said when it does not."""

import functools
import gc
import pickle
import weakref

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

    @pytest.mark.parametrize("follow", [nx.as_torch, nx.trace, nx.grad, lambda fn: fn])
    def test_a_module_of_torchs_that_is_called_with_its_own_parameters_is_refused(self, follow):
        linear = torch.nn.Linear(3, 2)
        said = r"requires grad met a nexnet operator(.|\n)*functional_call\(module(.|\n)*nexnet.parameters_of\(module"
        with pytest.raises(nx.InputError, match=said):
            follow(linear)(torch.ones(3) if follow is nx.as_torch else nx.ones(3))

    def test_a_module_of_torchs_that_makes_its_weight_of_parameters_is_refused(self):
        linear = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(3, 2, bias=False))
        with pytest.raises(nx.InputError, match=r"detach\(\)(.|\n)*made it of its parameters(.|\n)*functional_call"):
            linear(nx.ones(3))

    def test_a_parameter_without_grad_is_a_constant(self):
        weight = torch.nn.Parameter(torch.ones(2), requires_grad=False)
        assert (nx.LiteTensor([1.0, 2.0]) * weight).tolist() == [1.0, 2.0]

    def test_tensors_by_keyword_find_their_position(self):
        assert nx.grad(lambda x: nx.mul(other=x, input=nx.LiteTensor(3.0)))(2.0).item() == 3.0
        assert nx.grad(lambda x: scale(x=x, note="hello", factor=4.0))(2.0).item() == 4.0

    def test_a_keyword_only_tensor_is_an_error(self):
        with pytest.raises(nx.InputError, match=r"keyword-only arguments are static(.|\n)*note"):
            scale(nx.LiteTensor(1.0), note=nx.LiteTensor(1.0))

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

    def test_a_dtype_is_cast_to_the_arguments(self):
        for dtype, came in (
            (torch.float64, torch.float32),
            (torch.float32, torch.float64),
            (torch.float32, torch.cfloat),
        ):
            operator = rule(backward=lambda self, grad, came=came: grad.to(came))
            assert nx.grad(lambda x, operator=operator: operator(x).sum())(nx.ones(3, dtype=dtype)).dtype is dtype

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

    def test_of_no_function(self):
        with pytest.raises(nx.RuleError, match=r"makes an operator of a function(.|\n)*int\n(.|\n)*\(out, backward\)"):
            nx.custom_grad(3)


class TestCalls:
    """``forward = calls(...)``: a forward that is one call of torch's, made without a Python method."""

    @pytest.fixture(params=["", "inputs", "output", "others"])
    def both(self, request):
        """A rule that calls, and the same written as a method."""
        keep = {
            "": lambda need, x, y, out: (),
            "inputs": lambda need, x, y, out: (x, y),
            "output": lambda need, x, y, out: (out,),
            "others": lambda need, x, y, out: (y if need[0] else None, x if need[1] else None),
        }[request.param]

        def forward(self, x, y, *, alpha=1):
            out = torch.add(x, y, alpha=alpha)
            self.ctx.save(*keep(self.ctx.needs_input_grad, x, y, out), alpha)
            return out

        def backward(self, grad):
            *tensors, alpha = self.ctx.release
            for each in tensors:
                grad = grad if each is None else grad * each * each
            return grad, grad * alpha

        called = nx.calls(torch.add, "x", "y", saves=request.param, alpha=1)
        written = rule(forward, backward)
        written.leaf = True
        return rule(called, backward), written

    @pytest.mark.parametrize("keywords", [{}, {"alpha": 1}, {"alpha": 3.0}], ids=str)
    @pytest.mark.parametrize("argnums", [0, 1, (0, 1)], ids=str)
    def test_is_what_the_method_would_be_at_every_order(self, both, argnums, keywords):
        x, y = nx.tensor([0.5, -2.0]), nx.tensor([1.5, 0.25])
        of_each = []
        for add in both:

            def twice(x, y, add=add):
                return (nx.grad(lambda x, y: add(x * y, y, **keywords).sum(), 1)(x, y) ** 2).sum()

            value, grads = nx.value_and_grad(lambda x, y, add=add: add(x, y, **keywords).sum(), argnums)(x, y)
            of_each.append([value, grads, nx.grad(twice, argnums)(x, y)])
        for mine, theirs in zip(*map(nx.tree.leaves, of_each), strict=True):
            assert torch.equal(mine.data, theirs.data)

    def test_has_the_signature_of_the_method(self):
        made = rule(nx.calls(torch.nn.functional.linear, "input", "weight", "bias=None"), name="linear")
        assert str(made.signature) == "(input, weight, bias=None)"
        assert str(rule(nx.calls(torch.add, "input", "other", alpha=1)).signature) == "(input, other, *, alpha=1)"

    def test_saves_what_it_is_told_to(self):
        product = rule(nx.calls(torch.mul, "a", "b", saves="others"), lambda self, grad: None)
        a, b = nx.ones(2), nx.zeros(2)
        (node,) = nx.trace(lambda a: product(a, b))(a)[1].nodes
        assert node.saved[0] is b.data
        assert node.saved[1] is None

    def test_is_itself_and_not_what_its_function_means_to_others(self):
        half = rule(nx.calls(torch.exp, "x", saves="output"), lambda self, grad: grad * self.ctx.release[0] / 2)
        assert nx.grad(nx.grad(half))(0.0).item() == 0.25

    @pytest.mark.parametrize(("parameters", "saves"), [(("x", "y"), "input"), (("x",), "others")])
    def test_can_not_save_anything(self, parameters, saves):
        with pytest.raises(nx.RuleError, match=r"a call can't save this(.|\n)*write forward as a method"):
            nx.calls(torch.exp, *parameters, saves=saves)


class TestProduct:
    """``ctx.product`` and ``ctx.matrix_product``: gradients that the loop multiplies, and adds, in one step."""

    times = staticmethod(
        rule(
            nx.calls(torch.mul, "a", "b", saves="others"),
            lambda self, grad: tuple(self.ctx.product(grad, each) for each in self.ctx.release),
            elementwise=True,
        )
    )
    matmul = staticmethod(
        rule(
            nx.calls(torch.mm, "a", "b", saves="inputs"),
            lambda self, grad: (
                self.ctx.matrix_product(grad, self.ctx.release[1].t()),
                self.ctx.matrix_product(self.ctx.release[0].t(), grad),
            ),
        )
    )

    @pytest.mark.parametrize(("name", "operator"), [("times", torch.mul), ("matmul", torch.mm)])
    def test_sums_of_many(self, name, operator):
        mine = getattr(self, name)
        generator = torch.Generator().manual_seed(0)
        a, b = (torch.randn(3, 3, generator=generator, dtype=torch.float64, requires_grad=True) for _ in range(2))

        def polynomial(times, a, b):
            return times(times(a, b), times(b, a)) + times(a, times(a, b))

        expected = torch.autograd.grad(polynomial(operator, a, b).sum(), (a, b))
        found = nx.grad(lambda a, b: polynomial(mine, a, b).sum(), (0, 1))(a.detach(), b.detach())
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one.data, other)

    def test_nothing_is_written_into_but_sums(self):
        x = nx.ones(3)
        seed = nx.ones(3)
        out, pullback = nx.vjp(lambda x: self.times(x, x) + self.times(x, x), x)
        assert [pullback(seed)[0].tolist() for _ in range(2)] == [[4.0] * 3] * 2
        assert (x.tolist(), seed.tolist(), out.tolist()) == ([1.0] * 3, [1.0] * 3, [2.0] * 3)

    def test_a_number_broadcasting_and_a_missing_factor(self):
        scaled = rule(lambda self, x: x * 3.0, lambda self, grad: self.ctx.product(grad, 3.0), elementwise=True)
        assert nx.grad(lambda x: (scaled(x) + scaled(x)).sum())(nx.ones(2)).tolist() == [6.0, 6.0]
        wide = nx.grad(lambda x, y: (self.times(x, y) + self.times(x, y)).sum())(nx.ones(2), nx.ones(3, 2))
        assert wide.tolist() == [6.0, 6.0]
        assert nx.grad(lambda x: self.times(x, 2.0).sum())(nx.ones(2)).tolist() == [2.0, 2.0]

    def test_complex(self):
        found = nx.vjp(lambda x: nx.mul(x, x) + nx.mul(x, x), nx.tensor([1.0 + 2.0j]))[1](nx.tensor([1.0 + 0.0j]))
        assert found[0].tolist() == [4.0 - 8.0j]

    def test_by_hand_and_at_higher_orders_it_is_the_product(self):
        (node,) = nx.trace(lambda x: self.times(x, 2.0 * nx.ones(2)))(nx.ones(2))[1].nodes
        assert node.bwd_fn(torch.ones(2))[0].tolist() == [2.0, 2.0]
        assert nx.grad(nx.grad(lambda x: self.times(x, self.times(x, x)).sum()))(2.0).item() == 12.0

    @pytest.mark.parametrize("times", [1, 2])
    def test_a_product_that_does_not_fit_is_the_rules_error(self, times):
        wrong = rule(lambda self, x: x * 1.0, lambda self, grad: self.ctx.matrix_product(grad, torch.ones(5, 2)))
        with pytest.raises(RuntimeError, match="shapes cannot be multiplied") as caught:
            nx.grad(lambda x: sum(wrong(x) for _ in range(times)).sum())(nx.ones(2, 2))
        assert "in the backward of the nexnet rule sample" in caught.value.__notes__[0]

    def test_a_product_of_another_shape_is_fitted_as_any_gradient(self):
        spread = rule(lambda self, x: x.expand(3, 2), lambda self, grad: self.ctx.matrix_product(grad, torch.eye(2)))
        assert nx.grad(lambda x: (spread(x) + spread(x)).sum())(nx.ones(1, 2)).tolist() == [[6.0, 6.0]]


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


class TestWrittenAsElsewhere:
    """What is written by somebody who knows torch.autograd.Function."""

    @pytest.mark.parametrize("kind", [staticmethod, classmethod])
    def test_a_static_forward(self, kind):
        with pytest.raises(nx.RuleError, match=rf"forward is a method of the call(.|\n)*leave @{kind.__name__} out"):
            nx.function(
                type("square", (nx.Policy,), {"forward": kind(lambda ctx, x: x), "backward": lambda self, g: g})
            )

    @pytest.mark.parametrize(
        ("name", "remedy"), [("save_for_backward", r"self\.ctx\.save"), ("saved_tensors", r"self\.ctx\.release")]
    )
    def test_torchs_names(self, name, remedy):
        @nx.function
        class square(nx.Policy):
            def forward(self, x):
                return getattr(self.ctx, name)

            def backward(self, grad):
                return grad

        with pytest.raises(nx.MissingAttributeError, match=rf"a rule has no {name}(.|\n)*{remedy}"):
            square(nx.ones(2))

    def test_a_rule_that_is_called_as_it_is(self):
        class square(nx.Policy):
            def forward(self, x):
                return x * x

            def backward(self, grad):
                return grad

        for call in (square, square.apply):
            with pytest.raises(nx.RuleError, match=r"an operator is made of it(.|\n)*@nexnet\.function"):
                call(nx.ones(2))

    @pytest.mark.parametrize("place", [None, 0, -1])
    @pytest.mark.parametrize("order", [1, 2])
    def test_release_without_save(self, place, order):
        def take(self, grad):
            if place is not None:
                return self.ctx.release[place] * grad
            (x,) = self.ctx.release
            return x * grad

        square = rule(backward=take)
        call = nx.grad(square) if order == 1 else nx.grad(lambda x: nx.grad(square)(x))
        said = r"backward takes values from self.ctx.release, and forward has saved none(.|\n)*sample(.|\n)*ctx.save\(x"
        with pytest.raises(nx.RuleError, match=said):
            call(3.0)

    def test_release_without_save_in_jvp(self):
        square = rule(jvp=lambda self, tangent: self.ctx.release[0] * tangent)
        with pytest.raises(nx.RuleError, match=r"jvp takes values from self.ctx.release(.|\n)*ctx.save\(x"):
            nx.jvp(square, (nx.ones(()),), (nx.ones(()),))

    def test_another_error_of_a_rule_that_saves_nothing_is_as_it_was(self):
        with pytest.raises(IndexError, match="tuple index out of range"):
            nx.grad(rule(backward=lambda self, grad: grad.shape[2]))(3.0)

    def test_release_of_more_than_was_saved_says_how_many_there_are(self):
        square = rule(lambda self, x: [self.ctx.save(x), x * x][1], lambda self, grad: grad * self.ctx.release[1])
        with pytest.raises(IndexError, match="tuple index out of range") as caught:
            nx.grad(square)(3.0)
        assert "(self.ctx.save kept 1 values, and self.ctx.release gives as many)" in caught.value.__notes__

    def test_an_operator_of_no_rule(self):
        with pytest.raises(nx.RuleError, match=r"an operator is made of a Policy(.|\n)*got:       <class 'int'>"):
            nx.Operator(int)

    @pytest.mark.skipif(not nx.engine.COMPILED, reason="uncompiled, it lacks its attributes: Python says so")
    def test_an_operator_that_was_given_none(self):
        class Silent(nx.Operator):
            def __init__(self, policy):
                pass

        with pytest.raises(nx.RuleError, match=r"this operator has no rule(.|\n)*super\(\)\.__init__\(policy\)"):
            Silent(nx.sin.policy)(nx.ones(2))


class TestWhatTheCollectorDoesNotSee:
    """A call of a rule is none of the collector's: what refers back to it would never be freed, and is refused."""

    @pytest.mark.parametrize(
        "circle",
        [
            lambda self: self,
            lambda self: [self],
            lambda self: {"rule": (1, self)},
            lambda self: lambda: self,
            lambda self: lambda x=self: x,
            lambda self: self.backward,
            lambda self: functools.partial(self.backward, 1),
        ],
        ids=["itself", "a list", "a dict", "a closure", "a default", "a method", "a partial"],
    )
    def test_a_rule_does_not_save_itself(self, circle):
        @nx.function
        class square(nx.Policy):
            def forward(self, x):
                self.ctx.save(circle(self))
                return x * x

            def backward(self, grad):
                return grad

        with pytest.raises(nx.RuleError, match=r"can't save itself(.|\n)*argument:  ctx\.save"):
            square(nx.ones(2))

    def test_functions_and_containers_of_other_things_are_saved(self):
        @nx.function
        class square(nx.Policy):
            def forward(self, x):
                self.ctx.save(x, lambda grad: grad * 2, [1, {"a": x.shape}])
                return x * x

            def backward(self, grad):
                x, twice, _ = self.ctx.release
                return twice(grad) * x

        assert nx.grad(square)(3.0).item() == 6.0

    @pytest.mark.skipif(not nx.engine.COMPILED, reason="uncompiled, every object has weak references")
    def test_weak_references_to_calls(self):
        class watched(nx.Policy):
            __slots__ = ("__weakref__",)

            def forward(self, x):
                seen.append(weakref.ref(self))
                return x * 2

            def backward(self, grad):
                return grad * 2

        seen = []
        operator = nx.function(watched)
        for _ in range(100):
            assert nx.grad(lambda x: operator(operator(x)))(1.0).item() == 4.0
        gc.collect()
        assert len(seen) == 200
        assert not any(each() is not None for each in seen)
