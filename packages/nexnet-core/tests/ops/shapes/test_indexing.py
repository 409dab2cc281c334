"""Indexing in every form, x.at[...], gather and scatter, beside torch and numpy."""

import numpy as np
import pytest
import torch

import nexnet as nx

I, J = torch.tensor([2, 0, 2]), torch.tensor([[0, 1, -1], [1, 0, 2]])  # noqa: E741
MASK = torch.tensor([[True, False, True, True], [False, False, True, False], [True, True, False, False]])
ROWS = torch.tensor([True, False, True])

INDICES = {
    "int": 1,
    "negative int": -1,
    "slice": slice(1, None),
    "steps": (slice(None), slice(None, None, 2)),
    "ints": (1, 2, 3),
    "None": None,
    "None within": (slice(None), None, 1),
    "Ellipsis": ...,
    "Ellipsis and int": (..., 1),
    "int, Ellipsis and slice": (1, ..., slice(1, 3)),
    "nothing": (),
    "empty slice": (slice(2, 2), 0),
    "tensor": I,
    "matrix of indices": J,
    "tensor behind a slice": (slice(None), I),
    "tensor behind an Ellipsis": (..., I),
    "two tensors": (I, I),
    "two that broadcast": (J, I),
    "two apart": (I, slice(None), I),
    "two apart beside an int": (I, 1, I),
    "an int before a slice and a tensor": (0, slice(None), I),
    "tensor, None, tensor": (I, None, I),
    "int32": I.to(torch.int32),
    "tensor without dimensions": torch.tensor(1),
    "tensor without dimensions beside a slice": (slice(None), torch.tensor(-1)),
    "tensor without dimensions, slice, tensor": (torch.tensor(1), slice(None), I),
    "empty tensor": torch.zeros(0, dtype=torch.int64),
    "mask of all": MASK[:, :, None].expand(3, 4, 5),
    "mask of rows": ROWS,
    "mask of two dimensions": MASK,
    "mask behind a slice": (slice(None), torch.tensor([True, False, False, True])),
    "mask, then slice": (MASK, slice(1, 3)),
    "mask behind an Ellipsis": (..., torch.tensor([True, False, False, True, True])),
    "mask and tensor": (ROWS, torch.tensor([0, 3])),
    "empty mask": torch.zeros(3, dtype=torch.bool),
    "True": True,
    "False": False,
    "mask without dimensions": torch.tensor(True),
    "slice and None and tensor": (slice(1, None), None, I),
}


@pytest.mark.parametrize("name", INDICES)
def test_every_form_of_index(name, check_against_torch, draw):
    index = INDICES[name]
    check_against_torch(lambda x: x[index] ** 2, lambda x: x[index] ** 2, draw(3, 4, 5))


@pytest.mark.parametrize("kind", [nx.LiteTensor, torch.Tensor.numpy, torch.Tensor.tolist])
@pytest.mark.parametrize("index", [I, J, MASK, ROWS])
def test_index_tensors_of_every_kind(kind, index, draw):
    x = draw(3, 4, 5)
    lite = nx.LiteTensor(x)
    assert torch.equal(lite[kind(index)].data, x[index])
    assert torch.equal(lite[kind(index), ...].data, x[index])
    assert torch.equal(
        nx.grad(lambda x: x[kind(index)])(lite).data, torch.autograd.functional.jacobian(lambda x: x[index].sum(), x)
    )


def test_index_objects_of_other_kinds(draw):
    x = draw(3, 4)
    lite = nx.LiteTensor(x)
    assert torch.equal(lite[np.int64(1)].data, x[1])
    assert torch.equal(lite[nx.tensor(1)].data, x[1])
    assert torch.equal(lite[range(2)].data, x[:2])
    assert torch.equal(lite[[]].data, x[:0])
    assert torch.equal(lite[[nx.tensor(1), 0]].data, x[[1, 0]])
    assert torch.equal(lite[nx.tensor(1) : nx.tensor(3)].data, x[1:3])


@pytest.mark.parametrize("index", ["a", 1.0, {}])
def test_what_is_no_index_is_refused(index, draw):
    with pytest.raises(nx.InputError, match="can't be indexed by this"):
        nx.LiteTensor(draw(3))[index]


@pytest.mark.parametrize("index", [3, (0, 0), [3], torch.tensor([0.5])])
def test_an_index_that_does_not_fit_is_refused(index, draw):
    with pytest.raises(IndexError):
        nx.LiteTensor(draw(3))[index]


def test_a_second_ellipsis_is_refused(draw):
    with pytest.raises(IndexError, match="single Ellipsis"):
        nx.LiteTensor(draw(3, 3))[..., I, ...]


def test_gradients_of_repeated_elements_add_up():
    assert nx.grad(lambda x: x[[0, 0, 2]])(nx.zeros(3)).tolist() == [2.0, 0.0, 1.0]


def test_iteration_and_unpacking(draw):
    x = nx.LiteTensor(draw(2, 3))
    _, second = x
    assert torch.equal(second.data, x.data[1])
    assert nx.grad(lambda x: sum(row[0] for row in x))(x).tolist() == [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
    with pytest.raises(TypeError, match="0-d"):
        iter(nx.tensor(1.0))


# x.at[...] -----------------------------------------------------------------------------------------------------------


def torch_put(x, index, v, accumulate=False):
    """What x.at[index].set(v) and .add(v) are, in torch, with a gradient for both."""
    numbers = torch.arange(x.numel()).reshape(x.shape)[index]
    v = v.expand(numbers.shape) if v.ndim <= numbers.ndim else v.reshape(numbers.shape)
    return x.reshape(-1).index_put((numbers.reshape(-1),), v.reshape(-1), accumulate).reshape(x.shape)


@pytest.mark.parametrize("name", INDICES)
def test_add_at_every_form_of_index(name, check_against_torch, draw):
    x, index = draw(3, 4, 5), INDICES[name]
    v = draw(*x[index].shape)
    check_against_torch(
        lambda x, v: x.at[index].add(v) ** 2, lambda x, v: torch_put(x, index, v, accumulate=True) ** 2, x, v
    )


def _repeats(index):
    numbers = torch.arange(60).reshape(3, 4, 5)[index]
    return len(numbers.unique()) < numbers.numel()


@pytest.mark.parametrize("name", [name for name, index in INDICES.items() if not _repeats(index)])
def test_set_at_every_form_of_index(name, check_against_torch, draw):
    x, index = draw(3, 4, 5), INDICES[name]
    v = draw(*x[index].shape)
    check_against_torch(lambda x, v: x.at[index].set(v) ** 2, lambda x, v: torch_put(x, index, v) ** 2, x, v)


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 1), (1, 2, 3), (1, 1)])
@pytest.mark.parametrize("index", [slice(1, 3), torch.tensor([3, 1]), [True, False, True, False]], ids=str)
def test_values_broadcast_and_are_summed_back(index, shape, check_against_torch, draw):
    def reference(x, v, accumulate):
        return torch_put(x, index, v.expand(1, 2, 3).reshape(2, 3), accumulate)

    x, v = draw(4, 3), draw(*shape)
    check_against_torch(lambda x, v: x.at[index].set(v), lambda x, v: reference(x, v, False), x, v)
    check_against_torch(lambda x, v: x.at[index].add(v), lambda x, v: reference(x, v, True), x, v)


def test_at_leaves_the_tensor_as_it_was(draw):
    x = nx.LiteTensor(draw(3))
    before = x.tolist()
    y = x.at[1].set(9.0)
    assert x.tolist() == before
    assert y.tolist() == [before[0], 9.0, before[2]]
    assert x.at[1].get().item() == before[1]


def test_values_of_every_kind(draw):
    x = nx.LiteTensor(draw(3))
    for value in (2, 2.0, np.float64(2), np.array([2.0, 2.0]), [2.0, 2.0], torch.tensor(2), nx.tensor(2.0), True + 1):
        assert x.at[1:].set(value).tolist()[1:] == [2.0, 2.0]
        assert x.at[[1, 2]].set(value).tolist()[1:] == [2.0, 2.0]
        assert x.at[1:].set(value).dtype == torch.float64


def test_values_take_the_tensors_dtype(check_against_torch, draw):
    check_against_torch(
        lambda x, v: x.at[1:].set(v), lambda x, v: torch.cat([x[:1], v.double()]), draw(3), draw(2, dtype=torch.float32)
    )


def test_set_at_repeated_indices_gives_each_value_the_whole_gradient():
    x, v = nx.zeros(3), nx.ones(2)
    dx, dv = nx.grad(lambda x, v: x.at[[1, 1]].set(v) * 5, (0, 1))(x, v)
    assert dx.tolist() == [5.0, 0.0, 5.0]
    assert dv.tolist() == [5.0, 5.0]


def test_item_assignment_names_at(draw):
    x = nx.LiteTensor(draw(3))
    with pytest.raises(nx.InputError, match=r"x\.at\[i\]\.set\(v\)"):
        x[0] = 1.0
    with pytest.raises(nx.InputError, match=r"x\.at\[i\]\.set\(v\)"):
        x[0] += 1.0


def test_index_put(check_against_torch, draw):
    for accumulate in (True, False):
        check_against_torch(
            lambda x, v, a=accumulate: torch.index_put(x, (torch.tensor([2, 0]),), v, a),
            lambda x, v, a=accumulate: torch.index_put(x, (torch.tensor([2, 0]),), v, a),
            draw(3, 2),
            draw(2),
        )


# By dimension --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_gather(dim, check_against_torch, draw):
    index = torch.tensor([[0, 2, 1], [2, 2, 0]])
    check_against_torch(lambda x: nx.gather(x, dim, index) ** 2, lambda x: torch.gather(x, dim, index) ** 2, draw(3, 3))
    lite = nx.LiteTensor(index)
    check_against_torch(lambda x: x.gather(dim=dim, index=lite), lambda x: torch.gather(x, dim, index), draw(3, 3))


def test_scalars_by_dimension(check_against_torch, draw):
    zero = torch.tensor(0)
    check_against_torch(lambda x: nx.gather(x, 0, zero), lambda x: torch.gather(x, 0, zero), draw())
    check_against_torch(lambda x: nx.index_select(x, 0, zero), lambda x: torch.index_select(x, 0, zero), draw())


@pytest.mark.parametrize("dim", [0, 1])
def test_scatter_and_scatter_add(dim, check_against_torch, draw):
    distinct, repeated = torch.tensor([[0, 2, 1], [2, 1, 0]]), torch.tensor([[0, 2, 2], [0, 2, 0]])
    for name, index in (("scatter", distinct), ("scatter_add", repeated)):
        check_against_torch(
            lambda x, s, n=name, i=index: getattr(nx, n)(x, dim, i, s) ** 2,
            lambda x, s, n=name, i=index: getattr(torch, n)(x, dim, i, s) ** 2,
            draw(3, 3),
            draw(2, 3),
        )


def test_scatter_of_numbers_and_of_a_larger_source(check_against_torch, draw):
    index = torch.tensor([[0, 2], [2, 1]])
    check_against_torch(lambda x: x.scatter(1, index, 3.0), lambda x: x.scatter(1, index, 3.0), draw(3, 3))
    check_against_torch(lambda x: x.scatter(1, index, value=3.0), lambda x: x.scatter(1, index, value=3.0), draw(3, 3))
    check_against_torch(
        lambda x, s: x.scatter(1, index, s), lambda x, s: x.scatter(1, index, s[:2, :2]), draw(3, 3), draw(3, 4)
    )
    check_against_torch(
        lambda x, s: x.scatter_add(1, index, s), lambda x, s: x.scatter_add(1, index, s[:2, :2]), draw(3, 3), draw(3, 4)
    )


@pytest.mark.parametrize("dim", [0, 1])
def test_index_select_and_index_add(dim, check_against_torch, draw):
    index = torch.tensor([2, 0, 2])
    check_against_torch(
        lambda x: nx.index_select(x, dim, index) ** 2, lambda x: torch.index_select(x, dim, index) ** 2, draw(3, 3)
    )
    for alpha in (1, 2.5):
        check_against_torch(
            lambda x, s, a=alpha: nx.index_add(x, dim, index, s, alpha=a) ** 2,
            lambda x, s, a=alpha: torch.index_add(x, dim, index, s, alpha=a) ** 2,
            draw(3, 3),
            draw(3, 3),
        )


def test_take_and_take_along_dim(check_against_torch, draw):
    index = torch.tensor([[0, 2], [5, 0]])
    check_against_torch(lambda x: nx.take(x, index), lambda x: torch.take(x, index), draw(2, 3))
    check_against_torch(lambda x: nx.take_along_dim(x, index), lambda x: torch.take_along_dim(x, index), draw(2, 3))
    order = torch.tensor([[1, 0, 1]])
    check_against_torch(
        lambda x: nx.take_along_dim(x, order, dim=0), lambda x: torch.take_along_dim(x, order, dim=0), draw(2, 3)
    )
    wide = torch.tensor([[[1, 0]], [[2, 2]]])
    check_against_torch(
        lambda x: nx.take_along_dim(x, wide, 2), lambda x: torch.take_along_dim(x, wide, 2), draw(1, 4, 3)
    )


# Masks ---------------------------------------------------------------------------------------------------------------


def test_masked_fill(check_against_torch, draw):
    check_against_torch(
        lambda x: nx.masked_fill(x, MASK, 2.0) ** 2, lambda x: x.masked_fill(MASK, 2.0) ** 2, draw(3, 4)
    )
    check_against_torch(
        lambda x, v: nx.masked_fill(x, MASK, v) ** 2, lambda x, v: x.masked_fill(MASK, v) ** 2, draw(3, 4), draw()
    )
    check_against_torch(lambda x: x.masked_fill(MASK, 2.0), lambda x: x.masked_fill(MASK, 2.0), draw(4))
    check_against_torch(
        lambda x: x.masked_fill(ROWS[:, None], 2.0), lambda x: x.masked_fill(ROWS[:, None], 2.0), draw(3, 4)
    )


def test_masked_select(check_against_torch, draw):
    check_against_torch(
        lambda x: nx.masked_select(x, MASK) ** 2, lambda x: torch.masked_select(x, MASK) ** 2, draw(3, 4)
    )
    check_against_torch(lambda x: nx.masked_select(x, MASK), lambda x: torch.masked_select(x, MASK), draw(4))


# Under vmap ----------------------------------------------------------------------------------------------------------

BATCHED = {
    "index": lambda x, i: x[i],
    "index in another dimension": lambda x, i: x[:, i],
    "index in another dimension, and more": lambda x, i: nx.exp(x[:, i]) * x[:, i],
    "index beside an int": lambda x, i: x[1, i],
    "index without dimensions": lambda x, i: x[:, i[0]],
    "set": lambda x, i: x.at[i].set(0.5),
    "set in a part": lambda x, i: x.at[1:, i].set(x[0, 0]),
    "add": lambda x, i: x.at[i].add(x[0]),
}


@pytest.mark.parametrize("name", BATCHED)
@pytest.mark.parametrize("in_dims", [(0, 0), (None, 0), (0, None)], ids=str)
def test_batches_of_indices(name, in_dims, draw):
    fn = BATCHED[name]
    x, i = nx.LiteTensor(draw(3, 4, 4)), nx.tensor([[1, 0, 2], [2, 3, 0], [1, 2, 3]])
    x, i = (x if in_dims[0] == 0 else x[0]), (i if in_dims[1] == 0 else i[0])
    for each in (fn, nx.grad(fn)):
        got = nx.vmap(each, in_dims)(x, i)
        rows = [each(x[j] if in_dims[0] == 0 else x, i[j] if in_dims[1] == 0 else i) for j in range(3)]
        torch.testing.assert_close(got.data, nx.stack(rows).data)
