"""Every operator with a tensor of a wrong dtype: what the call on one example refuses, vmap refuses.

Torch's rules for vmap, and nexnet's where torch has none, do without the kernels that look at dtypes: a complex target
of a real loss gave a real number.
"""

from __future__ import annotations

from typing import Any

import optree
import pytest
import torch
from every_argument import ROWS
from every_argument.results import _for_a_call
from every_argument.spellings import spellings

import nexnet as nx

WRONG = (torch.complex128, torch.bool, torch.int64, torch.float64)
FIRST = torch.zeros(())

pytestmark = pytest.mark.filterwarnings("ignore")  # of torch's: an imaginary part that is discarded, say


@pytest.mark.parametrize("name", sorted(ROWS))
def test_vmap_refuses_what_one_example_is_refused_for(name):
    row, operator = ROWS[name], getattr(nx.ops, name)
    _, given = next(row.calls(name, operator))
    _, call = next(spellings(row.parameters(operator), given))
    leaves, treespec = optree.tree_flatten(call, none_is_leaf=True)
    places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]

    def called(tensors: dict[int, Any]) -> None:
        args, kwargs = optree.tree_unflatten(treespec, [tensors.get(i, _for_a_call(x)) for i, x in enumerate(leaves)])
        row.through(operator(*args, **kwargs))

    for i in places:
        for dtype in {*WRONG} - {leaves[i].dtype}:
            tensors = {j: nx.LiteTensor(leaves[j].to(dtype) if i == j else leaves[j]) for j in places}
            refusal = refused(called, tensors)
            if refusal is None:
                continue
            for mapped in ([i], places, [j for j in places if j != i]):
                if mapped:
                    said = f"argument {i} of {dtype}, with {mapped} mapped, where one example says: {refusal}"
                    assert refused(over_two, called, tensors, mapped), said


def over_two(called: Any, tensors: dict[int, Any], mapped: list[int]) -> None:
    """Call with two like examples of the tensors that are mapped."""

    def example(*each: Any) -> Any:
        called({**tensors, **dict(zip(mapped, each, strict=True))})
        return FIRST

    nx.vmap(example, randomness="different")(*[nx.stack([tensors[i]] * 2) for i in mapped])


def refused(function: Any, *args: Any) -> str | None:
    """Give the error of a call, or None."""
    try:
        function(*args)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


@pytest.mark.parametrize("size", [2, 0])
def test_the_refusal_is_that_of_one_example(size):
    x, target = nx.LiteTensor(torch.rand(3, 4)), nx.LiteTensor(torch.zeros(size, 3, 4, dtype=torch.complex64))
    mapped = nx.vmap(lambda t: nx.huber_loss(x, t))
    for loss in (mapped, lambda t: nx.vmap(mapped)(t.unsqueeze(1)), nx.grad(lambda t: mapped(t).abs().sum())):
        with pytest.raises(NotImplementedError, match="not implemented for 'ComplexFloat'"):
            loss(target)


def test_the_first_example_alone_draws_nothing():
    x = torch.ones(5, 8, dtype=torch.complex64)
    torch.manual_seed(0)
    expected = torch.vmap(torch.randn_like, randomness="different")(x)
    torch.manual_seed(0)
    assert torch.equal(nx.vmap(nx.randn_like, randomness="different")(x).data, expected)
