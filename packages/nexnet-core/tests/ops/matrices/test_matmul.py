"""Products of matrices and vectors beside torch, for all ranks, and what they keep for backward."""

import pytest
import torch

import nexnet as nx

SHAPES = [
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 4)),
    ((2, 3), (3, 4)),
    ((5, 2, 3), (3,)),
    ((3,), (5, 3, 4)),
    ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)),
    ((5, 2, 3), (5, 3, 4)),
    ((6, 1, 2, 3), (5, 3, 4)),
    ((0, 3), (3, 4)),
    ((2, 0), (0, 4)),
    ((5, 2, 3), (1, 3, 0)),
]


@pytest.mark.parametrize(("left", "right"), SHAPES)
def test_matmul_of_all_ranks(left, right, check_against_torch, draw):
    check_against_torch(nx.matmul, torch.matmul, draw(*left), draw(*right), order=3)
    check_against_torch(
        lambda a: a @ a.mT if a.ndim > 1 else a @ a, lambda a: a @ a.mT if a.ndim > 1 else a @ a, draw(*left)
    )


@pytest.mark.parametrize(
    ("name", "left", "right"),
    [
        ("mm", (2, 3), (3, 4)),
        ("bmm", (5, 2, 3), (5, 3, 4)),
        ("mv", (2, 3), (3,)),
        ("dot", (3,), (3,)),
        ("vdot", (3,), (3,)),
        ("outer", (3,), (4,)),
        ("inner", (3,), (3,)),
        ("inner", (2, 3), (4, 3)),
        ("inner", (5, 2, 3), (3,)),
        ("inner", (2, 3), (5, 4, 3)),
        ("inner", (), (2, 3)),
    ],
)
def test_products_of_fixed_rank(name, left, right, check_against_torch, draw):
    check_against_torch(getattr(nx, name), getattr(torch, name), draw(*left), draw(*right), order=3)
    check_against_torch(
        lambda a, b: getattr(a, name)(b), lambda a, b: getattr(a, name)(b), draw(*left), draw(*right), order=1
    )


@pytest.mark.parametrize("name", ["mm", "bmm", "mv", "dot"])
def test_products_of_fixed_rank_refuse_others(name, draw):
    with pytest.raises(RuntimeError, match=r"(?i)expected|must be|vector|matrix|1D|3D"):
        getattr(nx, name)(nx.LiteTensor(draw(2, 2, 2, 2)), nx.LiteTensor(draw(2, 2, 2, 2)))


def test_shapes_that_do_not_fit_are_refused(draw):
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        nx.LiteTensor(draw(2, 3)) @ nx.LiteTensor(draw(2, 3))


def test_operands_without_gradient_may_be_of_any_kind(check_against_torch, draw):
    matrix = draw(3, 4)
    check_against_torch(lambda a: a @ matrix.numpy(), lambda a: a @ matrix, draw(2, 3))
    check_against_torch(lambda a: matrix.T @ a, lambda a: matrix.T @ a, draw(3, 2))
    check_against_torch(lambda a: matrix.T.numpy() @ a, lambda a: matrix.T @ a, draw(3, 2))


def test_a_number_is_no_operand(draw):
    with pytest.raises(TypeError, match="unsupported operand"):
        nx.LiteTensor(draw(2, 3)) @ 2.0


@pytest.mark.parametrize("scale", [{}, {"beta": 0.5, "alpha": 2.0}])
@pytest.mark.parametrize("added", [(2, 4), (4,), (2, 1), (1,)])
def test_addmm(added, scale, check_against_torch, draw):
    check_against_torch(
        lambda c, a, b: nx.addmm(c, a, b, **scale),
        lambda c, a, b: torch.addmm(c, a, b, **scale),
        draw(*added),
        draw(2, 3),
        draw(3, 4),
    )


@pytest.mark.parametrize("scale", [{}, {"beta": 0.5, "alpha": 2.0}])
def test_baddbmm(scale, check_against_torch, draw):
    check_against_torch(
        lambda c, a, b: nx.baddbmm(c, a, b, **scale),
        lambda c, a, b: torch.baddbmm(c, a, b, **scale),
        draw(2, 1),
        draw(5, 2, 3),
        draw(5, 3, 4),
    )


# bilinear ------------------------------------------------------------------------------------------------------------


def test_bilinear(check_against_torch, draw):
    fn = torch.nn.functional.bilinear
    check_against_torch(nx.bilinear, fn, draw(5, 3), draw(5, 4), draw(2, 3, 4), draw(2))
    check_against_torch(nx.bilinear, fn, draw(6, 5, 3), draw(6, 5, 4), draw(2, 3, 4))


# What is kept, and for whom ------------------------------------------------------------------------------------------


def saved_tensors(fn, *inputs):
    """The values that the rules of one evaluation saved, by the identity of their storage."""
    _, tape = nx.trace(fn)(*inputs)
    (node,) = [node for node in tape.nodes if node.name != "sum"]
    return {each.data_ptr() for each in node.saved if isinstance(each, torch.Tensor)}


@pytest.mark.parametrize("operator", [nx.matmul, nx.mm, lambda a, b: nx.linear(a, b)])
def test_a_product_keeps_only_what_a_wanted_gradient_needs(operator, draw):
    a, b = nx.LiteTensor(draw(3, 3)), nx.LiteTensor(draw(3, 3))
    assert saved_tensors(lambda a: operator(a, b), a) == {b.data.data_ptr()}
    assert saved_tensors(lambda b: operator(a, b), b) == {a.data.data_ptr()}
    assert saved_tensors(operator, a, b) == {a.data.data_ptr(), b.data.data_ptr()}


# einsum --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ij,jk->ik", [(2, 3), (3, 4)]),
        ("ij,jk", [(2, 3), (3, 4)]),
        ("bij,bjk->bik", [(5, 2, 3), (5, 3, 4)]),
        ("i,i", [(3,), (3,)]),
        ("ij->ji", [(2, 3)]),
        ("ij->", [(2, 3)]),
        ("ij->i", [(2, 3)]),
        ("ii->i", [(3, 3)]),
        ("ii", [(3, 3)]),
        ("iij,j->i", [(3, 3, 2), (2,)]),
        ("iii->i", [(3, 3, 3)]),
        ("i,j->ij", [(3,), (2,)]),
        ("i,j->i", [(3,), (2,)]),
        ("ij,ik,il->jkl", [(2, 3), (2, 4), (2, 2)]),
        ("...ij,...jk->...ik", [(5, 2, 3), (3, 4)]),
        ("...ij,jk", [(6, 5, 2, 3), (3, 4)]),
        ("i...,i...->...", [(3, 1, 2), (3, 5, 1)]),
        ("b i j , b j -> b i", [(5, 2, 3), (5, 3)]),
        ("aB,Bc->ac", [(2, 3), (3, 4)]),
        ("ij,jk->ik", [(2, 1), (3, 4)]),
        (",i->i", [(), (3,)]),
    ],
)
def test_einsum(equation, shapes, check_against_torch, draw):
    check_against_torch(
        lambda *x: nx.einsum(equation, *x), lambda *x: torch.einsum(equation, *x), *[draw(*each) for each in shapes]
    )


@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.float32], ids=str)
def test_einsum_with_a_mask_or_another_dtype(dtype, check_against_torch, draw):
    mask = torch.tensor([[True, False], [True, True], [False, True]]).to(dtype)  # to route tokens to experts
    check_against_torch(
        lambda x, y: nx.einsum("bm,be,b->ebm", x, mask, y),
        lambda x, y: torch.einsum("bm,be,b->ebm", x, mask, y),
        draw(3, 4),
        draw(3),
    )


def test_einsum_to_third_order_with_one_tensor_twice(check_against_torch, draw):
    check_against_torch(
        lambda x: torch.einsum("ij,kj,ii->ik", x, x, x),
        lambda x: torch.einsum("ij,kj,ii->ik", x, x, x),
        draw(3, 3),
        order=3,
    )


def test_einsum_of_a_list_and_wrong_equations(draw):
    x = nx.LiteTensor(draw(2, 3))
    assert nx.einsum("ij->ji", [x]).shape == (3, 2)
    with pytest.raises(RuntimeError, match="subscript"):
        nx.einsum("ijk->i", x)
    with pytest.raises(nx.InputError, match="equation"):
        nx.einsum(3, x)
