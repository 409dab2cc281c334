import warnings

import jax.numpy as jnp
import numpy
import pytest
import torch

import nexnet
from nexnet.errors import InputError, NexnetError, RuleError
from nexnet_verify import GradientMismatch, NotDifferentiableWarning, check_gradients


def lite(*numbers, dtype=torch.float64):
    return nexnet.LiteTensor(torch.tensor(numbers, dtype=dtype))


@nexnet.function
class cube(nexnet.Policy):
    def forward(self, x):
        self.ctx.save(x)
        return x * x * x

    def backward(self, grad):
        (x,) = self.ctx.release
        return 3 * x * x * grad


class cube_of_other_sign(nexnet.Policy):
    def forward(self, x):
        self.ctx.save(x)
        return x * x * x

    def backward(self, grad):
        (x,) = self.ctx.release
        return -3 * x * x * grad


@nexnet.function
class square_with_a_constant(nexnet.Policy):
    def forward(self, x, y):
        self.ctx.save(x, y)
        return x * x * y

    def backward(self, grad):
        x, y = self.ctx.release
        return 2 * nexnet.stop_gradient(x) * y * grad, x * x * grad


# What passes --------------------------------------------------------------------------------------------------------


def test_a_right_rule_passes_to_any_order_and_against_jax():
    assert check_gradients(cube, lite(1.0, -2.0, 0.5), order=4, reference=lambda x: x**3) is None


def test_a_report_shows_every_comparison():
    report = check_gradients(cube, lite(1.0, -2.0), reference=lambda x: x**3, report=True)
    assert report.passed
    assert report.worst("JAX", 2) < 1e-12
    assert report.worst("finite differences", 1) < 1e-8
    kinds = {row.reference for row in report.comparisons}
    assert kinds >= {
        "finite differences",
        "JAX",
        "determinism",
        "untouched",
        "strided",
        "forward mode",
        "vmap",
        "float32",
    }
    assert report.obstacles == []
    assert "gradients of cube: right" in str(report)
    assert report.raise_for_mismatch() is None


def test_arguments_are_pytrees_of_tensors_arrays_and_numbers():
    def fn(parameters, x, power, flag):
        out = parameters["w"] * x + parameters["b"][0]
        return {"out": out**power if flag else out, "sum": out.sum()}

    def reference(parameters, x, power, flag):
        out = parameters["w"] * x + parameters["b"][0]
        return {"out": out**power if flag else out, "sum": out.sum()}

    parameters = {"w": lite(1.0, 2.0), "b": [numpy.array([0.5, -0.5])]}
    report = check_gradients(fn, parameters, torch.tensor([3.0, 4.0]), 2, True, reference=reference, report=True)
    assert report.passed, report


def test_float32_arguments_are_checked_in_float64():
    report = check_gradients(cube, lite(1.0, 2.0, dtype=torch.float32), report=True)
    assert report.worst("finite differences", 1) < 1e-9


def test_an_empty_tensor_has_nothing_to_compare():
    assert check_gradients(cube, nexnet.LiteTensor(torch.zeros(0, 3))) is None


def test_an_argument_keeps_its_strides_and_its_values():
    seen = []

    def fn(x):
        seen.append(x.data.stride())
        return x * x

    x = torch.arange(3.0, dtype=torch.float64)[None].expand(2, 3)
    check_gradients(fn, nexnet.LiteTensor(x))
    assert seen[0] == (0, 1)
    assert x.tolist() == [[0.0, 1.0, 2.0]] * 2


def test_the_same_seed_finds_the_same_errors():
    first, second = (
        check_gradients(cube, nexnet.randn(6, 7, generator=torch.Generator().manual_seed(1)), seed=3, report=True)
        for _ in range(2)
    )
    assert first.comparisons == second.comparisons


# What fails ---------------------------------------------------------------------------------------------------------


def test_a_mismatch_is_an_assertion_and_an_error_of_nexnet():
    with pytest.raises(GradientMismatch) as caught:
        check_gradients(cube_of_other_sign, lite(1.0, 2.0))
    assert isinstance(caught.value, AssertionError)
    assert isinstance(caught.value, NexnetError)
    finding = caught.value.finding
    assert (finding.rule, finding.order, finding.element) == ("cube_of_other_sign", 1, (0,))
    assert finding.got == pytest.approx(-finding.expected)


def test_a_mismatch_says_all_that_is_needed_to_find_it():
    with pytest.raises(GradientMismatch, match="wrong at order 1") as caught:
        check_gradients(cube_of_other_sign, lite(1.0, 2.0), seed=7)
    for line in (
        r"rule: +cube_of_other_sign",
        r"argument: +args\[0\], float64 of shape \(2,\)",
        r"order: +1",
        r"reference: +central finite differences",
        r"worst: +element \(0,\): the rule gives -?[\d.]+, the reference -?[\d.]+ \(difference .*, allowed .*\)",
        r"step: +[\d.e-]+ of the input's size, extrapolated",
        r"hint: +it is the reference with the other sign",
        r"seed: +7",
        r"reproduce: +check_gradients\(cube_of_other_sign, nexnet.tensor\(\[1.0, 2.0\], dtype=torch.float64\)",
    ):
        assert caught.match(line)


def test_the_argument_is_named_by_its_path():
    @nexnet.function
    class swapped(nexnet.Policy):
        def forward(self, x, y):
            self.ctx.save(x, y)
            return x * y

        def backward(self, grad):
            _, y = self.ctx.release
            return grad * y, grad * y

    with pytest.raises(GradientMismatch, match=r"args\[0\]\['b'\]"):
        check_gradients(lambda p: swapped(p["a"], p["b"]), {"a": lite(1.0), "b": lite(3.0)})


def test_a_rule_that_is_wrong_from_the_second_order_on_is_right_at_the_first():
    assert check_gradients(square_with_a_constant, lite(1.0, 2.0), lite(3.0, 4.0), order=1) is None
    with pytest.raises(GradientMismatch, match="wrong at order 2"):
        check_gradients(square_with_a_constant, lite(1.0, 2.0), lite(3.0, 4.0), order=2)


@pytest.mark.parametrize("operator", [nexnet.ops.atan2, torch.atan2])
def test_the_counterpart_of_an_operator_is_known(operator):
    report = check_gradients(operator, lite(1.0, -2.0), lite(3.0, 0.5), reference="known", report=True)
    assert report.passed
    assert report.worst("JAX", 2) < 1e-12


@pytest.mark.parametrize(
    ("fn", "why"),
    [
        (cube, "no case of nexnet_verify is for it"),
        (nexnet.ops.special_bessel_j0, "jax.scipy.special has no such function"),
    ],
)
def test_a_counterpart_that_is_not_known(fn, why):
    with pytest.raises(InputError, match=rf"(?s)no counterpart in JAX is known.*got: +.*{why}.*remedy: +name one"):
        check_gradients(fn, lite(1.0, 2.0), reference="known")


def test_a_value_that_is_not_the_references():
    with pytest.raises(GradientMismatch, match="the value of cube is not JAX's at order 0"):
        check_gradients(cube, lite(1.0, 2.0), reference=lambda x: x**3 + 1e-6)


def test_a_gradient_that_is_not_the_references():
    bent = nexnet.custom_grad(lambda x: (torch.sin(x), lambda grad: grad * torch.cos(x)))
    with pytest.raises(GradientMismatch, match="not JAX's at order 1"):
        check_gradients(bent, lite(0.0), reference=lambda x: jnp.where(x == 0, 0.0, jnp.sin(x)))


def test_one_wrong_element_of_many_is_found():
    @nexnet.function
    class leaky(nexnet.Policy):
        def forward(self, x):
            return torch.sum(x * 2.0)

        def backward(self, grad):
            factors = torch.full((20, 50), 2.0, dtype=grad.dtype)
            factors[13, 37] = 2.001
            return grad * factors

    with pytest.raises(GradientMismatch, match=r"element \(13, 37\): .*") as caught:
        check_gradients(leaky, nexnet.ones(20, 50))
    assert caught.value.finding.hint == "the other elements that were looked at are right"


def times(*factors):
    """A rule of which element i is factors[i] times what it should be."""

    @nexnet.custom_grad
    def bent(x):
        return torch.sin(x), lambda grad: grad * torch.cos(x) * torch.tensor(factors, dtype=x.dtype)

    return bent


@pytest.mark.parametrize(
    ("factors", "hint"),
    [
        ([-51.8, 0.3, 7.0], None),  # each element has a ratio: one says nothing
        ([-51.8], None),
        ([-51.8, -51.8, -51.8], "it is -51.8 times the reference"),
        ([2.0], "it is 2 times the reference"),
        ([-1.0, -1.0], "it is the reference with the other sign"),
        ([0.0, 0.0], "the rule gives zero: is a saved value a constant, or a gradient left out?"),
        ([1.0, 1.0, -51.8], "the other elements that were looked at are right"),
    ],
)
def test_a_hint_is_drawn_from_all_elements_and_not_from_one(factors, hint):
    point = lite(0.3, -0.8, 1.1)[: len(factors)]
    with pytest.raises(GradientMismatch) as caught:
        check_gradients(times(*factors), point)
    assert caught.value.finding.hint == hint


# Gradients that are wrong on purpose ----------------------------------------------------------------------------------


@nexnet.function
class round_straight_through(nexnet.Policy):
    def forward(self, x):
        return torch.round(x)

    def backward(self, grad):
        return grad


@nexnet.function
class spike(nexnet.Policy):
    """A step, with the gradient of a sigmoid (a surrogate)."""

    def forward(self, x):
        self.ctx.save(x)
        return (x > 0).to(x.dtype)

    def backward(self, grad):
        (x,) = self.ctx.release
        s = torch.sigmoid(5.0 * x)
        return grad * 5.0 * s * (1.0 - s)


@nexnet.function
class reversal(nexnet.Policy):
    def forward(self, x):
        return x.clone()

    def backward(self, grad):
        return -grad


@pytest.mark.parametrize(
    ("fn", "expected"),
    [
        (round_straight_through, lambda x: x * 1.0),
        (spike, lambda x: nexnet.sigmoid(5.0 * x)),
        (reversal, lambda x: -x),
        (nexnet.reverse_gradient, lambda x: -x),
    ],
)
def test_a_gradient_that_is_wrong_on_purpose_is_what_it_is_meant_to_be(fn, expected):
    report = check_gradients(fn, lite(0.3, -0.8, 1.1), order=3, expected=expected, report=True)
    assert report.passed, str(report)
    assert not report.singular
    assert {"finite differences", "forward mode", "vmap", "two calls"} <= {row.reference for row in report.comparisons}


def test_without_what_it_is_meant_to_be_it_is_wrong():
    with pytest.raises(GradientMismatch, match="the gradient of reversal is wrong at order 1"):
        check_gradients(reversal, lite(0.3, -0.8))


def test_a_gradient_that_is_not_what_it_is_meant_to_be():
    def slower(x):
        return nexnet.sigmoid(4.0 * x)

    with pytest.raises(GradientMismatch, match="the gradient of spike is wrong at order 1") as caught:
        check_gradients(spike, lite(0.3, -0.8), expected=slower)
    assert caught.value.finding.reference == "central finite differences, of slower, which is expected"
    assert caught.value.finding.reproduce.endswith("seed=0, expected=slower)")


def test_all_else_of_a_gradient_that_is_wrong_on_purpose_is_checked():
    @nexnet.function
    class writes(nexnet.Policy):
        def forward(self, x):
            out = torch.round(x)
            self.ctx.save(out)
            return out

        def backward(self, grad):
            (out,) = self.ctx.release
            out.data.mul_(2.0)
            return grad

    with pytest.raises(GradientMismatch, match="the backward of writes writes into its output"):
        check_gradients(writes, lite(0.3, -0.8), expected=lambda x: x * 1.0)
    with pytest.raises(GradientMismatch, match="the value of round_straight_through is not JAX's"):
        check_gradients(round_straight_through, lite(0.3), expected=lambda x: x * 1.0, reference=jnp.ceil)


def test_what_is_expected_returns_the_same_shapes():
    with pytest.raises(InputError, match=r"(?s)argument: +expected.*outputs of shapes \[\(2,\)\].*got: +\[\(\)\]"):
        check_gradients(reversal, lite(0.3, -0.8), expected=lambda x: -x.sum())


# What is no rule ------------------------------------------------------------------------------------------------------


class TorchsRule(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        return grad * 100


class TorchsSine(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * x.cos()


@pytest.mark.parametrize("rule", [TorchsRule, TorchsRule.apply])
def test_a_wrong_rule_of_torchs_is_found(rule):
    with pytest.raises(GradientMismatch, match=r"finite differences"):
        check_gradients(rule, lite(1.0))


@pytest.mark.parametrize("rule", [TorchsSine, TorchsSine.apply])
def test_a_right_rule_of_torchs_passes(rule):
    check_gradients(rule, lite([0.3, -1.0]))


class TorchsOwnSecond(torch.autograd.Function):
    """exp(x)^2, right in nexnet; PyTorch takes what it has saved for a constant."""

    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y * y

    @staticmethod
    def backward(ctx, grad):
        (y,) = ctx.saved_tensors
        return 2 * grad * y * y


@pytest.mark.parametrize("rule", [TorchsOwnSecond, TorchsOwnSecond.apply])
def test_a_rule_of_torchs_must_be_right_in_torch_too(rule):
    check_gradients(rule, lite([0.3, -1.0]), order=1)
    with pytest.raises(GradientMismatch, match=r"another derivative in PyTorch(.|\n)*order: +2(.|\n)*a constant"):
        check_gradients(rule, lite([0.3, -1.0]), order=2)


class Layer(torch.nn.Module):
    def __init__(self, rule=TorchsSine):
        super().__init__()
        self.linear, self.norm, self.rule = torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3), rule

    def forward(self, x):
        return self.rule.apply(self.norm(self.linear(x)))


@pytest.mark.parametrize("training", [True, False])
def test_a_module_is_checked_by_its_parameters_and_arguments_and_is_as_before(training):
    torch.manual_seed(0)
    layer = Layer().train(training)
    before = {name: each.clone() for name, each in layer.state_dict().items()}
    report = check_gradients(layer, torch.randn(4, 2), report=True)
    assert report.passed, str(report)
    assert all(torch.equal(before[name], each) for name, each in layer.state_dict().items())


def test_a_wrong_rule_in_a_module_is_found():
    torch.manual_seed(0)
    with pytest.raises(GradientMismatch, match=r"rule: +Layer(.|\n)*args\[0\]\['linear"):
        check_gradients(Layer(TorchsRule).eval(), torch.randn(4, 2))


@pytest.mark.parametrize("where", ["forward", "backward"])
def test_a_rule_that_ends_the_process_is_not_right(where):
    @nexnet.function
    class leaves(nexnet.Policy):
        def forward(self, x):
            return raise_(SystemExit(0)) if where == "forward" else x * 2

        def backward(self, grad):
            return raise_(SystemExit(0))

    def raise_(error):
        raise error

    with pytest.raises(RuleError, match=r"(?s)has called sys.exit.*rule: +leaves.*got: +SystemExit\(0\)"):
        check_gradients(leaves, lite(1.0))


@pytest.mark.parametrize(
    ("fn", "match"),
    [
        (lambda x: x.sum() * float(torch.rand(())), "is not the same twice"),
        (lambda x: nexnet.LiteTensor(x.data.add_(1.0)) * 1.0 + x, "writes into its input"),
    ],
)
def test_a_function_that_is_none(fn, match):
    with pytest.raises(GradientMismatch, match=match):
        check_gradients(fn, lite(1.0, 2.0))


# Forward mode and vmap ----------------------------------------------------------------------------------------------


@nexnet.function
class spares_nothing(nexnet.Policy):
    """exp; where the incoming gradient is zero it gives zeros. Forward mode differentiates it right there."""

    def forward(self, x):
        out = torch.exp(x)
        self.ctx.save(out)
        return out

    def backward(self, grad):
        (out,) = self.ctx.release
        raw = grad.data if isinstance(grad, nexnet.LiteTensor) else grad
        return grad * out if raw.any() else torch.zeros_like(out)


def test_forward_mode_is_reverse_mode():
    assert check_gradients(spares_nothing, lite(1.0, 2.0), modes=("reverse",)) is None
    with pytest.raises(GradientMismatch, match="forward mode of spares_nothing is not its reverse mode") as caught:
        check_gradients(spares_nothing, lite(1.0, 2.0))
    finding = caught.value.finding
    assert (finding.order, finding.argument, finding.element, finding.got) == (1, "the tangent of output 0", (1,), 0.0)
    assert "backward must be linear" in finding.hint


def test_forward_over_reverse_is_reverse_over_reverse():
    def slope(x, g):
        """The backward of cube, with a forward mode of its own that is wrong."""
        return 3 * x * x * g

    backward = nexnet.custom_grad(
        lambda g, x: (slope(x, g), lambda h: (3 * x * x * h, 6 * x * g * h if h.data.any() else x * 0.0))
    )

    @nexnet.function
    class bent(nexnet.Policy):
        def forward(self, x):
            self.ctx.save(x)
            return x * x * x

        def backward(self, grad):
            (x,) = self.ctx.release
            return backward(grad, x)

    assert check_gradients(bent, lite(1.0, 2.0), modes=("reverse",)) is None
    with pytest.raises(GradientMismatch, match="forward mode of bent is not its reverse mode") as caught:
        check_gradients(bent, lite(1.0, 2.0))
    assert caught.value.finding.order == 2


def test_a_jvp_of_its_own():
    def cube(jvp):
        @nexnet.function
        class cubed(nexnet.Policy):
            def forward(self, x):
                self.ctx.save(x)
                return x * x * x

            def backward(self, grad):
                (x,) = self.ctx.release
                return 3 * x * x * grad

            def jvp(self, tangent):
                (x,) = self.ctx.release
                return jvp(tangent, x)

        return cubed

    assert check_gradients(cube(lambda t, x: 3 * x * x * t), lite(1.0, 2.0)) is None
    for order, jvp in ((1, lambda t, x: 2 * x * x * t), (2, lambda t, x: 3 * nexnet.stop_gradient(x) * x * t)):
        assert check_gradients(cube(jvp), lite(1.0, 2.0), modes=("reverse",)) is None
        with pytest.raises(GradientMismatch, match=r"not its reverse mode: the jvp of cubed is wrong") as caught:
            check_gradients(lambda x, jvp=jvp: cube(jvp)(x) + x, lite(1.0, 2.0))
        assert caught.value.finding.order == order
    with pytest.raises(GradientMismatch, match=r"the jvp of a rule fails(.|\n)*wrong shape(.|\n)*rule cubed"):
        check_gradients(cube(lambda t, x: t.expand((2, 2))), lite(1.0, 2.0))


def test_vmap_is_a_loop():
    @nexnet.function
    class by_the_largest(nexnet.Policy):
        def forward(self, x):
            return x * 2.0

        def backward(self, grad):
            raw = grad.data if isinstance(grad, nexnet.LiteTensor) else grad
            return grad * (3.0 if torch._C._functorch.is_batchedtensor(raw) else 2.0)

    assert check_gradients(by_the_largest, lite(1.0, 2.0), vmap=False) is None
    with pytest.raises(GradientMismatch, match="vmap of by_the_largest is not a loop over the examples") as caught:
        check_gradients(by_the_largest, lite(1.0, 2.0))
    assert caught.value.finding.argument == "args[0]"


def test_what_can_not_be_run_is_named_and_not_passed_over():
    def by_value(x):
        return x * x if x.sum() > 0 else x

    report = check_gradients(by_value, lite(1.0, 2.0), report=True)
    assert report.passed
    assert [row for row in report.comparisons if row.reference == "vmap"] == []
    assert [(each.what, each.order, each.torchs) for each in report.obstacles] == [("vmap", 1, True), ("vmap", 2, True)]
    assert "note: vmap is not applicable at order 1: InputError: under vmap a mapped tensor" in str(report)

    def leaves_torch(x):
        y = numpy.exp(x.numpy())
        return torch.from_numpy(y), lambda grad: grad * torch.from_numpy(y)

    report = check_gradients(nexnet.custom_grad(leaves_torch), lite(1.0, 2.0), order=1, report=True)
    assert report.passed
    assert {each.what for each in report.obstacles} == {"vmap"}


@pytest.mark.parametrize("modes", [("forward",), ("reverse", "sideways"), ()])
def test_unknown_modes(modes):
    with pytest.raises(InputError, match="these modes can't be checked"):
        check_gradients(cube, lite(1.0), modes=modes)


# Points without a derivative ----------------------------------------------------------------------------------------


def test_kinks_are_left_out_with_a_warning():
    with pytest.warns(
        NotDifferentiableWarning, match=r"2 elements at which abs is not differentiable were left out"
    ) as caught:
        check_gradients(nexnet.ops.abs, lite(0.0, 1.0, 0.0, -3.0), reference=jnp.abs)
    assert r"args[0] at (0,), order 1: a kink" in str(caught[0].message)


def test_what_stands_beside_a_kink_is_still_judged():
    @nexnet.function
    class bent(nexnet.Policy):
        def forward(self, x):
            self.ctx.save(x)
            return torch.abs(x)

        def backward(self, grad):
            (x,) = self.ctx.release
            return grad * torch.where(x > 0, 1.0, -1.1)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = check_gradients(bent, lite(0.0, 1.0, -3.0), report=True)
    assert report.findings[0].element == (2,)


def test_a_pole_ends_the_check_of_higher_orders_with_a_note():
    report = check_gradients(nexnet.ops.sqrt, lite(0.0, 4.0), report=True)
    assert report.passed
    assert [each.element for each in report.singular] == [(0,)]
    assert "order 2 was left out: the gradient of order 1 is not finite" in report.notes


def test_a_rule_that_is_finite_nowhere_is_no_pole():
    broken = nexnet.custom_grad(lambda x: (torch.sin(x), lambda grad: grad * torch.nan))
    with pytest.raises(GradientMismatch, match="the rule gives nan"):
        check_gradients(broken, lite(1.0), order=1)


# Wrong use ----------------------------------------------------------------------------------------------------------


def test_nothing_to_differentiate_by():
    with pytest.raises(InputError, match="nothing to differentiate by"):
        check_gradients(cube, nexnet.LiteTensor(torch.tensor([1, 2])))


def test_no_floating_output():
    with pytest.raises(InputError, match="returns no floating tensor"):
        check_gradients(lambda x: x > 0, lite(1.0))


def test_an_order_below_one():
    with pytest.raises(InputError, match="no derivative to check"):
        check_gradients(cube, lite(1.0), order=0)


def test_a_reference_with_other_outputs():
    with pytest.raises(InputError, match=r"(?s)the reference does not return what the function returns.*\(2,\)"):
        check_gradients(cube, lite(1.0, 2.0), reference=lambda x: x.sum())
