"""Every operator under two vmaps, of which each maps other operands: its gradients are those of a loop.

To the outer vmap's rules the inner batch is a dimension, which some operands have and others have not: torch's rules
for several kernels take these for operands of one shape.
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from every_argument import ROWS
from every_argument.results import _cotangent, _floating, _leaves, _with_points, floating_in
from every_argument.spellings import spellings

import nexnet as nx
from nexnet.ops import listing

OUTER, INNER = 2, 3
WEIGHTS = torch.tensor([[1.0, -0.4, 0.7], [0.3, 0.9, -0.8]], dtype=torch.float64)
#: Their value is random, one for Python to go by, or of another shape for each example: test_vmap has them.
NOT_MAPPED = {
    "allclose", "alpha_dropout", "argwhere", "bernoulli", "binomial", "dropout", "dropout1d", "dropout2d", "dropout3d",
    "equal", "feature_alpha_dropout", "feature_dropout", "fractional_max_pool2d", "fractional_max_pool3d",
    "fractional_max_pool2d_with_indices", "fractional_max_pool3d_with_indices", "gumbel_softmax", "is_nonzero",
    "masked_select", "multinomial", "nonzero", "pca_lowrank", "poisson", "rand_like", "randint_like", "randn_like",
    "rrelu", "svd_lowrank", "unique", "unique_consecutive",
}  # fmt: skip
#: Of their arguments, one has a gradient.
OF_ONE = {"igamma", "igammac", "special_zeta"}
WITHOUT = {each.name for each in listing() if each.orders == "none"}


def differentiable() -> list[str]:
    """Name the operators that a call by default can be differentiated by something."""
    names = sorted(set(ROWS) - NOT_MAPPED - OF_ONE - WITHOUT)
    return [name for name in names if floating_in(next(ROWS[name].calls(name, getattr(nx.ops, name)))[1])]


def scalar_function(name: str) -> tuple[Any, list[torch.Tensor]]:
    """Give the operator as a function of its floating tensors, made a number that is not linear in what comes out."""
    operator, row = getattr(nx.ops, name), ROWS[name]
    _, given = next(row.calls(name, operator))
    points = floating_in(given)
    _, call = next(spellings(row.parameters(operator), given))

    def total(*moved: Any) -> Any:
        arguments, keywords = _with_points(call, points, moved, lambda each: each)
        outs = _floating(_leaves(row.through(operator(*arguments, **keywords))))
        parts = [nx.ops.real(out * _cotangent(torch.empty(out.shape, dtype=out.dtype))) for out in outs]
        return sum((part + 0.5 * part * part).sum() for part in parts)

    return total, points


def mapped(fn: Any, by: list[str]) -> Any:
    """Map it by the inner vmap, then the outer, where each operand is mapped by that which it names."""
    for level, size in (("inner", INNER), ("outer", OUTER)):
        dims = tuple(0 if each == level else None for each in by)
        if any(each == 0 for each in dims):
            fn = nx.vmap(fn, dims)
        else:
            fn = _repeated(fn, size)
    return fn


def _repeated(fn: Any, size: int) -> Any:
    return lambda *operands: nx.vmap(lambda _: fn(*operands))(torch.zeros(size))


def ways(count: int) -> list[list[str]]:
    """Say by which vmap each operand is mapped: by one and the same, and one otherwise than the rest."""
    found = [[one] * count for one in ("outer", "inner")]
    for i, (one, other) in itertools.product(range(count), itertools.permutations(("outer", "inner"))):
        found.append([one if i == j else other for j in range(count)])
    return [each for i, each in enumerate(found) if each not in found[:i]][:6]


@pytest.mark.filterwarnings("ignore:Default grid_sample")
@pytest.mark.parametrize("name", differentiable())
def test_gradients_are_the_loops(name):
    total, points = scalar_function(name)
    everything = tuple(range(len(points)))
    gradient = nx.grad(total, everything)
    for by in ways(len(points)):
        sizes = [OUTER if each == "outer" else INNER for each in by]
        stacks = [torch.stack([p * (1 + 0.013 * i) for i in range(n)]) for p, n in zip(points, sizes, strict=True)]
        pairs = list(itertools.product(range(OUTER), range(INNER)))
        looped = [
            gradient(*[stack[i if one == "outer" else j] for stack, one in zip(stacks, by, strict=True)])
            for i, j in pairs
        ]
        inside = mapped(gradient, by)(*stacks)
        outside = nx.grad(lambda *xs, by=by: (mapped(total, by)(*xs) * WEIGHTS).sum(), everything)(*stacks)
        for place, one in enumerate(by):
            each = torch.stack([grads[place].data for grads in looped])
            same(inside[place], each.reshape(OUTER, INNER, *each.shape[1:]), f"{by}, the gradient inside")
            summed = torch.zeros_like(stacks[place])
            for (i, j), grad in zip(pairs, each, strict=True):
                summed[i if one == "outer" else j] += WEIGHTS[i, j] * grad
            same(outside[place], summed, f"{by}, the gradient outside")


def same(got: Any, wanted: torch.Tensor, what: str) -> None:
    torch.testing.assert_close(
        got.data, wanted, rtol=1e-6, atol=1e-7, equal_nan=True, msg=lambda text: f"{what}\n{text}"
    )
