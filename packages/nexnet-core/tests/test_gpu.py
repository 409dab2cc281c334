"""What is particular to a GPU. Everything else about it: the other tests, with ``--device cuda``."""

import pytest
import torch

import nexnet as nx
from nexnet import Policy, function

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")


@pytest.fixture
def waiting_is_an_error():
    """An operation that waits for the GPU raises."""
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    yield
    torch.cuda.set_sync_debug_mode("default")


def mlp_loss(params, x, y):
    w1, b1, w2, b2 = params
    return nx.cross_entropy(nx.linear(nx.linear_relu(x, w1, b1), w2, b2), y)


def on_gpu(*shapes):
    return [nx.LiteTensor(torch.randn(shape, device="cuda")) for shape in shapes]


# Numbers beside tensors on another device


def test_the_gradient_of_a_number_goes_to_its_device():
    """Of another device than the tensors' beside it, as torch allows: here meta and CPU, which needs no GPU."""

    @function
    class scaled(Policy):
        def forward(self, x, size):
            self.ctx.save(x)
            return x * 2

        def backward(self, grad):
            return grad * 2, grad.sum()

    size = nx.LiteTensor(torch.zeros((), device="meta"))
    _, by_size = nx.grad(lambda x, size: scaled(x, size), argnums=(0, 1))(nx.ones(3), size)
    assert (by_size.device.type, by_size.shape) == ("meta", ())


@needs_gpu
def test_a_number_on_the_cpu_scales_tensors_on_the_gpu():
    (x,) = on_gpu((3,))
    scale = nx.LiteTensor(torch.tensor(3.0, device="cpu"))
    by_x, by_scale = nx.grad(lambda x, s: (x * s).sum(), argnums=(0, 1))(x, scale)
    assert (by_x.device.type, by_scale.device.type) == ("cuda", "cpu")
    torch.testing.assert_close(by_scale.item(), x.data.sum().item())
    _, tangent = nx.jvp(lambda s: x * s, (scale,), (scale,))
    torch.testing.assert_close(tangent.data, 3 * x.data)


# Nothing waits


@needs_gpu
@pytest.mark.parametrize("low_rank", [False, True])
def test_a_step_waits_for_nothing(low_rank, waiting_is_an_error):
    params = on_gpu((32, 64), (32,), (10, 32), (10,))
    torch.cuda.set_sync_debug_mode("default")
    x, y = nx.LiteTensor(torch.randn(8, 64, device="cuda")), torch.randint(10, (8,), device="cuda")
    step = nx.value_and_grad(mlp_loss, low_rank=low_rank)
    step(params, x, y)  # the seed of all losses is made once, and waited for
    torch.cuda.set_sync_debug_mode("error")
    step(params, x, y)


@needs_gpu
def test_second_order_waits_for_nothing(waiting_is_an_error):
    torch.cuda.set_sync_debug_mode("default")
    params = on_gpu((32, 64), (32,), (10, 32), (10,))
    x, y = nx.LiteTensor(torch.randn(8, 64, device="cuda")), torch.randint(10, (8,), device="cuda")

    def after_a_step(params):
        moved = [p - 0.1 * g for p, g in zip(params, nx.grad(mlp_loss)(params, x, y), strict=True)]
        return mlp_loss(moved, x, y)

    nx.grad(after_a_step)(params)
    torch.cuda.set_sync_debug_mode("error")
    nx.grad(after_a_step)(params)


# Streams


@needs_gpu
def test_what_ran_on_a_side_stream_is_differentiated_on_the_callers():
    """With the two waits that its values need anyway, nothing else is needed for the gradient."""
    x, w = on_gpu((512, 512), (512, 512))
    side = torch.cuda.Stream()

    def forked(w):
        main = torch.cuda.current_stream()
        side.wait_stream(main)
        with torch.cuda.stream(side):
            there = nx.tanh(x @ w)
        here = nx.sin(x @ w)
        main.wait_stream(side)
        return (here * there).sum()

    expected = nx.grad(lambda w: (nx.sin(x @ w) * nx.tanh(x @ w)).sum())(w)
    for _ in range(20):
        torch.testing.assert_close(nx.grad(forked)(w).data, expected.data, rtol=1e-3, atol=1e-2)


@needs_gpu
def test_a_loop_on_a_side_stream():
    (w,) = on_gpu((256, 256))
    expected = nx.grad(lambda w: (w @ w).sum())(w)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        got = nx.grad(lambda w: (w @ w).sum())(w)
    torch.cuda.current_stream().wait_stream(side)
    torch.testing.assert_close(got.data, expected.data)


# Memory and devices


@needs_gpu
def test_gradients_are_the_users_own():
    x, w = on_gpu((64, 64), (64, 64))
    _, (gx, gw) = nx.value_and_grad(lambda x, w: (x * 1.0 + w).sum(), argnums=(0, 1))(x, w)
    pointers = {each.data.data_ptr() for each in (x, w, gx, gw)}
    assert len(pointers) == 4
    gx.data.zero_()
    assert gw.data.eq(1).all()


@needs_gpu
def test_moving_is_differentiable():
    x = nx.LiteTensor(torch.randn(3, device="cpu"))
    grad = nx.grad(lambda x: (x.cuda() * 2).cpu().sum())(x)
    assert grad.device.type == "cpu"
    assert grad.data.eq(2).all()


@needs_gpu
def test_checkpoint_draws_the_same_numbers_again():
    (x,) = on_gpu((1000,))

    def dropped(x):
        return nx.dropout(x, 0.5) * x

    torch.manual_seed(0)
    expected = nx.grad(lambda x: dropped(x).sum())(x)
    torch.manual_seed(0)
    got = nx.grad(lambda x: nx.checkpoint(dropped)(x).sum())(x)
    torch.testing.assert_close(got.data, expected.data, rtol=0, atol=0)


@needs_gpu
def test_a_gradient_peaks_at_no_more_memory_than_torchs():
    x = torch.randn(2**22, device="cuda")

    def peak(call):
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        return torch.cuda.max_memory_allocated() - before

    def chain(x):
        for _ in range(10):
            x = x.sin()
        return x.sum()

    leaf = x.clone().requires_grad_()
    lite = nx.LiteTensor(x)
    theirs = peak(lambda: torch.autograd.grad(chain(leaf), leaf))
    assert peak(lambda: nx.grad(chain)(lite)) <= theirs
