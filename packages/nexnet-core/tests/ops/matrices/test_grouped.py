"""Products of groups of rows, each with a matrix of its own."""

from itertools import pairwise

import pytest
import torch
from torch.nn import functional

import nexnet as nx

OFFS = torch.tensor([4, 8, 12], dtype=torch.int32)
SHAPES = {
    "rows": ((12, 8), (3, 8, 4), OFFS),
    "columns": ((3, 4, 8), (8, 12), OFFS),
    "between": ((4, 12), (12, 8), OFFS),
    "batch": ((3, 4, 8), (3, 8, 4), None),
}


def by_hand(a, b, offs):
    """The products, one after the other."""
    if offs is None:
        return a @ b
    ends = [0, *offs.tolist()]
    parts = [
        (a[i] if a.ndim == 3 else a[start:end] if b.ndim == 3 else a[:, start:end])
        @ (b[i] if b.ndim == 3 else b[start:end] if a.ndim == 2 else b[:, start:end])
        for i, (start, end) in enumerate(pairwise(ends))
    ]
    if a.ndim == b.ndim:
        return torch.stack(parts)
    return torch.cat(parts, 0 if b.ndim == 3 else 1)


@pytest.mark.parametrize("kind", SHAPES)
def test_gradients_of_two_orders_are_those_of_the_products_one_by_one(kind):
    torch.manual_seed(0)
    left, right, offs = SHAPES[kind]
    a, b = nx.LiteTensor(torch.randn(left)), nx.LiteTensor(torch.randn(right))

    def loss(product):
        return lambda a, b: product(a, b).sin().sum()

    def by_kernel(a, b):
        return functional.grouped_mm(a, b, offs=offs)

    def one_by_one(a, b):
        return by_hand(a, b, offs)

    torch.testing.assert_close(by_kernel(a, b).data, one_by_one(a, b).data)
    for found, wanted in zip(
        nx.grad(loss(by_kernel), argnums=(0, 1))(a, b), nx.grad(loss(one_by_one), argnums=(0, 1))(a, b), strict=True
    ):
        torch.testing.assert_close(found.data, wanted.data)
    _, found = nx.hvp(loss(by_kernel), (a, b), (b.reshape(left) if kind == "batch" else a, b))
    _, wanted = nx.hvp(loss(one_by_one), (a, b), (b.reshape(left) if kind == "batch" else a, b))
    for each, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(each.data, other.data)


def test_what_torchs_kernel_does_not_take_says_so():
    a, b = nx.ones(12, 8, dtype=torch.float64), nx.ones(3, 8, 4, dtype=torch.float64)
    with pytest.raises(RuntimeError, match="Expected mat_a to be Float32"):
        functional.grouped_mm(a, b, offs=OFFS)
