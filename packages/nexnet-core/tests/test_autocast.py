"""torch.autocast: torch's values, and each gradient in its parameter's dtype."""

import pytest
import torch

import nexnet as nx

torch.manual_seed(0)
X = torch.randn(16, 8)
W, B, V = torch.randn(12, 8), torch.randn(12), torch.randn(5, 12)
Y = torch.randint(5, (16,))
F = torch.nn.functional


def autocast(enabled=True):
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled)


def mlp(w, b, v):
    return F.cross_entropy(F.linear(torch.relu(F.linear(X, w, b)), v), Y)


def losses(w, b, v):
    h = F.layer_norm(F.linear(X, w, b), (12,))
    return (
        F.mse_loss(h.softmax(-1) @ v.t(), torch.ones(16, 5))
        + (h * b).exp().mean()
        + torch.cat([h, w.t() @ w @ w.t()], 0).float().std()
    )


def around_all(fn, tensors):
    with autocast():
        return nx.value_and_grad(fn, argnums=(0, 1, 2))(*tensors)


def around_the_forward(fn, tensors):
    def forward(*args):
        with autocast():
            return fn(*args)

    return nx.value_and_grad(forward, argnums=(0, 1, 2))(*tensors)


def torchs(fn, tensors):
    tensors = [each.clone().requires_grad_() for each in tensors]
    with autocast():
        out = fn(*tensors)
    return out.detach(), torch.autograd.grad(out.float(), tensors)


@pytest.mark.parametrize("fn", [mlp, losses])
@pytest.mark.parametrize("where", [around_all, around_the_forward])
def test_values_and_gradients_are_torchs(where, fn):
    tensors = (W, B, V)
    value, grads = where(fn, tensors)
    expected, by_torch = torchs(fn, tensors)
    assert value.dtype is expected.dtype
    torch.testing.assert_close(value.data, expected, rtol=0, atol=0)
    for grad, own in zip(grads, by_torch, strict=True):
        assert grad.dtype is torch.float32
        torch.testing.assert_close(grad.data, own, rtol=1e-2, atol=1e-3)


_Q = torch.randn(2, 4, 3, 8)
#: Functions that nexnet makes of several operators, with arguments.
COMPOSITES = {
    F.scaled_dot_product_attention: (_Q, _Q, _Q),
    F.prelu: (X, torch.ones(1)),
    F.cross_entropy: (torch.randn(16, 5), Y),
    F.triplet_margin_loss: (X, X + 1, X - 2),
    F.cosine_embedding_loss: (X, X + 1, torch.ones(16)),
    F.layer_norm: (X, (8,)),
    F.mse_loss: (X, X + 1),
    torch.tensordot: (X, W.t(), 1),
    torch.norm: (X,),
    torch.cov: (X,),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("function", COMPOSITES, ids=lambda each: each.__name__)
def test_functions_of_several_operators_by_either_name(function, dtype):
    args = [each.to(dtype) if getattr(each, "dtype", None) is torch.float32 else each for each in COMPOSITES[function]]
    with autocast():
        first = args[0].clone().requires_grad_()
        expected = function(first, *args[1:])
        (by_torch,) = torch.autograd.grad(expected.float().sum(), first)
        for called in (function, getattr(nx, function.__name__)):
            value, grad = nx.value_and_grad(called)(*args)
            assert value.dtype is expected.dtype
            torch.testing.assert_close(value.data, expected.detach(), rtol=2e-2, atol=2e-2)
            assert grad.dtype is dtype
            torch.testing.assert_close(grad.data, by_torch, rtol=5e-2, atol=2e-2)


def test_half_precision_alone_is_what_it_was():
    w = W.bfloat16()
    with autocast():
        found = nx.grad(lambda w: (X.bfloat16() @ w.t()).sum())(w)
    assert found.dtype is torch.bfloat16
    assert nx.grad(lambda w: (X @ w.float().t()).sum())(w).dtype is torch.bfloat16


def test_second_derivatives():
    def fn(w):
        with autocast():
            return (F.linear(X, w) ** 2).sum()

    exact = nx.hvp(lambda w: (F.linear(X, w) ** 2).sum(), (W,), (W,))[1][0]
    found = nx.hvp(fn, (W,), (W,))[1][0]
    assert found.dtype is torch.float32
    torch.testing.assert_close(found.data, exact.data, rtol=5e-2, atol=5e-1)


class product(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x @ w.t()

    @staticmethod
    def backward(ctx, grad):
        x, w = ctx.saved_tensors
        return grad @ w, grad.t() @ x


def test_the_backward_of_a_rule_of_ones_own_runs_under_the_autocast_of_its_forward():
    @nx.function
    class rule(nx.Policy):
        gradients_fit = True

        def forward(self, x, w):
            self.ctx.save(x, w)
            return x @ w.t()

        def backward(self, grad):
            x, w = self.ctx.release
            return self.ctx.matrix_product(grad, w), grad.t() @ x

    for operator in (rule, product.apply):

        def fn(w, operator=operator):
            with autocast():
                return operator(nx.tensor(X), w).sum()

        found = nx.grad(fn)(nx.tensor(W))
        assert found.dtype is torch.float32
        torch.testing.assert_close(found.data, X.sum(0).expand(12, 8), rtol=2e-2, atol=5e-2)


def test_torchs_custom_fwd_and_custom_bwd():
    class cast(torch.autograd.Function):
        @staticmethod
        @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.float32)
        def forward(ctx, x, w):
            ctx.save_for_backward(x, w)
            return x @ w.t()

        @staticmethod
        @torch.amp.custom_bwd(device_type="cpu")
        def backward(ctx, grad):
            x, w = ctx.saved_tensors
            return grad @ w, grad.t() @ x

    def fn(w):
        with autocast():
            return cast.apply(nx.tensor(X), w).sum()

    torch.testing.assert_close(nx.grad(fn)(nx.tensor(W)).data, X.sum(0).expand(12, 8))


def test_bilinear_has_torchs_dtype_and_not_the_half_precision_inside_of_it():
    w = torch.randn(3, 8, 8)
    with autocast():
        expected = F.bilinear(X, X + 1, w)
        value, grad = nx.value_and_grad(lambda w: nx.bilinear(nx.tensor(X), X + 1, w))(w)
    assert value.dtype is expected.dtype is grad.dtype is torch.float32
    torch.testing.assert_close(value.data, torch.einsum("bi,kij,bj->bk", X, w, X + 1))


@pytest.mark.parametrize("cls", [torch.nn.LSTM, torch.nn.GRU, torch.nn.RNN, torch.nn.GRUCell])
def test_recurrent_layers(cls):
    torch.manual_seed(0)
    model, x = cls(4, 5), torch.randn(3, 2, 4)[: 1 if cls is torch.nn.GRUCell else 3]

    def first(out):
        return out[0] if isinstance(out, tuple) else out

    with autocast():
        expected = first(model(x.squeeze(0)))
    loss = (expected.float() ** 2).sum()
    gradients = torch.autograd.grad(loss, list(model.parameters()))

    def fn(parameters):
        with autocast():
            out = first(nx.functional_call(model, parameters, (x.squeeze(0),)))
        assert out.dtype is expected.dtype
        return (out.float() ** 2).sum()

    value, found = nx.value_and_grad(fn)(nx.parameters_of(model))
    torch.testing.assert_close(value.data, loss.detach(), rtol=2e-2, atol=0)
    scale = max(each.abs().max().item() for each in gradients)
    for (name, parameter), each in zip(model.named_parameters(), gradients, strict=True):
        assert found[name].dtype is parameter.dtype
        torch.testing.assert_close(found[name].data, each, rtol=5e-2, atol=5e-2 * scale)


def test_an_array_of_numpys_beside_what_is_differentiated():
    with autocast():
        expected = F.linear(X, W)
        value, grad = nx.value_and_grad(lambda w: nx.linear(X.numpy(), w))(W)
    assert torch.equal(value.data, expected)
    assert grad.dtype is torch.float32


def test_a_device_that_autocast_leaves_alone():
    @nx.function
    class doubled(nx.Policy):
        def forward(self, x):
            return (x + x,)

        def backward(self, grad):
            return grad + grad

    x = torch.ones(3, 3, device="meta")
    with autocast():
        assert nx.value_and_grad(lambda x: nx.linear(x, x))(x)[1].dtype is torch.float32
        assert nx.value_and_grad(lambda x: doubled(x)[0])(x)[1].dtype is torch.float32


@pytest.fixture
def of_another_device():
    """Autocast that is on for GPUs alone, whether there is one or not."""
    before = torch.is_autocast_enabled("cuda")
    torch.set_autocast_enabled("cuda", True)
    yield
    torch.set_autocast_enabled("cuda", before)


def test_autocast_of_another_device(of_another_device):
    for enabled in (True, False, True, False):
        for function, args in ((F.linear, (X, W)), (F.scaled_dot_product_attention, (_Q, _Q, _Q))):
            with autocast(enabled):
                value, found = nx.value_and_grad(function)(*args)
                expected = function(*args)
            assert value.dtype is expected.dtype is (torch.bfloat16 if enabled else torch.float32)
            torch.testing.assert_close(value.data, expected)
            assert found.dtype is torch.float32


def test_the_backward_of_a_rule_of_ones_own_runs_without_the_autocast_of_another_device(of_another_device):
    @nx.function
    class rule(nx.Policy):
        def forward(self, x):
            return x + x

        def backward(self, grad):
            assert torch.mm(X, W.t()).dtype is torch.float32
            return grad + grad

    assert nx.grad(rule)(X.bfloat16()).dtype is torch.bfloat16
