"""nexnet's own operators on Triton's kernels: results are torch's, and the choice is measured once, told and made."""

import importlib

import pytest
import torch

import nexnet as nx
from nexnet import kernels
from nexnet.kernels import replaceable


@pytest.fixture(params=["always", "auto"])
def mode(request):
    kernels.use_triton(request.param)
    yield request.param
    kernels.use_triton("never")


@pytest.fixture
def calls(monkeypatch):
    """The names of the kernels that were launched."""
    launched = []
    for name in ("_rows", "layer_norm"):
        module = importlib.import_module(f"nexnet.triton.{name}")
        monkeypatch.setattr(
            module, "launch", lambda kernel, *args, f=module.launch, **o: (launched.append(1), f(kernel, *args, **o))
        )
    return launched


FUNCTIONS = {
    "softmax": lambda f, x: f.softmax(x, -1),
    "log_softmax": lambda f, x: f.log_softmax(x, 0),
    "layer_norm": lambda f, x: f.layer_norm(x, (7,)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_gradients_of_both_orders_are_torchs(mode, calls, check, name):
    fn = FUNCTIONS[name]
    check(lambda x: fn(nx, x), lambda x: fn(torch.nn.functional, x), torch.randn(3, 7))
    assert calls


def test_what_the_kernels_do_not_take_is_torchs(mode, calls):
    x = torch.randn(2, 3, dtype=torch.float64)
    assert torch.equal(nx.softmax(nx.LiteTensor(x), -1).data, torch.softmax(x, -1))
    mapped = nx.vmap(lambda x: nx.softmax(x, 0))(nx.LiteTensor(x.float())).data
    assert torch.equal(mapped, torch.softmax(x.float(), 1))
    assert nx.softmax(nx.LiteTensor(x.half()), -1, torch.float32).dtype is torch.float32
    assert nx.softmax(nx.zeros(0, 3), -1).shape == (0, 3)
    assert not calls


def test_is_measured_once_and_told():
    kernels.use_triton("auto")
    try:
        assert kernels.describe().endswith("(none has been measured yet)")
        x = nx.LiteTensor(torch.randn(3, 7))
        nx.softmax(x, -1)
        told = kernels.describe()
        assert told.count("softmax") == 1
        assert told.endswith(("-> torch", "-> Triton"))
        nx.softmax(x, -1)
        assert kernels.describe() == told
    finally:
        kernels.use_triton("never")


def test_a_wrong_kernel_is_never_taken(monkeypatch):
    choice = importlib.import_module("nexnet.triton.choice")
    x = torch.randn(3, 7)
    found = choice._measure("softmax", torch.softmax, lambda x, dim: torch.zeros_like(x), (x, -1))
    assert not found.agrees
    assert not found.takes_triton
    assert "Triton's result is another" in str(found)


def test_never_leaves_torchs_kernels_alone():
    kernels.use_triton("always")
    kernels.use_triton("never")
    assert replaceable.softmax is torch.softmax
    assert "Triton" not in kernels.describe()


def test_another_mode_is_an_error():
    with pytest.raises(nx.errors.InputError, match=r"no such mode(.|\n)*sometimes"):
        kernels.use_triton("sometimes")
