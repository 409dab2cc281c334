"""Whole Jacobians and Hessians, against torch.func in float64."""

import pytest
import torch

import nexnet as nx

DOUBLE = {"dtype": torch.float64}
X = torch.randn(3, generator=torch.Generator().manual_seed(5), **DOUBLE)
Y = torch.randn(2, 2, generator=torch.Generator().manual_seed(6), **DOUBLE)
MODES = (nx.jacrev, nx.jacfwd, nx.jacobian)


def outer(x, y):
    """R^3 x R^(2x2) -> R^(3x2)"""
    return torch.sin(x)[:, None] * (y * y).sum(0) + y[0] * x[:, None] ** 2


def tree_function(tree, scale):
    return {"sin": torch.sin(tree["x"]) * tree["y"][0].sum(), "all": (tree["y"][0] * scale,)}


@pytest.mark.parametrize("jacobian", MODES)
class TestJacobian:
    @pytest.mark.parametrize("argnums", [0, 1, -1, (0, 1), (1,), (1, 0)], ids=str)
    def test_argnums(self, jacobian, argnums):
        found = jacobian(outer, argnums)(X, Y)
        expected = torch.func.jacrev(outer, argnums if argnums != -1 else 1)(X, Y)
        if isinstance(argnums, tuple):
            assert isinstance(found, tuple)
            assert len(found) == len(expected)
        else:
            found, expected = (found,), (expected,)
        for ours, theirs in zip(found, expected, strict=True):
            assert ours.shape == theirs.shape
            assert torch.allclose(ours.data, theirs, rtol=1e-12)

    def test_pytrees(self, jacobian):
        tree = {"x": X, "y": [Y, None]}
        found = jacobian(tree_function)(tree, 3.0)
        assert set(found) == {"sin", "all"}
        assert torch.allclose(found["sin"]["x"].data, torch.diag(X.cos()) * Y.sum())
        assert torch.equal(found["sin"]["y"][0].data, X.sin()[:, None, None].expand(3, 2, 2))
        assert torch.equal(found["all"][0]["y"][0].data, 3 * torch.eye(4, **DOUBLE).reshape(2, 2, 2, 2))
        assert torch.equal(found["all"][0]["x"].data, torch.zeros(2, 2, 3, **DOUBLE))
        assert found["sin"]["y"][1] is None

    def test_aux_is_that_of_the_call(self, jacobian):
        found, aux = jacobian(lambda x: (x * x, "aux"), has_aux=True)(X)
        assert torch.equal(found.data, torch.diag(2 * X))
        assert aux == "aux"

    @pytest.mark.parametrize("chunk_size", [1, 2, 3, 100])
    def test_chunks(self, jacobian, chunk_size):
        found = jacobian(outer, chunk_size=chunk_size)(X, Y)
        assert torch.allclose(found.data, torch.func.jacrev(outer)(X, Y), rtol=1e-12)

    def test_scalars(self, jacobian):
        assert jacobian(lambda x: x * x * x)(2.0).item() == 12
        assert jacobian(jacobian(jacobian(lambda x: x * x * x)))(2.0).item() == 6

    def test_empty(self, jacobian):
        empty = torch.zeros(0, **DOUBLE)
        assert jacobian(lambda x: x * 2)(empty).shape == (0, 0)
        assert jacobian(lambda x: x[:0] * 2)(X).shape == (0, 3)
        assert jacobian(lambda x: x.sum() * X)(empty).shape == (3, 0)
        found = jacobian(lambda tree: (tree["x"] * 2, tree["none"] * 2))({"x": X, "none": empty})
        assert torch.equal(found[0]["x"].data, 2 * torch.eye(3, **DOUBLE))
        assert [each.shape for each in (found[0]["none"], found[1]["x"], found[1]["none"])] == [(3, 0), (0, 3), (0, 0)]

    def test_what_does_not_depend_is_zero(self, jacobian):
        assert jacobian(lambda x: nx.LiteTensor(Y))(X).tolist() == torch.zeros(2, 2, 3).tolist()

    def test_keywords_reach_the_function(self, jacobian):
        assert jacobian(lambda x, scale: x * scale)(2.0, scale=5.0).item() == 5

    def test_differentiated_again(self, jacobian):
        ours = nx.grad(lambda x: (jacobian(outer)(x, Y) ** 3).sum())(X)
        theirs = torch.func.grad(lambda x: (torch.func.jacrev(outer)(x, Y) ** 3).sum())(X)
        assert torch.allclose(ours.data, theirs, rtol=1e-10)

    def test_by_vmap(self, jacobian):
        batch = torch.stack([X, 2 * X])
        assert torch.allclose(
            nx.vmap(lambda x: jacobian(outer)(x, Y))(batch).data,
            torch.stack([torch.func.jacrev(outer)(x, Y) for x in batch]),
        )

    def test_rows_share_no_memory(self, jacobian):
        found = jacobian(lambda x: (x, x))(X)
        found[0].data.zero_()
        assert torch.equal(found[1].data, torch.eye(3, **DOUBLE))


class TestModes:
    @staticmethod
    def backwards(fn, x, **options):
        """Count how often the backward of a rule runs."""
        runs = []

        @nx.function
        class watched(nx.Policy):
            def forward(self, x):
                return x.clone()

            def backward(self, grad):
                runs.append(grad)
                return grad

        nx.jacobian(lambda x: fn(watched(x)), **options)(x)
        return len(runs)

    def test_the_shorter_way_is_taken(self):
        # Forward mode records the pullback once and then goes back through that record, where the rule is not met.
        wide, tall = (lambda x: x.sum(), torch.ones(5)), (lambda x: x * torch.ones(5), torch.ones(()))
        for fn, x in (wide, tall):
            counts = {mode: self.backwards(fn, x, mode=mode, chunk_size=1) for mode in (None, "reverse", "forward")}
            shorter = "reverse" if fn is wide[0] else "forward"
            assert counts[None] == counts[shorter] == 1
        assert self.backwards(*tall, mode="reverse", chunk_size=1) == 5

    def test_an_unknown_mode(self):
        with pytest.raises(nx.InputError, match=r"mode(.|\n)*'reverse', 'forward' or None(.|\n)*'backward'"):
            nx.jacobian(outer, mode="backward")


class TestValueAndJacobian:
    def test_value(self):
        value, found = nx.value_and_jacobian(outer)(X, Y)
        assert torch.equal(value.data, outer(X, Y))
        assert torch.allclose(found.data, torch.func.jacrev(outer)(X, Y))

    @pytest.mark.parametrize("mode", ["reverse", "forward"])
    def test_aux(self, mode):
        calls = []

        def fn(x):
            calls.append(x)
            return x * x, {"calls": len(calls)}

        (value, aux), found = nx.value_and_jacobian(fn, has_aux=True, mode=mode)(X)
        assert torch.equal(value.data, X * X)
        assert torch.equal(found.data, torch.diag(2 * X))
        assert aux == {"calls": len(calls)}


class TestHessian:
    @staticmethod
    def scalar(x, y):
        return (torch.sin(x).sum() * (y * y).sum()) + (x**3).sum()

    @pytest.mark.parametrize("chunk_size", [None, 1, 2])
    def test_against_torch(self, chunk_size):
        found = nx.hessian(self.scalar, chunk_size=chunk_size)(X, Y)
        assert torch.allclose(found.data, torch.func.jacrev(torch.func.jacrev(self.scalar))(X, Y), rtol=1e-12)

    def test_blocks(self):
        found = nx.hessian(self.scalar, argnums=(0, 1))(X, Y)
        expected = torch.func.jacrev(torch.func.jacrev(self.scalar, (0, 1)), (0, 1))(X, Y)
        for i in (0, 1):
            for j in (0, 1):
                assert found[i][j].shape == expected[i][j].shape
                assert torch.allclose(found[i][j].data, expected[i][j], rtol=1e-12)

    def test_pytrees(self):
        found = nx.hessian(lambda tree: (tree["a"] ** 2 * tree["b"]).sum())({"a": X, "b": torch.tensor(2.0, **DOUBLE)})
        assert torch.equal(found["a"]["a"].data, torch.diag(torch.full((3,), 4.0, **DOUBLE)))
        assert torch.equal(found["a"]["b"].data, 2 * X)
        assert found["b"]["b"].item() == 0

    def test_of_a_vector_function(self):
        found = nx.hessian(lambda x: x**3)(X)
        assert torch.allclose(found.data, torch.func.jacrev(torch.func.jacrev(lambda x: x**3))(X))

    def test_equals_hvp_column_by_column(self):
        found = nx.hessian(self.scalar)(X, Y)
        for i, direction in enumerate(torch.eye(3, **DOUBLE)):
            _, (column,) = nx.hvp(lambda x: self.scalar(x, Y), (X,), (direction,))
            assert torch.allclose(found.data[:, i], column.data)


class TestWrongUse:
    def test_an_integer(self):
        with pytest.raises(nx.InputError, match=r"can't differentiate by this argument(.|\n)*args\[0\](.|\n)*int64"):
            nx.jacobian(lambda x: x * 1.0)(torch.arange(3))

    def test_an_output_that_is_no_tensor(self):
        with pytest.raises(nx.InputError, match=r"must return tensors(.|\n)*out\['b'\]"):
            nx.jacobian(lambda x: {"a": x, "b": "text"})(X)

    def test_argnums(self):
        with pytest.raises(nx.InputError, match=r"argnums does not name distinct"):
            nx.jacobian(outer, argnums=2)(X, Y)
        with pytest.raises(nx.InputError, match=r"argnums does not name distinct"):
            nx.jacobian(outer, argnums=(0, -2))(X, Y)

    def test_aux_that_is_missing(self):
        with pytest.raises(nx.InputError, match=r"must return \(out, aux\)"):
            nx.jacobian(lambda x: x, has_aux=True)(X)

    def test_chunk_size(self):
        with pytest.raises(nx.InputError, match=r"at least one(.|\n)*chunk_size"):
            nx.jacobian(outer, chunk_size=0)(X, Y)
