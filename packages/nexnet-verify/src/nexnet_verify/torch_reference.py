"""The same chain of scalar functions in PyTorch, by its autograd, in float64: the convention that nexnet follows."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy
import optree
import torch
from torch import Tensor

import nexnet
from nexnet.errors import InputError, message
from nexnet.policy import RULES

from .problem import NAMESPACE, Problem, is_float, to_parts

if TYPE_CHECKING:
    from .cases import Case

__all__ = ["TorchReference", "as_torch", "torch_counterpart"]

#: Where a torch function is looked for by its name, the most public place first.
PLACES = (torch.nn.functional, torch, torch.special, torch.linalg, torch.fft, torch.Tensor)

#: What nexnet calls special_zeta is torch.special.zeta.
FACADES = {"special_": torch.special, "linalg_": torch.linalg, "fft_": torch.fft}

# How torch says that a function has no derivative of this order.
_UNDERIVED = ("is not implemented", "once_differentiable", "does not support automatic differentiation")


class TorchReference:
    """The values and derivatives that a torch function has at a problem's point."""

    def __init__(self, fn: Callable[..., Any], problem: Problem, order: int) -> None:
        self.fn = fn
        self.problem = problem
        self.order = order
        self.missing: dict[int, str] = {}
        """For an order of which torch has no derivative: what it says."""

    def outputs(self) -> list[Tensor]:
        """Give the floating outputs."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own remarks are not the user's concern
            found = [_plain(each) for each in self._outputs(self.problem.leaves)]
        self._check(found)
        return found

    def gradient(self, order: int) -> list[Tensor] | None:
        """Give the derivative of an order, as ``Problem.gradient`` does; None where torch has none."""
        leaves = [_leaf(each) for each in self.problem.leaves]
        weights = [_leaf(each) for each in self.problem.weights]
        found: list[Tensor] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            total = _dot(weights, self._outputs(leaves))
            for level in range(1, order + 1):
                followed = leaves if level == 1 else leaves + weights
                try:
                    found = _gradient(total, followed, level < order)
                except RuntimeError as error:
                    if level == 1 or not any(each in str(error) for each in _UNDERIVED):
                        raise
                    self.missing[order] = str(error).splitlines()[0]
                    return None
                if level < order:
                    total = _dot(self.problem.direction(level), found)
        return [_plain(each) for each in found]

    def _outputs(self, leaves: Sequence[Tensor]) -> list[Tensor]:
        found = optree.tree_leaves(self.fn(*self.problem.arguments(leaves, as_torch)), namespace=NAMESPACE)
        found = [torch.tensor(each, dtype=torch.float64) if isinstance(each, float) else each for each in found]
        return [to_parts(each) for each in found if isinstance(each, Tensor) and is_float(each)]

    def _check(self, outputs: Sequence[Tensor]) -> None:
        mine = [(tuple(each.shape), each.dtype) for each in self.problem.weights]
        other = [(tuple(each.shape), each.dtype) for each in outputs]
        if mine != other:
            raise InputError(
                message(
                    "PyTorch does not return what nexnet returns.",
                    rule=self.problem.name,
                    expected=", ".join(f"{shape} {dtype}" for shape, dtype in other),
                    got=", ".join(f"{shape} {dtype}" for shape, dtype in mine),
                )
            )


def torch_counterpart(case: Case) -> Callable[..., Any] | None:
    """Give the torch function that a case's operator stands for, or None if the case says why there is none.

    It is the one that the case names, or else one whose rule the operator is (``nexnet.implements``), under the
    operator's name if it has several, or else the function of that name.
    """
    if case.torch is not None:
        return case.torch
    if case.without_torch or case.call is not None:
        return None
    operator = case.operator
    implemented = [each for each, rule in RULES.items() if rule is operator]
    own = [(place, case.name) for place in PLACES]
    own += [
        (place, case.name.removeprefix(prefix)) for prefix, place in FACADES.items() if case.name.startswith(prefix)
    ]
    named = [getattr(place, name) for place, name in own if callable(getattr(place, name, None))]
    same = [each for each in implemented if getattr(each, "__name__", "") == case.name]
    for found in ([each for each in named if each in implemented], same, implemented, named):
        if found:
            return found[0]
    return None


def as_torch(value: Any) -> Any:
    """Give an argument as torch takes it: LiteTensors, also those in containers, as the tensors inside."""
    if isinstance(value, nexnet.LiteTensor):
        return value.data
    if isinstance(value, numpy.ndarray):
        return torch.as_tensor(value)
    if type(value) in (list, tuple):
        return type(value)(map(as_torch, value))
    return {key: as_torch(each) for key, each in value.items()} if type(value) is dict else value


def _plain(tensor: Tensor) -> Tensor:
    """Give the numbers: torch's autograd makes zeros that have no storage."""
    return torch.zeros(tensor.shape, dtype=tensor.dtype) if tensor._is_zerotensor() else tensor.detach()


def _leaf(tensor: Tensor) -> Tensor:
    return tensor.detach().requires_grad_()


def _gradient(total: Tensor, followed: Sequence[Tensor], create_graph: bool) -> list[Tensor]:
    if not total.requires_grad:
        return [torch.zeros_like(each) for each in followed]
    return list(
        torch.autograd.grad(total, followed, create_graph=create_graph, allow_unused=True, materialize_grads=True)
    )


def _dot(left: Sequence[Tensor], right: Sequence[Tensor]) -> Tensor:
    total = torch.zeros((), dtype=torch.float64)
    for a, b in zip(left, right, strict=True):
        total = total + (b * a).sum()
    return total
