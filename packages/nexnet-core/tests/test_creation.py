"""New tensors: the same values, dtypes and shapes as torch's."""

import numpy as np
import pytest
import torch

import nexnet as nx

SHAPED = {"zeros": torch.zeros, "ones": torch.ones}


@pytest.mark.parametrize("name", ["zeros", "ones", "empty"])
def test_shapes_as_a_tuple_or_as_arguments(name):
    make = getattr(nx, name)
    assert make(2, 3).shape == make((2, 3)).shape == make([2, 3]).shape == make(torch.Size([2, 3])).shape == (2, 3)
    assert make(()).shape == ()
    assert make(2, dtype=torch.float64, device="meta").dtype == torch.float64


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("zeros", (2,), {}),
        ("ones", (2,), {"dtype": torch.int32}),
        ("full", ((2, 3), 1.5), {}),
        ("full", ((2,), 1), {}),
        ("full", ((), True), {}),
        ("eye", (3,), {}),
        ("eye", (2, 3), {"dtype": torch.float64}),
        ("arange", (5,), {}),
        ("arange", (1, 3), {}),
        ("arange", (1, 2.5, 0.5), {}),
        ("arange", (5, 1, -2), {"dtype": torch.float32}),
        ("linspace", (0, 1, 5), {}),
        ("logspace", (0, 2, 3), {}),
        ("logspace", (0, 2, 3, 2), {"dtype": torch.float64}),
        ("tensor", ([[1, 2], [3, 4]],), {}),
        ("tensor", (2.5,), {"dtype": torch.float16}),
        ("tensor", (np.array([1.0, 2.0]),), {}),
        ("as_tensor", ([1.0, 2.0],), {}),
        ("asarray", ([1, 2],), {"dtype": torch.float64}),
        ("from_numpy", (np.array([1, 2]),), {}),
        ("zeros_like", (torch.ones(2),), {}),
        ("ones_like", (torch.ones(2),), {"dtype": torch.int64}),
        ("full_like", (torch.ones(2), 3.0), {}),
    ],
)
def test_values_are_torchs(name, args, kwargs):
    got = getattr(nx, name)(*args, **kwargs)
    assert type(got) is nx.LiteTensor
    torch.testing.assert_close(got.data, getattr(torch, name)(*args, **kwargs), rtol=0, atol=0)


def test_tensor_copies_and_as_tensor_shares():
    for source in (torch.ones(2), np.ones(2), nx.ones(2)):
        assert nx.tensor(source).data.data_ptr() != nx.LiteTensor(source).data.data_ptr()
        assert nx.as_tensor(source).data.data_ptr() == nx.LiteTensor(source).data.data_ptr()
    x = nx.ones(2)
    assert nx.as_tensor(x) is x


def test_as_tensor_is_differentiable():
    assert nx.grad(lambda x: (nx.as_tensor(x, dtype=torch.float64) ** 2).sum())(nx.tensor([3.0])).tolist() == [6.0]


def test_full_of_a_tensor_is_differentiable():
    assert nx.grad(lambda v: nx.full((2, 3), v))(2.0).item() == 6.0
    assert nx.full(2, nx.tensor(1.5)).tolist() == [1.5, 1.5]
    with pytest.raises(nx.InputError, match="one value"):
        nx.full((2,), nx.ones(2))


def test_the_default_dtype_is_torchs():
    torch.set_default_dtype(torch.float64)
    try:
        assert nx.zeros(2).dtype == nx.rand(2).dtype == nx.tensor(1.0).dtype == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_one_hot():
    rows = [[1, 0, 0], [0, 0, 1]]
    for numbers in (nx.tensor([0, 2]), torch.tensor([0, 2]), [0, 2]):
        assert nx.one_hot(numbers).tolist() == rows
    assert torch.nn.functional.one_hot(nx.tensor([0, 2]), 3).tolist() == rows
    assert nx.one_hot(nx.tensor(1), 4).tolist() == [0, 1, 0, 0]
    with pytest.raises(RuntimeError, match="smaller than num_classes"):
        nx.one_hot(nx.tensor([5]), 3)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: torch.full((x,), 1.0),
        lambda x: torch.nn.functional.one_hot(torch.tensor([0, 1]), x),
        lambda x: torch.repeat_interleave(x, output_size=x),
        lambda x: torch.combinations(nx.ones(3), 2, x),
    ],
    ids=["full", "one_hot", "repeat_interleave", "combinations"],
)
def test_a_lite_tensor_where_torch_takes_no_tensor(call):
    with pytest.raises(TypeError, match=r"can't be a tensor, and a LiteTensor was given(.|\n)*x\.item\(\)"):
        call(nx.tensor([2, 1]))


def test_an_endless_recursion_of_the_users_own_stays_one():
    def endless(x):
        return torch.sin(endless(x))

    with pytest.raises(RecursionError):
        endless(nx.ones(2))


def test_the_base_of_logspace():
    assert torch.logspace(0.0, 2.0, 3, base=nx.tensor(2.0)).tolist() == [1.0, 2.0, 4.0]
