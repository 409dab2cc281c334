"""Complex gradients: PyTorch's convention dL/d(re) + i dL/d(im), in the engine, in rules and in every transform."""

import numpy as np
import pytest
import torch

import nexnet as nx

Z = torch.tensor([1 + 2j, -0.5 + 0.25j, 2 - 1j], dtype=torch.complex128)
W = torch.tensor([0.5 - 1j, 1.5 + 1j, -1 + 0.5j], dtype=torch.complex128)


def by_parts(fn, z):
    """Give dL/d(re) + i dL/d(im) of a real fn, from the gradient by two real tensors."""
    re, im = nx.grad(lambda re, im: fn(nx.complex(re, im)), (0, 1))(z.real.clone(), z.imag.clone())
    return torch.complex(re.data, im.data)


@nx.function
class cube(nx.Policy):
    complex_rule = "analytic"

    def forward(self, z):
        self.ctx.save(z)
        return z * z * z

    def backward(self, grad):
        (z,) = self.ctx.release
        return grad * (3 * z * z)


@nx.function
class cube_of_ones_own(nx.Policy):
    def forward(self, z):
        self.ctx.save(z)
        return z * z * z

    def backward(self, grad):
        (z,) = self.ctx.release
        return grad * (3 * z * z).conj()


@nx.function
class real_only(nx.Policy):
    complex_rule = "none"

    def forward(self, z):
        return z.abs()

    def backward(self, grad):
        return grad


class TestConvention:
    def test_of_pytorch_not_of_jax(self):
        assert nx.grad(lambda z: nx.abs(z) ** 2)(1 + 2j).item() == 2 + 4j

    def test_is_by_both_parts(self):
        def loss(z):
            return (z * z.exp()).abs().sum() + (z.conj() * z * z).imag.sum()

        torch.testing.assert_close(nx.grad(loss)(Z).data, by_parts(loss, Z))

    def test_a_descent_goes_down(self):
        def loss(z):
            return nx.abs(z * z - 1).sum()

        z = nx.LiteTensor(Z)
        assert loss(z - 1e-3 * nx.grad(loss)(z)).item() < loss(z).item()

    def test_a_complex_output_has_no_gradient(self):
        for transform in (nx.grad, nx.value_and_grad):
            with pytest.raises(nx.InputError, match=r"torch.complex128(.|\n)*complex output has no gradient(.|\n)*vjp"):
                transform(nx.exp)(Z)
        with pytest.raises(nx.InputError, match="complex output has no gradient"):
            nx.build_computation_graph([nx.LiteTensor(Z)])(nx.exp)

    def test_a_complex_cotangent_goes_back_through_vjp(self):
        out, pullback = nx.vjp(nx.exp, nx.LiteTensor(Z))
        (found,) = pullback(nx.LiteTensor(W))
        torch.testing.assert_close(found.data, W * out.data.conj())


class TestRules:
    @pytest.mark.parametrize("rule", [cube, cube_of_ones_own])
    def test_analytic_or_ones_own_at_every_order(self, rule):
        def plain(z):
            return (z * z * z).abs().sum()

        def loss(z):
            return rule(z).abs().sum()

        def length(fn):
            return lambda z: (nx.grad(fn)(z).abs() ** 2).sum()

        torch.testing.assert_close(nx.grad(loss)(Z).data, nx.grad(plain)(Z).data)
        torch.testing.assert_close(nx.grad(length(loss))(Z).data, nx.grad(length(plain))(Z).data)
        torch.testing.assert_close(nx.grad(length(length(loss)))(Z).data, nx.grad(length(length(plain)))(Z).data)

    def test_analytic_on_real_tensors_is_the_rule_itself(self):
        _, tape = nx.trace(cube)(nx.LiteTensor(Z.real))
        assert [type(node) for node in tape.nodes] == [cube.policy]

    def test_a_rule_for_real_numbers_refuses_complex_ones(self):
        with pytest.raises(nx.NoGradientRule, match=r"no gradient for complex tensors(.|\n)*real_only"):
            nx.grad(lambda z: real_only(z).sum())(Z)
        assert real_only(nx.LiteTensor(Z)).data.equal(Z.abs())  # a constant may be complex

    def test_an_analytic_rule_gives_no_real_number_of_a_complex_one(self):
        @nx.function
        class size(nx.policy.Analytic):
            def forward(self, z):
                return z.abs()

            def backward(self, grad):
                return grad

        with pytest.raises(nx.NoGradientRule, match=r"no gradient for complex tensors(.|\n)*size"):
            nx.grad(lambda z: size(z).sum())(Z)

    def test_nexnets_own_refuse_what_they_are_not_written_for(self):
        with pytest.raises(nx.NoGradientRule, match="nan_to_num"):
            nx.grad(lambda z: torch.nan_to_num(z).abs().sum())(Z)

    def test_a_real_argument_gets_the_real_part(self):
        gradient = nx.grad(lambda x, z: (x * z).exp().abs().sum(), (0, 1))(Z.real, W)
        assert [each.dtype for each in gradient] == [torch.float64, torch.complex128]
        leaves = [Z.real.clone().requires_grad_(), W.clone().requires_grad_()]
        expected = torch.autograd.grad((leaves[0] * leaves[1]).exp().abs().sum(), leaves)
        for got, want in zip(gradient, expected, strict=True):
            torch.testing.assert_close(got.data, want)

    def test_precisions_meet(self):
        gradient = nx.grad(lambda x, z: (x * z).abs().sum(), (0, 1))(torch.ones(3), W)
        assert [each.dtype for each in gradient] == [torch.float32, torch.complex128]
        gradient = nx.grad(lambda x: (x * 1j).abs().sum())(torch.ones(3, dtype=torch.float32))
        assert gradient.dtype is torch.float32

    @pytest.mark.parametrize("number", [1 + 2j, 0.5, -2])
    def test_a_saved_number_is_conjugated_as_a_tensor_is(self, number):
        other = torch.tensor(complex(number), dtype=torch.complex128)
        for fn in (torch.mul, torch.div):
            by_number, by_tensor = (nx.grad(lambda z, n=n, fn=fn: fn(z, n).abs().sum())(Z) for n in (number, other))
            torch.testing.assert_close(by_number.data, by_tensor.data)

    @pytest.mark.parametrize("name", ["asin", "acos", "asinh", "acosh", "atanh", "log", "sqrt", "rsqrt", "tan", "tanh"])
    def test_on_a_cut_it_is_pytorchs(self, name):
        z = torch.complex(
            torch.tensor([2.0, 2.0, -2.0, -2.0, 0.0, 0.0]), torch.tensor([0.0, -0.0, 0.0, -0.0, 2.0, -2.0])
        )
        seed = torch.full_like(z, 1 + 0.5j)
        _, pullback = nx.vjp(getattr(nx, name), z)
        expected = z.clone().requires_grad_()
        getattr(torch, name)(expected).backward(seed)
        torch.testing.assert_close(pullback(seed)[0].data, expected.grad)

    def test_several_outputs(self):
        def loss(z):
            return sum((i + 1) * part.abs().sum() for i, part in enumerate(nx.split(z * z, 1)))

        torch.testing.assert_close(nx.grad(loss)(Z).data, by_parts(loss, Z))


class TestTransforms:
    def test_vmap_in_both_orders(self):
        def loss(z, w):
            return (z * w).exp().abs().sum()

        batch = torch.stack([Z, W])
        each = nx.vmap(nx.grad(loss), in_dims=(0, None))(nx.LiteTensor(batch), nx.LiteTensor(W))
        for i in range(2):
            torch.testing.assert_close(each.data[i], nx.grad(loss)(batch[i], W).data)

        def mapped(w):
            return nx.vmap(lambda z: loss(z, w))(nx.LiteTensor(batch)).sum()

        def looped(w):
            return sum(loss(nx.LiteTensor(z), w) for z in batch)

        torch.testing.assert_close(nx.grad(mapped)(W).data, nx.grad(looped)(W).data)

        def size(fn):
            return lambda w: (nx.grad(fn)(w).abs() ** 2).sum()

        torch.testing.assert_close(nx.grad(size(mapped))(W).data, nx.grad(size(looped))(W).data)

    def test_checkpoint(self):
        def loss(z):
            return (z * z.exp()).abs().sum()

        inner = nx.checkpoint(lambda z: z * z.exp())
        torch.testing.assert_close(nx.grad(lambda z: inner(z).abs().sum())(Z).data, nx.grad(loss)(Z).data)

    def test_jvp_is_linear_in_the_parts(self):
        for tangent in (W, 1j * W):
            _, moved = nx.jvp(lambda z: z.conj() * z * z, (nx.LiteTensor(Z),), (nx.LiteTensor(tangent),))
            torch.testing.assert_close(moved.data, tangent.conj() * Z * Z + 2 * Z.conj() * Z * tangent)

    def test_hvp_is_that_of_the_parts(self):
        def loss(z):
            return (z * z.exp()).abs().sum()

        _, (product,) = nx.hvp(loss, (nx.LiteTensor(Z),), (nx.LiteTensor(W),))
        step = 1e-6
        ahead, behind = (nx.grad(loss)(Z + sign * step * W).data for sign in (1, -1))
        torch.testing.assert_close(product.data, (ahead - behind) / (2 * step), rtol=1e-6, atol=1e-6)

    def test_a_gradient_clipped_to_a_norm(self):
        clipped = nx.grad(lambda z: (nx.abs(nx.clip_gradient(z, max_norm=1.0)) ** 2).sum())(Z)
        torch.testing.assert_close(clipped.data, Z / Z.norm())

    def test_jacobians_with_one_complex_side(self):
        rotations = nx.jacobian(lambda t: nx.polar(nx.ones_like(t), t))
        t = torch.tensor([0.3, 1.2], dtype=torch.float64)
        torch.testing.assert_close(rotations(t).data, torch.diag(1j * torch.exp(1j * t)))
        sizes = nx.jacobian(lambda z: nx.abs(z) ** 2)
        torch.testing.assert_close(sizes(Z).data, torch.diag(2 * Z))
        for fn, x in ((nx.exp, Z), (lambda t: nx.exp(1j * t), t)):
            with pytest.raises(nx.InputError, match=r"no complex Jacobian(.|\n)*view_as_real"):
                nx.jacrev(fn)(x)
        with pytest.raises(nx.InputError, match="no complex Jacobian"):
            nx.jacfwd(lambda z: nx.abs(z))(Z)
        with pytest.raises(nx.InputError, match="no complex Jacobian"):
            nx.hessian(lambda z: (nx.abs(z) ** 2).sum())(Z)

    def test_complex_unknowns_are_refused(self):
        root = nx.custom_root(lambda z, a: z * z - a, lambda residual, z: z)
        with pytest.raises(nx.InputError, match="the unknowns must be real"):
            root(nx.LiteTensor(Z), 2.0)

    def test_gradients_are_ordinary_tensors(self):
        for fn in (lambda z: z.conj().real.sum(), lambda z: z.conj().imag.sum(), lambda z: (z.conj() * z).real.sum()):
            (gradient,) = nx.grad(fn, (0,))(Z)
            assert not gradient.data.is_conj()
            gradient.data.numpy()
        gradient = nx.grad(lambda x: nx.complex(nx.zeros(3, dtype=torch.float64), x).conj().imag.sum())(Z.real)
        assert not gradient.data.is_neg()
        assert gradient.tolist() == [-1.0, -1.0, -1.0]


class TestTensor:
    def test_parts_and_transposes(self):
        a = torch.stack([Z, W])
        x = nx.LiteTensor(a)
        assert torch.equal(x.real.data, a.real)
        assert torch.equal(x.imag.data, a.imag)
        assert torch.equal(x.H.data, a.H)
        assert torch.equal(x.mH.data, a.mH)
        assert torch.equal(x.adjoint().data, a.adjoint())
        assert nx.LiteTensor(a.real).H.data.equal(a.real.T)
        real = nx.LiteTensor(a.real)
        assert real.real is real
        assert real.conj() is real
        with pytest.raises(RuntimeError, match="imag is not implemented for tensors with non-complex"):
            real.imag  # noqa: B018

    def test_pending_conjugates_are_read_as_torch_does(self):
        x = nx.LiteTensor(Z).conj()
        assert x.is_conj()
        assert not x.resolve_conj().is_conj()
        np.testing.assert_array_equal(x.numpy(), Z.numpy().conj())
        np.testing.assert_array_equal(np.asarray(x.imag), -Z.imag.numpy())
        assert str(x) == str(Z.numpy().conj())
        assert x[0].item() == 1 - 2j
        assert complex(x[0]) == 1 - 2j

    def test_sgn_of_a_real_tensor_is_a_constant(self):
        x = nx.LiteTensor(Z.real)
        assert torch.equal(nx.sgn(x).data, torch.sgn(Z.real))
        assert nx.grad(lambda x: nx.sgn(x).sum())(x).tolist() == [0.0, 0.0, 0.0]

    @pytest.mark.parametrize("size", [10, 10000])
    def test_a_gradient_of_a_cotangent_is_no_part_of_it(self, size):
        z = torch.full((size,), 1 - 1j)
        for fn in (nx.conj, lambda z: nx.conj(z) * 1):
            out, pullback = nx.vjp(fn, z)
            kept = nx.LiteTensor(torch.full((size,), 2j))
            grads = [pullback(kept)[0].data, pullback(nx.LiteTensor(torch.full((size,), 2j)))[0].data]
            for grad in grads:
                assert not grad.is_conj()
                assert grad._base is None
                assert (grad == -2j).all()
                grad.zero_()
            assert (kept.data == 2j).all()
            assert (out.data == 1 + 1j).all()


@pytest.mark.parametrize("exponent", [1.3 + 0.4j, 2 + 0j])
def test_a_negative_base_has_a_gradient_by_a_complex_exponent(exponent):
    x = torch.tensor([-1.5, 2.0], dtype=torch.float64, requires_grad=True)
    n = torch.tensor([exponent] * 2, requires_grad=True, dtype=torch.complex128)
    expected = torch.autograd.grad(torch.view_as_real(x**n).sum(), (x, n))
    found = nx.grad(lambda x, n: nx.view_as_real(x**n).sum(), argnums=(0, 1))(
        nx.LiteTensor(x.detach()), nx.LiteTensor(n.detach())
    )
    for got, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(got.data, wanted)
