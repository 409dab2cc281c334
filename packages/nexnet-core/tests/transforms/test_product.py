"""Products with Jacobians and Hessians, against torch.func in float64."""

import pytest
import torch

import nexnet as nx

A = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def vector_function(x):
    """R^4 -> R^3, in operations that torch tensors and LiteTensors both have."""
    return torch.matmul(A, x * x) * torch.sum(x)


def scalar_function(x, y):
    return torch.sum(x * x * x * y) + torch.sum(x) * torch.sum(y * y)


def hessian(fn, argnums=0):
    """torch.func.hessian by reverse mode alone: its forward mode warns of its own deprecations."""
    return torch.func.jacrev(torch.func.jacrev(fn, argnums), argnums)


@pytest.fixture
def point():
    return torch.randn(4, dtype=torch.float64)


@pytest.fixture
def vector():
    return torch.randn(4, dtype=torch.float64)


class TestVjp:
    def test_against_torch(self, point):
        cotangent = torch.randn(3, dtype=torch.float64)
        out, pullback = nx.vjp(vector_function, point)
        expected_out, expected = torch.func.vjp(vector_function, point)
        assert torch.allclose(out.data, expected_out)
        for scale in (1, 2):  # a pullback may be called many times
            assert torch.allclose(pullback(cotangent * scale)[0].data, expected(cotangent)[0] * scale)

    def test_pytrees_and_aux(self):
        def fn(tree, y):
            return {"sum": tree["x"] + y, "product": tree["x"] * y}, "aux"

        out, pullback, aux = nx.vjp(fn, {"x": 3.0}, 4.0, has_aux=True)
        assert (out["sum"].item(), out["product"].item(), aux) == (7.0, 12.0, "aux")
        gradient, y_gradient = pullback({"sum": 1.0, "product": 10.0})
        assert (gradient["x"].item(), y_gradient.item()) == (41.0, 31.0)

    def test_the_same_output_twice(self):
        _, pullback = nx.vjp(lambda x: (lambda y: (y, y))(x * x), 3.0)
        assert pullback((1.0, 10.0))[0].item() == 66.0

    def test_a_pullback_is_differentiable(self, point):
        def by_cotangent(cotangent):
            return nx.vjp(vector_function, point)[1](cotangent)[0]

        jacobian = torch.func.jacrev(vector_function)(point)
        weights = torch.randn(4, dtype=torch.float64)
        gradient = nx.grad(lambda c: by_cotangent(c) * weights)(torch.zeros(3, dtype=torch.float64))
        assert torch.allclose(gradient.data, jacobian @ weights)

    def test_gradients_of_one_pullback_are_separate(self):
        _, pullback = nx.vjp(lambda x: x * 1.0, torch.ones(2))
        cotangent = nx.LiteTensor(torch.ones(2))
        first, second = pullback(cotangent)[0], pullback(cotangent)[0]
        first.data.add_(100)
        assert (second.tolist(), cotangent.tolist()) == ([1, 1], [1, 1])

    def test_a_saved_tensor_that_was_written_into(self):
        x, y = nx.LiteTensor([1.0, 2.0]), nx.LiteTensor([3.0, 4.0])
        _, pullback = nx.vjp(lambda x: x * y, x)
        x.data.add_(1)  # not needed by the pullback
        assert pullback(torch.ones(2))[0].tolist() == [3.0, 4.0]
        y.data.add_(1)
        with pytest.raises(nx.TrackedTensorError, match=r"written into after it was made(.|\n)*update_"):
            pullback(torch.ones(2))

    def test_a_saved_tensor_of_a_pushforward_that_was_written_into(self):
        y = nx.LiteTensor([3.0, 4.0])

        def scaled(x):
            return x * y

        _, pushforward = nx.linearize(scaled, nx.LiteTensor([1.0, 2.0]))
        y.data.add_(1)
        with pytest.raises(nx.TrackedTensorError, match=r"the pushforward needs(.|\n)*scaled\n.*call the pushforward"):
            pushforward(torch.ones(2))

    def test_a_cotangent_that_does_not_fit(self, point):
        _, pullback = nx.vjp(lambda x: {"a": x, "b": x}, point)
        for wrong in (point, {"a": point}, {"a": point, "b": point, "c": point}, {"a": point, "b": None}, None):
            with pytest.raises(
                nx.InputError,
                match=r"must have the structure of the function's output(.|\n)*'a': \*, 'b': \*(.|\n)*zeros for",
            ):
                pullback(wrong)
        for wrong, got in (
            (point[:2], r"\(2,\)"),
            (point.float(), "float32"),
            (1.0, r"\(\)"),
            ("text", r"'text' \(str\)"),
        ):
            with pytest.raises(
                nx.InputError,
                match=rf"shape and dtype(.|\n)*cotangent\['b'\](.|\n)*\(4,\)(.|\n)*{got}(.|\n)*expand and to",
            ):
                pullback({"a": point, "b": wrong})

    def test_an_output_that_is_no_tensor(self):
        with pytest.raises(nx.InputError, match=r"must return tensors of floating or complex dtype(.|\n)*out\[1\]"):
            nx.vjp(lambda x: (x, "text"), 1.0)


class TestJvp:
    def test_against_torch(self, point, vector):
        out, tangent = nx.jvp(vector_function, (point,), (vector,))
        assert torch.allclose(out.data, vector_function(point))
        assert torch.allclose(tangent.data, torch.func.jacrev(vector_function)(point) @ vector)

    def test_pytrees_and_aux(self):
        def fn(p):
            return (p["x"] * p["y"], p["x"]), "aux"

        out, tangent, aux = nx.jvp(fn, ({"x": 3.0, "y": 4.0},), ({"x": 1.0, "y": 10.0},), has_aux=True)
        assert ([o.item() for o in out], [t.item() for t in tangent], aux) == ([12.0, 3.0], [34.0, 1.0], "aux")

    def test_of_a_gradient_and_gradient_of_it(self, point, vector):
        def directional(x):
            return nx.jvp(nx.grad(lambda x: torch.sum(vector_function(x))), (x,), (vector,))[1]

        second = hessian(lambda x: vector_function(x).sum())
        assert torch.allclose(directional(point).data, second(point) @ vector)
        expected = torch.func.grad(lambda x: (second(x) @ vector).sum())(point)
        assert torch.allclose(nx.grad(directional)(point).data, expected)

    def test_needs_no_second_rule(self):
        @nx.function
        class square(nx.Policy):
            def forward(self, x):
                self.ctx.save(2 * x)
                return x * x

            def backward(self, grad):
                (slope,) = self.ctx.release
                return grad * slope

        assert nx.jvp(square, (3.0,), (10.0,))[1].item() == 60.0

    def test_linearize_records_once(self, point, vector):
        calls = []

        def fn(x):
            calls.append(x)
            return vector_function(x)

        out, pushforward = nx.linearize(fn, point)
        jacobian = torch.func.jacrev(vector_function)(point)
        for scale in (1.0, 2.0):
            assert torch.allclose(pushforward(vector * scale).data, jacobian @ vector * scale)
        assert torch.allclose(out.data, vector_function(point))
        assert len(calls) == 1

    def test_wrong_tangents(self, point):
        with pytest.raises(nx.InputError, match=r"primals must be a tuple(.|\n)*write \(primals,\)"):
            nx.jvp(vector_function, point, (point,))
        with pytest.raises(nx.InputError, match=r"tangents must be a tuple(.|\n)*write \(tangents,\)"):
            nx.jvp(vector_function, (point,), point)
        for wrong in ((point, point), (), (None,)):
            with pytest.raises(
                nx.InputError, match=r"tangents must have the structure of the primals(.|\n)*zeros for one"
            ):
                nx.jvp(vector_function, (point,), wrong)
        for wrong in (point.float(), point[:2], point[None], "text"):
            with pytest.raises(
                nx.InputError,
                match=r"shape and dtype(.|\n)*tangents\[0\](.|\n)*\(4,\), torch.float64(.|\n)*nexnet.vmap",
            ):
                nx.jvp(vector_function, (point,), (wrong,))
        _, pushforward = nx.linearize(vector_function, point)
        with pytest.raises(nx.InputError, match=r"tangents must have the structure(.|\n)*tensor for each tensor"):
            pushforward(point, point)
        with pytest.raises(nx.InputError, match=r"vectors must have the shape and dtype(.|\n)*vectors\[0\]"):
            nx.hvp(lambda x: x.sum(), (point,), (point[:2],))


class TestARuleWithAJvp:
    """A Policy may say how tangents go forward; what it says is used, also where backward says otherwise."""

    @staticmethod
    def rule(factor=1.0):
        @nx.function
        class sin(nx.Policy):
            """sin x, whose tangents are multiplied by a factor, to be told from what backward would give."""

            complex_rule = "analytic"

            def forward(self, x):
                self.ctx.save(x)
                return torch.sin(x)

            def backward(self, grad):
                (x,) = self.ctx.release
                return grad * torch.cos(x)

            def jvp(self, tangent):
                (x,) = self.ctx.release
                return factor * tangent * torch.cos(x)

        return sin

    def test_pushes_tangents_and_no_gradient(self, point, vector):
        sin = self.rule(10.0)
        assert torch.allclose(nx.jvp(sin, (point,), (vector,))[1].data, 10 * point.cos() * vector)
        _, pushforward = nx.linearize(sin, point)
        for scale in (1.0, 2.0):
            assert torch.allclose(pushforward(scale * vector).data, 10 * scale * point.cos() * vector)
        assert torch.allclose(nx.jacfwd(sin)(point).data, torch.diag(10 * point.cos()))
        assert torch.allclose(nx.jacrev(sin)(point).data, torch.diag(point.cos()))
        assert torch.allclose(nx.hessian(lambda x: sin(x).sum())(point).data, torch.diag(-point.sin()))

    def test_tangents_are_raw_tensors_unless_they_are_differentiated(self):
        seen = []

        @nx.function
        class scale(nx.Policy):
            def forward(self, x, factor):
                self.ctx.save(factor)
                return x * factor

            def backward(self, grad):
                (factor,) = self.ctx.release
                return grad * factor, None

            def jvp(self, tangent, none):
                assert none is None
                (factor,) = self.ctx.release
                seen.append((type(tangent), self.ctx.needs_input_grad))
                return tangent * factor

        nx.jvp(lambda x: scale(x, 3.0), (1.0,), (1.0,))
        nx.grad(lambda v: nx.jvp(lambda x: scale(x, 3.0), (1.0,), (v,))[1])(1.0)
        assert seen == [(torch.Tensor, (True, False)), (nx.LiteTensor, (True, False))]

    @pytest.mark.parametrize("factor", [1.0, 10.0])
    def test_composes(self, point, vector, factor):
        sin = self.rule(factor)
        x, v = point, vector
        xs, vs = torch.stack([x, 2 * x]), torch.stack([v, x])

        def along(fn, at=x, direction=v):
            return nx.jvp(fn, (at,), (direction,))[1]

        slope, twice = factor * x.cos() * v, -factor * x.sin() * v
        pairs = {
            "among operators": (along(lambda x: sin(x * x)), factor * (x * x).cos() * 2 * x * v),
            "of itself": (along(lambda x: sin(sin(x))), factor * x.sin().cos() * slope),
            "jvp of grad": (along(nx.grad(lambda x: sin(x).sum())), -x.sin() * v),
            "grad of jvp": (nx.grad(lambda x: along(sin, x).sum())(x), twice),
            "jvp of jvp": (along(lambda x: along(sin, x)), twice * v),
            "vmap of jvp": (nx.vmap(lambda x, v: along(sin, x, v))(xs, vs), factor * xs.cos() * vs),
            "jvp of vmap": (along(nx.vmap(sin), xs, vs), factor * xs.cos() * vs),
            "by what a vmap shares": (along(lambda x: nx.vmap(lambda s: sin(s + x))(xs)), factor * (xs + x).cos() * v),
            "grad of jvp of vmap": (nx.grad(lambda xs: along(nx.vmap(sin), xs, vs).sum())(xs), -factor * xs.sin() * vs),
            "jvp of checkpoint": (along(nx.checkpoint(sin)), slope),
            "jvp of checkpoint of vmap": (along(nx.checkpoint(nx.vmap(sin)), xs, vs), factor * xs.cos() * vs),
            "jvp of checkpoint of grad": (along(nx.checkpoint(nx.grad(lambda x: sin(x).sum()))), -x.sin() * v),
            "hvp": (nx.hvp(lambda x: sin(x).sum(), (x,), (v,))[1][0], -x.sin() * v),
        }  # fmt: skip
        for name, (found, expected) in pairs.items():
            assert torch.allclose(found.data, expected, rtol=1e-9), name

    def test_in_a_root(self, point, vector):
        """y^2 = sin(a) + 2 is differentiated by a with the rule's jvp (and by y as its solver's Jacobian, reverse)."""

        def newton(residual, y):
            for _ in range(30):
                y = y - residual(y) / nx.grad(lambda y: residual(y).sum())(y)
            return y

        sin = self.rule(10.0)
        root = nx.custom_root(lambda y, a: y * y - sin(a) - 2, newton)
        out, tangent = nx.jvp(lambda a: root(torch.ones_like(point), a), (point,), (vector,))
        assert torch.allclose(tangent.data, 10 * point.cos() * vector / (2 * out.data))

    def test_aux_and_complex(self):
        sin = self.rule()
        z = torch.tensor([1 + 2j, 0.3 - 1j], dtype=torch.complex128)
        out, tangent, aux = nx.jvp(lambda z: (sin(z), "aux"), (z,), (2j * z,), has_aux=True)
        assert torch.allclose(out.data, z.sin())
        assert torch.allclose(tangent.data, z.cos() * 2j * z)
        assert aux == "aux"

    def test_several_arguments_and_outputs(self):
        @nx.function
        class product_and_rounded(nx.Policy):
            def forward(self, x, y):
                self.ctx.save(x, y)
                return x * y, torch.round(x)

            def backward(self, grad, _):
                x, y = self.ctx.release
                return grad * y, grad * x

            def jvp(self, dx, dy):
                x, y = self.ctx.release
                moved = sum(
                    each
                    for each in (None if dx is None else dx * y, None if dy is None else x * dy)
                    if each is not None
                )
                return moved, dx  # straight through, forward

        (_, _), (product, rounded) = nx.jvp(product_and_rounded, (1.4, 2.0), (1.0, 10.0))
        assert (round(product.item(), 5), rounded.item()) == (16.0, 1.0)
        (_, _), (product, rounded) = nx.jvp(lambda y: product_and_rounded(nx.LiteTensor(1.4), y), (2.0,), (10.0,))
        assert (round(product.item(), 5), rounded.item()) == (14.0, 0.0)

    def test_a_tangent_is_broadcast_and_promoted(self):
        @nx.function
        class add(nx.Policy):
            def forward(self, x, y):
                return x + y

            def backward(self, grad):
                return grad, grad

            def jvp(self, dx, dy):
                return dx if dy is None else dy if dx is None else dx + dy

        wide = torch.ones(2, 3, dtype=torch.float64)
        _, tangent = nx.jvp(lambda x: add(x, wide), (torch.ones(3),), (torch.tensor([1.0, 2.0, 3.0]),))
        assert (tangent.tolist(), tangent.dtype) == ([[1, 2, 3]] * 2, torch.float64)

    def test_another_backward_is_another_rule(self):
        class tenfold(self.rule(10.0).policy):
            def backward(self, grad):
                return grad * 7

        assert nx.jvp(nx.function(tenfold), (1.0,), (1.0,))[1].item() == 7.0

    @pytest.mark.parametrize(
        ("jvp", "complaint"),
        [
            (lambda t: (t, t), r"another number of tangents(.|\n)*rule: +doubled(.|\n)*1, one per output(.|\n)*2"),
            (lambda t: t[:2], r"wrong shape(.|\n)*rule: +doubled(.|\n)*output 0(.|\n)*shape \(4,\)(.|\n)*shape \(2,\)"),
            (lambda t: t.expand((2, 4)), r"wrong shape(.|\n)*rule: +doubled(.|\n)*got: +shape \(2, 4\)"),
            (
                lambda t: t.to(torch.int64),
                r"dtype that can't be one(.|\n)*rule: +doubled(.|\n)*got: (.|\n)*torch.int64",
            ),
            (lambda t: t * 1j, r"dtype that can't be one(.|\n)*rule: +doubled(.|\n)*got: (.|\n)*torch.complex128"),
            (lambda t: "text", r"no tensor(.|\n)*rule: +doubled(.|\n)*'text' \(str\)"),
        ],
        ids=["count", "smaller", "larger", "int", "complex", "text"],
    )
    def test_tangents_that_an_output_can_not_have(self, point, jvp, complaint):
        @nx.function
        class doubled(nx.Policy):
            def forward(self, x):
                return x * 2

            def backward(self, grad):
                return grad * 2

            def jvp(self, tangent):
                return jvp(tangent)

        with pytest.raises(nx.GradientError, match=complaint):
            nx.jvp(doubled, (point,), (point,))

    def test_an_error_in_it_names_the_rule(self):
        @nx.function
        class broken(nx.Policy):
            def forward(self, x):
                return x * 2

            def backward(self, grad):
                return grad * 2

            def jvp(self, tangent):
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError) as caught:
            nx.jvp(broken, (1.0,), (1.0,))
        assert caught.value.__notes__[0] == "(in the jvp of the nexnet rule broken)"


class TestHvp:
    def test_against_torch(self, point, vector):
        gradient, product = nx.hvp(scalar_function, (point, vector), (vector, point))
        expected_gradient = torch.func.grad(scalar_function, argnums=(0, 1))(point, vector)
        blocks = hessian(scalar_function, (0, 1))(point, vector)
        expected = [blocks[i][0] @ vector + blocks[i][1] @ point for i in (0, 1)]
        for found, wanted in zip((*gradient, *product), (*expected_gradient, *expected), strict=True):
            assert torch.allclose(found.data, wanted)

    def test_is_zero_for_a_linear_function(self, point):
        _, (product,) = nx.hvp(lambda x: torch.sum(x * 2), (point,), (point,))
        assert product.tolist() == [0] * 4

    def test_gauss_newton(self, point, vector):
        def loss(prediction):
            return torch.sum(prediction * prediction * prediction)

        value, (product,) = nx.gnvp(vector_function, loss, (point,), (vector,))
        jacobian = torch.func.jacrev(vector_function)(point)
        curvature = hessian(loss)(vector_function(point))
        assert torch.allclose(product.data, jacobian.T @ curvature @ jacobian @ vector)
        assert torch.allclose(value.data, loss(vector_function(point)))


# What the function returns --------------------------------------------------------------------------------------------

CONSTANTS = {"a torch tensor": lambda x: torch.ones(2), "a LiteTensor": lambda x: nx.ones(2)}


@pytest.mark.parametrize("fn", CONSTANTS.values(), ids=CONSTANTS)
def test_what_does_not_depend_on_the_argument_has_derivatives_of_zero(fn):
    x = nx.ones(3)
    zeros = {(3,): [0.0] * 3, (2,): [0.0] * 2, (2, 3): [[0.0] * 3] * 2, (2, 3, 3): [[[0.0] * 3] * 3] * 2}
    for derivative in (
        nx.grad(fn)(x),
        nx.vjp(fn, x)[1](nx.ones(2))[0],
        nx.jvp(fn, (x,), (x,))[1],
        nx.linearize(fn, x)[1](x),
        *[jacobian(fn)(x) for jacobian in (nx.jacobian, nx.jacrev, nx.jacfwd, nx.hessian)],
        *nx.hvp(fn, (x,), (x,))[1],
        *nx.gnvp(fn, lambda out: (out * out).sum(), (x,), (x,))[1],
        nx.grad(lambda x: nx.checkpoint(fn)(x).sum())(x),
    ):
        assert isinstance(derivative, nx.LiteTensor)
        assert derivative.tolist() == zeros[tuple(derivative.shape)]
    for value in (nx.vjp(fn, x)[0], nx.jvp(fn, (x,), (x,))[0], nx.value_and_grad(fn)(x)[0], nx.vmap(fn)(x)[0]):
        assert isinstance(value, nx.LiteTensor)
        assert value.tolist() == [1.0, 1.0]


def test_a_torch_tensor_whose_graph_would_be_cut_is_no_output():
    wild = torch.ones(2, requires_grad=True)
    for transform in (nx.grad(lambda x: wild), lambda x: nx.vjp(lambda x: wild, x)):
        with pytest.raises(nx.InputError, match="requires grad"):
            transform(nx.ones(2))


AUXILIARY = {
    "grad": lambda fn, x: nx.grad(fn, has_aux=True)(x)[1],
    "value_and_grad": lambda fn, x: nx.value_and_grad(fn, has_aux=True)(x)[0][1],
    "jacrev": lambda fn, x: nx.jacrev(fn, has_aux=True)(x)[1],
    "jacfwd": lambda fn, x: nx.jacfwd(fn, has_aux=True)(x)[1],
    "hessian": lambda fn, x: nx.hessian(fn, has_aux=True)(x)[1],
    "vjp": lambda fn, x: nx.vjp(fn, x, has_aux=True)[2],
    "jvp": lambda fn, x: nx.jvp(fn, (x,), (x,), has_aux=True)[2],
    "linearize": lambda fn, x: nx.linearize(fn, x, has_aux=True)[2],
}


@pytest.mark.parametrize("together", [tuple, list])
@pytest.mark.parametrize("transform", AUXILIARY.values(), ids=AUXILIARY)
def test_what_is_returned_beside_the_output_comes_in_a_tuple_or_a_list(transform, together):
    assert transform(lambda x: together([(x**3).sum(), "seen"]), nx.ones(2)) == "seen"
    with pytest.raises(nx.InputError, match=r"must return \(out, aux\)(.|\n)*of length 3"):
        transform(lambda x: together([x.sum(), 1, 2]), nx.ones(2))


def test_hessian_and_linearize_with_aux_are_those_without():
    fn = lambda x: (x**3).sum()  # noqa: E731
    x = nx.tensor([1.0, 2.0])
    with_aux = lambda x: (fn(x), x)  # noqa: E731
    assert nx.hessian(with_aux, has_aux=True)(x)[0].tolist() == nx.hessian(fn)(x).tolist() == [[6, 0], [0, 12]]
    out, pushforward, aux = nx.linearize(with_aux, x, has_aux=True)
    assert (out.item(), pushforward(x).item(), aux.tolist()) == (9.0, 27.0, [1.0, 2.0])


def test_argnums_are_places_and_a_name_is_told_its_place():
    with pytest.raises(nx.InputError, match=r"places of arguments, not their names(.|\n)*argnums=1"):
        nx.grad(lambda x, y: x * y, argnums="y")
    with pytest.raises(nx.InputError, match=r"argnums=\(0, 1\)"):
        nx.jacrev(lambda x, y: x * y, argnums=("x", "y"))
    with pytest.raises(nx.InputError, match=r"places of x, y are counted from 0"):
        nx.value_and_grad(lambda x, y: x * y, argnums="z")
