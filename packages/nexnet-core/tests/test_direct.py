"""Functions called below torch's parser of arguments: nobody can tell but by the time."""

import operator
import os
import subprocess
import sys
import threading
import weakref

import pytest
import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

import nexnet as nx
from nexnet.engine import CHECKED, COMPILED, direct
from nexnet.engine.direct import DECORATED, FUNCTIONS, _known, examples

here = pytest.mark.skipif(
    not COMPILED or CHECKED or not any(made is not each for each, made in _known.items()),
    reason="functions are called Python's way",
)
CALLS = [
    pytest.param(getattr(function, "_op", function), form, id=name)
    for form, functions in FUNCTIONS.items()
    for function, name in functions.items()
] + [pytest.param(function, form, id=function.__name__) for function, form in DECORATED.items()]
X = torch.tensor([[0.5, -0.25], [2.0, 1.5]])


def arguments(form, tensor):
    """Give what a function of a form takes, with this tensor where any will do."""
    given = zip(form.rstrip("1_="), examples(form, tensor.dtype), strict=True)
    return [tensor.clone() if kind in "tT?" and len(form) < 6 else each for kind, each in given]


def first_of(out):
    return out[0] if isinstance(out, tuple) else out


def outcome(function, args):
    """Give what a call gives and leaves of its first argument, or its error."""
    args = [each.clone() if isinstance(each, Tensor) and not each._is_view() else each for each in args]
    try:
        out = function(*args)
    except Exception as error:
        return type(error), str(error).splitlines()[0]
    return out, args[0], args[0]._version


def assert_same(mine, theirs):
    assert type(mine) is type(theirs)
    if isinstance(mine, Tensor):
        assert mine.dtype == theirs.dtype
        assert mine.stride() == theirs.stride()
        torch.testing.assert_close(mine, theirs, rtol=0, atol=0, equal_nan=True)
    elif isinstance(mine, tuple):
        for each, other in zip(mine, theirs, strict=True):
            assert_same(each, other)
    else:
        assert mine == theirs


@here
@pytest.mark.parametrize(("function", "form"), CALLS)
class TestACall:
    @pytest.mark.parametrize(
        "dtype", [torch.float32, torch.float64, torch.bfloat16, torch.complex64, torch.int64, torch.bool]
    )
    def test_gives_what_pythons_gives(self, function, form, dtype):
        args = arguments(form, X.to(dtype))
        assert_same(outcome(direct(function), args), outcome(function, args))

    @pytest.mark.parametrize(
        "tensor",
        [
            torch.tensor(2.0),
            torch.empty(0, 2),
            X[0],
            X.t(),
            X[:, :1].expand(2, 2),
            torch.rand(3, 3, 3),
            X.to("meta"),
            X.to_sparse(),
        ],
        ids=["0-d", "empty", "a row", "transposed", "expanded", "cube", "meta", "sparse"],
    )
    def test_of_any_layout(self, function, form, tensor):
        args = [tensor if kind in "tT?" else 1 for kind in form.rstrip("1_")]
        if form.endswith("_"):
            args[0] = tensor.clone()
        mine, theirs = outcome(direct(function), args), outcome(function, args)
        if tensor.is_meta or tensor.is_sparse:
            assert [type(each) for each in mine] == [type(each) for each in theirs]
        else:
            assert_same(mine, theirs)

    @pytest.mark.parametrize(
        "spoil", [lambda x: x[:0].clone(), lambda x: torch.rand(3, 5), lambda x: "x", lambda x: x.tolist()]
    )
    def test_that_is_wrong_is_torchs_own_error(self, function, form, spoil):
        args = arguments(form, X)
        last = form.index("?") if "?" in form else form.rstrip("1_").rindex("t")
        args[last] = spoil(args[last])
        assert_same(outcome(direct(function), args), outcome(function, args))

    def test_without_its_arguments_or_with_too_many(self, function, form):
        for args in ([], [*arguments(form, X), X, X]):
            assert outcome(direct(function), args) == outcome(function, args)

    def test_is_seen_by_modes(self, function, form):
        class Functions(TorchFunctionMode):
            def __torch_function__(self, func, types, args=(), kwargs=None):
                seen.append(func)
                return func(*args, **(kwargs or {}))

        class Kernels(TorchDispatchMode):
            def __torch_dispatch__(self, func, types, args=(), kwargs=None):
                seen.append(func)
                return func(*args, **(kwargs or {}))

        for mode in (Functions, Kernels):
            seen = []
            args = arguments(form, X)
            with mode():
                direct(function)(*args)
            assert seen

    def test_is_in_torchs_own_graph(self, function, form):
        args = arguments(form, X)
        leaf = args[0].requires_grad_()
        args[0] = leaf.clone()
        out = first_of(direct(function)(*args))
        if out.requires_grad:
            (mine,) = torch.autograd.grad(out.sum(), leaf)
            args[0] = leaf.clone()
            theirs = torch.autograd.grad(first_of(function(*args)).sum(), leaf)[0]
            torch.testing.assert_close(mine, theirs, equal_nan=True)

    @pytest.mark.filterwarnings("ignore:There is a performance drop")
    def test_is_mapped_by_torchs_vmap(self, function, form):
        args = arguments(form, X)
        batch = [torch.stack([each, 1 - each]) if isinstance(each, Tensor) else each for each in args]
        dims = tuple(0 if isinstance(each, Tensor) else None for each in args)
        copies = [each.clone() if isinstance(each, Tensor) else each for each in batch]
        mine, theirs = torch.vmap(direct(function), dims)(*batch), torch.vmap(function, dims)(*copies)
        torch.testing.assert_close(mine, theirs, equal_nan=True)

    def test_keeps_nothing_alive(self, function, form):
        args = arguments(form, X)
        counts = [sys.getrefcount(each) for each in args]
        out = direct(function)(*args)
        gone = weakref.ref(first_of(out))
        written = out is args[0]
        assert written == form.endswith("_")
        del out
        assert written or gone() is None
        assert [sys.getrefcount(each) for each in args] == counts


@here
def test_a_subclass_is_asked():
    class Mine(Tensor):
        pass

    assert type(direct(torch.mm)(X.as_subclass(Mine), X)) is Mine
    assert isinstance(direct(torch.nn.functional.linear)(nx.LiteTensor(X), nx.LiteTensor(X)), nx.LiteTensor)


@here
def test_the_profiler_sees_it():
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        direct(torch.mm)(X, X)
    assert "aten::mm" in {event.name for event in profile.events()}


@here
def test_memory_is_given_back():
    out = direct(operator.mul)(X, X)
    storage = StorageWeakRef(out.untyped_storage())
    assert not storage.expired()
    del out
    assert storage.expired()


@here
def test_other_threads_run_while_a_large_kernel_does():
    large = torch.rand(1500, 1500)
    turns = 0
    done = threading.Event()

    def work():
        direct(torch.mm)(large, large)
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    while not done.is_set():
        turns += 1
    thread.join()
    assert turns > 0


@here
def test_it_is_the_function_in_all_else():
    made = direct(torch.exp)
    assert made.__wrapped__ is torch.exp
    assert made.__name__ == "exp"
    assert repr(made) == repr(torch.exp)
    assert made.__doc__


@pytest.mark.process
def test_it_can_be_turned_off():
    program = "import nexnet as nx; print(nx.kernels.describe()); print(nx.grad(lambda x: x * x * x)(2.0).item())"
    for mode in ("auto", "never"):
        environment = os.environ | {"NEXNET_DIRECT": mode}
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True
        )
        assert ("NEXNET_DIRECT is 'never'" in done.stdout) == (mode == "never")
        assert done.stdout.endswith("12.0\n")


def test_describe_says_what_is_done():
    assert "functions of tensors" in nx.kernels.describe().lower()
