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

    def test_a_cotangent_that_does_not_fit(self, point):
        _, pullback = nx.vjp(lambda x: {"a": x, "b": x}, point)
        with pytest.raises(nx.InputError, match=r"cotangent must have the structure of the function's output"):
            pullback(point)
        with pytest.raises(nx.InputError, match=r"shape and dtype(.|\n)*cotangent\['b'\](.|\n)*\(4,\)(.|\n)*\(2,\)"):
            pullback({"a": point, "b": point[:2]})

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
        with pytest.raises(nx.InputError, match="primals must be a tuple"):
            nx.jvp(vector_function, point, (point,))
        with pytest.raises(nx.InputError, match=r"tangents must have the structure of the primals"):
            nx.jvp(vector_function, (point,), (point, point))
        with pytest.raises(nx.InputError, match=r"shape and dtype(.|\n)*tangents\[0\]"):
            nx.jvp(vector_function, (point,), (point.float(),))


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
