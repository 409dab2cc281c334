"""torch.autocast: a call like one that it has cast is cast before it is made, and its kernel runs once."""

import threading
from collections import Counter
from contextlib import nullcontext

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import nexnet as nx

torch.manual_seed(0)
X, W, B = torch.randn(16, 8), torch.randn(12, 8), torch.randn(12)
Y = torch.randint(5, (16,))
F = torch.nn.functional

pytestmark = pytest.mark.cpu_only("the CPU's autocast; a GPU's goes the same way")


def autocast(dtype=torch.bfloat16, **kwargs):
    return torch.autocast("cpu", dtype=dtype, **kwargs)


_I = torch.randn(2, 3, 9, 9)
#: Operators that autocast casts, with arguments; the first is what is differentiated.
CAST = {
    F.linear: (X, W, B),
    torch.matmul: (W, X.t()),
    torch.mm: (W, X.t()),
    torch.addmm: (B, X, W.t()),
    torch.bmm: (X[None], W.t()[None]),
    F.conv2d: (_I, torch.randn(4, 3, 3, 3)),
}


class Counted(TorchDispatchMode):
    """Counts torch's kernels that run, but those that only look at the same storage in another way."""

    def __init__(self):
        super().__init__()
        self.kernels = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        with self:
            out = func.decompose(*args, **kwargs or {})
        if out is not NotImplemented:
            return out
        if not func.is_view:
            self.kernels[str(func)] += 1
        return func(*args, **kwargs or {})


def forget_what_was_cast(monkeypatch, *operators):
    monkeypatch.setattr(nx.engine.autocast, "_targets", {})
    for each in operators:
        monkeypatch.setattr(each, "cast", False)


@pytest.mark.parametrize("function", CAST, ids=lambda each: each.__name__)
def test_from_the_second_call_on_the_kernels_that_run_are_torchs(function, monkeypatch):
    operator = getattr(nx, function.__name__)
    forget_what_was_cast(monkeypatch, operator)
    first, *rest = CAST[function]
    rest = [nx.tensor(each) for each in rest]
    runs = []

    def fn(first):
        with autocast(), Counted() as counted:
            out = operator(first, *rest)
        runs.append(counted.kernels)
        return out

    values = [nx.value_and_grad(fn)(first)[0].data for _ in range(3)]
    with autocast(), Counted() as torchs:
        expected = function(*CAST[function])
    if not nx.engine.CHECKED:  # the debug form makes some calls both ways
        assert runs[0].total() > runs[1].total()
        assert runs[1] == runs[2] == torchs.kernels
    for value in values:
        torch.testing.assert_close(value, expected, rtol=0, atol=0)


def test_without_a_tape_the_kernel_casts_as_it_does_in_torch():
    for _ in range(2):
        with autocast():
            assert torch.equal(nx.linear(nx.tensor(X), W, B).data, F.linear(X, W, B))


def test_outside_of_autocast_nothing_is_cast_and_nothing_more_recorded():
    def fn(w):
        return F.linear(X, w, B).sum()

    exact = nx.value_and_grad(fn)(W)
    for context in (nullcontext, torch.no_grad, lambda: autocast(enabled=False)):
        with autocast():
            nx.grad(fn)(W)
            nx.grad(fn)(W)
            with autocast(enabled=False):
                _, inside = nx.trace(fn)(nx.tensor(W))
        with context():
            value, found = nx.value_and_grad(fn)(W)
            _, tape = nx.trace(fn)(nx.tensor(W))
        assert [each.rule for each in tape] == [each.rule for each in inside] == ["linear", "sum"]
        assert value.dtype is torch.float32
        assert torch.equal(value.data, exact[0].data)
        assert torch.equal(found.data, exact[1].data)


BLOCKS = {
    "bfloat16": (autocast(),),
    "float16": (autocast(torch.float16),),
    "float16 in bfloat16": (autocast(), autocast(torch.float16)),
    "none in bfloat16": (autocast(), autocast(enabled=False)),
    "bfloat16 in none in float16": (autocast(torch.float16), autocast(enabled=False), autocast()),
    "without torch's cache": (autocast(cache_enabled=False),),
    "none": (),
}


class within:
    """Blocks, the first of them outermost."""

    def __init__(self, blocks):
        self.blocks = blocks

    def __enter__(self):
        for each in self.blocks:
            each.__enter__()

    def __exit__(self, *error):
        for each in reversed(self.blocks):
            each.__exit__(*error)


def test_what_was_cast_in_one_block_says_nothing_of_another():
    for name in [*BLOCKS, *reversed(BLOCKS), *BLOCKS]:
        w = W.clone().requires_grad_()
        with within(BLOCKS[name]):
            expected = F.linear(X, w, B)
            value, found = nx.value_and_grad(lambda w: F.linear(X, w, B))(W)
        (by_torch,) = torch.autograd.grad(expected.float().sum(), w)
        assert value.dtype is expected.dtype
        assert torch.equal(value.data, expected.detach())
        assert found.dtype is torch.float32
        torch.testing.assert_close(found.data, by_torch, rtol=2e-2, atol=2e-2)


def test_each_thread_has_its_own_autocast():
    together = threading.Barrier(len(BLOCKS), timeout=60)
    found = {}

    def run(name, blocks):
        with within(blocks):
            together.wait()
            for _ in range(20):
                value = nx.value_and_grad(lambda w: F.linear(X, w, B))(W)[0].data
                found.setdefault(name, []).append(torch.equal(value, F.linear(X, W, B)))

    fresh = {name: tuple(type(each)("cpu", each.fast_dtype, each._enabled) for each in BLOCKS[name]) for name in BLOCKS}
    threads = [threading.Thread(target=run, args=each) for each in fresh.items()]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert found == {name: [True] * 20 for name in BLOCKS}


_DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int64)


@pytest.mark.parametrize("other", _DTYPES, ids=str)
@pytest.mark.parametrize("dtype", _DTYPES[:4], ids=str)
def test_operands_of_any_two_dtypes(dtype, other):
    x, w = X.to(other), W.to(dtype)
    for operand in (x, nx.tensor(x), x.numpy() if other is not torch.bfloat16 else x):
        for _ in range(2):
            with autocast():
                try:
                    expected = F.linear(x, w)
                except RuntimeError:
                    with pytest.raises(RuntimeError):
                        nx.value_and_grad(lambda w, x=operand: nx.linear(x, w))(w)
                    continue
                value, found = nx.value_and_grad(lambda w, x=operand: nx.linear(x, w))(w)
            assert value.dtype is expected.dtype
            assert torch.equal(value.data, expected)
            assert found.dtype is dtype


def test_operators_that_are_cast_to_float32_and_to_the_widest_dtype():
    half = X.bfloat16()
    for function, args in ((torch.prod, (half, 1)), (torch.cat, ([half, X],)), (torch.stack, ([X, half],))):
        for _ in range(2):
            with autocast():
                expected = function(*args)
                value, found = nx.value_and_grad(function)(*args)
            assert value.dtype is expected.dtype is torch.float32
            assert torch.equal(value.data, expected)
            found, given = ([found], [half]) if function is torch.prod else (found, args[0])
            assert [each.dtype for each in found] == [each.dtype for each in given]


def test_a_dtype_that_is_given_is_no_other_calls():
    for dtype in (None, torch.float32, torch.bfloat16, torch.float64) * 2:
        with autocast():
            value = nx.value_and_grad(lambda x: torch.prod(x, 1, dtype=dtype))(X.bfloat16())[0]  # noqa: B023
            assert value.dtype is torch.prod(X.bfloat16(), 1, dtype=dtype).dtype


@pytest.mark.parametrize(
    ("function", "args", "dims", "mapped"),
    [(F.linear, (X[0], W), (0, None), (X, W)), (torch.matmul, (W, X[0]), (None, 0), (W, X))],
    ids=["linear", "matmul"],
)
def test_vmap_takes_some_functions_apart_before_autocast_sees_them(function, args, dims, mapped):
    transform = nx.value_and_grad(function, argnums=(0, 1))
    for _ in range(2):
        with autocast():
            value, grads = transform(*args)
            values, grads_of_each = nx.vmap(transform, in_dims=dims)(*mapped)
            expected = torch.func.vmap(function, in_dims=dims)(*mapped)
            assert torch.equal(value.data, function(*args))
        assert value.dtype is torch.bfloat16
        torch.testing.assert_close(values.data, expected)  # and the dtype is torch's, which is not always bfloat16
        assert {each.dtype for each in (*grads, *grads_of_each)} == {torch.float32}


def test_second_derivatives_of_calls_that_are_cast_before(monkeypatch):
    def fn(w):
        with autocast():
            return (F.linear(X, w) ** 2).sum()

    forget_what_was_cast(monkeypatch, nx.linear)
    runs = [nx.hvp(fn, (W,), (W,)) for _ in range(3)]
    for _, (found,) in runs:
        assert found.dtype is torch.float32
        assert torch.equal(found.data, runs[0][1][0].data)


def test_a_model_of_torchs():
    model = torch.nn.Sequential(torch.nn.Linear(8, 12), torch.nn.GELU(), torch.nn.Linear(12, 5))
    with autocast():
        loss = F.cross_entropy(model(X), Y)
    by_torch = torch.autograd.grad(loss, list(model.parameters()))
    for _ in range(2):
        with autocast():
            loss_of = nx.value_and_grad(lambda p: F.cross_entropy(nx.functional_call(model, p, (X,)), Y))
            value, found = loss_of(nx.parameters_of(model))
        assert torch.equal(value.data, loss.detach())
        for each, own in zip(found.values(), by_torch, strict=True):
            assert each.dtype is torch.float32
            torch.testing.assert_close(each.data, own, rtol=2e-2, atol=1e-3)
