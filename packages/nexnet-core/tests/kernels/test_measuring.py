"""Kernels are compared where nothing of the call that wants to know is at work."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import nexnet as nx
from nexnet import kernels
from nexnet.kernels.measuring import best_times

pytestmark = pytest.mark.cpu_only("kernels are compared there")


@pytest.fixture(autouse=True)
def anew():
    kernels.use_forms()
    kernels.use_onednn()
    yield
    kernels.use_forms()
    kernels.use_onednn()


IMAGE, X, W = torch.ones(8, 16, 40, 40), torch.ones(64, 784), torch.ones(256, 784)


@pytest.mark.parametrize(
    "compute", [lambda: nx.max_pool2d(IMAGE, 2).sum(), lambda: nx.linear(X, W).sum()], ids=["pooling", "product"]
)
class TestFirstCall:
    def test_of_what_vmap_does_not_map(self, compute):
        expected = [2 * compute().item(), 3 * compute().item()]
        kernels.use_forms()
        kernels.use_onednn()
        assert nx.vmap(lambda s: s * compute())(torch.tensor([2.0, 3.0])).tolist() == expected

    def test_is_seen_without_the_comparison(self, compute):
        seen = []

        class Mode(TorchDispatchMode):
            def __torch_dispatch__(self, func, types, args=(), kwargs=None):
                seen.append(func)
                return func(*args, **(kwargs or {}))

        counts = []
        for _ in range(2):
            seen.clear()
            with Mode():
                compute()
            counts.append(len(seen))
        assert counts[0] == counts[1]

    def test_under_autocast(self, compute):
        with torch.autocast("cpu", torch.bfloat16):
            compute()
        compute()


def test_is_of_as_many_threads():
    threads = torch.get_num_threads()
    seen = []

    def count(x):
        seen.append(torch.get_num_threads())
        return x

    try:
        for each in (1, 2):
            torch.set_num_threads(each)
            best_times({"count": count}, [(2,)], 1)
    finally:
        torch.set_num_threads(threads)
    assert seen == [1, 2]


def test_an_error_is_the_callers():
    def fail(x):
        raise ValueError("no such kernel")

    with pytest.raises(ValueError, match="no such kernel"):
        best_times({"fail": fail}, [(2,)], 1)


def test_a_wrong_result_takes_for_ever():
    best = best_times({"right": lambda x: x, "wrong": lambda x: x + 1, "shapeless": lambda x: x[0]}, [(2,)], 1)
    assert best["right"] < float("inf") == best["wrong"] == best["shapeless"]
