"""What a call comes to, in nexnet and in torch: its value, and its gradients by every tensor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import optree
import torch
from torch import Tensor

import nexnet as nx

from .row import Fresh, Refused, Spread
from .spellings import Call

Function = Callable[..., Any]


def in_nexnet(
    function: Function, call: Call, points: Sequence[Tensor], through: Function, tangents: bool = False
) -> tuple[list[Any], list[Tensor]]:
    """Give what comes out, and the gradients by the points, with which the ``tangents`` of forward mode agree."""
    found: list[Any] = []

    def floating(*moved: Any) -> tuple[Any, ...]:
        args, kwargs = _with_points(call, points, moved, nx.LiteTensor)
        torch.manual_seed(0)
        found[:] = _leaves(through(function(*args, **kwargs)))
        return tuple(_floating(found))

    here = [nx.LiteTensor(each) for each in points]
    if not points:
        floating()
        return [_raw(each) for each in found], []
    outs, pullback = nx.vjp(floating, *here)
    value = [_raw(each) for each in found]
    cotangents = [_cotangent(each.data) for each in outs]
    gradients = [each.data for each in pullback(tuple(map(nx.LiteTensor, cotangents)))]
    if tangents:
        directions = [_cotangent(each) for each in points]
        pushed = nx.jvp(floating, tuple(here), tuple(map(nx.LiteTensor, directions)))[1]
        forward = sum(_dot(c, each.data) for c, each in zip(cotangents, pushed, strict=True))
        backward = sum(_dot(g, each) for g, each in zip(gradients, directions, strict=True))
        torch.testing.assert_close(forward, backward, rtol=1e-4, atol=1e-5, equal_nan=True)
    return value, gradients


def in_torch(
    function: Function, call: Call, points: Sequence[Tensor], through: Function
) -> tuple[list[Any], list[Tensor] | None]:
    """Give the same by torch's own autograd; None for gradients that torch does not have."""
    here = [each.clone().requires_grad_() for each in points]
    args, kwargs = _with_points(call, points, here, lambda each: each)
    torch.manual_seed(0)
    found = _leaves(through(function(*args, **kwargs)))
    outs = [each for each in _floating(found) if each.requires_grad]
    value = [_raw(each) for each in found]
    if not outs:
        return value, None
    cotangents = [_cotangent(each) for each in _floating(found) if each.requires_grad]
    try:
        gradients = torch.autograd.grad(outs, here, cotangents, allow_unused=True, materialize_grads=True)
    except RuntimeError:
        return value, None
    return value, [each.detach().to_dense() for each in gradients]


def floating_in(given: dict[str, Any]) -> list[Tensor]:
    """Give the tensors among arguments that a call can be differentiated by, in their order."""
    return [each for value in given.values() for each in _floating(_leaves(value))]


def _with_points(call: Call, points: Sequence[Tensor], moved: Sequence[Any], wrap: Function) -> Call:
    """Give a call with its tensors wrapped, and others in the place of its points."""
    by_id = {id(point): other for point, other in zip(points, moved, strict=True)}
    leaves, treespec = optree.tree_flatten(call, none_is_leaf=True)
    filled = [by_id.get(id(each), wrap(each)) if isinstance(each, Tensor) else _for_a_call(each) for each in leaves]
    return optree.tree_unflatten(treespec, filled)  # type: ignore[return-value]


def _for_a_call(value: Any) -> Any:
    if isinstance(value, Fresh):
        return value.make()
    return value.value if isinstance(value, Refused) else value


def _leaves(tree: Any) -> list[Any]:
    tree = tree.values if isinstance(tree, Spread) else tree
    return list(optree.tree_leaves(tree, none_is_leaf=True))


def _floating(leaves: Sequence[Any]) -> list[Any]:
    return [each for each in leaves if _is_floating(each)]


def _is_floating(value: Any) -> bool:
    return isinstance(value, (Tensor, nx.LiteTensor)) and (value.dtype.is_floating_point or value.dtype.is_complex)


def _raw(value: Any) -> Any:
    return value.data if isinstance(value, nx.LiteTensor) else value.detach() if isinstance(value, Tensor) else value


def _cotangent(like: Tensor) -> Tensor:
    numbers = torch.cos(1.0 + torch.arange(like.numel(), dtype=torch.float64)).reshape(like.shape)
    return (torch.complex(numbers, numbers.roll(1)) if like.is_complex() else numbers).to(like.dtype)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a.conj() * b).real.double().sum()
