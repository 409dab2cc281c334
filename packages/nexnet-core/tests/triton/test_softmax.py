"""softmax and its logarithm: torch's at both orders, whatever the shape, the layout and the values."""

import importlib
import math

import pytest
import torch

import nexnet as nx

NAMES = ("softmax", "log_softmax")
INF, NAN = math.inf, math.nan


@pytest.fixture(params=NAMES)
def both(request):
    """nexnet.triton's function and torch's."""
    return getattr(importlib.import_module("nexnet.triton"), request.param), getattr(torch, request.param)


@pytest.fixture
def short_rows(monkeypatch):
    """Rows of more than 16 elements are read twice, in parts of 8."""
    rows = importlib.import_module("nexnet.triton._rows")
    monkeypatch.setattr(rows, "WHOLE", 16)
    monkeypatch.setattr(rows, "PART", 8)


def test_of_drawn_shapes_is_torchs(both, check, drawn):
    mine, theirs = both
    for draw in drawn:
        shape = [draw.size(3) for _ in range(draw.randint(0, 2))] + [draw.size(9)]
        dim = draw.randrange(-len(shape), len(shape))
        x = draw.tensor(*shape, dtype=draw.dtype())
        check(lambda x, dim=dim: mine(x, dim), lambda x, dim=dim: theirs(x, dim), x)


def test_of_drawn_rows_that_are_read_in_parts_is_torchs(both, check, drawn, short_rows):
    mine, theirs = both
    for draw in drawn:
        x = draw.tensor(draw.size(3), draw.randint(17, 70), dtype=draw.dtype())
        check(lambda x: mine(x, -1), lambda x: theirs(x, -1), x)


def test_of_a_scalar_and_of_nothing(both, check):
    mine, theirs = both
    for shape in ((), (1,), (0,), (3, 0), (0, 3)):
        check(lambda x: mine(x, -1), lambda x: theirs(x, -1), torch.randn(shape, dtype=torch.float64))


ROWS = [
    [1.0, 2.0, -INF, 3.0], [-INF, -INF, -INF, -INF], [INF, 1.0, 2.0, 3.0], [INF, INF, 1.0, 2.0], [NAN, 1.0, 2.0, 3.0],
    [1000.0, -1000.0, 999.0, 0.0], [1e30, 1e30, -1e30, 0.0],
]  # fmt: skip


@pytest.mark.parametrize("width", [4, 32])
def test_of_infinities_and_nan_is_torchs(both, short_rows, width):
    mine, theirs = both
    x = torch.tensor(ROWS).repeat(1, width // 4)
    leaf = x.clone().requires_grad_()
    out = theirs(leaf, -1)
    weights = torch.linspace(0.5, 1.5, width)
    (expected,) = torch.autograd.grad((out * weights).sum(), leaf)
    torch.testing.assert_close(mine(nx.LiteTensor(x), -1).data, out.detach(), equal_nan=True)
    gradient = nx.grad(lambda x: (mine(x, -1) * nx.LiteTensor(weights)).sum())(x).data
    torch.testing.assert_close(gradient, expected, equal_nan=True)


def test_converts_first_if_it_is_told_to(both):
    mine, theirs = both
    x = torch.randn(3, 5).half()
    out = mine(nx.LiteTensor(x), -1, torch.float32)
    torch.testing.assert_close(out.data, theirs(x, -1, dtype=torch.float32))
    assert nx.grad(lambda x: mine(x, -1, torch.float32).square().sum())(x).dtype is torch.float16


def test_of_a_batch_of_vmap_is_that_of_each(both, check):
    mine, theirs = both
    x = torch.randn(4, 3, 5, dtype=torch.float64)
    check(lambda x: nx.vmap(lambda x: mine(x, 0))(x), lambda x: theirs(x, 1), x)
    per_example = nx.vmap(nx.grad(lambda x: mine(x, -1).square().sum()))(nx.LiteTensor(x))
    together = nx.grad(lambda x: mine(x, -1).square().sum())(x)
    torch.testing.assert_close(per_example.data, together.data)


def test_forward_mode_and_third_order(both):
    mine, theirs = both
    own = getattr(nx, theirs.__name__)
    x, v = torch.randn(2, 5, dtype=torch.float64), torch.randn(2, 5, dtype=torch.float64)
    pushed = [nx.jvp(lambda x, f=f: f(x, -1).square(), (x,), (v,))[1].data for f in (mine, own)]
    torch.testing.assert_close(*pushed)

    def third(f):
        def directional(g):
            return lambda x: (nx.grad(g)(x) * nx.LiteTensor(v)).sum()

        return nx.grad(directional(directional(lambda x: f(x, -1).sin().sum())))(x).data

    torch.testing.assert_close(third(mine), third(own))


def test_a_dimension_that_is_not_there_is_torchs_error(both):
    with pytest.raises(IndexError, match="Dimension out of range"):
        both[0](nx.zeros(3), 1)
