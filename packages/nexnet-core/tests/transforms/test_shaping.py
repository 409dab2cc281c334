"""Gradient tools: values are unchanged, gradients are as asked, at first and second order, under vmap and jvp."""

import pytest
import torch

import nexnet as nx

X = torch.tensor([0.5, -1.0, 3.0], dtype=torch.float64)
DOUBLE = {"dtype": torch.float64}


def cube(x):
    return (x**3).sum()


#: Each keeps values, and multiplies the gradient of ``cube`` (3 x^2 = 0.75, 3, 27) so; all are linear in the gradient.
LINEAR = {
    "scale": (lambda x: nx.scale_gradient(x, 10.0), 10.0),
    "scale by a tensor": (lambda x: nx.scale_gradient(x, torch.tensor([1.0, 2.0, 3.0], **DOUBLE)), [1.0, 2.0, 3.0]),
    "reverse": (nx.reverse_gradient, -1.0),
    "reverse and scale": (lambda x: nx.reverse_gradient(x, 0.5), -0.5),
}


@pytest.mark.parametrize("name", LINEAR)
class TestLinear:
    def test_first_order(self, name):
        tool, factor = LINEAR[name]
        value, gradient = nx.value_and_grad(lambda x: cube(tool(x)))(X)
        assert value.item() == cube(X).item()
        assert torch.allclose(gradient.data, 3 * X**2 * torch.tensor(factor, **DOUBLE))

    def test_second_order(self, name):
        tool, factor = LINEAR[name]
        curvature = nx.hessian(lambda x: cube(tool(x)))(X)  # the rule is met twice: going back, and going back on that
        assert torch.allclose(curvature.data, torch.diag(6 * X * torch.tensor(factor, **DOUBLE) ** 2))

    def test_under_vmap(self, name):
        tool, _ = LINEAR[name]
        batch = torch.stack([X, 2 * X])
        expected = torch.stack([nx.grad(lambda x: cube(tool(x)))(row).data for row in batch])
        assert torch.equal(nx.vmap(nx.grad(lambda x: cube(tool(x))))(batch).data, expected)
        assert torch.allclose(nx.grad(lambda xs: nx.vmap(lambda x: cube(tool(x)))(xs).sum())(batch).data, expected)

    def test_forward_mode_sees_it(self, name):
        tool, factor = LINEAR[name]
        _, tangent = nx.jvp(tool, (X,), (X,))
        assert torch.allclose(tangent.data, X * torch.tensor(factor, **DOUBLE))

    def test_pytrees(self, name):
        tool, _ = LINEAR[name]
        gradient = nx.grad(lambda tree: cube(tool(tree)["x"]))({"x": X, "unused": (X,)})
        assert torch.equal(gradient["x"].data, nx.grad(lambda x: cube(tool(x)))(X).data)
        assert gradient["unused"][0].tolist() == [0, 0, 0]


def test_scale_is_differentiated_where_a_gradient_depends_on_it():
    def slope(scale):
        return nx.grad(lambda x: cube(nx.scale_gradient(x, scale)))(X).sum()

    assert nx.grad(slope)(10.0).item() == (3 * X**2).sum().item()


def test_a_scale_that_would_make_the_gradient_larger_is_refused():
    for scale in (nx.ones(3, 2), nx.ones(1, 2), torch.ones(3)):
        with pytest.raises(nx.InputError, match=r"scale does not broadcast to the shape of x(.|\n)*\(2,\)"):
            nx.grad(lambda x, scale=scale: nx.scale_gradient(x, scale).sum())(nx.ones(2))
        with pytest.raises(nx.InputError, match="scale does not broadcast"):
            nx.reverse_gradient({"x": nx.ones(2)}, scale)
    assert nx.grad(lambda x: nx.scale_gradient(x, nx.tensor([[2.0], [3.0]])).sum())(nx.ones(2, 2)).tolist() == [
        [2.0, 2.0],
        [3.0, 3.0],
    ]
    each = nx.vmap(nx.grad(lambda x, scale: nx.scale_gradient(x, scale).sum()))  # of a number each
    assert each(nx.ones(3, 2), nx.tensor([1.0, 2.0, 3.0])).tolist() == [[1, 1], [2, 2], [3, 3]]


class TestClip:
    @pytest.mark.parametrize(
        ("bounds", "expected"),
        [((-1.0, 2.0), [0.75, 2, 2]), ((None, 2.0), [0.75, 2, 2]), ((1.0, None), [1, 3, 27]), ((3.0, 3.0), [3, 3, 3])],
    )
    def test_to_bounds(self, bounds, expected):
        value, gradient = nx.value_and_grad(lambda x: cube(nx.clip_gradient(x, *bounds)))(X)
        assert (value.item(), gradient.tolist()) == (cube(X).item(), expected)

    def test_second_order_passes_what_was_not_clipped(self):
        curvature = nx.hessian(lambda x: cube(nx.clip_gradient(x, -5.0, 5.0)))(X)
        # x = 0.5 passes both times, x = -1 is clipped going back the second time, x = 3 the first time
        assert torch.equal(curvature.data, torch.diag(torch.tensor([3.0, -5.0, 0.0], **DOUBLE)))

    def test_to_a_norm(self):
        gradient = nx.grad(lambda x: cube(nx.clip_gradient(x, max_norm=2.0)))(X)
        full = 3 * X**2
        assert torch.allclose(gradient.data, full * 2 / full.norm())
        assert nx.grad(lambda x: cube(nx.clip_gradient(x, max_norm=100.0)))(X).tolist() == full.tolist()

    def test_the_norm_is_that_of_the_whole_tree(self):
        tree = {"a": X, "b": (2 * X, None)}

        def loss(tree):
            clipped = nx.clip_gradient(tree, max_norm=1.0)
            return cube(clipped["a"]) + cube(clipped["b"][0])

        gradient, _ = nx.tree.ravel(nx.grad(loss)(tree))
        full = torch.cat([3 * X**2, 12 * X**2])
        assert torch.allclose(gradient.data, full / full.norm())
        assert nx.clip_gradient({}, max_norm=1.0) == {}

    def test_to_a_norm_at_second_order(self):
        def clipped(x):
            return 3 * x**2 * 2 / (3 * x**2).norm()

        # The outer gradient by a plain alias of x: only the inner gradient is clipped.
        found = nx.jacrev(lambda x: nx.grad(lambda y: cube(nx.clip_gradient(y + 0, max_norm=2.0)))(x))(X)
        inner_only = torch.func.jacrev(clipped)(X)
        once_more = inner_only * torch.minimum(torch.ones(3, **DOUBLE), 2 / inner_only.norm(dim=1))[:, None]
        assert torch.allclose(found.data, once_more)

    def test_to_a_norm_of_a_gradient_of_zero(self):
        gradient = nx.grad(lambda x: (nx.clip_gradient(x, max_norm=1.0) * 0).sum())
        assert gradient(X).tolist() == [0, 0, 0]
        assert nx.jacrev(gradient)(X).tolist() == torch.zeros(3, 3).tolist()

    def test_under_vmap_each_example_has_its_norm(self):
        batch = torch.stack([X, 0.01 * X])
        found = nx.vmap(nx.grad(lambda x: cube(nx.clip_gradient(x, max_norm=1.0))))(batch).data
        assert torch.allclose(found[0], 3 * X**2 / (3 * X**2).norm())
        assert torch.allclose(found[1], 3 * batch[1] ** 2)

    def test_forward_mode_is_the_identity(self):
        for tool in (lambda x: nx.clip_gradient(x, -1, 1), lambda x: nx.clip_gradient(x, max_norm=1.0)):
            assert nx.jvp(tool, (X,), (10 * X,))[1].tolist() == (10 * X).tolist()

    @pytest.mark.parametrize(
        "wrong",
        [
            {},
            {"min": 2.0, "max": 1.0},
            {"max_norm": 0.0},
            {"min": 0.0, "max_norm": 1.0},
            *[{name: float("nan")} for name in ("min", "max", "max_norm")],
        ],
        ids=str,
    )
    def test_wrong_use(self, wrong):
        with pytest.raises(nx.InputError, match=r"clips to bounds or to a norm(.|\n)*min <= max; or max_norm > 0"):
            nx.clip_gradient(nx.LiteTensor(X), **wrong)

    @pytest.mark.parametrize("name", ["min", "max"])
    def test_a_bound_that_would_make_the_gradient_larger_is_refused(self, name):
        with pytest.raises(nx.InputError, match=rf"{name} does not broadcast(.|\n)*clip_gradient(.|\n)*\(3,\)"):
            nx.clip_gradient(X, **{name: torch.ones(2, 3)})


class TestStraightThrough:
    rounded = staticmethod(nx.straight_through(torch.round))

    def test_value_and_gradient(self):
        value, gradient = nx.value_and_grad(lambda x: (self.rounded(x) ** 2 * x).sum())(X)
        steps = X.round()
        assert value.item() == (steps**2 * X).sum().item()
        assert torch.allclose(gradient.data, 2 * steps * X + steps**2)

    def test_every_order(self):
        # f = s^3 with ds/dx = 1: the derivatives are those of a cube, at s
        fn = lambda x: self.rounded(x) ** 3  # noqa: E731
        found = []
        for _ in range(3):
            fn = nx.grad(fn)
            found.append(fn(2.7).item())
        assert found == [27.0, 18.0, 6.0]

    def test_under_vmap_and_jvp(self):
        batch = torch.tensor([[0.6], [1.7]])
        assert nx.vmap(nx.grad(lambda x: cube(self.rounded(x))))(batch).tolist() == [[3.0], [12.0]]
        assert nx.jvp(self.rounded, (X,), (X,))[1].tolist() == X.tolist()
        assert nx.grad(lambda xs: nx.vmap(lambda x: cube(self.rounded(x)))(xs).sum())(batch).tolist() == [[3], [12]]

    def test_a_function_of_another_dtype(self):
        fired = nx.straight_through(lambda x: x > 0)
        assert (fired(nx.LiteTensor(X)).tolist(), fired(nx.LiteTensor(X)).dtype) == ([1, 0, 1], torch.float64)

    def test_is_named_after_the_function(self):
        assert repr(self.rounded) == "<nexnet operator round>"

    def test_a_function_that_changes_the_shape(self):
        with pytest.raises(nx.InputError, match=r"keeps the shape(.|\n)*sum(.|\n)*\(3,\)(.|\n)*\(\)"):
            nx.straight_through(torch.sum)(nx.LiteTensor(X))

    def test_further_arguments_are_the_functions_own(self):
        leaky = nx.straight_through(torch.nn.functional.leaky_relu)
        value, slope = nx.value_and_grad(lambda x: leaky(x, 0.5).sum())(nx.LiteTensor([-2.0, 4.0]))
        assert (value.item(), slope.tolist()) == (3.0, [1.0, 1.0])
        with pytest.raises(nx.InputError, match="surrogate"):
            nx.grad(lambda w: nx.straight_through(torch.mul)(nx.ones(2), w).sum())(nx.ones(2))


class TestSurrogate:
    spike = staticmethod(nx.surrogate(lambda v: (v > 0).double(), lambda grad, v: grad / (1 + abs(v)) ** 2))

    @staticmethod
    def slope(v):
        return 1 / (1 + v.abs()) ** 2

    def test_value_and_gradient(self):
        value, gradient = nx.value_and_grad(lambda v: (self.spike(v) * v).sum())(X)
        assert value.item() == X.clamp(min=0).sum().item()
        assert torch.allclose(gradient.data, self.slope(X) * X + (X > 0))

    def test_second_order_differentiates_the_surrogate(self):
        found = nx.hessian(lambda v: self.spike(v).sum())(X)
        assert torch.allclose(found.data, torch.func.jacrev(self.slope)(X))

    def test_under_vmap_and_jvp(self):
        batch = torch.stack([X, 2 * X])
        assert torch.allclose(nx.vmap(nx.grad(lambda v: self.spike(v).sum()))(batch).data, self.slope(batch))
        through = nx.grad(lambda vs: nx.vmap(lambda v: self.spike(v).sum())(vs).sum())(batch)
        assert torch.allclose(through.data, self.slope(batch))
        assert torch.allclose(nx.jvp(self.spike, (X,), (X,))[1].data, self.slope(X) * X)

    def test_several_inputs(self):
        step = nx.surrogate(lambda v, bar: (v > bar).double(), lambda grad, v, bar: (grad * 2, -grad * bar))
        gradient = nx.grad(lambda v, bar: step(v, bar).sum(), argnums=(0, 1))(X, torch.tensor(1.0, **DOUBLE))
        assert (gradient[0].tolist(), gradient[1].item()) == ([2, 2, 2], -3)  # broadcasting is undone

    def test_through_time(self):
        """A leaky integrate-and-fire neuron: the recurrence by hand, with the surrogate's slope."""

        def spikes(current):
            v, fired = 0.0, 0.0
            for _ in range(4):
                v = 0.9 * v + current
                fired = self.spike(v - 1) + fired
            return fired

        x = torch.tensor(0.4, **DOUBLE)
        expected, v, dv = 0.0, 0.0, 0.0
        for _ in range(4):
            v, dv = 0.9 * v + x, 0.9 * dv + 1
            expected += self.slope(v - 1) * dv
        assert torch.allclose(nx.grad(spikes)(x).data, expected)


@pytest.mark.parametrize("wrong", ["a", [1.0], {}, lambda g: g], ids=["text", "list", "dict", "function"])
@pytest.mark.parametrize(
    ("tool", "argument", "kind"),
    [
        (nx.scale_gradient, "scale", "number"),
        (nx.reverse_gradient, "scale", "number"),
        (nx.clip_gradient, "min", "real number"),
        (nx.clip_gradient, "max", "real number"),
        (nx.clip_gradient, "max_norm", "real number"),
    ],
)
def test_what_is_no_number_is_refused_at_the_call(tool, argument, kind, wrong):
    expected = rf"{argument} is no {kind}(.|\n)*{tool.__name__}(.|\n)*a {kind} or a tensor(.|\n)*"
    with pytest.raises(nx.InputError, match=expected):
        tool(X, **{argument: wrong})


def test_a_complex_number_scales_and_is_no_bound():
    z = torch.tensor([1 + 2j])
    assert nx.grad(lambda z: nx.scale_gradient(z, 2j).real.sum())(z).tolist() == [2j]
    for argument in ("min", "max", "max_norm"):
        with pytest.raises(nx.InputError, match=rf"{argument} is no real number"):
            nx.clip_gradient(z, **{argument: 1j})
