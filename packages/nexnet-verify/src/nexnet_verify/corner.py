"""One corner: a point without a derivative, what is expected there, and whether nexnet gives it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

import nexnet

__all__ = ["AnyOf", "Corner", "CornerResult", "check_corner"]


@dataclass(frozen=True)
class Corner:
    """A point without a derivative, or with one that is easily wrong.

    Attributes:
        operator: the operator it belongs to.
        point: what is differentiated, where.
        fn: the function of the tensors, which finds operators in the namespace ``o``.
        inputs: the tensors, as nested lists.
        expected: for each input, its gradient (of the sum of the output), or several that are all right.
        order: 2 for the gradient of the gradient's sum.
        raises: what there is in place of a gradient.
        torch, jax: what these do, where they differ.
    """

    operator: str
    point: str
    fn: Callable[..., Any]
    inputs: Sequence[Any]
    expected: Sequence[Any]
    order: int = 1
    raises: type[Exception] | None = None
    torch: str = ""
    jax: str = ""


@dataclass(frozen=True)
class CornerResult:
    """What nexnet gave at a corner. ``status``: "right", "WRONG" or "not built"."""

    corner: Corner
    status: str
    got: str

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON takes it."""
        corner = self.corner
        return {
            "operator": corner.operator,
            "point": corner.point,
            "order": corner.order,
            "expected": [corner.raises.__name__] if corner.raises else [repr(each) for each in corner.expected],
            "got": self.got,
            "status": self.status,
            "torch": corner.torch,
            "jax": corner.jax,
        }


class AnyOf(tuple[Any, ...]):
    """Several answers, each of which is right."""


def check_corner(corner: Corner) -> CornerResult:
    """Compute a corner's gradients and compare them with the table."""
    if corner.operator and not hasattr(nexnet.ops, corner.operator):
        return CornerResult(corner, "not built", "")
    inputs = [nexnet.LiteTensor(torch.tensor(each, dtype=torch.float64)) for each in corner.inputs]
    places = tuple(range(len(inputs)))

    def total(*tensors: nexnet.LiteTensor) -> Any:
        gradient = nexnet.grad(corner.fn, argnums=places)(*tensors)
        result = nexnet.ops.sum(gradient[0])
        for each in gradient[1:]:
            result = result + nexnet.ops.sum(each)
        return result

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own remarks on the variance of one element
            found = nexnet.grad(corner.fn if corner.order == 1 else total, argnums=places)(*inputs)
    except Exception as error:
        if corner.raises is not None and isinstance(error, corner.raises):
            return CornerResult(corner, "right", type(error).__name__)
        return CornerResult(corner, "WRONG", f"{type(error).__name__}: {str(error).splitlines()[0]}")
    got = [each.data.tolist() for each in found]
    right = corner.raises is None and all(
        _fits(each.data, expected) for each, expected in zip(found, corner.expected, strict=True)
    )
    return CornerResult(corner, "right" if right else "WRONG", ", ".join(map(str, got)))


def _fits(got: torch.Tensor, expected: Any) -> bool:
    if isinstance(expected, AnyOf):
        return any(_fits(got, each) for each in expected)
    want = torch.tensor(expected, dtype=torch.float64)
    return got.shape == want.shape and torch.allclose(got, want, rtol=1e-12, atol=1e-12, equal_nan=True)
