"""Implicit differentiation against closed forms, at first and higher orders, and in every composition."""

import pytest
import torch

import nexnet as nx
from nexnet.transforms import implicit

DOUBLE = {"dtype": torch.float64}
MATRIX = torch.randn(3, 3, generator=torch.Generator().manual_seed(4), **DOUBLE) * 0.3
FOUR = torch.tensor(4.0, **DOUBLE)


def newton(residual, x):
    for _ in range(30):
        x = x - residual(x) / nx.grad(residual)(x)
    return x


def newton_of_vectors(residual, x):
    for _ in range(20):
        step = torch.linalg.solve(nx.jacobian(residual)(x).data, residual(x).data)
        x = x - step
    return x


def orders(fn, count):
    for _ in range(count):
        fn = nx.grad(fn)
        yield fn


def derivatives_of_sqrt(x, count):
    fn = torch.sqrt
    for _ in range(count):
        fn = torch.func.grad(fn)
        yield fn(x)


class TestCustomRoot:
    square_root = staticmethod(nx.custom_root(lambda x, a: x * x - a, newton))

    def sqrt(self, a):
        return self.square_root(torch.tensor(1.0, **DOUBLE), a)

    def test_value(self):
        assert self.sqrt(FOUR).item() == 2.0

    def test_every_order(self):
        found = [fn(FOUR).item() for fn in orders(self.sqrt, 4)]
        assert found == pytest.approx([each.item() for each in derivatives_of_sqrt(FOUR, 4)], rel=1e-9)

    def test_by_what_fn_closes_over(self):
        def sqrt(a):
            return nx.custom_root(lambda x: x * x - a, newton)(torch.tensor(1.0, **DOUBLE))

        found = [fn(FOUR).item() for fn in orders(sqrt, 3)]
        assert found == pytest.approx([each.item() for each in derivatives_of_sqrt(FOUR, 3)], rel=1e-9)

    def test_by_what_is_hidden_in_an_object(self):
        class Equation:
            def residual(self, x):
                return x * x - self.a

        def sqrt(a):
            equation = Equation()
            equation.a = a
            return nx.custom_root(equation.residual, newton)(torch.tensor(1.0, **DOUBLE))

        assert [fn(FOUR).item() for fn in orders(sqrt, 2)] == pytest.approx([0.25, -1 / 32])
        with pytest.raises(nx.InputError, match=r"vmap can't follow(.|\n)*custom_root(.|\n)*as an argument"):
            nx.grad(lambda a: nx.vmap(lambda a: sqrt(a * a))(a).sum())(torch.ones(2, **DOUBLE))

    def test_the_guess_has_no_influence(self):
        assert nx.grad(lambda guess: self.square_root(guess, FOUR))(1.5).item() == 0

    def test_under_and_over_vmap(self):
        batch = torch.tensor([1.0, 4.0, 9.0], **DOUBLE)
        first, second, third = derivatives_of_sqrt_elementwise(batch)
        assert torch.allclose(nx.vmap(nx.grad(self.sqrt))(batch).data, first)
        assert torch.allclose(nx.vmap(nx.grad(nx.grad(self.sqrt)))(batch).data, second)
        total = lambda batch: nx.vmap(self.sqrt)(batch).sum()  # noqa: E731
        assert torch.allclose(nx.grad(total)(batch).data, first)
        assert torch.allclose(nx.hessian(total)(batch).data, torch.diag(second))
        summed = nx.grad(lambda b: nx.grad(lambda b: nx.grad(total)(b).sum())(b).sum())(batch)
        assert torch.allclose(summed.data, third)

    def test_forward_mode_and_checkpoint(self):
        tangent = nx.jvp(nx.grad(self.sqrt), (FOUR,), (3 * FOUR,))[1]
        assert tangent.item() == pytest.approx(-12 / 32)
        assert nx.grad(nx.grad(nx.checkpoint(self.sqrt)))(FOUR).item() == pytest.approx(-1 / 32)

    def test_a_system_of_pytrees(self):
        """x + y^3 = a, y - b x = 0, against the derivatives of Newton's own last step."""

        def residual(state, a, b):
            return {"x": state["x"] + state["y"] ** 3 - a, "y": state["y"] - b["slope"] * state["x"]}

        def solve(residual, guess):
            vector, unravel = nx.tree.ravel(guess)
            return unravel(newton_of_vectors(lambda v: nx.tree.ravel(residual(unravel(v)))[0], vector))

        guess = {"x": torch.ones(2, **DOUBLE), "y": torch.ones(2, **DOUBLE)}
        a, slope = torch.tensor([1.0, 2.0], **DOUBLE), torch.tensor(0.5, **DOUBLE)

        def ours(a, slope):
            state = nx.custom_root(residual, solve)(guess, a, {"slope": slope})
            return (state["x"] * state["y"]).sum()

        state = nx.custom_root(residual, solve)(guess, a, {"slope": slope})
        start = state["x"].data

        def theirs(a, slope):  # two steps of Newton from the solution have its first three derivatives
            x = start
            for _ in range(2):
                x = x - (x + (slope * x) ** 3 - a) / (1 + 3 * slope**3 * x**2)
            return (x * slope * x).sum()

        for i in (0, 1):
            assert torch.allclose(nx.grad(ours, i)(a, slope).data, torch.func.grad(theirs, i)(a, slope), rtol=1e-9)
            for j in (0, 1):
                found = nx.jacrev(nx.jacrev(ours, i), j)(a, slope).data
                assert torch.allclose(found, torch.func.jacrev(torch.func.jacrev(theirs, i), j)(a, slope), rtol=1e-9)

    def test_nothing_is_kept_of_the_solvers_steps(self):
        _, tape = nx.trace(self.sqrt)(FOUR)
        assert [node.name for node in tape.nodes] == ["custom_root"]

    def test_the_solver_may_branch_on_values(self):
        def bisect(residual, bounds):
            low, high = 0.0, 10.0
            while high - low > 1e-13:
                middle = (low + high) / 2
                low, high = (middle, high) if residual(middle).item() < 0 else (low, middle)
            return nx.LiteTensor(torch.tensor(middle, **DOUBLE))

        root = nx.custom_root(lambda x, a: x * x - a, bisect)
        assert nx.grad(lambda a: root(1.0, a))(FOUR).item() == pytest.approx(0.25)

    @pytest.mark.parametrize("solve", [implicit.dense_solve, implicit.conjugate_gradient_solve, implicit.neumann_solve])
    def test_linear_solvers(self, solve):
        matrix = torch.eye(3, **DOUBLE) - MATRIX
        b = torch.tensor([1.0, -2.0, 3.0], **DOUBLE)
        root = nx.custom_root(lambda x, a, b: a @ x - b, lambda residual, x: newton_of_vectors(residual, x), solve)
        weights = torch.tensor([1.0, 2.0, -1.0], **DOUBLE)
        ours = lambda a, b: (root(torch.zeros(3, **DOUBLE), a, b) ** 2 * weights).sum()  # noqa: E731
        theirs = lambda a, b: (torch.linalg.solve(a, b) ** 2 * weights).sum()  # noqa: E731
        for i in (0, 1):
            assert torch.allclose(nx.grad(ours, i)(matrix, b).data, torch.func.grad(theirs, i)(matrix, b))
        second = torch.func.jacrev(torch.func.grad(theirs), 1)(matrix, b)
        assert torch.allclose(nx.jacrev(nx.grad(ours), 1)(matrix, b).data, second)
        batch = torch.stack([b, 0 * b, -2 * b])  # one of them has nothing to solve
        mapped = nx.vmap(nx.grad(ours, 1), in_dims=(None, 0))(matrix, batch).data
        assert torch.allclose(mapped, torch.stack([torch.func.grad(theirs, 1)(matrix, each) for each in batch]))


def derivatives_of_sqrt_elementwise(x):
    return 0.5 * x**-0.5, -0.25 * x**-1.5, 0.375 * x**-2.5


class TestFixedPoint:
    """x = tanh(M x + b): against the derivatives of many recorded steps."""

    weights = torch.tensor([1.0, -2.0, 0.5], **DOUBLE)
    bias = torch.tensor([0.3, -0.2, 0.5], **DOUBLE)

    @staticmethod
    def step(x, matrix, bias):
        return torch.tanh(torch.matmul(matrix, x) + bias)

    def ours(self, matrix, bias, **options):
        fixed_point = nx.custom_fixed_point(self.step, **options)
        return (fixed_point(torch.zeros(3, **DOUBLE), matrix, bias) * self.weights).sum()

    def theirs(self, matrix, bias):
        x = torch.zeros(3, **DOUBLE)
        for _ in range(100):
            x = self.step(x, matrix, bias)
        return (x * self.weights).sum()

    @pytest.mark.parametrize("transpose_solve", [None, implicit.neumann_solve], ids=["dense", "neumann"])
    def test_first_and_second_order(self, transpose_solve):
        ours = lambda matrix, bias: self.ours(matrix, bias, transpose_solve=transpose_solve)  # noqa: E731
        assert ours(MATRIX, self.bias).item() == pytest.approx(self.theirs(MATRIX, self.bias).item())
        for i in (0, 1):
            found = nx.grad(ours, i)(MATRIX, self.bias).data
            assert torch.allclose(found, torch.func.grad(self.theirs, i)(MATRIX, self.bias), atol=1e-10)
        found = nx.hessian(ours, 1)(MATRIX, self.bias).data
        expected = torch.func.jacrev(torch.func.jacrev(self.theirs, 1), 1)(MATRIX, self.bias)
        assert torch.allclose(found, expected, atol=1e-10)

    def test_under_vmap_each_example_has_its_own(self):
        biases = torch.stack([self.bias, 3 * self.bias])
        found = nx.vmap(nx.grad(self.ours, 1), in_dims=(None, 0))(MATRIX, biases).data
        expected = torch.stack([torch.func.grad(self.theirs, 1)(MATRIX, each) for each in biases])
        assert torch.allclose(found, expected, atol=1e-10)
        through = nx.grad(lambda m: nx.vmap(lambda bias: self.ours(m, bias))(biases).sum())(MATRIX).data
        expected = sum(torch.func.grad(self.theirs)(MATRIX, each) for each in biases)
        assert torch.allclose(through, expected, atol=1e-10)

    def test_a_solver_of_ones_own(self):
        def damped(step, x):
            for _ in range(200):
                x = 0.5 * (x + step(x))
            return x

        found = nx.grad(lambda bias: self.ours(MATRIX, bias, solve=damped))(self.bias).data
        assert torch.allclose(found, torch.func.grad(self.theirs, 1)(MATRIX, self.bias))

    def test_pytrees_and_float32(self):
        def step(state, a):
            return {"x": 0.5 * (state["x"] + a / state["x"]), "half": (state["x"] / 2,)}

        fixed_point = nx.custom_fixed_point(step)
        guess = {"x": torch.ones(2), "half": (torch.zeros(2),)}
        found = nx.grad(lambda a: fixed_point(guess, a)["half"][0].sum())(torch.tensor([4.0, 9.0]))
        assert torch.allclose(found.data, torch.tensor([1 / 8, 1 / 12]))

    def test_beyond_512_unknowns_nothing_dense_is_made(self):
        a = torch.linspace(1, 2, 600, **DOUBLE)
        gradient = nx.grad(lambda a: nx.custom_fixed_point(lambda x, a: torch.cos(x) * a / 3)(a, a).sum())(a)
        x = nx.custom_fixed_point(lambda x, a: torch.cos(x) * a / 3)(a, a).data
        assert torch.allclose(gradient.data, x.cos() / 3 / (1 + x.sin() * a / 3))
        root = nx.custom_root(lambda x, a: x * x - a, lambda residual, x: nx.LiteTensor(a.sqrt()))
        assert torch.allclose(nx.grad(lambda a: root(a, a).sum())(a).data, 0.5 * a**-0.5)

    def test_nothing_to_solve(self):
        fixed_point = nx.custom_fixed_point(lambda x, a: x * a)
        assert nx.grad(lambda a: fixed_point(torch.zeros(0), a).sum())(0.5).item() == 0


class TestWrongUse:
    def test_an_iteration_that_does_not_converge(self):
        with pytest.raises(nx.ConvergenceError, match=r"has not converged(.|\n)*after 50 steps(.|\n)*contraction"):
            nx.custom_fixed_point(lambda x: 1 - x, max_steps=50)(torch.tensor(0.1))
        with pytest.raises(nx.ConvergenceError, match=r"a change of inf"):
            nx.custom_fixed_point(lambda x: x * x)(torch.tensor(10.0))

    def test_a_solver_that_fails(self):
        with pytest.raises(nx.ConvergenceError, match=r"not finite(.|\n)*another guess"):
            nx.custom_root(lambda x: x * x, lambda residual, x: x / 0)(torch.tensor(0.0))

    def test_a_singular_jacobian(self):
        root = nx.custom_root(lambda x, a: x * x - a, lambda residual, x: x)
        with pytest.raises(nx.ConvergenceError, match=r"Jacobian at the solution is singular"):
            nx.grad(lambda a: root(torch.tensor(0.0), a))(0.0)

    def test_linear_solvers_that_do_not_converge(self):
        b = nx.LiteTensor([1.0, 1.0])
        matrix = torch.tensor([[1.0, 1.0], [0.0, 0.0]])
        with pytest.raises(nx.ConvergenceError, match=r"conjugate gradients(.|\n)*transpose_solve"):
            implicit.conjugate_gradient_solve(lambda x: torch.matmul(matrix, x), b)
        with pytest.raises(nx.ConvergenceError, match=r"has not converged"):
            implicit.neumann_solve(lambda x: -x, b)

    def test_a_residual_that_is_not_like_x(self):
        root = nx.custom_root(lambda x, a: (x * a).sum(), lambda residual, x: x)
        with pytest.raises(nx.InputError, match=r"residual must have the shape(.|\n)*\(2,\)(.|\n)*\(\)"):
            nx.grad(lambda a: root(torch.zeros(2), a).sum())(1.0)
        with pytest.raises(nx.InputError, match=r"next x must have the structure of the guess"):
            nx.custom_fixed_point(lambda x: (x, x))(torch.zeros(2))
