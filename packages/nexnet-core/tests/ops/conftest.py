"""The reference of the operator tests: torch's own autograd in float64, to any order, with random cotangents.

The tests import nothing from here: pytest hands the helpers out as fixtures, ``draw`` and ``check_against_torch``.
nexnet is imported within them, after the choice of its engine (``--engine``).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import pytest
import torch

# Relative and absolute.
TOLERANCE = {torch.float64: (1e-9, 1e-10), torch.float32: (2e-5, 1e-5), torch.float16: (5e-3, 5e-3)}


@pytest.fixture
def draw(request: pytest.FixtureRequest) -> Callable[..., torch.Tensor]:
    """``draw(*shape, low=-2, high=2, dtype=torch.float64)``: uniform values, seeded by the test's name."""
    generator = torch.Generator().manual_seed(zlib.crc32(request.node.name.encode()))

    def draw(*shape: int, low: float = -2.0, high: float = 2.0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
        return (low + (high - low) * torch.rand(shape, generator=generator, dtype=torch.float64)).to(dtype)

    return draw


@pytest.fixture
def check_against_torch() -> Callable[..., None]:
    """``check_against_torch(nexnet_fn, torch_fn, *tensors, order=2)``; see ``_check_against_torch``."""
    return _check_against_torch


def _check_against_torch(
    nexnet_fn: Callable[..., Any],
    torch_fn: Callable[..., Any],
    *tensors: torch.Tensor,
    order: int = 2,
    rtol: float | None = None,
    atol: float | None = None,
) -> None:
    """Compare the value and every derivative up to ``order`` with torch's.

    Both functions get the tensors (LiteTensors for nexnet) and return a tensor or a tuple of tensors. The derivatives
    are those by every floating tensor and, from the second order on, by the cotangents too: all are random and
    non-uniform. Shape and dtype must agree, NaN equals NaN, and what torch does not reach is zero.
    """
    import nexnet as nx

    outs = _tensors(torch_fn(*tensors))
    mine = _tensors(nexnet_fn(*[nx.LiteTensor(each) for each in tensors]))
    assert len(mine) == len(outs)
    for i, (got, expected) in enumerate(zip(mine, outs, strict=True)):
        _assert_close(got, expected, f"output {i}", rtol, atol)

    generator = torch.Generator().manual_seed(len(tensors) + 10 * len(outs))
    places = [i for i, each in enumerate(tensors) if each.is_floating_point()]
    points = [tensors[i] for i in places]
    cotangents = [_cotangent(each, generator) for each in outs if each.is_floating_point()]
    mine_now: Callable[..., Any] = _contraction(nexnet_fn, [nx.LiteTensor(each) for each in tensors], places)
    torch_now: Callable[..., Any] = _contraction(torch_fn, list(tensors), places)
    for degree in range(1, order + 1):
        points = points + cotangents
        argnums = tuple(range(len(places) if degree == 1 else len(points)))
        mine_now, torch_now = nx.grad(mine_now, argnums), _torch_gradient(torch_now, argnums)
        expected_all = torch_now(*points)
        got_all = mine_now(*[nx.LiteTensor(each) for each in points])
        for i, (got, expected) in enumerate(zip(got_all, expected_all, strict=True)):
            _assert_close(got, expected, f"derivative of order {degree} by argument {i}", rtol, atol)
        cotangents = [_cotangent(each, generator) for each in expected_all]
        mine_now, torch_now = _contract(mine_now, len(points)), _contract(torch_now, len(points))


def _contraction(fn: Callable[..., Any], tensors: list[Any], places: list[int]) -> Callable[..., Any]:
    """Give sum_k <out_k, c_k> as a function of the floating tensors and of the cotangents c."""

    def contracted(*points: Any) -> Any:
        args = list(tensors)
        for i, place in enumerate(places):
            args[place] = points[i]
        return _dot([each for each in _tensors(fn(*args)) if each.dtype.is_floating_point], points[len(places) :])

    return contracted


def _contract(gradient: Callable[..., Any], count: int) -> Callable[..., Any]:
    return lambda *points: _dot(gradient(*points[:count]), points[count:])


def _torch_gradient(fn: Callable[..., Any], argnums: tuple[int, ...]) -> Callable[..., Any]:
    def gradient(*points: torch.Tensor) -> tuple[torch.Tensor, ...]:
        leaves = [each if each.requires_grad else each.detach().requires_grad_() for each in points]
        out = fn(*leaves)
        wanted = [leaves[i] for i in argnums]
        if not out.requires_grad:
            return tuple(torch.zeros_like(each) for each in wanted)
        return torch.autograd.grad(out, wanted, create_graph=True, materialize_grads=True)

    return gradient


def _dot(outs: Any, cotangents: Any) -> Any:
    total = None
    for out, cotangent in zip(outs, cotangents, strict=True):
        term = (out * cotangent).sum()
        total = term if total is None else total + term
    return total


def _tensors(out: Any) -> tuple[Any, ...]:
    return tuple(out) if isinstance(out, (tuple, list)) else (out,)


def _cotangent(like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return (torch.rand(like.shape, generator=generator, dtype=torch.float64) + 0.5).to(like.dtype)


def _assert_close(got: Any, expected: torch.Tensor, what: str, rtol: float | None, atol: float | None) -> None:
    assert type(got).__name__ == "LiteTensor", f"{what} is a {type(got).__name__}"
    relative, absolute = TOLERANCE.get(expected.dtype, (0.0, 0.0))
    torch.testing.assert_close(
        got.data,
        expected.detach(),
        rtol=relative if rtol is None else rtol,
        atol=absolute if atol is None else atol,
        equal_nan=True,
        msg=lambda text: f"{what}: {text}",
    )
