"""nexnet.tree: pytrees of tensors, and the vector of all their elements."""

import numpy
import pytest
import torch

import nexnet as nx

TREE = {"b": (1.0, [2.0]), "a": 3.0, "none": None}


def test_flatten_and_unflatten():
    leaves, structure = nx.tree.flatten(TREE)
    assert leaves == nx.tree.leaves(TREE) == [3.0, 1.0, 2.0]  # dicts by sorted key; None is no leaf
    assert structure == nx.tree.structure(TREE) != nx.tree.structure({"a": 1.0})
    assert nx.tree.unflatten(structure, leaves) == TREE
    assert nx.tree.paths(structure) == ["a", "b.0", "b.1.0"]
    assert nx.tree.unflatten(structure, iter([0, 1, 2])) == {"b": (1, [2]), "a": 0, "none": None}


@pytest.mark.parametrize("kind", [tuple, list])
@pytest.mark.parametrize("count", [0, 1, 16, 17, 100])
def test_tensors_side_by_side_have_the_structure_that_optree_gives(kind, count):
    tree = kind(nx.ones(1) for _ in range(count))
    leaves, structure = nx.tree.flatten(tree)
    assert structure == nx.tree.structure(kind([0] * count))
    assert len(leaves) == count
    assert all(a is b for a, b in zip(leaves, tree, strict=True))
    again = nx.tree.unflatten(structure, leaves)
    assert type(again) is kind
    assert all(a is b for a, b in zip(again, tree, strict=True))


def test_unflatten_counts_the_leaves():
    with pytest.raises(nx.InputError, match=r"as many leaves(.|\n)*3 leaves(.|\n)*got: +2"):
        nx.tree.unflatten(nx.tree.structure(TREE), [1, 2])


def test_map():
    assert nx.tree.map(lambda x: -x, TREE) == {"b": (-1.0, [-2.0]), "a": -3.0, "none": None}
    assert nx.tree.map(lambda x, y: x + y, (1, [2]), (10, [20])) == (11, [22])
    assert nx.tree.map(lambda scale, branch: [scale * each for each in branch], (2, 3), ([1, 2], [3])) == ([2, 4], [9])


def test_map_of_trees_that_do_not_match():
    with pytest.raises(nx.InputError, match=r"trees do not match(.|\n)*one structure"):
        nx.tree.map(lambda x, y: x, (1, 2), (1, 2, 3))


def test_map_leaves_the_functions_own_errors_alone():
    with pytest.raises(ValueError, match="invalid literal") as caught:
        nx.tree.map(int, ("one",))
    assert not isinstance(caught.value, nx.InputError)


def test_map_is_differentiable():
    gradient = nx.grad(lambda tree: sum(nx.tree.leaves(nx.tree.map(lambda x: x * x, tree))))({"x": 3.0, "y": (4.0,)})
    assert (gradient["x"].item(), gradient["y"][0].item()) == (6.0, 8.0)


class TestRavel:
    def test_there_and_back(self):
        tree = {"w": nx.LiteTensor([[1.0, 2.0], [3.0, 4.0]]), "b": [torch.tensor(5.0), numpy.float32(6.0), 7.0]}
        vector, unravel = nx.tree.ravel(tree)
        assert vector.tolist() == [5, 6, 7, 1, 2, 3, 4]
        back = unravel(vector * 10)
        assert nx.tree.structure(back) == nx.tree.structure(tree)
        assert (back["w"].tolist(), [each.item() for each in back["b"]]) == ([[10, 20], [30, 40]], [50, 60, 70])

    def test_dtypes_promote_and_come_back(self):
        tree = (torch.ones(2, dtype=torch.float64), torch.ones(2, dtype=torch.float32), 3)
        vector, unravel = nx.tree.ravel(tree)
        assert vector.dtype is torch.float64
        assert [each.dtype for each in unravel(vector)] == [torch.float64, torch.float32, torch.int64]

    def test_empty_trees_and_tensors(self):
        vector, unravel = nx.tree.ravel({"none": None})
        assert (vector.shape, unravel(vector)) == ((0,), {"none": None})
        vector, unravel = nx.tree.ravel((torch.zeros(0, 3), torch.ones(())))
        assert (vector.tolist(), unravel(vector)[0].shape) == ([1], (0, 3))

    def test_is_differentiable_at_every_order(self):
        tree = {"x": torch.tensor([1.0, 2.0]), "y": torch.tensor(3.0)}

        def by_tree(tree):
            return (nx.tree.ravel(tree)[0] ** 3).sum()

        _, unravel = nx.tree.ravel(tree)

        def by_vector(vector):
            parts = unravel(vector)
            return (parts["x"] ** 3).sum() * parts["y"]

        gradient = nx.grad(by_tree)(tree)
        assert (gradient["x"].tolist(), gradient["y"].item()) == ([3, 12], 27)
        vector = nx.LiteTensor([1.0, 2.0, 3.0])
        assert nx.grad(by_vector)(vector).tolist() == [9, 36, 9]
        assert nx.hessian(by_vector)(vector).tolist() == [[18, 0, 3], [0, 36, 12], [3, 12, 0]]

    def test_under_vmap(self):
        batch = {"x": torch.arange(6.0).reshape(3, 2), "y": torch.arange(3.0)}
        assert nx.vmap(lambda tree: nx.tree.ravel(tree)[0])(batch).tolist() == [[0, 1, 0], [2, 3, 1], [4, 5, 2]]

    def test_wrong_use(self):
        with pytest.raises(nx.InputError, match=r"tree of tensors(.|\n)*tree\['name'\](.|\n)*'layer'"):
            nx.tree.ravel({"name": "layer"})
        _, unravel = nx.tree.ravel((1.0, 2.0))
        with pytest.raises(nx.InputError, match=r"as many elements(.|\n)*\(2,\)(.|\n)*\(3,\)"):
            unravel(torch.zeros(3))
