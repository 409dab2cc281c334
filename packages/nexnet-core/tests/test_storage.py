"""A tensor's memory, also of a batched one, and the tensors that a value holds."""

from functools import partial

import torch

import nexnet as nx
from nexnet._storage import memory_of, storage_of, tensors_in, unbatched

X = torch.ones(4, 3)


def test_views_have_one_memory_and_copies_another():
    assert memory_of(X) is memory_of(X[1:].T)
    assert storage_of(X) == storage_of(X[1:].T) != storage_of(X.clone())


def test_of_a_sparse_tensor_it_can_t_be_seen():
    assert (memory_of(X.to_sparse()), storage_of(X.to_sparse())) == (None, 0)


def test_a_batched_tensor_has_that_of_the_batch():
    seen = []

    def look(x):
        seen.append((storage_of(x), unbatched(x)))
        return x

    torch.func.vmap(torch.func.vmap(look), in_dims=1)(X)
    assert seen[0][0] == storage_of(X)
    assert torch.equal(seen[0][1], X.T)


def test_what_a_value_holds():
    y = nx.LiteTensor(X)

    class Layer:
        def method(self):
            raise NotImplementedError

    def closes_over():
        return lambda z=X: (z, y)

    recursive = lambda: recursive  # noqa: E731  a name for itself
    held = (1, None, [X, {"y": y}], closes_over(), lambda: closes_over, partial(print, X), Layer().method, recursive)
    assert [storage_of(each) for each in tensors_in(held)] == [storage_of(X)] * 6
