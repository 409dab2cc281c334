"""as_torch: nexnet's functions in torch's graph, to any order."""

import copy
import gc
import weakref
from typing import Any

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional as F  # noqa: N812

import nexnet as nx
from nexnet import as_torch

# torch's own decompositions of its forward mode, which it loads when gradcheck asks for it; from 2.14 on by the other
pytestmark = [
    pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.torch.jit.script:FutureWarning"),
]


@nx.function
class softclip(nx.Policy):
    """x / sqrt(1 + x^2), of which an intermediate is saved."""

    def forward(self, x: Any) -> Any:
        root = torch.sqrt(1 + x * x)
        self.ctx.save(root)
        return x / root

    def backward(self, grad: Any) -> Any:
        (root,) = self.ctx.release
        return grad * root**-3


@nx.function
class affine(nx.Policy):
    """x w + b, broadcast."""

    def forward(self, x: Any, w: Any, b: Any) -> Any:
        self.ctx.save(x, w)
        return x * w + b

    def backward(self, grad: Any) -> Any:
        x, w = self.ctx.release
        return grad * w, grad * x, grad


@nx.function
class polar(nx.Policy):
    """Radius and angle: two outputs."""

    def forward(self, x: Any, y: Any) -> Any:
        self.ctx.save(x, y)
        return torch.sqrt(x * x + y * y), torch.atan2(y, x)

    def backward(self, radial: Any, angular: Any) -> Any:
        x, y = self.ctx.release
        square = x * x + y * y
        root = torch.sqrt(square)
        return radial * x / root - angular * y / square, radial * y / root + angular * x / square


@nx.function
class scaled_exp(nx.Policy):
    """exp(s x) of a static s, of which the output is saved."""

    def forward(self, x: Any, *, scale: float = 0.5) -> Any:
        out = torch.exp(scale * x)
        self.ctx.save(out, scale)
        return out

    def backward(self, grad: Any) -> Any:
        out, scale = self.ctx.release
        return grad * out * scale


@nx.custom_grad
def cube(x: Any) -> Any:
    return x * x * x, lambda grad: 3 * x * x * grad


@nx.function
class slope_of_one(nx.Policy):
    """x^3, whose gradient is on purpose x^2: its second derivative is 2 x, and not 6 x."""

    def forward(self, x: Any) -> Any:
        self.ctx.save(x)
        return x * x * x

    def backward(self, grad: Any) -> Any:
        (x,) = self.ctx.release
        return grad * x * x


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()


A, B = (3, 4), (4, 2)
OPERATORS = {
    "exp": (nx.exp, [A]),
    "mul": (nx.mul, [A, (4,)]),
    "matmul": (nx.matmul, [A, B]),
    "softmax": (lambda x: nx.softmax(x, 1), [A]),
    "layer_norm": (lambda x, w, b: nx.layer_norm(x, (4,), w, b), [A, (4,), (4,)]),
    "linear": (nx.linear, [A, (2, 4), (2,)]),
    "conv2d": (nx.conv2d, [(1, 2, 4, 4), (2, 2, 3, 3)]),
    "gelu": (nx.gelu, [A]),
    "logsumexp": (lambda x: nx.logsumexp(x, 0), [A]),
    "cross_entropy": (lambda x: nx.cross_entropy(x, torch.tensor([0, 3, 1])), [A]),
    "softclip": (softclip, [A]),
    "affine": (affine, [A, (4,), ()]),
    "polar": (polar, [A, A]),
    "scaled_exp": (lambda x: scaled_exp(x, scale=0.3), [A]),
    "cube": (cube, [A]),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_gradcheck_and_gradgradcheck_pass(name: str) -> None:
    fn, shapes = OPERATORS[name]
    inputs = [draw(*shape, seed=i) for i, shape in enumerate(shapes)]
    assert gradcheck(as_torch(fn), inputs, check_forward_ad=True, check_batched_grad=True)
    assert gradgradcheck(as_torch(fn), inputs, check_batched_grad=True)


def test_backward_gives_the_gradients_of_torch() -> None:
    x, w = draw(5, 4), draw(2, 4, seed=1)
    as_torch(lambda x, w: nx.linear(x, w).tanh().sum())(x, w).backward()
    mine = x.grad, w.grad
    x.grad = w.grad = None
    F.linear(x, w).tanh().sum().backward()
    torch.testing.assert_close(mine, (x.grad, w.grad))


def test_the_rules_own_second_derivative_is_used() -> None:
    x = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    (first,) = torch.autograd.grad(as_torch(slope_of_one)(x), x, create_graph=True)
    (second,) = torch.autograd.grad(first, x, create_graph=True)
    (third,) = torch.autograd.grad(second, x)
    assert (first.item(), second.item(), third.item()) == (4.0, 4.0, 2.0)


def test_torch_func_transforms_it() -> None:
    x = draw(4).detach()
    fn = as_torch(slope_of_one)
    torch.testing.assert_close(torch.func.grad(lambda x: fn(x).sum())(x), x * x)
    torch.testing.assert_close(torch.func.grad(torch.func.grad(fn))(x[0]), 2 * x[0])
    torch.testing.assert_close(torch.func.vmap(fn)(x), x**3)
    torch.testing.assert_close(torch.func.vmap(torch.func.grad(fn))(x), x * x)
    torch.testing.assert_close(torch.func.vmap(torch.func.vmap(fn), 1, 1)(x.expand(3, 4)), x.expand(3, 4) ** 3)
    for jacobian in (torch.func.jacrev, torch.func.jacfwd):
        torch.testing.assert_close(jacobian(fn)(x), torch.diag(x * x))
    torch.testing.assert_close(torch.func.hessian(lambda x: fn(x).sum())(x), torch.diag(2 * x))
    value, tangent = torch.func.jvp(fn, (x,), (torch.ones_like(x),))
    torch.testing.assert_close((value, tangent), (x**3, x * x))


def test_per_example_gradients_of_a_model_around_it() -> None:
    w, xs = draw(3, 4).detach(), draw(5, 4, seed=1).detach()

    def loss(fn: Any) -> Any:
        return lambda w, x: fn(F.linear(x, w)).square().sum()

    mine, torchs = (
        torch.func.vmap(torch.func.grad(loss(fn)), (None, 0))(w, xs) for fn in (as_torch(nx.tanh), torch.tanh)
    )
    torch.testing.assert_close(mine, torchs)


def test_pytrees_integers_and_what_is_no_tensor_pass() -> None:
    def fn(batch: dict[str, Any], *, scale: float) -> Any:
        picked = batch["x"][batch["index"]]
        return {"loss": (picked * scale).sum(), "index": batch["index"] + 1, "name": "picked"}

    x, index = draw(4), torch.tensor([1, 1, 3])
    out = as_torch(fn)({"x": x, "index": index}, scale=2.0)
    out["loss"].backward()
    assert out["name"] == "picked"
    assert out["index"].tolist() == [2, 2, 4]
    assert not out["index"].requires_grad
    assert x.grad is not None
    assert x.grad.tolist() == [0, 4, 0, 2]


def test_an_output_that_was_not_used_brings_no_gradient() -> None:
    x, y = draw(3), draw(3, seed=1)
    radius, _ = as_torch(polar)(x, y)
    radius.sum().backward()
    torch.testing.assert_close(x.grad, (x / torch.hypot(x, y)).detach())


def test_what_needs_no_gradient_gets_none() -> None:
    x, y = draw(3), draw(3, seed=1).detach()
    out = as_torch(nx.mul)(x, y)
    assert out.requires_grad
    assert not as_torch(nx.mul)(y, y).requires_grad
    with torch.no_grad():
        assert not as_torch(nx.mul)(x, y).requires_grad
    out.sum().backward()
    assert y.grad is None


class Net(nn.Module):
    def __init__(self, activation: Any) -> None:
        super().__init__()
        self.first, self.second, self.activation = nn.Linear(4, 8), nn.Linear(8, 2), activation
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: Any) -> Any:
        return self.second(self.dropout(self.activation(self.first(x))))


def test_training_a_module_with_it_is_training_the_module() -> None:
    torch.manual_seed(0)
    mine = Net(as_torch(nx.tanh)).double()
    torchs = copy.deepcopy(mine)
    torchs.activation = torch.tanh
    x = draw(6, 4).detach()
    losses = []
    for model in (mine, torchs):
        torch.manual_seed(1)
        optimiser = torch.optim.AdamW(model.parameters(), 0.05)
        for _ in range(5):
            optimiser.zero_grad()
            loss = model(x).square().sum()
            loss.backward()
            optimiser.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)


@pytest.mark.parametrize("reentrant", [True, False])
def test_torchs_checkpoint_around_it(reentrant: bool) -> None:
    x = draw(4)
    fn = as_torch(lambda x: (x.sin() * x).exp())
    (expected,) = torch.autograd.grad(fn(x).square().sum(), x)
    out = torch.utils.checkpoint.checkpoint(lambda x: fn(x).square(), x, use_reentrant=reentrant)
    out.sum().backward()
    torch.testing.assert_close(x.grad, expected)


def test_within_torchs_checkpoint_nothing_of_the_inside_is_kept() -> None:
    kept = []

    @nx.custom_grad
    def spied(x: Any) -> Any:
        big = x * 2
        kept.append(weakref.ref(big))
        return big * 1, lambda grad: 2 * grad + 0 * big

    x = draw(4)
    out = torch.utils.checkpoint.checkpoint(as_torch(spied), x, use_reentrant=False)
    gc.collect()
    assert [each() for each in kept] == [None]
    out.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2.0] * 4


def test_what_is_drawn_at_random_is_drawn_once() -> None:
    x = draw(100)
    fn = as_torch(lambda x: nx.dropout(x, 0.5) * x)
    torch.manual_seed(0)
    y = fn(x)
    (first,) = torch.autograd.grad(y.sum(), x, create_graph=True)  # runs it again
    state = torch.get_rng_state()
    torch.testing.assert_close(first, 2 * y / x)
    (second,) = torch.autograd.grad(first.sum(), x)
    assert torch.equal(torch.get_rng_state(), state)
    torch.testing.assert_close(second, (2 * y / x / x).detach())


@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")  # torch.compile asks the tensor at its break
def test_torch_compile_around_it_breaks_its_graph() -> None:
    torch._dynamo.reset()
    fn = as_torch(softclip)
    compiled = torch.compile(lambda x: fn(x * 2).sin().sum(), backend="eager")
    x = draw(4)
    compiled(x).backward()
    mine, x.grad = x.grad, None
    fn(x * 2).sin().sum().backward()
    torch.testing.assert_close(mine, x.grad)


def test_on_lite_tensors_it_is_the_function() -> None:
    assert nx.grad(as_torch(slope_of_one))(3.0).item() == 9.0


def test_an_input_that_was_written_into_is_an_error_of_torchs() -> None:
    x = draw(3)
    y = x * 1
    out = as_torch(nx.square)(y)
    with torch.no_grad():
        y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def mine(x: Any) -> Any:
    return nx.exp(x)


class Called:
    def __call__(self, x: Any) -> Any:
        return nx.exp(x)


@pytest.mark.parametrize(
    ("fn", "name"), [(torch.exp, "exp"), (nx.exp, "exp"), (mine, "mine"), (Called(), "Called")]
)  # fmt: skip
def test_an_output_that_was_written_into_is_an_error_that_names_the_function(fn: Any, name: str) -> None:
    out = as_torch(fn)(draw(3))
    out.mul_(2)
    with pytest.raises(nx.TrackedTensorError, match=rf"was written into since.*\n.*rule: +{name}\n.*clone\(\)"):
        out.sum().backward()


def test_what_it_gives_has_a_memory_of_its_own() -> None:
    """Torch does not know that outputs share memory, with an argument or with one another: a write would be lost."""

    def fn(x: Any) -> Any:
        y = 3 * x
        return x, x.view(2, 2), y, y, y[:2]

    x = draw(4)
    given = x * 1
    for written in range(5):
        outs = as_torch(fn)(given)
        outs[written].mul_(2)
        (found,) = torch.autograd.grad(sum((each * each).sum() for each in (given, *outs)), x, retain_graph=True)
        outs = [given * 1, given.view(2, 2) * 1, 3 * given, 3 * given, 3 * given[:2]]
        outs[written].mul_(2)
        (wanted,) = torch.autograd.grad(sum((each * each).sum() for each in (given, *outs)), x, retain_graph=True)
        torch.testing.assert_close(found, wanted)


def test_a_graph_is_freed_when_it_was_used_and_kept_when_asked() -> None:
    x = draw(3)
    out = as_torch(nx.exp)(x).sum()
    out.backward(retain_graph=True)
    out.backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, 2 * x.exp().detach())
    with pytest.raises(RuntimeError, match="second time"):
        out.backward()


def test_nothing_of_a_graph_that_was_dropped_lives_on() -> None:
    x = draw(3)
    out = as_torch(nx.exp)(x)
    kept = weakref.ref(out.grad_fn)
    gc.disable()
    try:
        del out
        assert kept() is None
    finally:
        gc.enable()


def test_a_torch_tensor_as_result_is_refused() -> None:
    def wrong(x: Any) -> Any:
        return x, x.data

    with pytest.raises(nx.InputError, match=r"returned a torch tensor.*\n.*rule:.*wrong\n.*out\[1\]"):
        as_torch(wrong)(draw(3))


def test_a_parameter_closed_over_is_refused() -> None:
    w = draw(3)
    with pytest.raises(nx.InputError, match="requires grad met a nexnet operator"):
        as_torch(lambda x: x * w)(draw(3))
