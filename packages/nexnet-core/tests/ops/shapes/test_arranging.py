"""Tensors turned, split, repeated, combined, and put in each other's place: against torch, and torch's errors."""

import pytest
import torch

import nexnet as nx

REPEATS = torch.tensor([2, 0, 1])
MASK = torch.tensor([[True, False, True], [False, True, True]])

CALLS = {
    "rot90": lambda f, x: [f.rot90(x), f.rot90(x, 3, [1, 0]), x.rot90(2)],
    "diagflat": lambda f, x: [f.diagflat(x, 1), x.diagflat()],
    "block_diag": lambda f, x: [f.block_diag(x, x[0], x[0, 0])],
    "meshgrid": lambda f, x: [*f.meshgrid(x[0], x[1], indexing="xy"), *f.meshgrid([x[0], x[1, 0]], indexing="ij")],
    "cartesian_prod": lambda f, x: [f.cartesian_prod(x[0], x[1]), f.cartesian_prod(x[0])],
    "combinations": lambda f, x: [f.combinations(x[0]), f.combinations(x[0], 2, True), f.combinations(x[0], 1)],
    "repeat_interleave": lambda f, x: [
        f.repeat_interleave(x, 2),
        f.repeat_interleave(x, 3, dim=0),
        x.repeat_interleave(REPEATS, 1),
        f.repeat_interleave(x, REPEATS, dim=-1, output_size=3),
        f.repeat_interleave(x, torch.tensor([2]), 0),
    ],
    "as_strided": lambda f, x: [f.as_strided(x, (2, 2), (1, 2)), x.as_strided((4,), (1,), 1)],
    "column_stack": lambda f, x: [f.column_stack([x[0], x[1]]), f.column_stack([x, x[:, 0]])],
    "row_stack": lambda f, x: [f.row_stack([x[0], x])],
    "tensor_split": lambda f, x: [
        *f.tensor_split(x, 2, dim=1),
        *f.tensor_split(x, [2, 1], dim=1),
        *x.tensor_split((1, -1), 1),
        *f.tensor_split(x, torch.tensor([1, 2]), 1),
    ],
    "hsplit": lambda f, x: [*f.hsplit(x, 3), *f.hsplit(x[0], [1]), *x.hsplit([2])],
    "vsplit": lambda f, x: [*f.vsplit(x, 2), *x.vsplit([1])],
    "dsplit": lambda f, x: [*f.dsplit(x.reshape(1, 1, 6), 3), *x.reshape(1, 2, 3).dsplit([1, 2])],
    "split_with_sizes": lambda f, x: [*f.split_with_sizes(x, [1, 2], 1), *x.split_with_sizes((1, 1))],
    "unsafe": lambda f, x: [*f.unsafe_chunk(x, 2, 1), *f.unsafe_split(x, 2, 1), *x.unsafe_split_with_sizes([1, 2], 1)],
    "select_scatter": lambda f, x: [f.select_scatter(x, x[0] * 2, 0, -1), x.select_scatter(x[:, 0], 1, 2)],
    "slice_scatter": lambda f, x: [f.slice_scatter(x, x[:, :2] ** 2, 1, 0, 3, 2), x.slice_scatter(x[:1], 0, -1)],
    "diagonal_scatter": lambda f, x: [f.diagonal_scatter(x, x[0, :2]), x.diagonal_scatter(x[1, :1], -1)],
    "masked_scatter": lambda f, x: [f.masked_scatter(x, MASK, x**2), x[0].masked_scatter(MASK[0], x)],
    "put": lambda f, x: [f.put(x, REPEATS, x[0] ** 2, True), x.put(torch.tensor([-1, 0]), x[1, :2])],
    "fill": lambda f, x: [f.fill(x, x[0, 0]), f.fill(x, 2.0)],
    "diff": lambda f, x: [
        f.diff(x),
        x.diff(2),
        f.diff(x, dim=0),
        f.diff(x, 1, 1, x[:, :1], x),
        f.diff(x, n=0),
        f.diff(x, 5),
        f.diff(x[:, :1]),
    ],
    "trapezoid": lambda f, x: [
        f.trapezoid(x),
        f.trapz(x, dx=2.0, dim=0),
        f.trapezoid(x, x[0] ** 2),
        f.trapezoid(x, x**2, dim=0),
    ],
    "cumulative_trapezoid": lambda f, x: [
        f.cumulative_trapezoid(x),
        f.cumulative_trapezoid(x, dx=0.5, dim=0),
        f.cumulative_trapezoid(x, x[1]),
    ],
    "gradient": lambda f, x: [
        *f.gradient(x[0]),
        *f.gradient(x, spacing=2.0, dim=1, edge_order=2),
        *f.gradient(x, spacing=[2.0, 3.0]),
        *f.gradient(x, spacing=[torch.tensor([0.0, 3.0]).double(), torch.tensor([0.0, 1.0, 3.0]).double()]),
        *f.gradient(x, spacing=[x[0] ** 3], dim=[1], edge_order=2),
    ],
}


@pytest.mark.parametrize("name", CALLS)
def test_against_torch(name, draw, check_against_torch):
    call = CALLS[name]
    check_against_torch(lambda x: call(nx, x), lambda x: call(torch, x), draw(2, 3))
    check_against_torch(lambda x: call(torch, x), lambda x: call(torch, x), draw(2, 3), order=1)


def test_as_strided_of_what_shares_memory(draw, check_against_torch):
    x = draw(3).expand(2, 3)
    check_against_torch(lambda x: nx.as_strided(x, (2,), (1,)), lambda x: torch.as_strided(x, (2,), (1,)), x, order=1)


def test_what_can_not_be_split_so():
    with pytest.raises(nx.errors.InputError, match="the number of pieces divides"):
        nx.hsplit(nx.ones(2, 3), 2)
    with pytest.raises(nx.errors.InputError, match="3 dimensions or more"):
        nx.dsplit(nx.ones(2, 3), 1)
    with pytest.raises(RuntimeError, match="larger than 0"):
        nx.tensor_split(nx.ones(3), 0)
    with pytest.raises(nx.errors.InputError, match="made of vectors"):
        nx.meshgrid(nx.ones(2, 2))
    with pytest.raises(RuntimeError, match="at least one-dimensional"):
        nx.diff(nx.ones(()))
    with pytest.raises(nx.errors.InputError, match="more elements than that"):
        nx.gradient(nx.ones(2), edge_order=2)


def test_a_copy_has_memory_of_its_own(draw, check_against_torch):
    x = nx.LiteTensor(draw(2, 3))
    for call in (
        lambda f, x: f.narrow_copy(x, 1, 1, 2),
        lambda f, x: x.narrow_copy(0, 1, 1),
        lambda f, x: f.transpose_copy(x, 0, 1),
        lambda f, x: f.expand_copy(x, (4, 2, 3)),
        lambda f, x: f.slice_copy(x, 1, 0, 3, 2),
        lambda f, x: f.unbind_copy(x)[1],
        lambda f, x: f.view_copy(x, (3, 2)),
    ):
        check_against_torch(lambda x, c=call: c(nx, x), lambda x, c=call: c(torch, x), x.data)
        check_against_torch(lambda x, c=call: c(torch, x), lambda x, c=call: c(torch, x), x.data, order=1)
        assert call(nx, x).data.untyped_storage().data_ptr() != x.data.untyped_storage().data_ptr()


@pytest.mark.parametrize("repeated", [False, True])
def test_combinations_of_more_elements_than_torch_could_look_through(repeated):
    """Of 4 elements there are 4^13 rows of 13, and few in order."""
    x = torch.arange(1.0, 5.0)
    value, grad = nx.value_and_grad(lambda x: nx.combinations(x, 13, repeated).sum())(x)
    rows = 560 if repeated else 0
    assert nx.combinations(nx.LiteTensor(x), 13, repeated).shape == (rows, 13)
    assert grad.tolist() == [rows * 13 / 4] * 4
    assert value.item() == rows * 13 * 2.5
    of_six = nx.combinations(nx.arange(24.0), 6)
    assert torch.equal(of_six[:3].data, torch.tensor([[0.0, 1, 2, 3, 4, each] for each in (5, 6, 7)]))


def test_combinations_of_no_number_of_elements():
    with pytest.raises(TypeError, match=r"integer|index"):
        nx.combinations(nx.ones(3), nx.ones(2))
