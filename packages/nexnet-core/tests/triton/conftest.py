"""The reference of the Triton kernels: torch's autograd in float64, over drawn shapes, dtypes and layouts.

Without a GPU the kernels run in Triton's interpreter, which must be asked for before Triton is imported. With one they
are compiled, and the same tests run there.
"""

import math
import os
import random
import sys
import zlib
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
LAYOUTS = ("contiguous", "transposed", "sliced", "expanded")
#: Relative to the largest element; the interpreter cuts off where the card rounds, so bfloat16 has 7 bits there.
TOLERANCES = {torch.float64: 1e-10, torch.float32: 2e-5, torch.float16: 5e-3, torch.bfloat16: 5e-2}
REASON = None

if find_spec("triton") is None:
    REASON = "Triton is not installed (nox -s triton has it)"
elif DEVICE == "cpu" and "triton" not in sys.modules:
    os.environ["TRITON_INTERPRET"] = "1"
elif DEVICE == "cpu" and os.environ.get("TRITON_INTERPRET") != "1":
    REASON = "something has imported Triton already, and its interpreter can't be asked for any more (nox -s triton)"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            if REASON:
                item.add_marker(pytest.mark.skip(reason=REASON))
            # numpy, which the interpreter computes with, warns of inf - inf; a card does not
            item.add_marker(pytest.mark.filterwarnings("ignore::RuntimeWarning:triton.runtime.interpreter"))
            item.add_marker(pytest.mark.filterwarnings("ignore::RuntimeWarning:numpy"))


class Draw(random.Random):
    """Draws what a kernel is tried on."""

    def size(self, most: int) -> int:
        """Give a size: small and odd ones, powers of two and their neighbours, now and then 0 or 1."""
        near = 2 ** self.randint(0, max(int(math.log2(most)), 0)) + self.choice((-1, 0, 1))
        return min(self.choice((near, self.randint(1, most), self.randint(1, most), self.randint(0, 1))), most)

    def dtype(self) -> torch.dtype:
        """Give a dtype, float64 and float32 more often than the halves."""
        return self.choice((torch.float64, torch.float64, torch.float32, torch.float16, torch.bfloat16))

    def tensor(self, *shape: int, dtype: torch.dtype = torch.float64, layout: str | None = None) -> torch.Tensor:
        """Give normal numbers, in one of the LAYOUTS."""
        generator = torch.Generator().manual_seed(self.randint(0, 2**31))
        values = torch.randn(shape, generator=generator, dtype=torch.float64).to(DEVICE, dtype)
        layout = layout or self.choice(LAYOUTS)
        if layout == "transposed" and values.ndim > 1:
            return values.transpose(-1, -2).contiguous().transpose(-1, -2)
        if layout == "sliced" and values.ndim:
            return values.repeat_interleave(2, -1)[..., ::2]
        if layout == "expanded" and values.ndim > 1 and shape[0]:
            return values[:1].expand(shape)
        return values


@pytest.fixture
def drawn(request: pytest.FixtureRequest) -> Iterator[Draw]:
    """As many sources of draws as ``--drawn`` says, each seeded by the test's name and its number."""
    name = zlib.crc32(request.node.name.encode())
    return (Draw(name + i) for i in range(request.config.getoption("--drawn")))


@pytest.fixture
def check() -> Callable[..., None]:
    """``check(nexnet_fn, torch_fn, *tensors)``: values, gradients, and gradients of gradients are torch's."""
    return _check


def _check(
    fn: Callable[..., Any], reference: Callable[..., Any], *tensors: torch.Tensor, orders: int = 2,
    rtol: float | None = None,
) -> None:  # fmt: skip
    import nexnet as nx

    dtype = tensors[0].dtype
    orders = orders if dtype in (torch.float32, torch.float64) else 1  # in halves the second order is mostly rounding
    rtol = TOLERANCES[dtype] if rtol is None else rtol
    leaves = [each.double().requires_grad_() for each in tensors]
    out = reference(*leaves)
    generator = torch.Generator().manual_seed(1)

    def weights(like: torch.Tensor) -> torch.Tensor:
        made = torch.rand(like.shape, generator=generator, dtype=torch.float64) - 0.3
        return made.to(DEVICE, dtype)

    c = weights(out)
    directions = [weights(each) for each in leaves]
    c_leaf = c.double().requires_grad_()
    first = torch.autograd.grad((out * c_leaf).sum(), leaves, create_graph=True, materialize_grads=True)
    n = len(leaves)

    def inner(*args: Any) -> Any:
        found = fn(*args[:n])
        return (found * args[n]).sum(), found

    (_, mine), grads = nx.value_and_grad(inner, argnums=tuple(range(n)), has_aux=True)(*_lite([*tensors, c]))
    assert mine.dtype is dtype
    assert mine.shape == out.shape
    _close(mine, out, rtol, "the value")
    for i, (got, expected) in enumerate(zip(grads, first, strict=True)):
        assert got.dtype is dtype
        _close(got, expected, rtol, f"the gradient by argument {i}")
    if orders == 1:
        return

    total = sum((g * d.double()).sum() for g, d in zip(first, directions, strict=True))
    second = torch.autograd.grad(total, [*leaves, c_leaf], materialize_grads=True)

    def outer(*args: Any) -> Any:
        inside = nx.grad(inner, argnums=tuple(range(n)), has_aux=True)(*args)[0]
        return sum((g * nx.LiteTensor(d)).sum() for g, d in zip(inside, directions, strict=True))

    found = nx.grad(outer, argnums=tuple(range(n + 1)))(*_lite([*tensors, c]))
    for i, (got, expected) in enumerate(zip(found, second, strict=True)):
        _close(got, expected, 10 * rtol, f"the second derivative by argument {i}")


def _lite(tensors: list[torch.Tensor]) -> list[Any]:
    import nexnet as nx

    return [nx.LiteTensor(each) for each in tensors]


def _close(got: Any, expected: torch.Tensor, rtol: float, what: str) -> None:
    expected = expected.detach()
    finite = expected[expected.isfinite()]
    size = max(finite.abs().max().item(), 1.0) if finite.numel() else 1.0
    torch.testing.assert_close(
        got.data.double(), expected, rtol=rtol, atol=rtol * size, equal_nan=True, msg=lambda text: f"{what}: {text}"
    )
